"""The shell around the judgement: one ordered path from what happened to what is shown.

Facts of the processes, commands of people and the clock reach the director one after the other; what he
makes of them is journalled in one transaction; only then do readers (feed, AI seats, tables) learn of it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import structlog

from voicewatch.core.director import Director, Refused
from voicewatch.core.events import Event, Fact, UtteranceFinal, UtteranceScored
from voicewatch.core.pauses import as_kept
from voicewatch.core.rules import RuleBook
from voicewatch.processes.faults import fault
from voicewatch.processes.problem import Problem
from voicewatch.server.shown import Shown

log = structlog.get_logger()

TICK_S = 0.2
WRITE_AGAIN_S = 0.5
KEPT_ENDED_MS = 600_000
"""How long after its end a call may still be disposed of."""


class Stored(Protocol):
    """A durable fact; `cursor` orders those of all calls."""

    @property
    def cursor(self) -> int: ...
    @property
    def fact(self) -> Fact: ...


class Record(Protocol):
    """The journal, as `record.journal.Journal` is."""

    async def append(self, facts: Sequence[Fact], source: Any = None) -> Sequence[Stored]: ...
    async def high_water(self, process: str, epoch: str) -> int: ...
    async def read(self, call_id: str, after_seq: int = 0) -> list[Fact]: ...
    async def since(self, cursor: int, limit: int = 5000) -> Sequence[Stored]: ...
    async def last_cursor(self) -> int: ...
    async def live_calls(self) -> list[str]: ...
    async def recent_calls(self, limit: int) -> list[str]: ...


Reader = Callable[[Sequence[Stored]], None]
Act = Callable[[Director], Sequence[Fact]]


class Desk:
    """`source(process, epoch, last_seq)` makes the record's mark of a report; `record_failed` is what its
    append raises when the disk does not take it (nothing of it was written then).

    While the record cannot be written, at most one judged batch waits here: reports stay with their senders
    unacknowledged, commands are refused with 503, the clock stands still. Media is not touched.
    """

    def __init__(
        self,
        record: Record,
        director: Director,
        shown: Shown,
        *,
        source: Callable[[str, str, int], Any],
        record_failed: type[Exception],
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.director = director
        self.shown = shown
        self.record = record
        self.readers: list[Reader] = []
        """Called with what became durable (perhaps nothing, after a command), in order; must not wait."""
        self.cursor = 0
        """Cursor of the newest fact shown."""
        self.writable = True
        self.held: set[str] = set()
        """Restored calls of which it is not known yet whether they go on: their clock is not looked at."""
        self._source = source
        self._record_failed = record_failed
        self._monotonic_ns = monotonic_ns
        self._turn = asyncio.Lock()
        self._unwritten: tuple[list[Fact], Any] | None = None
        self._marks: dict[tuple[str, str], int] = {}
        self._acting: set[asyncio.Task[list[Fact]]] = set()

    # ------------------------------------------------------------ the three ways in

    async def command(self, act: Act) -> list[Fact]:
        """What a person or program wants; gives the facts that became durable by it.

        Raises Problem: the director's refusal, or 503 while the journal cannot be written. Once begun it is
        finished, even if the caller is cancelled.
        """
        task = asyncio.ensure_future(self._act(act))
        self._acting.add(task)
        task.add_done_callback(self._acting.discard)
        return await asyncio.shield(task)

    async def state(self, *facts: Fact) -> list[Fact]:
        """Facts that this process itself is the witness of; what they cause follows them."""
        return await self.command(lambda _: self._judged(facts))

    async def report(self, process: str, epoch: str, first_seq: int, events: Sequence[Event]) -> None:
        """Facts of another process; returns when they are durable. Those known already are left out."""
        last_seq = first_seq + len(events) - 1
        while True:
            async with self._turn:
                if await self._flush():
                    mark = await self._mark(process, epoch)
                    if last_seq <= mark:
                        return
                    await self._take(events[max(0, mark + 1 - first_seq) :], process, epoch, last_seq)
                    if self.writable:
                        return
            await asyncio.sleep(WRITE_AGAIN_S)

    async def run(self) -> None:
        """Ticks until cancelled."""
        while True:
            await asyncio.sleep(TICK_S)
            try:
                await self.tick()
            except Exception as error:  # boundary: one bad call must not stop the clock of all
                log.error("tick_failed", **fault(error))

    async def tick(self) -> None:
        """What follows from the passing of time alone."""
        async with self._turn:
            if await self._flush():
                self._forget_old()
                now = {call_id: self.at_ms(call_id) for call_id in self.director.calls.keys() - self.held}
                await self._write(self.director.tick(now))

    def forget(self, call_id: str) -> None:
        """An erased call: nothing of it is shown or judged any more."""
        self.director.forget(call_id)
        self.shown.forget(call_id)
        self._publish([])

    def _forget_old(self) -> None:
        """Ended calls stay with the director for a while: late scores, dispositions."""
        for call in list(self.director.calls.values()):
            if call.ended is not None and self.at_ms(call.call_id) - call.ended.at_ms > KEPT_ENDED_MS:
                self.director.forget(call.call_id)

    async def use_rules(self, rulebook: RuleBook) -> None:
        """Judges all calls by other rules from now on. Problem 503 while the journal cannot be written."""
        async with self._turn:
            if not await self._flush():
                raise _unwritable("The rules stay as they are.")
            live = [call.call_id for call in self.director.calls.values() if call.is_live]
            journals = {call_id: await self.record.read(call_id) for call_id in live}
            await self._write(self.director.use_rules(rulebook, journals))

    # ------------------------------------------------------------ reading

    def at_ms(self, call_id: str) -> int:
        """Now, on the call's clock. Problem 404 for an unknown call."""
        call = self.director.calls.get(call_id)
        if call is None:
            raise no_such_call()
        return max(0, (self._monotonic_ns() - call.zero_mono_ns) // 1_000_000)

    async def restore(self, call_id: str) -> None:
        """Takes a live call up again from the journal (at start, before anything else runs)."""
        facts = await self.record.read(call_id)
        self.director.restore(facts)
        self.shown.load(facts)
        self.held.add(call_id)

    async def load_ended(self, call_id: str) -> None:
        """Takes an ended call from the journal, to be shown, and to be disposed of if it ended just now."""
        facts = await self.record.read(call_id)
        self.shown.load(facts)
        call = self.shown.call(call_id)
        since_zero_ms = (self._monotonic_ns() - call.zero_mono_ns) // 1_000_000
        if call.ended is not None and 0 <= since_zero_ms - call.ended.at_ms <= KEPT_ENDED_MS:
            self.director.restore(facts)

    async def start_reading(self) -> None:
        self.cursor = await self.record.last_cursor()

    # ------------------------------------------------------------ the path

    async def _act(self, act: Act) -> list[Fact]:
        async with self._turn:
            if not await self._flush():
                raise _unwritable("Nothing was done.")
            try:
                facts = list(act(self.director))
            except Refused as refused:
                raise Problem(refused.status, refused.title, refused.detail) from None
            written = await self._write(facts)
            if written is None:
                raise _unwritable("It was done and will be written when there is room.")
            return written

    async def _take(self, events: Sequence[Event], process: str, epoch: str, last_seq: int) -> None:
        facts = [event for event in events if isinstance(event, Fact) and await self._is_known(event.call_id)]
        self._unwritten = (self._judged(facts), self._source(process, epoch, last_seq))
        self._marks[process, epoch] = last_seq
        await self._flush()

    def _judged(self, facts: Sequence[Fact]) -> list[Fact]:
        """Each fact with what the director makes of it behind it."""
        judged: list[Fact] = []
        for told in facts:
            fact = self._as_kept(told)
            judged.append(fact)
            if fact.call_id not in self.director.calls or self._was_judged(fact):
                continue
            try:
                judged += self.director.push(fact)
            except Exception as error:  # boundary: the fact is kept, whatever judging it did
                log.error("judgement_failed", fact=fact.type, call_id=fact.call_id, **fault(error))
        return judged

    def _as_kept(self, fact: Fact) -> Fact:
        """Words said while recording is paused are masked before anything reads or writes them."""
        call = self.director.calls.get(fact.call_id)
        if call is None or not call.recording_pauses:
            return fact
        context = self.shown.context(fact.call_id) if self.shown.has(fact.call_id) else ()
        return as_kept(fact, call, context)

    def _was_judged(self, fact: Fact) -> bool:
        """True for what a restarted model process says again; the journal will leave it out."""
        if not isinstance(fact, UtteranceFinal | UtteranceScored):
            return False
        known = self.director.calls[fact.call_id].utterances.get(fact.utterance_id)
        if known is None:
            return False
        return (known.final if isinstance(fact, UtteranceFinal) else known.scored) is not None

    async def _is_known(self, call_id: str) -> bool:
        if call_id in self.director.calls or self.shown.has(call_id) or await self.record.read(call_id):
            return True
        log.warning("fact_of_unknown_call", call_id=call_id)
        return False

    async def _mark(self, process: str, epoch: str) -> int:
        if (process, epoch) not in self._marks:
            for older in [key for key in self._marks if key[0] == process]:
                del self._marks[older]
            self._marks[process, epoch] = await self.record.high_water(process, epoch)
        return self._marks[process, epoch]

    async def _write(self, facts: list[Fact]) -> list[Fact] | None:
        """The facts as durable, or None while the disk does not take them (they wait)."""
        if not facts:
            self._publish([])
            return []
        self._unwritten = (facts, None)
        return await self._flush_facts()

    async def _flush(self) -> bool:
        return await self._flush_facts() is not None

    async def _flush_facts(self) -> list[Fact] | None:
        if self._unwritten is None:
            return []
        facts, source = self._unwritten
        try:
            stored = await self.record.append(facts, source)
        except self._record_failed as error:
            if self.writable:
                log.error("journal_not_written", reason=str(error), again_in_s=WRITE_AGAIN_S)
            self.writable = False
            return None
        if not self.writable:
            log.warning("journal_written_again")
        self._unwritten = None
        self.writable = True
        self._publish(stored)
        return [one.fact for one in stored]

    def _publish(self, stored: Sequence[Stored]) -> None:
        for one in stored:
            self.shown.apply(one.fact)
            self.cursor = one.cursor
        for reader in self.readers:
            try:
                reader(stored)
            except Exception as error:  # boundary: one reader's mistake is not another's
                log.error("reader_failed", reader=type(reader).__name__, **fault(error))


def no_such_call() -> Problem:
    return Problem(404, "No such call", "There is no such call, or it is not yours.")


def _unwritable(what: str) -> Problem:
    return Problem(503, "Journal not writable", f"The disk takes nothing now. {what}", retry_after_s=2)
