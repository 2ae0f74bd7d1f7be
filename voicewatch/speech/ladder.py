"""What understanding gives up when it has more to do than it can, and when it takes it up again. Pure.

Load is the share of the recogniser threads' time that was spent working, over the last 5 s; besides it, the
age of the oldest final not yet decoded tells how far behind we are. Steps are taken after 2 s and taken back
one at a time after 15 s, at figures somewhat lower, so that what a step saves does not undo it.
"""

from __future__ import annotations

from collections import deque
from enum import IntEnum

LOAD_WINDOW_S = 5.0
UP_AFTER_S = 2.0
DOWN_AFTER_S = 15.0
DOWN_MARGIN = 0.1


class Step(IntEnum):
    """Each one includes those before it."""

    NORMAL = 0
    SLOWER_PARTIALS = 1
    NO_PARTIALS = 2
    """Nor early finals: a final is decoded once its utterance has ended."""
    LIGHT_FINALS = 3
    """One decode with the smallest beam, whatever the guards say of it."""
    OTHER_MODEL = 4
    """A smaller model, where one is configured."""
    LATE_FINALS = 5
    """Nothing is left to give up: finals come late, and say so."""


CLIMBS = (
    (Step.SLOWER_PARTIALS, 0.60, float("inf")),
    (Step.NO_PARTIALS, 0.75, 1.0),
    (Step.LIGHT_FINALS, 0.85, 1.5),
    (Step.OTHER_MODEL, 0.95, 2.0),
    (Step.LATE_FINALS, float("inf"), 3.0),
)
"""Step, and the load and the age of the oldest final in s from which on it is taken."""

SAID = {
    Step.NO_PARTIALS: "interim text is off",
    Step.LIGHT_FINALS: "finals are decoded once only",
    Step.OTHER_MODEL: "a smaller model transcribes",
    Step.LATE_FINALS: "finals are late",
}
"""What people are told of a step; slower interim text is nobody's trouble yet."""


class Load:
    """Share of the threads' time spent working, from the moments at which their number at work changed."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._changes: deque[tuple[float, int]] = deque()  # within the window, and the last one before it

    def changed(self, now_s: float, working: int) -> None:
        """From now on `working` threads work."""
        self._changes.append((now_s, working))
        self._forget(now_s)

    def share(self, now_s: float) -> float:
        """0..1 over the last 5 s."""
        self._forget(now_s)
        worked_s, until_s = 0.0, now_s
        for since_s, working in reversed(self._changes):
            since_s = max(since_s, now_s - LOAD_WINDOW_S)
            worked_s += working * max(0.0, until_s - since_s)
            until_s = since_s
        return min(1.0, worked_s / (LOAD_WINDOW_S * self._workers))

    def _forget(self, now_s: float) -> None:
        while len(self._changes) > 1 and self._changes[1][0] <= now_s - LOAD_WINDOW_S:
            self._changes.popleft()


class Ladder:
    """The step in force."""

    def __init__(self, *, has_other_model: bool = False) -> None:
        self.step = Step.NORMAL
        self._has_other_model = has_other_model
        self._above_since_s: float | None = None
        self._below_since_s: float | None = None

    def observe(self, now_s: float, load: float, oldest_final_s: float) -> bool:
        """To be called about twice a second; True when the step changed."""
        wanted = self._wanted(load, oldest_final_s)
        bearable = self._wanted(load + DOWN_MARGIN, oldest_final_s)
        self._above_since_s = _since(self._above_since_s, now_s, wanted > self.step)
        self._below_since_s = _since(self._below_since_s, now_s, bearable < self.step)
        if self._above_since_s is not None and now_s - self._above_since_s >= UP_AFTER_S:
            return self._take(wanted)
        if self._below_since_s is not None and now_s - self._below_since_s >= DOWN_AFTER_S:
            return self._take(self._below(self.step))
        return False

    def _wanted(self, load: float, oldest_final_s: float) -> Step:
        reached = [
            step for step, load_at, age_at_s in CLIMBS if load >= load_at or oldest_final_s >= age_at_s
        ]
        wanted = max(reached, default=Step.NORMAL)
        if wanted is Step.OTHER_MODEL and not self._has_other_model:
            return Step.LIGHT_FINALS
        return wanted

    def _below(self, step: Step) -> Step:
        below = Step(step - 1)
        return Step.LIGHT_FINALS if below is Step.OTHER_MODEL and not self._has_other_model else below

    def _take(self, step: Step) -> bool:
        self.step = step
        self._above_since_s = self._below_since_s = None
        return True


def _since(since_s: float | None, now_s: float, holds: bool) -> float | None:
    """Since when it holds without a break."""
    if not holds:
        return None
    return now_s if since_s is None else since_s
