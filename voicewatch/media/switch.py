"""Which audibility table is in force in one call, and when the next one takes over. Pure; time is given."""

from __future__ import annotations

from collections.abc import Mapping, Set

from voicewatch.core.audibility import Table
from voicewatch.core.events import AudibilityChanged
from voicewatch.processes.messages import SetAudibility


class Switch:
    """Versions only rise. A change may wait for a leg to be live, then for a clause to end."""

    __slots__ = ("_call_id", "_fallbacks", "_limit_ms", "_may_since_ms", "_on_fallback", "_silence_ms",
                 "_waiting", "table", "version")  # fmt: skip

    def __init__(self, call_id: str, *, takeover_limit_ms: int, clause_silence_ms: int) -> None:
        self.table: Table = {}
        self.version = 0
        self._call_id = call_id
        self._limit_ms, self._silence_ms = takeover_limit_ms, clause_silence_ms
        self._fallbacks: dict[str, Table] = {}
        self._on_fallback = False
        self._waiting: SetAudibility | None = None
        self._may_since_ms: int | None = None

    @property
    def is_waiting(self) -> bool:
        return self._waiting is not None

    @property
    def newest_version(self) -> int:
        """Of the table that is waiting, else of the one in force."""
        return self.version if self._waiting is None else self._waiting.version

    def knows(self, seat_id: str) -> bool:
        """Whether the table in force or the one waiting has a place for that seat."""
        return seat_id in self.table or (self._waiting is not None and seat_id in self._waiting.hears)

    def want(self, wanted: SetAudibility) -> bool:
        """Take a newer table as the next one; False when it is not newer than what is in force or waiting."""
        if wanted.version <= self.newest_version:
            return False
        self._waiting, self._may_since_ms = wanted, None
        return True

    def clause_marked(self, seat_id: str, at_ms: int) -> AudibilityChanged | None:
        """The AI said that its clause ends here: a change that waited for this comes now."""
        waiting = self._waiting
        if waiting is None or waiting.after_clause_of != seat_id or self._may_since_ms is None:
            return None
        return self._apply(waiting, at_ms)

    def tick(self, at_ms: int, live: Set[str], unvoiced_ms: Mapping[str, int]) -> AudibilityChanged | None:
        """`live`: seats whose leg is proved; `unvoiced_ms`: by connected seat, how long it has been quiet."""
        waiting = self._waiting
        if waiting is None or (waiting.needs_live is not None and waiting.needs_live not in live):
            self._may_since_ms = None
            return None
        if self._may_since_ms is None:
            self._may_since_ms = at_ms
        speaker = waiting.after_clause_of
        if (
            speaker is not None
            and unvoiced_ms.get(speaker, self._silence_ms) < self._silence_ms
            and at_ms - self._may_since_ms < self._limit_ms
        ):
            return None
        return self._apply(waiting, at_ms)

    def lost(self, seat_id: str, at_ms: int) -> AudibilityChanged | None:
        """That seat's leg is gone: its fallback comes into force if those who remain would notice.

        A second loss on top of a fallback changes nothing: tables made before the first loss no longer fit.
        """
        fallback = self._fallbacks.get(seat_id)
        if fallback is None or self._on_fallback or not _differ(fallback, self.table, without=seat_id):
            return None
        self.table, self._on_fallback = fallback, True
        return self._changed(at_ms, "fallback", f"{seat_id} lost")

    def _apply(self, wanted: SetAudibility, at_ms: int) -> AudibilityChanged:
        self.version, self.table = wanted.version, as_table(wanted.hears)
        self._fallbacks = {seat: as_table(table) for seat, table in wanted.fallbacks.items()}
        self._on_fallback = False
        self._waiting, self._may_since_ms = None, None
        return self._changed(at_ms, "command", wanted.why)

    def _changed(self, at_ms: int, cause: str, why: str) -> AudibilityChanged:
        return AudibilityChanged.model_validate(
            {
                "call_id": self._call_id,
                "at_ms": at_ms,
                "version": self.version,
                "hears": {listener: sorted(heard) for listener, heard in self.table.items()},
                "cause": cause,
                "why": why,
            }
        )


def as_table(hears: Mapping[str, list[str]]) -> Table:
    """The table as told; nobody hears himself whatever was told."""
    return {listener: frozenset(heard) - {listener} for listener, heard in hears.items()}


def _differ(one: Table, other: Table, without: str) -> bool:
    listeners = (one.keys() | other.keys()) - {without}
    nobody: frozenset[str] = frozenset()
    return any(one.get(who, nobody) - {without} != other.get(who, nobody) - {without} for who in listeners)
