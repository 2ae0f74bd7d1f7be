"""Which decode comes next, over all legs: pure, with the time as an argument.

Finals come first whatever leg they are of, oldest first. Of what is only shown meanwhile (partials, and
early finals of an utterance that paused) each leg has one place, and the newest wish takes it; legs take
turns. Nothing final is ever lost silently: what does not fit or fails twice is handed back as given up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

MAX_WAITING_MS = 600_000
"""Audio of waiting finals (19 MB); when more would wait, the oldest is given up and becomes a gap."""
ATTEMPTS = 2
PARTIAL_BUDGET_S = 0.4
"""A partial that is expected to take longer is not worth the wait of the finals behind it."""


class Kind(StrEnum):
    FINAL = "final"
    EARLY = "early"
    """The final of an utterance that paused, should it end there."""
    PARTIAL = "partial"


@dataclass(eq=False)
class Job:
    """One decode. `audio` is called when the job is taken: a late partial hears the newest audio."""

    kind: Kind
    stream: int
    utterance_id: str
    start_ms: int
    end_ms: int
    audio: Callable[[], NDArray[np.float32]]
    language: str = "en"
    prefix: tuple[str, ...] = ()
    asked_s: float = 0.0
    taken_s: float = 0.0
    attempts: int = 0


@dataclass
class JobQueue:
    """What waits and what runs. `running` is at most as many as there are workers."""

    waiting_finals: deque[Job] = field(default_factory=deque)
    waiting_shown: dict[int, Job] = field(default_factory=dict)
    running: list[Job] = field(default_factory=list)
    given_up: list[tuple[Job, str]] = field(default_factory=list)
    """Finals that will never be decoded, with the reason; taken away by the caller."""
    shed: int = 0
    """Partials and early finals not decoded, since something better had to be done."""
    seconds_per_audio_s: float = 0.0
    """Running mean of what decoding costs, to tell partials that are too dear."""
    _served_s: dict[int, float] = field(default_factory=dict)

    def add(self, job: Job, now_s: float) -> None:
        """A wish. A final takes over the early final of its very audio when that is being decoded."""
        job.asked_s = now_s
        if job.kind is not Kind.FINAL:
            self._show(job)
            return
        self.waiting_shown.pop(job.stream, None)
        for early in self.running:
            if early.kind is Kind.EARLY and _same_audio(early, job):
                early.kind = Kind.FINAL
                return
        self.waiting_finals.append(job)
        while sum(one.end_ms - one.start_ms for one in self.waiting_finals) > MAX_WAITING_MS:
            self.given_up.append((self.waiting_finals.popleft(), "overload"))

    def forget(self, stream: int) -> None:
        """The leg is gone: nothing of it needs to be shown any more."""
        self.waiting_shown.pop(stream, None)
        self._served_s.pop(stream, None)

    def take(self, now_s: float) -> Job | None:
        """The job to begin now, or None."""
        job = self.waiting_finals.popleft() if self.waiting_finals else self._next_shown()
        if job is not None:
            job.taken_s = now_s
            job.attempts += 1
            self._served_s[job.stream] = now_s
            self.running.append(job)
        return job

    def done(self, job: Job, now_s: float) -> bool:
        """It was decoded; False if it was given up before."""
        if job not in self.running:
            return False
        self.running.remove(job)
        audio_s = max(0.5, (job.end_ms - job.start_ms) / 1000)
        cost = (now_s - job.taken_s) / audio_s
        known = self.seconds_per_audio_s
        self.seconds_per_audio_s = cost if not known else 0.8 * known + 0.2 * cost
        return True

    def failed(self, job: Job, reason: str) -> None:
        """It raised: a final is tried once more, behind the others, then given up."""
        if job not in self.running:
            return
        self.running.remove(job)
        if job.kind is Kind.FINAL and job.attempts < ATTEMPTS:
            self.waiting_finals.append(job)
        elif job.kind is Kind.FINAL:
            self.given_up.append((job, reason))

    def overdue(self, now_s: float, limit_s: float) -> list[Job]:
        """Jobs that have run longer than `limit_s`: given up, whatever they may still answer."""
        late = [job for job in self.running if now_s - job.taken_s > limit_s]
        for job in late:
            self.running.remove(job)
            if job.kind is Kind.FINAL:
                self.given_up.append((job, "recogniser_hung"))
        return late

    def lag_ms(self, now_s: float) -> int:
        """Age of the oldest final not yet decoded."""
        asked = [job.asked_s for job in self.waiting_finals]
        asked += [job.asked_s for job in self.running if job.kind is Kind.FINAL]
        return round((now_s - min(asked)) * 1000) if asked else 0

    def _show(self, job: Job) -> None:
        before = self.waiting_shown.pop(job.stream, None)
        self.shed += before is not None
        self.waiting_shown[job.stream] = job

    def _turn(self, job: Job) -> tuple[float, float]:
        """The leg not served for longest comes first."""
        return self._served_s.get(job.stream, 0.0), job.asked_s

    def _next_shown(self) -> Job | None:
        while self.waiting_shown:
            job = min(self.waiting_shown.values(), key=self._turn)
            del self.waiting_shown[job.stream]
            if self.seconds_per_audio_s * (job.end_ms - job.start_ms) / 1000 <= PARTIAL_BUDGET_S:
                return job
            self.shed += 1
        return None


def _same_audio(one: Job, other: Job) -> bool:
    return (one.utterance_id, one.start_ms, one.end_ms) == (
        other.utterance_id,
        other.start_ms,
        other.end_ms,
    )
