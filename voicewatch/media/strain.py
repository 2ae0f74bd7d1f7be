"""How hard a media process works, and what it gives up in time: first the encoder's care, then new calls.

Pure; time is given. Each rung of the ladder has a load that leads down and a lower one that leads up again,
each held for a while, so that nothing flutters. An encoder at complexity 0 costs 0.37 of one at 4 (measured,
libopus 1.6.1), so the load at which a rung is left upwards leaves room for what that adds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from voicewatch.media.opus import CHUNK_MS

MEAN_TICKS = 50
"""The load is a mean over about a second."""
RETRY_AFTER_S = 5


class Rung(NamedTuple):
    """Shares of a tick's 20 ms; `after` in ms for which the load must be beyond them."""

    complexity: int
    down_at: float
    down_after_ms: int
    up_at: float
    up_after_ms: int


LADDER = (
    Rung(10, 0.70, 1_000, 0.00, 0),
    Rung(4, 0.70, 1_000, 0.25, 10_000),
    Rung(2, 0.75, 1_000, 0.40, 10_000),
    Rung(0, 2.00, 0, 0.40, 10_000),
)
"""From the best to the cheapest; the one set (`media.opus_complexity`) takes the place of all above it."""

FULL_AT, FULL_AFTER_MS = 0.85, 2_000
"""No new calls when the load was so high for so long."""
FREE_AT, FREE_AFTER_MS = 0.70, 5_000
FORESEEN_AT = 0.76
"""Nor when those who have been let in and are still connecting would bring the load beyond this: what is done
between two turns (consent, handshakes) and what a host takes for itself come on top."""
_LATE_TICKS = 10
"""The load of the last moments, by which the future one is judged: a mean over a fifth of a second."""


class Held:
    """Whether a condition has been true without a break for some time."""

    __slots__ = ("_since_ms",)

    def __init__(self) -> None:
        self._since_ms: float | None = None

    def long_enough(self, condition: bool, after_ms: int, now_ms: float) -> bool:
        if not condition:
            self._since_ms = None
            return False
        if self._since_ms is None:
            self._since_ms = now_ms
        return now_ms - self._since_ms >= after_ms

    def forget(self) -> None:
        self._since_ms = None


class Strain:
    """Told each tick's work; `complexity` and `admits` are what follows from it."""

    __slots__ = ("_adapts", "_down", "_full", "_lately", "_rung", "_rungs", "_up", "admits", "load")

    def __init__(self, complexity: int, *, adapts: bool = True) -> None:
        """`complexity` is the highest used, and without `adapts` the only one."""
        self._adapts = adapts
        self._rungs = ladder(complexity)[: None if adapts else 1]
        self._rung = 0
        self._down, self._up, self._full = Held(), Held(), Held()
        self._lately = 0.0
        self.load = 0.0
        """Mean share of a tick spent working."""
        self.admits = True

    @property
    def complexity(self) -> int:
        return self._rungs[self._rung].complexity

    def tick(self, work_ms: float, now_ms: float) -> bool:
        """True when the complexity changed."""
        self.load += (work_ms / CHUNK_MS - self.load) / MEAN_TICKS
        self._lately += (work_ms / CHUNK_MS - self._lately) / _LATE_TICKS
        self._admit(now_ms)
        rung = self._rungs[self._rung]
        is_down = self._down.long_enough(self.load >= rung.down_at, rung.down_after_ms, now_ms)
        is_up = self._up.long_enough(self.load <= rung.up_at, rung.up_after_ms, now_ms)
        step = int(is_down and self._rung + 1 < len(self._rungs)) - int(is_up and self._rung > 0)
        if step:
            self._rung += step
            self._down.forget()
            self._up.forget()
        return step != 0

    def has_room_for(self, expected: int, legs: int) -> bool:
        """Whether there may be `expected` legs, when `legs` make the load there is.

        While the encoders can still become cheaper, or never will, nothing is foreseen.
        """
        if not (self.admits and self._adapts) or self._rung + 1 < len(self._rungs):
            return self.admits
        return self._lately * expected <= FORESEEN_AT * max(legs, 1) or self._lately < FORESEEN_AT / 2

    def _admit(self, now_ms: float) -> None:
        beyond = self.load >= FULL_AT if self.admits else self.load <= FREE_AT
        if self._full.long_enough(beyond, FULL_AFTER_MS if self.admits else FREE_AFTER_MS, now_ms):
            self.admits = not self.admits
            self._full.forget()


def ladder(complexity: int) -> Sequence[Rung]:
    """The rungs from that complexity downwards."""
    above = [rung for rung in LADDER if rung.complexity >= complexity]
    return [above[-1]._replace(complexity=complexity), *LADDER[len(above) :]]
