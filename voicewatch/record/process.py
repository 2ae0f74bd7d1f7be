"""The recorder process: takes packets from media, writes the files, tells front what there is."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import structlog

from voicewatch.core.events import Event
from voicewatch.core.ids import ulid
from voicewatch.processes.link import Link, LinkServer, Peer
from voicewatch.processes.messages import (
    CloseStream,
    ForgetCall,
    Hello,
    Message,
    OpenStream,
    Packets,
    SetRecording,
)
from voicewatch.processes.problem import Problem
from voicewatch.processes.sockets import Sockets
from voicewatch.processes.wire import BadPeer
from voicewatch.record.recordings import BadId, Recorder
from voicewatch.record.sealing import find_key
from voicewatch.settings import Settings, cannot_write

log = structlog.get_logger()

SYNC_S = 1.0
"""What is in the files is brought to the disk so often, by a thread: a power failure costs that, and the page
of a second that was not yet full. A disk that takes longer is asked again when it is done."""
LAST_WORDS_S = 2.0
"""At its end the recorder waits so long for front to take the last facts; a new one tells the rest."""


async def run(settings: Settings, sockets: Sockets, name: str) -> None:
    """Records until cancelled. BadSettings if the data folder cannot be written."""
    link = Link(
        sockets.path("front"),
        name,
        ulid(time.time_ns() // 1_000_000, secrets.token_bytes(10)),
        on_ask=lambda command: _answer(recorder, command),
        on_ack=lambda seq: recorder.acknowledged(seq),
        state=lambda: {"paused": recorder.paused_calls()},
    )
    folder = settings.data / "recordings"
    try:
        recorder = Recorder(folder, link.report, partial(find_key, settings.data / "journal" / "keys.db"))
        recorder.report_earlier()
    except OSError as error:
        raise cannot_write(folder, error) from None
    server = LinkServer(
        on_hello=_greet,
        on_gone=recorder.close_source,
        on_message=lambda peer, message, payload: _take(recorder, peer, message, payload),
        on_report=_refuse_report,
    )
    async with asyncio.TaskGroup() as tasks:
        linking = tasks.create_task(link.run())
        syncing = tasks.create_task(_sync(recorder, link))
        try:
            await server.serve(sockets.listener(name))
        finally:
            syncing.cancel()
            recorder.close_all()
            _sync_all(recorder.take_unsynced())
            await link.settled(LAST_WORDS_S)
            linking.cancel()


async def _sync(recorder: Recorder, link: Link) -> None:
    """Brings the files to the disk, and tells how the recorder fares."""
    while True:
        await asyncio.sleep(SYNC_S)
        began_s = time.monotonic()
        await asyncio.to_thread(_sync_all, recorder.take_unsynced())
        link.signal([recorder.status((time.monotonic() - began_s) * 1_000)])


def _sync_all(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        try:
            os.fdatasync(descriptor)
        except OSError as error:
            log.error("recording_not_synced", reason=error.strerror)
        finally:
            os.close(descriptor)


def _greet(peer: Peer, hello: Hello) -> None:
    log.info("media_came", peer=hello.process)


def _take(recorder: Recorder, peer: Peer, message: Message, payload: bytes) -> None:
    try:
        if isinstance(message, Packets):
            recorder.packets(peer, message.count, payload)
        elif isinstance(message, OpenStream):
            recorder.open(peer, message)
        elif isinstance(message, CloseStream):
            recorder.close(peer, message.stream)
        elif isinstance(message, ForgetCall):
            recorder.forget(message.call_id)
    except BadId as error:
        log.error("stream_refused", reason=str(error))
    except ValueError as error:
        raise BadPeer(str(error)) from None


async def _answer(recorder: Recorder, command: Message) -> dict[str, Any]:
    match command:
        case ForgetCall():
            recorder.forget(command.call_id)
        case SetRecording():
            _set_recording(recorder, command)
        case _:
            raise Problem(400, "Bad command", f"the recorder does not know {command.type}")
    return {}


def _set_recording(recorder: Recorder, wanted: SetRecording) -> None:
    try:
        if wanted.paused:
            recorder.pause(wanted.call_id, wanted.at_ms)
        else:
            recorder.resume(wanted.call_id, wanted.at_ms)
    except BadId as error:
        raise Problem(400, "Bad id", str(error), field="call_id") from None
    except OSError as error:
        log.error("pause_not_kept", call_id=wanted.call_id, reason=error.strerror)
        raise Problem(
            503, "Disk", "The recorder cannot write down that it pauses.", retry_after_s=2
        ) from None


async def _refuse_report(peer: Peer, epoch: str, first_seq: int, events: list[Event]) -> None:
    """Media tells its facts to front. Taken and let go: held back, they would come again for ever."""
    log.error("report_refused", peer=peer.process, facts=len(events))
