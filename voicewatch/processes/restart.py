"""When a process that died is started again. Pure."""

from __future__ import annotations

FIRST_DELAY_S = 0.2
LONGEST_DELAY_S = 5.0
HEALTHY_S = 30.0
"""A process that lived so long is forgiven its earlier deaths."""
TROUBLED_AFTER = 5


class RestartPolicy:
    """The first death is answered at once, each further one later: 0.2 s, doubling up to 5 s."""

    def __init__(self) -> None:
        self.deaths = 0
        """In a row, without a healthy life between."""
        self._started_s = 0.0

    @property
    def troubled(self) -> bool:
        """It dies again and again: somebody should look."""
        return self.deaths >= TROUBLED_AFTER

    def started(self, now_s: float) -> None:
        self._started_s = now_s

    def died(self, now_s: float) -> float:
        """Seconds to wait before it is started again."""
        if now_s - self._started_s >= HEALTHY_S:
            self.deaths = 0
        self.deaths += 1
        if self.deaths == 1:
            return 0.0
        doublings = min(self.deaths - 2, 10)
        return float(min(FIRST_DELAY_S * 2**doublings, LONGEST_DELAY_S))
