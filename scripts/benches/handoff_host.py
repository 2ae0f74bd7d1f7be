"""A media process for the handoff bench: messages as JSON lines in, replies and facts as JSON lines out.

The engine and bridge are the real ones; nobody is at the other ends of the links to model and recorder.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

import structlog

from voicewatch.core.events import Fact
from voicewatch.media.bridge import Bridge
from voicewatch.media.engine import Engine
from voicewatch.media.feeds import Feeds
from voicewatch.media.prompt import Prompts
from voicewatch.media.webrtc import WebRtc
from voicewatch.processes.messages import (
    AttachLeg,
    DetachLeg,
    Message,
    OpenCall,
    SetAudibility,
    parse_message,
)
from voicewatch.settings import MediaSettings

structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))


class Nowhere:
    """A link whose other end takes all."""

    connected = True

    def tell(self, message: Message, payload: bytes = b"") -> bool:
        return True


class Watch:
    """How late each tick's packets were out, and how much of that this process spent computing."""

    def __init__(self, engine: Engine) -> None:
        self.ticks: list[tuple[int, float, float]] = []
        """(due, late_ms, computed_ms); what was computed since the tick before counts."""
        self._engine, self._run, self._after = engine, engine.run_tick, engine.after_tick
        self._rested_ns = time.thread_time_ns()
        setattr(engine, "run_tick", self._run_tick)  # noqa: B010 - around a method of a stranger
        engine.after_tick = self._packets_out

    def _run_tick(self, due_ns: int) -> None:
        self._began_ns, self._computed_ns = time.monotonic_ns(), time.thread_time_ns()
        self._run(due_ns)
        self._rested_ns = time.thread_time_ns()

    def _packets_out(self, tick: int, due_ns: int) -> None:
        late_ns = time.monotonic_ns() - due_ns
        before_ns = min(max(0, self._began_ns - due_ns), self._computed_ns - self._rested_ns)
        computed_ns = before_ns + time.thread_time_ns() - self._computed_ns
        self.ticks.append((due_ns, late_ns / 1e6, computed_ns / 1e6))
        self._after(tick, due_ns)


async def obey(bridge: Bridge, message: Message) -> dict[str, Any]:
    match message:
        case OpenCall():
            return bridge.open_call(message)
        case AttachLeg():
            return await bridge.attach_leg(message)
        case SetAudibility():
            return bridge.set_audibility(message)
        case DetachLeg():
            return bridge.detach_leg(message.leg_id, message.reason)
    raise ValueError(message.type)


def say(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)


async def main(address: str) -> None:
    settings = MediaSettings()
    engine = Engine(
        bitrate_bps=settings.opus_bitrate_bps,
        complexity=settings.opus_complexity,
        vad_mode=2,
        max_legs=64,
        backdrop_dbfs=settings.comfort_noise_dbfs,
        adapts=False,
    )

    def report(fact: Fact) -> None:
        say({"fact": fact.model_dump(mode="json"), "mono_ns": time.monotonic_ns()})

    webrtc = WebRtc(address, allow_private=True, max_candidates=16, lull=engine.lull)
    await webrtc.warm_up()
    bridge = Bridge(
        engine,
        webrtc,
        Feeds(Nowhere(), Nowhere(), report, settings.audio_ring_s),
        settings,
        Prompts(),
        process="media-0",
        report=report,
        signal=lambda signals: None,
        now_ns=time.monotonic_ns,
    )
    watch = Watch(engine)
    ticking = asyncio.create_task(engine.run())
    lines = asyncio.StreamReader(limit=1 << 20)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    say({"ready": True})
    while line := await lines.readline():
        wanted = json.loads(line)
        say({"reply": wanted["id"], "result": await obey(bridge, parse_message(wanted["message"]))})
    say({"ticks": watch.ticks})
    await bridge.close()
    ticking.cancel()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
