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

HOLD, NOTICE = "hold", "notice"
"""What may stand in a row in place of a seat: hold audio; the sign that a human takes over."""


@dataclass(frozen=True)
class Occupant:
    """One occupied seat. `mode` is None for customer and AI, and for an agent who has not spoken yet.

    A muted one keeps his mode and is heard by nobody.
    """

    seat_id: str
    role: Role
    mode: Mode | None = None
    is_muted: bool = False


def audibility(occupants: Iterable[Occupant], on_hold: bool = False) -> Table:
    """The table in force for these occupants.

    On hold the customer hears hold audio and nobody hears him; in a takeover nobody hears the AI, which
    listens.
    """
    people = list(occupants)
    taken_over = any(one.mode == Mode.TAKEOVER for one in people if _is_staff(one))
    return {
        listener.seat_id: frozenset({HOLD})
        if on_hold and listener.role == Role.CUSTOMER
        else frozenset(
            speaker.seat_id
            for speaker in people
            if speaker.seat_id != listener.seat_id and _is_heard(speaker, listener, taken_over, on_hold)
        )
        for listener in people
    }


def fallbacks(occupants: Iterable[Occupant], on_hold: bool = False) -> dict[str, Table]:
    """For each seat: the table that applies by itself, at once, when that seat's leg is lost.

    Hold ends with the last human who could end it.
    """
    people = list(occupants)
    tables = {}
    for lost in people:
        rest = [one for one in people if one.seat_id != lost.seat_id]
        tables[lost.seat_id] = audibility(rest, on_hold and any(_may_end_hold(one) for one in rest))
    return tables


def without_coaches_alone(occupants: Iterable[Occupant]) -> list[Occupant]:
    """Coach falls back to monitor when there is no agent to be coached."""
    people = list(occupants)
    if any(one.role == Role.AGENT for one in people):
        return people
    return [replace(one, mode=Mode.MONITOR) if one.mode == Mode.COACH else one for one in people]


def _may_end_hold(one: Occupant) -> bool:
    return _is_staff(one) and one.mode in (Mode.BARGE, Mode.TAKEOVER)


def _is_staff(one: Occupant) -> bool:
    return one.role in (Role.AGENT, Role.SUPERVISOR)


def _is_heard(speaker: Occupant, listener: Occupant, taken_over: bool, on_hold: bool) -> bool:
    if Role.CUSTOMER in (speaker.role, listener.role) and on_hold:
        return False
    if speaker.is_muted or not _may_listen(listener):
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
