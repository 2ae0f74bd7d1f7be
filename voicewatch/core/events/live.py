"""Signals of a call: words while they are spoken, levels, how the legs fare."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from voicewatch.core.events.base import Role, Signal


class Interim(Signal):
    """Interim text of an utterance being spoken; replaces the one before. Only `tail` may still change."""

    type: Literal["interim"] = "interim"
    SEALED = frozenset({"committed", "tail"})
    utterance_id: str
    seat_id: str
    role: Role
    start_ms: int
    committed: str
    tail: str
    first_partial_ms: int | None = None
    """On the first one: speech onset to this text."""
    heard_ms: int | None = None
    """The recogniser had heard audio up to here."""

    @property
    def key(self) -> str:
        return f"{self.call_id}:{self.seat_id}:interim"


class Revision(Signal):
    """A final changed words that were shown as settled; told right before it.

    No text: nothing was said. Masked, both texts are empty: the final tells the words.
    """

    type: Literal["revision"] = "revision"
    SEALED = frozenset({"committed", "text"})
    utterance_id: str
    seat_id: str
    role: Role
    committed: str
    """As it was shown."""
    text: str
    """As the final has it."""
    changed: int
    """Settled words that are not in it any more."""

    @property
    def key(self) -> str:
        return f"{self.call_id}:{self.seat_id}:revision"


class Levels(Signal):
    """Speech level by seat in dBFS (-96 is silence) and who is voiced now."""

    type: Literal["levels"] = "levels"
    dbfs: dict[str, float]
    voiced: list[str] = Field(default_factory=list)


class LegStats(Signal):
    type: Literal["leg_stats"] = "leg_stats"
    seat_id: str
    leg_id: str
    packets_in: int
    packets_out: int
    lost: int
    concealed: int
    late: int
    buffer_ms: float
    jitter_ms: float
    role: Role | None = None
    round_trip_ms: float | None = None
    """By the peer's RTCP reports; None before the first."""
    one_way_ms: float | None = None
    """From the peer's network to the mix, estimated: half the round trip, the receive buffer and a tick."""
    strays: int = 0
    """Packets of other streams or kinds, and such that are no Opus."""
    undecryptable: int = 0
    """Datagrams that the leg's keys do not open: damaged, replayed or forged."""
    unsent: int = 0
    """Packets that the system did not take."""

    @property
    def key(self) -> str:
        return f"{self.call_id}:{self.seat_id}:leg_stats"
