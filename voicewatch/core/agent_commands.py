"""What an agent may ask for: each a pure function of a call to the facts that it causes, or Refused.

The call's `at_ms` is the time of the command.
"""

from __future__ import annotations

from collections.abc import Sequence

from voicewatch.core.call import SPEAKS, CallState, Escalation, Offer
from voicewatch.core.consequences import call_off, hand_back, handoff_moved
from voicewatch.core.events import (
    CallbackClosed,
    DispositionSet,
    Fact,
    HandoffState,
    HoldBegan,
    HoldEnded,
    OfferState,
    Role,
    SeatMuted,
    SeatOpened,
)
from voicewatch.core.offering import callback_agreed, offer_moved, withdrawn
from voicewatch.core.refused import Refused, checked_text
from voicewatch.core.routing import Roster

CALLED_BACK = ("reached", "not_reached", "withdrawn")


def accepted(call: CallState, offer: Offer, seat_id: str) -> list[Fact]:
    """The agent takes the call: he gets a seat, and whoever else rings is let go."""
    agent_id = offer.made.agent_id
    escalation = call.escalations[offer.made.escalation_id]
    return [
        offer_moved(call, offer, OfferState.ACCEPTED),
        *withdrawn(call, "accepted_by_another", but=offer),
        handoff_moved(call, escalation, HandoffState.ACCEPTED, agent_id=agent_id),
        SeatOpened(
            call_id=call.call_id,
            at_ms=call.at_ms,
            seat_id=seat_id,
            role=Role.AGENT,
            who=agent_id,
            name=offer.made.agent_name,
        ),
    ]


def declined(call: CallState, offer: Offer, reason: str) -> list[Fact]:
    """The agent says no."""
    why = checked_text("reason", reason) or "declined"
    return [offer_moved(call, offer, OfferState.REJECTED, why)]


def claimable(call: CallState) -> Escalation:
    """The escalation that an agent may take out of the queue by himself."""
    escalation = call.active_escalation
    if escalation is None or escalation.handoff not in (HandoffState.BRIEFING, HandoffState.RINGING):
        raise Refused(409, "Nobody is sought", "No escalation of this call waits for a person.")
    return escalation


def handed_back(call: CallState, roster: Roster, by: str, note: str) -> list[Fact]:
    """The AI has the call again: agents leave, supervisors who speak go on listening."""
    humans = [seat for seat in call.open_seats(Role.AGENT, Role.SUPERVISOR) if seat.mode in SPEAKS]
    if by in roster.agents and call.seat_of(by, Role.AGENT) is None:
        raise Refused(403, "Not in the call", "Only an agent in this call can hand it back.")
    if not humans:
        raise Refused(409, "Nothing to hand back", "No human has this call: the AI speaks already.")
    if not any(seat.leg != "lost" for seat in call.open_seats(Role.AI)):
        raise Refused(409, "No AI", "There is no AI in this call to hand it back to.")
    return hand_back(call, by, checked_text("note", note))


def held(call: CallState, by: str) -> list[Fact]:
    """The customer hears hold audio until somebody ends it; only while a human speaks with him."""
    if call.on_hold:
        return []
    if call.human_voice() is None:
        raise Refused(409, "Nobody to wait for", "Only a human who speaks with the customer can hold him.")
    return [HoldBegan(call_id=call.call_id, at_ms=call.at_ms, by=by)]


def let_go(call: CallState, by: str) -> list[Fact]:
    """Hold ends: all is as it was."""
    return [HoldEnded(call_id=call.call_id, at_ms=call.at_ms, by=by)] if call.on_hold else []


def muted(call: CallState, who: str, is_muted: bool) -> list[Fact]:
    """An agent or supervisor silences himself, or speaks again."""
    seat = call.seat_of(who, Role.AGENT, Role.SUPERVISOR)
    if seat is None:
        raise Refused(404, "Not in the call", "You are not in this call.")
    if seat.is_muted == is_muted:
        return []
    return [SeatMuted(call_id=call.call_id, at_ms=call.at_ms, seat_id=seat.seat_id, muted=is_muted)]


def disposed(call: CallState, codes: Sequence[str], agent_id: str, code: str, note: str) -> list[Fact]:
    """The agent's outcome of the call; ends his wrap-up. `codes` are those that the plan knows."""
    if code not in codes:
        raise Refused(422, "Unknown code", f"code is one of {', '.join(codes)}, not {code!r}.")
    if not any(seat.who == agent_id and seat.role == Role.AGENT for seat in call.seats.values()):
        raise Refused(403, "Not your call", "Only an agent who was in this call can set its disposition.")
    return [
        DispositionSet(
            call_id=call.call_id,
            at_ms=call.at_ms,
            agent_id=agent_id,
            code=code,
            note=checked_text("note", note),
        )
    ]


def callback_wanted(
    call: CallState, roster: Roster, by: str, number: str, when: str, note: str
) -> list[Fact]:
    """The customer prefers to be called back: nobody is sought any more."""
    escalation = call.active_escalation
    if escalation is not None and not escalation.is_waiting:
        raise Refused(409, "A person has the call", "A human has this call or is joining it.")
    queue = roster.plan.queue(escalation.queue) if escalation is not None else None
    if queue is not None and not queue.callback:
        raise Refused(409, "No callbacks", f"The queue {queue.name} offers none: callback = false.")
    said = (checked_text("number", number), checked_text("when", when), checked_text("note", note))
    agreed = callback_agreed(call, by, *said)
    return [agreed, *(call_off(call, escalation, "callback") if escalation else [])]


def callback_made(call: CallState, by: str, outcome: str, note: str) -> list[Fact]:
    """What became of a callback; one not reached stays on the list."""
    if call.callback is None:
        raise Refused(409, "No callback", "No callback of this call is open.")
    if outcome not in CALLED_BACK:
        raise Refused(422, "Unknown outcome", f"outcome is one of {', '.join(CALLED_BACK)}, not {outcome!r}.")
    said = checked_text("note", note)
    return [CallbackClosed(call_id=call.call_id, at_ms=call.at_ms, by=by, outcome=outcome, note=said)]
