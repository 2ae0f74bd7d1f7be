import pytest

from voicewatch.core.events import HandoffState, OfferState
from voicewatch.core.handoff import (
    HANDOFF_MOVES,
    OFFER_MOVES,
    IllegalMove,
    is_final,
    move_handoff,
    move_offer,
)


def test_an_offer_ends_once() -> None:
    assert move_offer(OfferState.PENDING, OfferState.ACCEPTED) == OfferState.ACCEPTED
    with pytest.raises(IllegalMove, match="offer is accepted: expected completed or wrapping, got rejected"):
        move_offer(OfferState.ACCEPTED, OfferState.REJECTED)
    with pytest.raises(IllegalMove, match="offer is completed: expected nothing more, got wrapping"):
        move_offer(OfferState.COMPLETED, OfferState.WRAPPING)


def test_an_illegal_move_says_what_was_expected() -> None:
    with pytest.raises(
        IllegalMove, match="handoff is accepted: expected bridged or canceled or failed, got ringing"
    ):
        move_handoff(HandoffState.ACCEPTED, HandoffState.RINGING)


def test_every_handoff_can_end_and_none_comes_back() -> None:
    for start in HandoffState:
        reached = {start}
        edge = [start]
        while edge:
            following = HANDOFF_MOVES.get(edge.pop(), frozenset()) - reached
            reached |= following
            edge += following
        assert any(is_final(state) for state in reached)
        assert start not in {after for state in reached - {start} for after in HANDOFF_MOVES.get(state, ())}
    assert {state for state in OfferState if not is_final(state)} == set(OFFER_MOVES)
