"""Which decode comes next, over all legs: pure, with the time as an argument.

Finals come first whatever leg they are of, oldest first. Of what is only shown meanwhile (partials, and
early finals of an utterance that paused) each leg has one place, and the newest wish takes it; legs take
turns. Jobs that the engine can decode together leave together: a decode's weights are read once for all of
them, so what is only shown waits a little for company while other legs speak. Nothing final is ever lost
silently: what does not fit or fails twice is handed back as given up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from audio_models.api import Transcriber
from voicewatch.speech.ladder import Step

MAX_WAITING_MS = 600_000
"""Audio of waiting finals (19 MB); when more would wait, the oldest is given up and becomes a gap."""
ATTEMPTS = 2
PARTIAL_BUDGET_S = 0.4
"""A partial that is expected to take longer is not worth the wait of the finals behind it."""
BATCH_BUDGET_S = 0.3
"""A batch expected to take longer would keep a final waiting that comes meanwhile."""
SLOWER_PARTIALS_S = 2.0
"""Between two interim decodes of a leg when there is much to do."""
PATIENCE_TIMES = 4.0
"""A decode waits for company for at most four times what it costs by itself."""
COMPANY_WITHIN_S = 1.5
"""A leg of which nothing was decoded for so long is no company to wait for."""
WINDOW_UNIT_MS = 10
PADDING_PAYS = 1.0
"""Padding up to a longer window pays while it adds no more audio than the shortest job has: a second costs
the encoder what three or four tokens cost the decoder by itself (measured for tiny and base)."""
LEARN_DEARER, LEARN_CHEAPER = 0.2, 0.5
HUNG_LEAST_S, HUNG_UNKNOWN_S, HUNG_TIMES = 4.0, 15.0, 20.0
"""A decode hangs when it takes 20 times as long as they do, and 4 s; 15 s while none has been seen."""


class Kind(StrEnum):
    FINAL = "final"
    EARLY = "early"
    """The final of an utterance that paused, should it end there."""
    PARTIAL = "partial"


Audio = NDArray[np.float32]
NOTHING: Audio = np.zeros(0, np.float32)


@dataclass(eq=False)
class Job:
    """One decode. `audio` is called when the job is taken: a late partial hears the newest audio, and None
    says that nobody wants it any more.
    """

    kind: Kind
    stream: int
    utterance_id: str
    start_ms: int
    end_ms: int
    audio: Callable[[], Audio | None]
    language: str = "en"
    prefix: tuple[str, ...] = ()
    ahead_s: float = 0.0
    """Asked so long before its time: until then it leaves only with others."""
    patience_s: float = 0.0
    """So long beyond its time it waits for company, where there is any to expect."""
    asked_s: float = 0.0
    # From here on: set when it is taken.
    taken_s: float = 0.0
    attempts: int = 0
    samples: Audio = field(default_factory=lambda: NOTHING)
    window: int = 0
    """The least to decode it in."""
    thorough: bool = True
    engine: Transcriber | None = None
    """Which one decodes it."""
    degraded: tuple[str, ...] = ()
    alone: bool = False
    """It failed or hung: not to be decoded together with others again."""

    @property
    def length_ms(self) -> int:
        return self.end_ms - self.start_ms


@dataclass(eq=False)
class Batch:
    """Jobs that one call of the engine decodes."""

    jobs: list[Job]
    taken_s: float

    @property
    def audio_s(self) -> float:
        return sum(max(0.5, job.length_ms / 1000) for job in self.jobs)


@dataclass
class JobQueue:
    """What waits and what runs. `running` is at most as many batches as there are workers."""

    waiting_finals: deque[Job] = field(default_factory=deque)
    waiting_shown: dict[int, Job] = field(default_factory=dict)
    running: list[Batch] = field(default_factory=list)
    given_up: list[tuple[Job, str]] = field(default_factory=list)
    """Finals that will never be decoded, with the reason; taken away by the caller."""
    step: Step = Step.NORMAL
    max_batch: int = 1
    window_of: Callable[[int], int] = lambda _: 0
    """Length in ms -> window in units of 10 ms: what is in one window may be decoded together."""
    shed: int = 0
    """Partials and early finals not decoded, since something better had to be done."""
    seconds_per_audio_s: float = 0.0
    """Running mean of what decoding costs, to tell partials that are too dear and decodes that hang."""
    _served_s: dict[int, float] = field(default_factory=dict)

    def add(self, job: Job, now_s: float) -> None:
        """A wish. A final takes over the early final of its very audio when that is being decoded."""
        job.asked_s = now_s
        if job.kind is not Kind.FINAL:
            self._show(job)
            return
        self.waiting_shown.pop(job.stream, None)
        for early in (one for batch in self.running for one in batch.jobs):
            if early.kind is Kind.EARLY and _same_audio(early, job):
                early.kind = Kind.FINAL
                return
        self.waiting_finals.append(job)
        while self.waiting_ms > MAX_WAITING_MS:
            self.given_up.append((self.waiting_finals.popleft(), "overload"))

    @property
    def waiting_ms(self) -> int:
        """Audio of the finals that wait."""
        return sum(one.length_ms for one in self.waiting_finals)

    def forget(self, stream: int) -> None:
        """The leg is gone: nothing of it needs to be shown any more."""
        self.waiting_shown.pop(stream, None)
        self._served_s.pop(stream, None)

    def take(self, now_s: float) -> Batch | None:
        """The jobs to begin now, or None: nothing waits, or `leaves_s` has not come."""
        first = self._next_final(()) or self._first_shown(now_s)
        if first is None:
            return None
        batch = Batch([first], now_s)
        while len(batch.jobs) < self.max_batch and not first.alone and self._affordable(batch):
            more = self._next_final(batch.jobs) or self._next_shown(now_s, batch.jobs)
            if more is None:
                break
            batch.jobs.append(more)
        widest = max(self._window(job) for job in batch.jobs)
        for job in batch.jobs:
            job.window = self._window(job) if _is_final(job) else widest
        for job in batch.jobs:
            job.taken_s = now_s
            job.attempts += 1
            self._served_s[job.stream] = now_s
        self.running.append(batch)
        return batch

    def leaves_s(self, now_s: float) -> float | None:
        """When what is only shown leaves without waiting for more; None: nothing waits."""
        shown = self.waiting_shown
        if not shown:
            return None
        if len(shown) >= self.max_batch:
            return now_s
        return min(self._leaves_s(job, now_s) for job in shown.values())

    def done(self, batch: Batch, now_s: float) -> bool:
        """It was decoded; False if it was given up before."""
        if batch not in self.running:
            return False
        self.running.remove(batch)
        cost = (now_s - batch.taken_s) / batch.audio_s
        known = self.seconds_per_audio_s or cost
        # What is dear is believed slowly, what is cheap soon: a first decode while others load says little.
        share = LEARN_DEARER if cost > known else LEARN_CHEAPER
        self.seconds_per_audio_s = known + share * (cost - known)
        return True

    def failed(self, job: Job, reason: str) -> None:
        """It raised: a final is tried once more, by itself and behind the others, then given up."""
        if job.kind is not Kind.FINAL:
            return
        if job.attempts < ATTEMPTS:
            job.alone = True
            self.waiting_finals.append(job)
        else:
            self.given_up.append((job, reason))

    def overdue(self, now_s: float) -> list[Batch]:
        """Batches that hang: given up, whatever they may still answer; their finals are tried once more."""
        late = [batch for batch in self.running if now_s - batch.taken_s > self._limit_s(batch)]
        for batch in late:
            self.running.remove(batch)
            for job in batch.jobs:
                self.failed(job, "recogniser_hung")
        return late

    def oldest_final_s(self, now_s: float) -> float:
        """Age of the oldest final not yet decoded."""
        asked = [job.asked_s for job in self.waiting_finals]
        asked += [job.asked_s for batch in self.running for job in batch.jobs if job.kind is Kind.FINAL]
        return now_s - min(asked) if asked else 0.0

    def lag_ms(self, now_s: float) -> int:
        """How far behind we are: age of the oldest final, or of a decode that does not come back."""
        began = [batch.taken_s for batch in self.running]
        return round(max(self.oldest_final_s(now_s), now_s - min(began, default=now_s)) * 1000)

    # ------------------------------------------------------------ what next

    def _next_final(self, company: Sequence[Job]) -> Job | None:
        """The oldest final, or the oldest that can be decoded with `company`."""
        for at, job in enumerate(self.waiting_finals):
            if self._fits(job, company):
                del self.waiting_finals[at]
                job.samples = _heard(job)
                return job
        return None

    def _first_shown(self, now_s: float) -> Job | None:
        leaves_s = self.leaves_s(now_s)
        return None if leaves_s is None or leaves_s > now_s else self._next_shown(now_s, ())

    def _leaves_s(self, job: Job, now_s: float) -> float:
        """Beyond its time it waits only where another leg's words are to be expected."""
        spoke_s = [at_s for stream, at_s in self._served_s.items() if stream != job.stream]
        company = max(spoke_s, default=now_s - COMPANY_WITHIN_S) > now_s - COMPANY_WITHIN_S
        leaves_s = job.asked_s + job.ahead_s + self._patience_s(job) * company
        if self._slowed(job):
            return max(leaves_s, self._served_s.get(job.stream, 0.0) + SLOWER_PARTIALS_S)
        return leaves_s

    def _patience_s(self, job: Job) -> float:
        """What costs little is not worth a long wait."""
        cost_s = self._cost_s(job.length_ms / 1000)
        return min(job.patience_s, PATIENCE_TIMES * cost_s) if cost_s else job.patience_s

    def _next_shown(self, now_s: float, company: Sequence[Job]) -> Job | None:
        """What is wanted for a leg whose turn it is."""
        if self.step >= Step.NO_PARTIALS:
            self.shed += len(self.waiting_shown)
            self.waiting_shown.clear()
        for job in sorted(self.waiting_shown.values(), key=self._turn):
            if not self._fits(job, company) or self._too_soon(job, now_s):
                continue
            del self.waiting_shown[job.stream]
            samples = job.audio()
            if samples is None or self._cost_s(job.length_ms / 1000) > PARTIAL_BUDGET_S:
                self.shed += 1
                continue
            job.samples = samples
            return job
        return None

    def _show(self, job: Job) -> None:
        before = self.waiting_shown.pop(job.stream, None)
        self.shed += before is not None
        self.waiting_shown[job.stream] = job

    def _turn(self, job: Job) -> tuple[float, float]:
        """The leg not served for longest comes first."""
        return self._served_s.get(job.stream, 0.0), job.asked_s

    def _too_soon(self, job: Job, now_s: float) -> bool:
        return (
            self._slowed(job)
            and now_s - self._served_s.get(job.stream, -SLOWER_PARTIALS_S) < SLOWER_PARTIALS_S
        )

    def _slowed(self, job: Job) -> bool:
        return self.step >= Step.SLOWER_PARTIALS and job.kind is Kind.PARTIAL

    def _fits(self, job: Job, company: Sequence[Job]) -> bool:
        """Whether one decode for all of them is cheaper. Finals are never padded: they must not depend on
        what else was being said.
        """
        if not company:
            return True
        if job.alone or job.language != company[0].language:
            return False
        together = [*company, job]
        before, own = max(map(self._window, company)), self._window(job)
        widest = max(before, own)
        if any(_is_final(one) and self._window(one) < widest for one in together):
            return False
        padding = widest - own + (widest - before) * len(company)
        shortest_ms = min(one.length_ms for one in together)
        return padding * WINDOW_UNIT_MS <= PADDING_PAYS * shortest_ms

    def _window(self, job: Job) -> int:
        return self.window_of(job.length_ms)

    def _affordable(self, batch: Batch) -> bool:
        """Whether one more may join: at the last step finals are late anyway, and batches pay."""
        return self.step >= Step.LATE_FINALS or self._cost_s(batch.audio_s) < BATCH_BUDGET_S

    def _cost_s(self, audio_s: float) -> float:
        return self.seconds_per_audio_s * audio_s

    def _limit_s(self, batch: Batch) -> float:
        if not self.seconds_per_audio_s:
            return HUNG_UNKNOWN_S
        return max(HUNG_LEAST_S, HUNG_TIMES * self._cost_s(batch.audio_s))


def _heard(job: Job) -> Audio:
    if len(job.samples):
        return job.samples  # it was taken before, and failed
    samples = job.audio()
    return NOTHING if samples is None else samples


def _is_final(job: Job) -> bool:
    return job.kind is not Kind.PARTIAL


def _same_audio(one: Job, other: Job) -> bool:
    return (one.utterance_id, one.start_ms, one.end_ms) == (
        other.utterance_id,
        other.start_ms,
        other.end_ms,
    )
