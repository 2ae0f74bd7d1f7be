"""The journal: every fact once, in order, durable before anyone is shown it.

One thread writes. What was queued while the last commit ran goes into the next transaction (group commit),
so that the rate of facts is not bound to that of the disk's syncs. Another thread reads.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

from voicewatch.core.events import Fact
from voicewatch.record.ledger import (
    UPCASTERS,
    Append,
    Erasure,
    JournalDamaged,
    JournalFailed,
    Ledger,
    Prepared,
    Source,
    Stored,
    Upcaster,
)

__all__ = ["Erasure", "Journal", "JournalDamaged", "JournalFailed", "Source", "Stored"]

QUEUE_LIMIT = 1024
"""Appends waiting for the disk. When full, `append` waits for a place: reports then stay unacknowledged with
their senders, who keep them, and commands of people are slow. Nothing is dropped."""

BATCH_LIMIT = 256
"""Appends in one transaction, so that the first in line does not wait for ever longer commits."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class _Erase:
    call_id: str
    by: str
    reason: str


@dataclass(frozen=True)
class _Job:
    work: Append | _Erase
    done: asyncio.Future[list[Stored]]
    asked_s: float
    """On the monotonic clock."""


class Journal:
    """Made by `open`. Belongs to the event loop that opened it."""

    def __init__(self, open_ledger: Callable[[], Ledger]) -> None:
        self.commits = 0
        """Transactions written, for the metrics: facts per commit is the gain of group commit."""
        self.on_durable: Callable[[float], None] = lambda waited_s: None
        """Called in the event loop with how long each append waited until it was durable."""
        self._open_ledger = open_ledger
        self._loop = asyncio.get_running_loop()
        self._places = asyncio.Semaphore(QUEUE_LIMIT)
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()  # bounded by _places
        self._closed = False
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._ended = asyncio.Event()
        self._reading: Ledger | None = None
        self._reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal-reader")
        self._writer = threading.Thread(target=self._write_all, name="journal-writer", daemon=True)

    @classmethod
    async def open(
        cls,
        folder: Path,
        *,
        upcasters: Mapping[tuple[str, int], Upcaster] = UPCASTERS,
        utc_now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> Journal:
        """journal.db and keys.db in `folder`, made if missing (mode 0600, folder 0700), checked if not.

        Raises JournalFailed when they cannot be opened or are damaged.
        """
        journal = cls(partial(Ledger, folder, upcasters=upcasters, utc_now=utc_now))
        journal._writer.start()
        try:
            await journal._ready
            await journal._in_reader(journal._open_reading)
        except (JournalFailed, asyncio.CancelledError):
            await journal.close()
            raise
        return journal

    def _open_reading(self) -> None:
        self._reading = self._open_ledger()

    def _opened(self, failure: JournalFailed | None) -> None:
        if self._ready.done():  # nobody waits any more: it was cancelled
            return
        if failure is None:
            self._ready.set_result(None)
        else:
            self._ready.set_exception(failure)

    async def append(self, facts: Sequence[Fact], source: Source | None = None) -> list[Stored]:
        """Writes in one transaction; what is returned is durable and holds `seq` and `at`.

        Left out are: a report already known by its source, an utterance_final whose id is in the call or
        which overlaps more than half with a recognised one of its seat, a second score of an utterance, a
        recording_segment whose path is in the call, and facts of an erased call. Raises JournalFailed if the
        disk does not take it: nothing of this append was written then, and it may be tried again. Cancelling
        the wait does not undo the write.
        """
        return await self._submit(Append([Prepared.of(fact) for fact in facts], source))

    async def erase(self, call_id: str, by: str = "", reason: str = "") -> None:
        """The call's key and facts are gone, and no later fact of it is taken. An `Erasure` remains."""
        await self._submit(_Erase(call_id, by, reason))

    async def _submit(self, work: Append | _Erase) -> list[Stored]:
        await self._places.acquire()
        if self._closed:
            self._places.release()
            raise JournalFailed("the journal is closed")
        done: asyncio.Future[list[Stored]] = self._loop.create_future()
        self._jobs.put(_Job(work, done, time.monotonic()))
        return await done

    async def high_water(self, process: str, epoch: str) -> int:
        """The last report of this life of a process that is durable; 0 if none is."""
        return await self._read(lambda ledger: ledger.high_water(process, epoch))

    async def read(self, call_id: str, after_seq: int = 0) -> list[Fact]:
        """Facts of a call in order, unmasked; [] for an unknown or erased one."""
        return await self._read(lambda ledger: ledger.read(call_id, after_seq))

    async def since(self, cursor: int, limit: int = 5000) -> list[Stored]:
        """Facts of all calls after `cursor` in commit order, at most `limit`."""
        return await self._read(lambda ledger: ledger.since(cursor, limit))

    async def last_cursor(self) -> int:
        return await self._read(lambda ledger: ledger.last_cursor())

    async def live_calls(self) -> list[str]:
        """Calls without a call_ended, oldest first."""
        return await self._read(lambda ledger: ledger.live_calls())

    async def recent_calls(self, limit: int) -> list[str]:
        """Calls, live or not, newest first."""
        return await self._read(lambda ledger: ledger.recent_calls(limit))

    async def calls_with_callbacks(self, limit: int) -> list[str]:
        """Calls in which a callback was ever agreed, newest first; whether it is still open, they tell."""
        return await self._read(lambda ledger: ledger.calls_with_callbacks(limit))

    async def erasures(self) -> list[Erasure]:
        """All there ever were, oldest first."""
        return await self._read(lambda ledger: ledger.erasures())

    async def calls_of_customer(self, key: str) -> list[str]:
        """Calls started with this `customer_key`, oldest first."""
        return await self._read(lambda ledger: ledger.calls_of_customer(key))

    async def ended_before(self, instant: datetime) -> list[str]:
        """Ended calls of which nothing was written since, oldest first."""
        return await self._read(lambda ledger: ledger.ended_before(instant))

    @property
    def waiting(self) -> int:
        """Appends not yet with the writer."""
        return self._jobs.qsize()

    async def close(self) -> None:
        """Writes what is queued, then closes the files."""
        if self._closed:
            return
        self._closed = True
        self._jobs.put(None)
        await self._ended.wait()
        self._writer.join()  # it has nothing left to do but return
        if self._reading is not None:
            await self._in_reader(self._reading.close)
        self._reader.shutdown()

    async def _read(self, what: Callable[[Ledger], Result]) -> Result:
        if self._closed or self._reading is None:
            raise JournalFailed("the journal is closed")
        return await self._in_reader(partial(what, self._reading))

    async def _in_reader(self, work: Callable[[], Result]) -> Result:
        return await self._loop.run_in_executor(self._reader, work)

    # ------------------------------------------------------------ in the writer's thread

    def _write_all(self) -> None:
        try:
            ledger = self._open_ledger()
            ledger.check()
            ledger.finish_erasures()
        except JournalFailed as error:
            self._loop.call_soon_threadsafe(self._opened, error)
        else:
            self._loop.call_soon_threadsafe(self._opened, None)
            self._write_until_closed(ledger)
            ledger.close()
        self._loop.call_soon_threadsafe(self._ended.set)

    def _write_until_closed(self, ledger: Ledger) -> None:
        while batch := self._next_batch():
            appends = [job for job in batch if isinstance(job.work, Append)]
            if appends:
                self._write(ledger, appends)
            for job in batch:
                if isinstance(job.work, _Erase):
                    self._erase(ledger, job, job.work)

    def _next_batch(self) -> list[_Job]:
        """All that waits, up to BATCH_LIMIT and the end of appends; [] when the journal closes."""
        batch: list[_Job] = []
        while len(batch) < BATCH_LIMIT:
            try:
                job = self._jobs.get(block=not batch)
            except queue.Empty:
                break
            if job is None:
                if batch:
                    self._jobs.put(None)  # met again, alone
                break
            batch.append(job)
            if isinstance(job.work, _Erase):
                break
        return batch

    def _write(self, ledger: Ledger, jobs: Sequence[_Job]) -> None:
        try:
            results = ledger.write([job.work for job in jobs if isinstance(job.work, Append)])
        except JournalFailed as error:
            for job in jobs:
                self._answer(job, error)
        except Exception as error:
            # One append that SQLite cannot take must not fail those it happened to share a commit with.
            if len(jobs) > 1:
                for job in jobs:
                    self._write(ledger, [job])
            else:
                self._answer(jobs[0], JournalFailed(f"this fact cannot be written: {error}"))
        else:
            self.commits += 1
            for job, stored in zip(jobs, results, strict=True):
                self._answer(job, stored)

    def _erase(self, ledger: Ledger, job: _Job, work: _Erase) -> None:
        try:
            ledger.erase(work.call_id, work.by, work.reason)
            self._answer(job, [])
        except JournalFailed as error:
            self._answer(job, error)

    def _answer(self, job: _Job, answer: list[Stored] | JournalFailed) -> None:
        self._loop.call_soon_threadsafe(self._settle, job, answer)

    def _settle(self, job: _Job, answer: list[Stored] | JournalFailed) -> None:
        self._places.release()
        if not isinstance(answer, JournalFailed):
            self.on_durable(time.monotonic() - job.asked_s)
        done = job.done
        if done.cancelled():
            return
        if isinstance(answer, JournalFailed):
            done.set_exception(answer)
        else:
            done.set_result(answer)
