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

import structlog

from audio_models.api import Transcriber, Transcript, UnsupportedLanguage
from voicewatch.processes.faults import fault
from voicewatch.speech.jobs import Job, JobQueue

log = structlog.get_logger()

HUNG_S = 20.0
"""A decode that takes longer is given up and its thread replaced; the longest real one is a few seconds."""
MAX_REPLACED = 4
CLOSE_S = 2.0


class RecogniserHung(Exception):
    """So many decodes never came back that the process must be started again."""


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
        self._workers = workers
        self._on_transcript = on_transcript
        self._on_given_up = on_given_up
        self._loop = asyncio.get_running_loop()
        self._engine: Transcriber | None = None
        self._handed: queue.SimpleQueue[Job | None] = queue.SimpleQueue()  # never more than `workers` deep
        self._threads: list[threading.Thread] = []
        self._replaced = 0

    @property
    def started(self) -> bool:
        return self._engine is not None

    def start(self, engine: Transcriber) -> None:
        """The model is loaded: work through what has waited."""
        self._engine = engine
        for _ in range(self._workers):
            self._add_thread()
        self._hand_out()

    def submit(self, job: Job) -> None:
        self.jobs.add(job, time.monotonic())
        self._after()

    def check(self) -> None:
        """To be called about once a second: gives up decodes that hang. Raises RecogniserHung."""
        for job in self.jobs.overdue(time.monotonic(), HUNG_S):
            log.error("decode_hung", kind=job.kind, audio_ms=job.end_ms - job.start_ms)
            self._replaced += 1
            if self._replaced > MAX_REPLACED:
                raise RecogniserHung(f"{self._replaced} decodes hung for {HUNG_S:.0f} s")
            self._add_thread()
        self._after()

    def close(self) -> None:
        """Ends the threads; one that hangs is left behind (it does not keep the process)."""
        for _ in self._threads:
            self._handed.put(None)
        for thread in self._threads:
            thread.join(CLOSE_S / len(self._threads))

    # ------------------------------------------------------------ in the loop

    def _after(self) -> None:
        given_up, self.jobs.given_up = self.jobs.given_up, []
        for job, reason in given_up:
            self._on_given_up(job, reason)
        self._hand_out()

    def _hand_out(self) -> None:
        while self.started and len(self.jobs.running) < self._workers:
            job = self.jobs.take(time.monotonic())
            if job is None:
                return
            self._handed.put(job)

    def _finished(self, job: Job, transcript: Transcript | None, reason: str) -> None:
        if transcript is None:
            self.jobs.failed(job, reason)
        elif self.jobs.done(job, time.monotonic()):
            self._on_transcript(job, transcript)
        self._after()

    # ------------------------------------------------------------ in the threads

    def _add_thread(self) -> None:
        thread = threading.Thread(target=self._work, name=f"recogniser-{len(self._threads)}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _work(self) -> None:
        engine = self._engine
        assert engine is not None
        while (job := self._handed.get()) is not None:
            transcript, reason = decode(engine, job)
            try:
                self._loop.call_soon_threadsafe(self._finished, job, transcript, reason)
            except RuntimeError:
                return  # the loop is closed: nobody waits for this any more


def decode(engine: Transcriber, job: Job) -> tuple[Transcript | None, str]:
    """The job's transcript, or None and why there is none."""
    try:
        return (
            engine.transcribe(
                job.audio(), language=job.language, prefix=job.prefix, final=job.kind != "partial"
            ),
            "",
        )
    except UnsupportedLanguage:
        return None, "unsupported_language"
    except Exception as error:  # boundary: one bad utterance must not stop the others
        log.error("decode_failed", kind=job.kind, **fault(error))
        return None, "recogniser_failed"
