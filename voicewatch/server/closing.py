"""The end of a call: media lets go, the last words and recordings come in, and the record is complete."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog

from voicewatch.core.events import (
    CallEnded,
    CallStarted,
    Fact,
    LegLive,
    RecordComplete,
    RecordingSegment,
    Role,
    SeatOpened,
)
from voicewatch.core.metrics import summary
from voicewatch.processes.faults import fault
from voicewatch.processes.messages import CloseCall, ForgetCall
from voicewatch.processes.problem import Problem
from voicewatch.server.desk import Desk, Stored
from voicewatch.server.media_links import MediaLinks, Peer

log = structlog.get_logger()

COMPLETE_WITHIN_S = 5.0
"""How long recordings and last words are waited for; what comes later is still journalled."""
QUIET_S = 1.0
"""A call with no new fact for so long after its end has no more to come."""
AGAIN_S = 1.0


class Closing:
    """`peer(name)` is the connected process of that name, or None."""

    def __init__(self, desk: Desk, links: MediaLinks, peer: Callable[[str], Peer | None]) -> None:
        self._desk = desk
        self._links = links
        self._peer = peer
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._progress: dict[str, asyncio.Event] = {}
        desk.readers.append(self._read)

    @property
    def count(self) -> int:
        """Calls whose record is being completed."""
        return len(self._tasks)

    def complete(self, call_id: str) -> None:
        """Brings the record of an ended call to its end, once."""
        if call_id not in self._tasks:
            self._progress[call_id] = asyncio.Event()
            self._tasks[call_id] = asyncio.ensure_future(self._complete(call_id))

    def close(self) -> None:
        for task in self._tasks.values():
            task.cancel()

    def _read(self, stored: Sequence[Stored]) -> None:
        for one in stored:
            if isinstance(one.fact, CallEnded):
                self.complete(one.fact.call_id)
            elif (progress := self._progress.get(one.fact.call_id)) is not None:
                progress.set()

    async def _complete(self, call_id: str) -> None:
        try:
            try:
                async with asyncio.timeout(COMPLETE_WITHIN_S):
                    await self._close_media(call_id)
                    await self._last_words(call_id)
                    await asyncio.gather(*(self._forget(name, call_id) for name in ("model", "recorder")))
                    await self._recordings_closed(call_id)
            except TimeoutError:
                log.warning("record_incomplete", call_id=call_id)
            await self._write(call_id)
        except Exception as error:  # boundary: the other calls end all the same
            log.error("closing_failed", call_id=call_id, **fault(error))
        finally:
            del self._tasks[call_id], self._progress[call_id]

    async def _close_media(self, call_id: str) -> None:
        """Media first: it ends the streams of the others."""
        try:
            await self._links.ask(call_id, CloseCall(call_id=call_id, reason="ended"))
        except Problem as problem:
            log.info("media_not_told", call_id=call_id, title=problem.title)
        self._links.lose(call_id)

    async def _last_words(self, call_id: str) -> None:
        """Until no more facts come: the model is still at the last utterance when its stream is closed."""
        while True:
            self._progress[call_id].clear()
            try:
                async with asyncio.timeout(QUIET_S):
                    await self._progress[call_id].wait()
            except TimeoutError:
                return

    async def _forget(self, process: str, call_id: str) -> None:
        peer = self._peer(process)
        if peer is None:
            return
        try:
            await peer.ask(ForgetCall(call_id=call_id))
        except Problem as problem:
            log.info("not_forgotten", call_id=call_id, process=process, title=problem.title)

    async def _recordings_closed(self, call_id: str) -> None:
        while not _customer_is_recorded(await self._desk.record.read(call_id)):
            self._progress[call_id].clear()
            await self._progress[call_id].wait()

    async def _write(self, call_id: str) -> None:
        while True:
            call = self._desk.shown.call(call_id)
            complete = RecordComplete(
                call_id=call_id,
                at_ms=max(call.at_ms, call.ended.at_ms if call.ended else 0),
                utterances=len(call.spoken()),
                recordings=len(call.recordings),
                summary=summary(call),
            )
            try:
                await self._desk.state(complete)
                return
            except Problem:
                await asyncio.sleep(AGAIN_S)  # the journal cannot be written just now


def _customer_is_recorded(facts: Sequence[Fact]) -> bool:
    """True if the customer's recording is there, or none is to come: no consent, or never connected.

    The recorder has answered by then; its facts may still be under way, the customer's among them.
    """
    consent = any(isinstance(fact, CallStarted) and fact.recording_consent for fact in facts)
    customers = {
        fact.seat_id for fact in facts if isinstance(fact, SeatOpened) and fact.role == Role.CUSTOMER
    }
    spoke = any(isinstance(fact, LegLive) and fact.seat_id in customers for fact in facts)
    recorded = any(isinstance(fact, RecordingSegment) and fact.seat_id in customers for fact in facts)
    return recorded or not (consent and spoke)
