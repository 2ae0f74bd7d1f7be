"""How often somebody may do something: a burst, then so many a second (a token bucket). Pure."""

from __future__ import annotations

from collections import OrderedDict

KNOWN_LIMIT = 10_000
"""Keys remembered; the one that did nothing for longest is forgotten, which only gives it its burst again."""


class Pace:
    """Each key may do `burst` things at once, and `per_s` a second in the long run."""

    def __init__(self, burst: float, per_s: float) -> None:
        self._burst, self._per_s = burst, per_s
        self._keys: OrderedDict[str, tuple[float, float]] = OrderedDict()  # things left, and when that was

    def wait_s(self, key: str, now_s: float) -> float:
        """0 if it may be done now, which is then counted; else so long until it may."""
        left, then_s = self._keys.get(key, (self._burst, now_s))
        left = min(self._burst, left + (now_s - then_s) * self._per_s)
        wait_s = 0.0 if left >= 1 else (1 - left) / self._per_s
        self._keys[key] = (left if wait_s else left - 1, now_s)
        self._keys.move_to_end(key)
        if len(self._keys) > KNOWN_LIMIT:
            self._keys.popitem(last=False)
        return wait_s
