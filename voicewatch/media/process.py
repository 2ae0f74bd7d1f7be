"""A media process: the engine with its links to front, model and recorder.

Nothing here waits for anybody: facts are spooled by the link, signals and audio are told at most once or kept
in bounded rings, and the tick goes on whoever is there.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Sequence
from typing import Any

import structlog

from voicewatch.core.events import MediaStatus, Signal
from voicewatch.core.ids import ulid
from voicewatch.media.bridge import Bridge
from voicewatch.media.engine import Engine
from voicewatch.media.feeds import Feeds
from voicewatch.media.prompt import BadClip, Prompts
from voicewatch.media.seats import MAX_SEATS
from voicewatch.media.webrtc import WebRtc
from voicewatch.processes.link import Link
from voicewatch.processes.messages import (
    AttachLeg,
    CloseCall,
    DetachLeg,
    Heard,
    MarkClause,
    Message,
    OpenCall,
    SendDigits,
    SetAudibility,
    TrickleLeg,
)
from voicewatch.processes.problem import Problem
from voicewatch.processes.sockets import Sockets
from voicewatch.settings import BadSettings, Settings

log = structlog.get_logger(__name__)


REPORTED_WITHIN_S = 5.0
"""The last reports of a process that leaves are waited for so long."""


async def run(settings: Settings, sockets: Sockets, name: str, leave: asyncio.Event | None = None) -> None:
    """Carry calls until cancelled, or until the last one is over after `leave` was set.

    OpusError if there is no libopus.
    """
    await MediaProcess(settings, sockets, name).run(leave or asyncio.Event())


class MediaProcess:
    """Wires one engine, one bridge and three links."""

    def __init__(self, settings: Settings, sockets: Sockets, name: str) -> None:
        self._name = name
        epoch = ulid(time.time_ns() // 1_000_000, secrets.token_bytes(10))
        media = settings.media
        self._front = Link(
            sockets.path("front"), name, epoch, state=lambda: self.bridge.state(), on_ask=self._obey
        )
        self._model = Link(
            sockets.path("model"), name, epoch, on_message=self._from_model, on_up=lambda: feeds.model_came()
        )
        self._recorder = Link(sockets.path("recorder"), name, epoch, on_up=lambda: feeds.recorder_came())
        feeds = self._feeds = Feeds(self._model, self._recorder, self._front.report, media.audio_ring_s)
        self.engine = Engine(
            bitrate_bps=media.opus_bitrate_bps,
            complexity=media.opus_complexity,
            vad_mode=settings.speech.vad_aggressiveness,
            max_legs=media.max_calls * MAX_SEATS,
            backdrop_dbfs=media.comfort_noise_dbfs,
        )
        self._webrtc = WebRtc(
            settings.host,
            allow_private=media.allow_private_addresses,
            max_candidates=media.max_candidates,
            lull=self.engine.lull,
        )
        try:
            prompts = Prompts(spoken_clip=media.handoff_notice_clip, hold_clip=media.hold_audio_clip)
        except BadClip as error:
            raise BadSettings(str(error)) from None
        self.bridge = Bridge(
            self.engine,
            self._webrtc,
            feeds,
            media,
            prompts,
            process=name,
            report=self._front.report,
            signal=self._signal,
            now_ns=time.monotonic_ns,
        )

    async def run(self, leave: asyncio.Event) -> None:
        await self._webrtc.warm_up()
        try:
            async with asyncio.TaskGroup() as tasks:
                links = (self._front, self._model, self._recorder)
                working = [tasks.create_task(one.run()) for one in (self.engine, *links)]
                await leave.wait()
                await self._finish_calls()
                for task in working:
                    task.cancel()
        finally:
            await self.bridge.close()

    async def _finish_calls(self) -> None:
        """Take no new ones, tell so at once, and wait for the last."""
        self.bridge.leave()
        log.info("leaving", calls=len(self.bridge.calls))
        self._signal([self.engine.status(self._name, len(self.bridge.calls))])
        await self.bridge.empty.wait()
        await self._front.settled(REPORTED_WITHIN_S)

    def _signal(self, signals: Sequence[Signal]) -> None:
        self._front.signal(
            [self._with_links(one) if isinstance(one, MediaStatus) else one for one in signals]
        )

    def _with_links(self, status: MediaStatus) -> MediaStatus:
        """What the bridge does not know of: how the other processes take what they are told."""
        return status.model_copy(
            update={
                "recorder_dropped": self._feeds.packets_dropped,
                "model_missed": self._feeds.chunks_missed,
                "tells_dropped": sum(link.dropped for link in (self._front, self._model, self._recorder)),
                "spool_waiting": self._front.waiting,
                "spool_dropped": self._front.lost,
                "leaving": self.bridge.leaving,
            }
        )

    async def _obey(self, command: Message) -> dict[str, Any]:
        """Front's commands. Raises Problem."""
        bridge = self.bridge
        match command:
            case OpenCall():
                return bridge.open_call(command)
            case AttachLeg():
                return await bridge.attach_leg(command)
            case TrickleLeg():
                return await bridge.trickle_leg(command.leg_id, command.fragment)
            case DetachLeg():
                return bridge.detach_leg(command.leg_id, command.reason)
            case SetAudibility():
                return bridge.set_audibility(command)
            case MarkClause():
                return bridge.mark_clause(command.call_id, command.seat_id)
            case SendDigits():
                return bridge.send_digits(command.call_id, command.seat_id, command.digits)
            case CloseCall():
                return bridge.close_call(command.call_id, command.reason)
        raise Problem(400, "Bad command", f"a media process does not know the command {command.type!r}")

    def _from_model(self, message: Message, _: bytes) -> None:
        if isinstance(message, Heard):
            self._feeds.heard(message.stream, message.upto_ms)
