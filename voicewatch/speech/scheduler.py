"""The threads that run a recogniser, fed by one queue for all legs.

The event loop never waits for a decode, and a decode never waits for another leg's consumer: results come
back as callbacks in the loop.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from audio_models.api import BatchTranscriber, DecodeRequest, Transcriber, Transcript, UnsupportedLanguage
from voicewatch.processes.faults import fault
from voicewatch.speech.jobs import ATTEMPTS, Batch, Job, JobQueue, Kind
from voicewatch.speech.ladder import Ladder, Load, Step

log = structlog.get_logger()

MAX_HUNG = 4
"""Threads lost to decodes that never came back; each keeps its memory."""
MAX_HUNG_IN_A_ROW = 2
"""With nothing decoded in between: it is not the audio, it is the engine."""
LATE_MS = 2_000
"""A final decoded later than this after it was asked for is marked."""
CLOSE_S = 2.0
LEAST_WAIT_S = 0.01
"""What may not leave yet for another reason is looked at again so soon at the earliest."""

Decoded = tuple[Transcript | None, str]
"""A transcript, or None and why there is none."""


class RecogniserHung(Exception):
    """So many decodes never came back that the process must be started again."""


@dataclass
class Counts:
    """Since the start."""

    finals: int = 0
    partials: int = 0
    decodes: int = 0
    batches: int = 0
    given_up: int = 0
    hung: int = 0
    steps_taken: int = 0


class Scheduler:
    """Runs jobs on `workers` threads once `start` was called with an engine; until then they wait.

    `on_transcript` and `on_given_up` are called in the event loop that made this object.
    """

    def __init__(
        self,
        workers: int,
        *,
        on_transcript: Callable[[Job, Transcript], None],
        on_given_up: Callable[[Job, str], None],
    ) -> None:
        self.jobs = JobQueue()
        self.counts = Counts()
        self.ladder = Ladder()
        self._workers = workers
        self._load = Load(workers)
        self._on_transcript = on_transcript
        self._on_given_up = on_given_up
        self._loop = asyncio.get_running_loop()
        self._engine: Transcriber | None = None
        self._smaller: Transcriber | None = None
        self._handed: queue.SimpleQueue[Batch | None] = queue.SimpleQueue()  # never more than `workers` deep
        self._threads: list[threading.Thread] = []
        self._hung_in_a_row = 0
        self._failed_in_a_row = 0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def failing(self) -> bool:
        """Nothing has been decoded since it last failed, twice."""
        return self._failed_in_a_row >= ATTEMPTS

    @property
    def started(self) -> bool:
        return self._engine is not None

    def load(self) -> float:
        """Share of the threads' time spent working, over the last 5 s."""
        return self._load.share(time.monotonic())

    def start(self, engine: Transcriber, smaller: Transcriber | None = None) -> None:
        """The model is loaded: work through what has waited. `smaller` takes over when there is too much."""
        self._engine, self._smaller = engine, smaller
        self.ladder = Ladder(has_other_model=smaller is not None)
        if isinstance(engine, BatchTranscriber):
            self.jobs.max_batch, self.jobs.window_of = engine.max_batch, engine.window_of
        for _ in range(self._workers):
            self._add_thread()
        self._hand_out()

    def submit(self, job: Job) -> None:
        self.jobs.add(job, time.monotonic())
        self._after()

    def check(self) -> None:
        """To be called about twice a second: gives up decodes that hang, and what there is no time for.

        Raises RecogniserHung.
        """
        now_s = time.monotonic()
        for batch in self.jobs.overdue(now_s):
            self._replace(batch)
        if self.started:
            self._climb(now_s)
        self._after()

    def close(self) -> None:
        """Ends the threads; one that hangs is left behind (it does not keep the process)."""
        if self._timer is not None:
            self._timer.cancel()
        for _ in self._threads:
            self._handed.put(None)
        for thread in self._threads:
            thread.join(CLOSE_S / len(self._threads))

    # ------------------------------------------------------------ in the loop

    def _climb(self, now_s: float) -> None:
        before = self.ladder.step
        load = self._load.share(now_s)
        if self.ladder.observe(now_s, load, self.jobs.oldest_final_s(now_s)):
            self.jobs.step = self.ladder.step
            self.counts.steps_taken += 1
            log.warning(
                "overload_step",
                step=self.ladder.step.name.lower(),
                before=before.name.lower(),
                load=round(load, 2),
            )

    def _replace(self, batch: Batch) -> None:
        """The thread that hangs is left behind, another takes its place."""
        self.counts.hung += 1
        self._hung_in_a_row += 1
        log.error("decode_hung", jobs=len(batch.jobs), audio_ms=round(batch.audio_s * 1000))
        if self._hung_in_a_row >= MAX_HUNG_IN_A_ROW or self.counts.hung > MAX_HUNG:
            raise RecogniserHung(f"{self.counts.hung} decodes did not come back")
        self._add_thread()

    def _after(self) -> None:
        given_up, self.jobs.given_up = self.jobs.given_up, []
        for job, reason in given_up:
            self.counts.given_up += 1
            self._on_given_up(job, reason)
        self._hand_out()

    def _hand_out(self) -> None:
        while self.started and len(self.jobs.running) < self._workers:
            batch = self.jobs.take(time.monotonic())
            if batch is None:
                break
            self._prepare(batch)
            self._handed.put(batch)
        self._load.changed(time.monotonic(), len(self.jobs.running))
        self._come_back()

    def _come_back(self) -> None:
        """When what waits for company has waited long enough."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now_s = time.monotonic()
        leaves_s = self.jobs.leaves_s(now_s)
        if self.started and leaves_s is not None and len(self.jobs.running) < self._workers:
            self._timer = self._loop.call_later(max(LEAST_WAIT_S, leaves_s - now_s), self._hand_out)

    def _prepare(self, batch: Batch) -> None:
        """Which engine, and how hard it tries, is settled when a job is taken."""
        step = self.jobs.step
        smaller = self._smaller if step >= Step.OTHER_MODEL else None
        for job in batch.jobs:
            job.engine = smaller or self._engine
            job.thorough = step < Step.LIGHT_FINALS
            marks = (("light", not job.thorough), ("other_model", smaller is not None))
            job.degraded = tuple(name for name, holds in marks if holds)

    def _finished(self, batch: Batch, results: list[Decoded]) -> None:
        now_s = time.monotonic()
        if self.jobs.done(batch, now_s):
            self._hung_in_a_row = 0
            self.counts.batches += 1
            for job, (transcript, reason) in zip(batch.jobs, results, strict=True):
                self._settle(job, transcript, reason, now_s)
        self._after()

    def _settle(self, job: Job, transcript: Transcript | None, reason: str, now_s: float) -> None:
        if transcript is None:
            self._failed_in_a_row += 1
            self.jobs.failed(job, reason)
            return
        self._failed_in_a_row = 0
        self.counts.decodes += 1
        is_final = job.kind is Kind.FINAL
        self.counts.finals += is_final
        self.counts.partials += not is_final
        if is_final and (now_s - job.asked_s) * 1000 > LATE_MS:
            job.degraded = (*job.degraded, "late")
        try:
            self._on_transcript(job, transcript)
        except Exception as error:  # boundary: the other jobs of the batch have their takers too
            self._failed_in_a_row = ATTEMPTS
            log.error("transcript_not_taken", kind=job.kind, **fault(error))

    # ------------------------------------------------------------ in the threads

    def _add_thread(self) -> None:
        thread = threading.Thread(target=self._work, name=f"recogniser-{len(self._threads)}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _work(self) -> None:
        while (batch := self._handed.get()) is not None:
            results = decode_batch(batch.jobs)
            try:
                self._loop.call_soon_threadsafe(self._finished, batch, results)
            except RuntimeError:
                return  # the loop is closed: nobody waits for this any more


def decode_batch(jobs: list[Job]) -> list[Decoded]:
    """What each job's engine makes of it. When decoding them together fails, each is tried by itself."""
    engine = jobs[0].engine
    if len(jobs) > 1 and isinstance(engine, BatchTranscriber):
        try:
            return [(one, "") for one in engine.transcribe_batch([_request(job) for job in jobs])]
        except Exception as error:  # boundary: one bad utterance must not stop the others
            log.warning("batch_failed", jobs=len(jobs), **fault(error))
    return [decode(job) for job in jobs]


def decode(job: Job) -> Decoded:
    """The job's transcript, or None and why there is none."""
    engine = job.engine
    assert engine is not None
    try:
        if isinstance(engine, BatchTranscriber):
            return engine.transcribe_batch([_request(job)])[0], ""
        return (
            engine.transcribe(
                job.samples, language=job.language, prefix=job.prefix, final=job.kind is not Kind.PARTIAL
            ),
            "",
        )
    except UnsupportedLanguage:
        return None, "unsupported_language"
    except Exception as error:  # boundary: one bad utterance must not stop the others
        log.error("decode_failed", kind=job.kind, **fault(error))
        return None, "recogniser_failed"


def _request(job: Job) -> DecodeRequest:
    return DecodeRequest(
        job.samples,
        job.language,
        job.prefix,
        job.kind is not Kind.PARTIAL,
        job.thorough,
        job.window,
    )
