"""Who hears whom: one pure function from the people in a call to one table.

Monitor, coach, barge, takeover, hold and handback are rows here and nothing else. A mode or role this
file does not know hears nothing and is heard by nobody: it fails closed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from voicewatch.core.events import Mode, Role

Table = dict[str, frozenset[str]]
"""Listener's seat -> the seats he hears. Nobody is ever in his own row."""


@dataclass(frozen=True)
class Occupant:
    """One occupied seat. `mode` is None for customer and AI, and for an agent who has not spoken yet."""

    seat_id: str
    role: Role
    mode: Mode | None = None


def audibility(occupants: Iterable[Occupant], on_hold: bool = False) -> Table:
    """The table in force for these occupants.

    On hold the customer hears nobody and nobody hears him; in a takeover nobody hears the AI, which listens.
    """
    people = list(occupants)
    taken_over = any(one.mode == Mode.TAKEOVER for one in people if _is_staff(one))
    return {
        listener.seat_id: frozenset(
            speaker.seat_id
            for speaker in people
            if speaker.seat_id != listener.seat_id and _is_heard(speaker, listener, taken_over, on_hold)
        )
        for listener in people
    }


def fallbacks(occupants: Iterable[Occupant]) -> dict[str, Table]:
    """For each seat: the table that applies by itself, at once, when that seat's leg is lost."""
    people = list(occupants)
    return {lost.seat_id: audibility(one for one in people if one.seat_id != lost.seat_id) for lost in people}


def without_coaches_alone(occupants: Iterable[Occupant]) -> list[Occupant]:
    """Coach falls back to monitor when there is no agent to be coached."""
    people = list(occupants)
    if any(one.role == Role.AGENT for one in people):
        return people
    return [replace(one, mode=Mode.MONITOR) if one.mode == Mode.COACH else one for one in people]


def _is_staff(one: Occupant) -> bool:
    return one.role in (Role.AGENT, Role.SUPERVISOR)


def _is_heard(speaker: Occupant, listener: Occupant, taken_over: bool, on_hold: bool) -> bool:
    if Role.CUSTOMER in (speaker.role, listener.role) and on_hold:
        return False
    if not _may_listen(listener):
        return False
    match speaker.role:
        case Role.CUSTOMER:
            return True
        case Role.AI:
            return not taken_over
        case Role.AGENT | Role.SUPERVISOR if speaker.mode in (Mode.BARGE, Mode.TAKEOVER):
            return True
        case Role.SUPERVISOR if speaker.mode == Mode.COACH:
            return listener.role == Role.AGENT
    return False


def _may_listen(listener: Occupant) -> bool:
    known = listener.mode is None or listener.mode in set(Mode)
    return known and listener.role in set(Role)
