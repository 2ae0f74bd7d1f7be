"""Stretches of a call in which something was so: holds, pauses, times the AI was not heard."""

from __future__ import annotations

Span = tuple[int, int | None]
"""(start, end) in ms on the call's clock; end None: still."""


def is_open(spans: list[Span]) -> bool:
    """Whether the newest one still lasts."""
    return bool(spans) and spans[-1][1] is None


def begin(spans: list[Span], at_ms: int) -> None:
    """It is so from `at_ms` on; nothing new if it is so already."""
    if not is_open(spans):
        spans.append((at_ms, None))


def finish(spans: list[Span], at_ms: int) -> None:
    """It is so no longer; nothing new if it was not."""
    if is_open(spans):
        spans[-1] = (spans[-1][0], at_ms)


def total_ms(spans: list[Span], now_ms: int) -> int:
    """How long all of them are; what still lasts is counted up to `now_ms`."""
    return sum((now_ms if end is None else end) - start for start, end in spans)
