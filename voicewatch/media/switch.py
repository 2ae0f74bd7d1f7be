"""Which audibility table is in force in one call, and when the next one takes over. Pure; time is given."""

from __future__ import annotations

from collections.abc import Mapping, Set

from voicewatch.core.audibility import NOTICE, Table
from voicewatch.core.events import AudibilityChanged
from voicewatch.processes.messages import SetAudibility

UNDERWAY_MS = 200
"""What somebody said before he was to be heard may be in his receive buffer for so long; it stays unheard."""


class Switch:
    """Versions only rise. A change may wait for a leg to be live, then for a clause to end.

    With a notice it comes in two steps: the old voice is gone and the notice is heard; then the new voice is.
    """

    __slots__ = ("_asked_ms", "_call_id", "_fallbacks", "_limit_ms", "_may_since_ms", "_notice_ms",
                 "_noticed", "_on_fallback", "_silence_ms", "_waiting", "table", "version")  # fmt: skip

    def __init__(
        self,
        call_id: str,
        *,
        takeover_limit_ms: int,
        clause_silence_ms: int,
        notice_ms: Mapping[str, int] | None = None,
    ) -> None:
        """`notice_ms`: how long each kind of notice lasts."""
        self.table: Table = {}
        self.version = 0
        self._notice_ms = notice_ms or {}
        self._noticed: tuple[SetAudibility, int] | None = None
        self._asked_ms: int | None = None
        self._call_id = call_id
        self._limit_ms, self._silence_ms = takeover_limit_ms, clause_silence_ms
        self._fallbacks: dict[str, Table] = {}
        self._on_fallback = False
        self._waiting: SetAudibility | None = None
        self._may_since_ms: int | None = None

    @property
    def is_waiting(self) -> bool:
        return self._waiting is not None or self._noticed is not None

    @property
    def awaits_live(self) -> str | None:
        """The seat whose leg is waited for."""
        return None if self._waiting is None else self._waiting.needs_live

    @property
    def notice(self) -> str:
        """The kind that is being heard; empty while none is."""
        return "" if self._noticed is None else self._noticed[0].notice

    @property
    def newest_version(self) -> int:
        """Of the table that is waiting, else of the one in force."""
        coming = self._waiting or (self._noticed[0] if self._noticed is not None else None)
        return self.version if coming is None else coming.version

    def knows(self, seat_id: str) -> bool:
        """Whether the table in force or the one waiting has a place for that seat."""
        return seat_id in self.table or (self._waiting is not None and seat_id in self._waiting.hears)

    def want(self, wanted: SetAudibility) -> bool:
        """Take a newer table as the next one; False when it is not newer than what is in force or waiting."""
        if wanted.version <= self.newest_version:
            return False
        if self._noticed is not None:
            first, until_ms = self._noticed
            if any(first.needs_live in heard for heard in wanted.hears.values()):
                kept = {"needs_live": first.needs_live, "notice": first.notice}
                self._noticed = (wanted.model_copy(update=kept), until_ms)
                return True
            self._noticed = None  # the human for whom it was is not to be heard any more
        self._waiting, self._asked_ms, self._may_since_ms = wanted, None, None
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
        if self._noticed is not None and at_ms >= self._noticed[1]:
            return self._finish(self._noticed[0], at_ms)
        if waiting is None:
            return None
        if self._asked_ms is None:
            self._asked_ms = at_ms
        if at_ms - self._asked_ms < UNDERWAY_MS and self._is_newly_heard(waiting):
            return None
        if waiting.needs_live is not None and waiting.needs_live not in live:
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
        self.table, self._on_fallback, self._noticed = fallback, True, None
        return self._changed(at_ms, "fallback", f"{seat_id} lost")

    def _is_newly_heard(self, wanted: SetAudibility) -> bool:
        """Whether somebody who is there already comes to be heard by one who did not hear him."""
        return any(
            speaker in self.table and speaker not in self.table.get(listener, ())
            for listener, heard in wanted.hears.items()
            for speaker in heard
            if listener in self.table
        )

    def _apply(self, wanted: SetAudibility, at_ms: int) -> AudibilityChanged:
        self._take_fallbacks(wanted)
        self._waiting, self._asked_ms, self._may_since_ms = None, None, None
        notice_ms = self._notice_ms.get(wanted.notice, 0)
        if notice_ms and wanted.needs_live is not None:
            self.version, self.table = wanted.version, _with_notice(as_table(wanted.hears), wanted.needs_live)
            self._on_fallback, self._noticed = False, (wanted, at_ms + notice_ms)
            return self._changed(at_ms, "command", f"notice: {wanted.notice}")
        return self._finish(wanted, at_ms)

    def _finish(self, wanted: SetAudibility, at_ms: int) -> AudibilityChanged:
        self._take_fallbacks(wanted)
        self.version, self.table = wanted.version, as_table(wanted.hears)
        self._on_fallback, self._noticed = False, None
        return self._changed(at_ms, "command", wanted.why)

    def _take_fallbacks(self, wanted: SetAudibility) -> None:
        self._fallbacks = {seat: as_table(table) for seat, table in wanted.fallbacks.items()}

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


def _with_notice(table: Table, newcomer: str) -> Table:
    """The notice in the newcomer's place, for him too, so that he knows when to begin."""
    return {
        listener: heard - {newcomer} | {NOTICE} if newcomer in heard or listener == newcomer else heard
        for listener, heard in table.items()
    }


def _differ(one: Table, other: Table, without: str) -> bool:
    listeners = (one.keys() | other.keys()) - {without}
    nobody: frozenset[str] = frozenset()
    return any(one.get(who, nobody) - {without} != other.get(who, nobody) - {without} for who in listeners)
