"""When a tick's packets leave. Pure; time is given.

The work before they can be sent varies by milliseconds (an encoder is warmed, a leg comes), and a listener
would see each of them as jitter. So packets leave on a grid of their own: as long after a tick is due as the
work lately took at most.
"""

from __future__ import annotations

LONGEST_NS = 6_000_000
"""Delay that evenness is worth; a tick that works longer sends when it is ready."""
_SPARE = 8
"""An eighth more than was needed, so that a little more work than ever is not late at once."""
_FADES = 1_024
"""Ticks (20 s) until a peak of work is mostly forgotten; one that comes back in two seconds is foreseen."""


class Departure:
    __slots__ = ("_after_ns",)

    def __init__(self) -> None:
        self._after_ns = 0

    def of(self, due_ns: int, ready_ns: int) -> int:
        """When to send what is ready now; may be past."""
        needed_ns = ready_ns - due_ns
        faded_ns = self._after_ns - self._after_ns // _FADES
        self._after_ns = min(LONGEST_NS, max(needed_ns + needed_ns // _SPARE, faded_ns))
        return due_ns + self._after_ns
