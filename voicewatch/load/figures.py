"""What a stream looked like to the one who received it, and the summary over many. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields
from itertools import pairwise
from typing import Any

CHUNK_MS = 20


@dataclass(slots=True)
class Stream:
    """RTP as it arrived: kernel receive times in ns and sequence numbers."""

    arrivals_ns: list[int] = field(default_factory=list)
    sequences: list[int] = field(default_factory=list)

    def add(self, sequence: int, arrival_ns: int) -> None:
        self.arrivals_ns.append(arrival_ns)
        self.sequences.append(sequence)

    def within(self, start_ns: int, end_ns: int) -> Stream:
        kept = [
            (at, number)
            for at, number in zip(self.arrivals_ns, self.sequences, strict=True)
            if start_ns <= at < end_ns
        ]
        return Stream([at for at, _ in kept], [number for _, number in kept])

    def gaps_ms(self) -> list[float]:
        return [(later - earlier) / 1e6 for earlier, later in pairwise(self.arrivals_ns)]

    def largest_gap_ms(self, start_ns: int, end_ns: int) -> float:
        return max(self.within(start_ns, end_ns).gaps_ms(), default=(end_ns - start_ns) / 1e6)

    def breaks(self) -> int:
        return sum((b - a) & 0xFFFF != 1 for a, b in pairwise(self.sequences))


@dataclass(slots=True)
class Tally:
    """Figures of many streams, which processes hand over and add up. Times are counted in tenths of a ms."""

    streams: int = 0
    due: float = 0.0
    received: int = 0
    breaks: int = 0
    gaps: Counter[int] = field(default_factory=Counter)
    delays: Counter[int] = field(default_factory=Counter)
    handoff_gaps: Counter[int] = field(default_factory=Counter)

    def add(self, stream: Stream, start_ns: int, end_ns: int) -> None:
        """What one listener got from `start_ns` to `end_ns`, against one packet every 20 ms."""
        measured = stream.within(start_ns, end_ns)
        self.streams += 1
        self.due += (end_ns - start_ns) / 1e6 / CHUNK_MS - 1  # the one at the edge may fall outside
        self.received += len(measured.arrivals_ns)
        self.breaks += measured.breaks()
        self.gaps.update(round(10 * gap) for gap in measured.gaps_ms())

    def to_json(self) -> dict[str, Any]:
        return {one.name: getattr(self, one.name) for one in fields(self)}

    def add_json(self, other: dict[str, Any]) -> None:
        self.streams += other["streams"]
        self.due += other["due"]
        self.received += other["received"]
        self.breaks += other["breaks"]
        for name in ("gaps", "delays", "handoff_gaps"):
            getattr(self, name).update({int(tenths): count for tenths, count in other[name].items()})

    def summary(self) -> dict[str, Any]:
        return {
            "streams": self.streams,
            "delivered_percent": round(min(100.0, 100 * self.received / self.due), 2) if self.due else 0.0,
            "sequence_breaks": self.breaks,
            "gap_ms": spread(self.gaps),
            "delay_ms": spread(self.delays),
            "handoff_gap_ms": spread(self.handoff_gaps),
        }


def spread(tenths: Counter[int]) -> dict[str, float | None]:
    """p50, p99 and max in ms; None of nothing."""
    return {"p50": _rank(tenths, 0.5), "p99": _rank(tenths, 0.99), "max": _rank(tenths, 1.0)}


def _rank(tenths: Counter[int], share: float) -> float | None:
    left = share * tenths.total()
    for value, count in sorted(tenths.items()):
        left -= count
        if left <= 0:
            return value / 10
    return None
