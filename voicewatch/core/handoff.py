"""Offers and handoffs as tables: which state may follow which, and nothing else.

A state that has no row entry of its own is final. `HandoffState` is monotonic: nothing leads back.
"""

from __future__ import annotations

from typing import TypeVar

from voicewatch.core.events import HandoffState, OfferState

OFFER_MOVES: dict[OfferState, frozenset[OfferState]] = {
    OfferState.PENDING: frozenset(
        {
            OfferState.ACCEPTED,
            OfferState.REJECTED,
            OfferState.TIMEOUT,
            OfferState.CANCELED,
            OfferState.RESCINDED,
        }
    ),
    OfferState.ACCEPTED: frozenset({OfferState.WRAPPING, OfferState.COMPLETED}),
    OfferState.WRAPPING: frozenset({OfferState.COMPLETED}),
}

_ENDS = frozenset({HandoffState.CANCELED, HandoffState.FAILED})
HANDOFF_MOVES: dict[HandoffState, frozenset[HandoffState]] = {
    HandoffState.REQUESTED: _ENDS | {HandoffState.BRIEFING},
    HandoffState.BRIEFING: _ENDS | {HandoffState.RINGING, HandoffState.ACCEPTED},
    HandoffState.RINGING: _ENDS | {HandoffState.ACCEPTED, HandoffState.REJECTED},
    HandoffState.ACCEPTED: _ENDS | {HandoffState.BRIDGED},
    HandoffState.BRIDGED: frozenset({HandoffState.COMPLETED, HandoffState.FAILED}),
}

WAITING = frozenset({HandoffState.REQUESTED, HandoffState.BRIEFING, HandoffState.RINGING})
"""Nobody has said yes yet."""

LEG_LOST_MOVES: dict[HandoffState, HandoffState] = {
    HandoffState.ACCEPTED: HandoffState.FAILED,
    HandoffState.BRIDGED: HandoffState.FAILED,
}
"""What becomes of his handoff when an agent stays away: the call is offered anew, under a new handoff."""
LEG_BACK_MOVES: dict[HandoffState, HandoffState] = {
    HandoffState.BRIEFING: HandoffState.ACCEPTED,
    HandoffState.RINGING: HandoffState.ACCEPTED,
}
"""What becomes of that new handoff when he comes back into his seat before somebody else has said yes.

Later he finds his seat closed: it is given up when another agent sits down.
"""


class IllegalMove(ValueError):
    """A state cannot follow another; the text says what was expected and what came."""


State = TypeVar("State", OfferState, HandoffState)


def move_offer(old: OfferState, new: OfferState) -> OfferState:
    """`new`, if it may follow `old`; else IllegalMove."""
    return _move("offer", OFFER_MOVES, old, new)


def move_handoff(old: HandoffState, new: HandoffState) -> HandoffState:
    """`new`, if it may follow `old`; else IllegalMove."""
    return _move("handoff", HANDOFF_MOVES, old, new)


def is_final(state: OfferState | HandoffState) -> bool:
    return state not in (OFFER_MOVES if isinstance(state, OfferState) else HANDOFF_MOVES)


def _move(what: str, moves: dict[State, frozenset[State]], old: State, new: State) -> State:
    allowed = moves.get(old, frozenset())
    if new not in allowed:
        expected = " or ".join(sorted(allowed)) or "nothing more"
        raise IllegalMove(f"{what} is {old}: expected {expected}, got {new}")
    return new
