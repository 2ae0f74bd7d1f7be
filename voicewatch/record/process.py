"""The recorder process: takes packets from media, writes the files, tells front what there is."""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import Any

import structlog

from voicewatch.core.events import Event
from voicewatch.core.ids import ulid
from voicewatch.processes.link import Link, LinkServer, Peer
from voicewatch.processes.messages import CloseStream, ForgetCall, Hello, Message, OpenStream, Packets
from voicewatch.processes.problem import Problem
from voicewatch.processes.sockets import Sockets
from voicewatch.processes.wire import BadPeer
from voicewatch.record.recordings import BadId, Recorder
from voicewatch.settings import BadSettings, Settings

log = structlog.get_logger()

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
    )
    folder = settings.data / "recordings"
    try:
        recorder = Recorder(folder, link.report)
        recorder.report_earlier()
    except OSError as error:
        raise BadSettings(f"cannot write {folder}: {error.strerror}; choose another with --data") from None
    server = LinkServer(
        on_hello=_greet,
        on_gone=recorder.close_source,
        on_message=lambda peer, message, payload: _take(recorder, peer, message, payload),
        on_report=_refuse_report,
    )
    async with asyncio.TaskGroup() as tasks:
        linking = tasks.create_task(link.run())
        try:
            await server.serve(sockets.listener(name))
        finally:
            recorder.close_all()
            await link.settled(LAST_WORDS_S)
            linking.cancel()


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
    if not isinstance(command, ForgetCall):
        raise Problem(400, "Bad command", f"the recorder does not know {command.type}")
    recorder.forget(command.call_id)
    return {}


async def _refuse_report(peer: Peer, epoch: str, first_seq: int, events: list[Event]) -> None:
    """Media tells its facts to front. Taken and let go: held back, they would come again for ever."""
    log.error("report_refused", peer=peer.process, facts=len(events))
