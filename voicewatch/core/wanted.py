"""What should be in force in a call, as a pure function of its state; the shell reconciles it with media."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from voicewatch.core.audibility import Table, fallbacks
from voicewatch.core.call import SPEAKS, CallState
from voicewatch.core.events import Mode, Role


@dataclass(frozen=True)
class Wanted:
    """What should be in force in a call; a pure function of its state.

    The table changes after the clause of `after_clause_of` (the AI, when it is the present voice and is
    about to be muted) and not before `needs_live` (the human who takes over) is live.
    """

    hears: Table
    fallbacks: dict[str, Table]
    after_clause_of: str | None
    needs_live: str | None
    ai_paused: str | None
    """Why the AI is paused; None if it may speak."""
    takes_over: bool = False
    """A human is about to take the AI's place: the moment for a notice."""

    @property
    def version_key(self) -> tuple[Any, ...]:
        """Equal keys need no new table. How it is to be applied is no part of it."""
        return (
            _frozen(self.hears),
            tuple((seat, _frozen(self.fallbacks[seat])) for seat in sorted(self.fallbacks)),
        )


def wanted(call: CallState) -> Wanted:
    """See `Wanted`. An ended call wants nothing."""
    if not call.is_live:
        return Wanted({}, {}, None, None, None)
    people = call.occupants()
    table = call.table()
    customer = next(iter(call.open_seats(Role.CUSTOMER)), None)
    heard = table.get(customer.seat_id, frozenset()) if customer else frozenset()
    newcomers = [
        seat
        for seat in call.open_seats(Role.AGENT, Role.SUPERVISOR)
        if seat.mode in SPEAKS and seat.seat_id in heard and seat.seat_id not in call.floor
    ]
    newcomer = min(newcomers, key=lambda seat: seat.mode != Mode.TAKEOVER, default=None)
    voice = call.voice()
    ai_yields = voice is not None and voice.role == Role.AI and voice.seat_id not in heard
    return Wanted(
        hears=table,
        fallbacks=fallbacks(people, call.on_hold),
        after_clause_of=voice.seat_id if voice and ai_yields else None,
        needs_live=newcomer.seat_id if newcomer else None,
        ai_paused=call.ai_paused,
        takes_over=ai_yields and newcomer is not None,
    )


def _frozen(table: Table) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple((listener, tuple(sorted(table[listener]))) for listener in sorted(table))
