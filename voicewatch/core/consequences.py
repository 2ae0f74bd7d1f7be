"""What a call's state still lacks: pure rules from a state to the next facts, used by `director.py`.

Each rule looks at the state only and returns the facts that bring it one step on, or nothing. They are
asked in the order of CONSEQUENCES until all are silent, so a rule must be silent once its facts are applied.
"""

from __future__ import annotations

from collections.abc import Callable

from voicewatch.core.briefing import write_briefing
from voicewatch.core.call import SPEAKS, CallState, Escalation, Seat
from voicewatch.core.events import (
    AIPaused,
    AIResumed,
    AlertCleared,
    BriefingReady,
    CallEnded,
    EscalationRaised,
    Fact,
    HandedBack,
    HandoffChanged,
    HandoffState,
    HoldEnded,
    Mode,
    ModeChanged,
    OfferState,
    Role,
    SeatClosed,
    Severity,
)
from voicewatch.core.handoff import LEG_BACK_MOVES, LEG_LOST_MOVES, move_handoff
from voicewatch.core.offering import (
    Means,
    find_queue,
    next_agent,
    offer_made,
    offer_moved,
    offers_expire,
    reservations_end,
    tell_nobody_free,
    withdrawn,
)

CONNECT_LIMIT_MS = 15_000
"""An agent who accepted must be connected within so long, or the next one is asked."""
AI_ABSENT_MS = 8_000
"""An AI that has not connected within so long is taken for lost."""
OTHERS_ASKED_MS = 8_000
"""An agent whose leg is lost mostly comes back by himself; when he is away for so long, others are asked."""
LET_GO_MS = 60_000
"""A customer or supervisor who never connects is let go after so long (a browser may ask him first)."""

AGENT_FAILED = {
    "agent_lost": "the agent was lost",
    "agent_never_connected": "the agent did not connect",
    "agent_not_heard": "the agent's microphone was silent",
}
"""Reason of a failed handoff -> what the next agent reads."""


# ---------------------------------------------------------------- facts that belong together


def handoff_moved(
    call: CallState, escalation: Escalation, state: HandoffState, reason: str = "", agent_id: str = ""
) -> HandoffChanged:
    """The handoff in its next state; IllegalMove if it cannot get there."""
    if escalation.handoff is not None:
        move_handoff(escalation.handoff, state)
    return HandoffChanged(
        call_id=call.call_id,
        at_ms=call.at_ms,
        handoff_id=escalation.raised.escalation_id,
        state=state,
        reason=reason,
        agent_id=agent_id or escalation.agent_id,
    )


def call_off(call: CallState, escalation: Escalation, reason: str) -> list[Fact]:
    """An escalation nobody has answered is not needed any more."""
    return [
        *(offer_moved(call, offer, OfferState.CANCELED, reason) for offer in call.pending_offers),
        handoff_moved(call, escalation, HandoffState.CANCELED, reason),
    ]


def hand_back(call: CallState, by: str, note: str) -> list[Fact]:
    """Agents leave, supervisors who speak go on listening, the AI has the call."""
    facts: list[Fact] = [
        HandedBack(call_id=call.call_id, at_ms=call.at_ms, by=by, note=note),
        *(_closed(call, seat, "handed_back") for seat in call.open_seats(Role.AGENT)),
        *(
            ModeChanged(
                call_id=call.call_id, at_ms=call.at_ms, seat_id=seat.seat_id, mode=Mode.MONITOR, by=by
            )
            for seat in call.open_seats(Role.SUPERVISOR)
            if seat.mode in SPEAKS
        ),
    ]
    escalation = call.active_escalation
    if escalation is not None and escalation.handoff == HandoffState.BRIDGED:
        facts.append(handoff_moved(call, escalation, HandoffState.COMPLETED, "handed_back"))
    elif escalation is not None:
        facts += call_off(call, escalation, "handed_back")
    return [*facts, *_resumed(call, "handed_back")]


def wind_up(call: CallState, reason: str) -> list[Fact]:
    """The end of a call: nothing rings, nobody sits, then it is over."""
    return [
        *_loose_ends(call),
        CallEnded(call_id=call.call_id, at_ms=call.at_ms, reason=reason, duration_ms=call.at_ms),
    ]


def _loose_ends(call: CallState) -> list[Fact]:
    facts: list[Fact] = []
    escalation = call.active_escalation
    if escalation is not None and escalation.handoff == HandoffState.BRIDGED:
        facts.append(handoff_moved(call, escalation, HandoffState.COMPLETED, "call_ended"))
    elif escalation is not None:
        facts += call_off(call, escalation, "call_ended")
    return [*facts, *(_closed(call, seat, "call_ended") for seat in call.open_seats())]


def _closed(call: CallState, seat: Seat, reason: str) -> SeatClosed:
    return SeatClosed(call_id=call.call_id, at_ms=call.at_ms, seat_id=seat.seat_id, reason=reason)


def _resumed(call: CallState, why: str) -> list[Fact]:
    return [AIResumed(call_id=call.call_id, at_ms=call.at_ms, why=why)] if call.ai_paused is not None else []


# ---------------------------------------------------------------- who is gone


def _after_the_end(means: Means, call: CallState) -> list[Fact]:
    """A call that was ended from outside leaves nothing behind; wrap-ups go on."""
    return [] if call.is_live else _loose_ends(call) or reservations_end(means, call)


def _customer_gone(means: Means, call: CallState) -> list[Fact]:
    for seat in call.open_seats(Role.CUSTOMER):
        waited_ms = call.at_ms - seat.leg_since_ms
        if seat.leg == "lost" and seat.lost_reason == "hangup":
            return wind_up(call, "customer_hangup")
        if seat.leg == "lost" and waited_ms >= means.grace_ms:
            return wind_up(call, "customer_lost")
        if _is_joining(seat) and waited_ms >= LET_GO_MS:
            return wind_up(call, "customer_lost")
    return []


def _is_gone(means: Means, call: CallState, seat: Seat) -> bool:
    """Lost, and not just waiting for a new media process."""
    if seat.leg != "lost":
        return False
    return seat.lost_reason != "media_died" or call.at_ms - seat.leg_since_ms >= means.grace_ms


def _stays_unheard(call: CallState, seat: Seat) -> bool:
    """He accepted, is connected, and his microphone brings nothing: the customer waits no longer."""
    since_ms = seat.unheard_since_ms
    is_waited_for = seat.carries_audio and not seat.is_muted and seat.seat_id not in call.floor
    return since_ms is not None and is_waited_for and call.at_ms - since_ms >= CONNECT_LIMIT_MS


def _is_joining(seat: Seat) -> bool:
    """For the first time, or again after its leg was lost."""
    return seat.leg in ("none", "connecting")


def _agent_gone(means: Means, call: CallState) -> list[Fact]:
    """His seat is given up: he left, never came, is not heard, stayed away, or another one sits there."""
    for seat in call.open_seats(Role.AGENT):
        hung_up = seat.leg == "lost" and seat.lost_reason == "hangup" and seat.mode in SPEAKS
        if hung_up and any(one.carries_audio for one in call.open_seats(Role.AI)):
            return hand_back(call, seat.who, "")
        reason = _why_given_up(means, call, seat)
        if reason:
            return [*_failed(means, call, seat, reason), _closed(call, seat, reason), *_covered(call, seat)]
    return []


def _why_given_up(means: Means, call: CallState, seat: Seat) -> str:
    """Empty while he may still come, or be heard."""
    if seat.carries_audio:
        return "agent_not_heard" if _stays_unheard(call, seat) else ""
    if seat.kept_until_ms is not None:
        another_sits = len(call.open_seats(Role.AGENT)) > 1
        return "agent_lost" if another_sits or call.at_ms >= seat.kept_until_ms else ""
    if _is_joining(seat):
        return "agent_never_connected" if call.at_ms - seat.leg_since_ms >= CONNECT_LIMIT_MS else ""
    return "agent_lost" if _is_gone(means, call, seat) else ""


def _agent_away(means: Means, call: CallState) -> list[Fact]:
    """He keeps his seat, but somebody else is asked for now."""
    for seat in call.open_seats(Role.AGENT):
        away_since_ms = seat.away_since_ms
        if seat.carries_audio or away_since_ms is None or seat.kept_until_ms is None:
            continue
        waits_ms = means.grace_ms if seat.lost_reason == "media_died" else OTHERS_ASKED_MS
        if call.at_ms - away_since_ms >= waits_ms:
            facts = _failed(means, call, seat, "agent_lost")
            if facts:
                return facts
    return []


def _failed(means: Means, call: CallState, seat: Seat, reason: str) -> list[Fact]:
    """The handoff that this agent served, and what is asked for in its place unless somebody else speaks."""
    escalation = call.active_escalation
    if escalation is None or escalation.agent_id != seat.who or escalation.handoff not in LEG_LOST_MOVES:
        return []
    facts: list[Fact] = [handoff_moved(call, escalation, LEG_LOST_MOVES[escalation.handoff], reason)]
    if not _others_speaking(call, seat):
        facts.append(_raised_again(means, call, escalation, AGENT_FAILED[reason]))
    return facts


def _covered(call: CallState, gone: Seat) -> list[Fact]:
    return [] if _others_speaking(call, gone) else _resumed(call, "agent_lost")


def _others_speaking(call: CallState, gone: Seat) -> bool:
    return any(one is not gone and one.mode in SPEAKS for one in call.heard_by_customer())


def _raised_again(means: Means, call: CallState, lost: Escalation, why: str) -> EscalationRaised:
    headline = lost.raised.headline
    for earlier in AGENT_FAILED.values():
        headline = headline.removesuffix(f"; {earlier}")
    return lost.raised.model_copy(
        update={
            "escalation_id": means.new_id(),
            "at_ms": call.at_ms,
            "seq": 0,
            "at": None,
            "severity": min(lost.raised.severity, Severity.HIGH, key=list(Severity).index),
            "headline": f"{headline}; {why}",
            "agent_id": "",
        }
    )


def _supervisor_gone(means: Means, call: CallState) -> list[Fact]:
    return [
        _closed(call, seat, "lost")
        for seat in call.open_seats(Role.SUPERVISOR)
        if _is_gone(means, call, seat) or (_is_joining(seat) and call.at_ms - seat.leg_since_ms >= LET_GO_MS)
    ]


def _ai_is_there(means: Means, call: CallState) -> bool:
    def waits(seat: Seat) -> bool:
        if _is_joining(seat):
            return call.at_ms - seat.leg_since_ms < AI_ABSENT_MS
        return seat.leg == "lost" and not _is_gone(means, call, seat)

    seats = call.open_seats(Role.AI)
    if not seats and not any(seat.role == Role.AI for seat in call.seats.values()):
        return call.at_ms < AI_ABSENT_MS  # nobody has been seated yet
    return any(seat.carries_audio or waits(seat) for seat in seats)


def _ai_gone(means: Means, call: CallState) -> list[Fact]:
    """A customer with nobody to speak to gets a human at once."""
    if call.active_escalation or call.human_voice() or _ai_is_there(means, call):
        return []
    return [
        EscalationRaised(
            call_id=call.call_id,
            at_ms=call.at_ms,
            escalation_id=means.new_id(),
            severity=Severity.HIGH,
            reasons=["ai_lost"],
            headline="The AI is gone: nobody speaks to the customer",
        )
    ]


def _ai_came_back(means: Means, call: CallState) -> list[Fact]:
    escalation = call.active_escalation
    if escalation is None or not escalation.is_waiting or escalation.raised.reasons != ["ai_lost"]:
        return []
    if not any(seat.carries_audio for seat in call.open_seats(Role.AI)):
        return []
    return call_off(call, escalation, "ai_back")


# ---------------------------------------------------------------- who speaks


def _agent_joins(means: Means, call: CallState) -> list[Fact]:
    """An agent whose leg is proved may take over."""
    return [
        ModeChanged(call_id=call.call_id, at_ms=call.at_ms, seat_id=seat.seat_id, mode=Mode.TAKEOVER)
        for seat in call.open_seats(Role.AGENT)
        if seat.mode is None and seat.leg == "live"
    ]


def _agent_is_heard(means: Means, call: CallState) -> list[Fact]:
    """The customer hears the agent: the handoff is done, and what called him is answered."""
    escalation = call.active_escalation
    if escalation is None or escalation.handoff != HandoffState.ACCEPTED:
        return []
    if not any(seat.who == escalation.agent_id for seat in call.heard_by_customer() if seat.mode in SPEAKS):
        return []
    facts: list[Fact] = [handoff_moved(call, escalation, HandoffState.BRIDGED)]
    alert = call.alerts.get(escalation.raised.alert_id or "")
    if alert is not None and alert.state == "open":
        facts.append(
            AlertCleared(
                call_id=call.call_id,
                at_ms=call.at_ms,
                alert_id=alert.raised.alert_id,
                why="a person has the call",
            )
        )
    return facts


def _agent_is_back(means: Means, call: CallState) -> list[Fact]:
    """Before somebody else has said yes: what was asked for when he was away is his."""
    escalation = call.active_escalation
    agent = next((seat for seat in call.open_seats(Role.AGENT) if seat.carries_audio), None)
    if escalation is None or agent is None or escalation.handoff not in LEG_BACK_MOVES:
        return []
    state = LEG_BACK_MOVES[escalation.handoff]
    return [
        *withdrawn(call, "agent_back"),
        handoff_moved(call, escalation, state, "agent_back", agent.who),
    ]


def _supervisor_answers(means: Means, call: CallState) -> list[Fact]:
    """A supervisor has taken the call: nobody else needs to."""
    escalation, human = call.active_escalation, call.human_voice()
    if escalation is None or not escalation.is_waiting or human is None or human.mode != Mode.TAKEOVER:
        return []
    return call_off(call, escalation, "supervisor_took_over")


def _pause_follows_voice(means: Means, call: CallState) -> list[Fact]:
    """The AI is paused exactly while a human speaks to the customer."""
    human = call.human_voice()
    if human is not None and call.ai_paused is None:
        why = f"{human.role.value}_{human.mode.value if human.mode else ''}"
        return [AIPaused(call_id=call.call_id, at_ms=call.at_ms, why=why)]
    may_return = any(
        seat.mode in SPEAKS
        and (_is_joining(seat) or (seat.leg == "lost" and not _is_gone(means, call, seat)))
        for seat in call.open_seats(Role.AGENT, Role.SUPERVISOR)
    )
    return _resumed(call, "human_left") if human is None and not may_return else []


def _hold_ends(means: Means, call: CallState) -> list[Fact]:
    """Nobody stays on hold when those who could end it are gone."""
    if not call.on_hold or any(
        seat.mode in SPEAKS and not _is_gone(means, call, seat)
        for seat in call.open_seats(Role.AGENT, Role.SUPERVISOR)
    ):
        return []
    return [HoldEnded(call_id=call.call_id, at_ms=call.at_ms)]


def _coach_alone(means: Means, call: CallState) -> list[Fact]:
    """Coach falls back to monitor when the last agent leaves."""
    if call.open_seats(Role.AGENT):
        return []
    return [
        ModeChanged(call_id=call.call_id, at_ms=call.at_ms, seat_id=seat.seat_id, mode=Mode.MONITOR)
        for seat in call.open_seats(Role.SUPERVISOR)
        if seat.mode == Mode.COACH
    ]


# ---------------------------------------------------------------- finding a human


def _request(means: Means, call: CallState) -> list[Fact]:
    escalation = call.escalation
    if escalation is None or escalation.handoff is not None:
        return []
    return [handoff_moved(call, escalation, HandoffState.REQUESTED)]


def _brief(means: Means, call: CallState) -> list[Fact]:
    escalation = call.active_escalation
    if escalation is None or escalation.handoff != HandoffState.REQUESTED:
        return []
    return [
        handoff_moved(call, escalation, HandoffState.BRIEFING),
        *_briefing(call, escalation),
    ]


def _briefing(call: CallState, escalation: Escalation) -> list[Fact]:
    """The card as it should read now, if that is not how it reads."""
    card = write_briefing(call, escalation.raised)
    if escalation.briefing is not None:  # a model's prose stays; the rest is written anew
        card = card.model_copy(update={"summary": escalation.briefing.summary})
    if card == escalation.briefing:
        return []
    return [
        BriefingReady(
            call_id=call.call_id,
            at_ms=call.at_ms,
            escalation_id=escalation.raised.escalation_id,
            briefing=card,
        )
    ]


def _offer_next(means: Means, call: CallState) -> list[Fact]:
    """An offer to the next agent, with the card as it should read now; or the word that there is nobody."""
    escalation, agent = call.active_escalation, next_agent(means, call)
    if escalation is None or agent is None:
        return tell_nobody_free(means, call)
    facts = [*_briefing(call, escalation), offer_made(means, call, escalation, agent)]
    if escalation.handoff == HandoffState.BRIEFING:
        facts.append(handoff_moved(call, escalation, HandoffState.RINGING))
    return facts


CONSEQUENCES: tuple[Callable[[Means, CallState], list[Fact]], ...] = (
    _customer_gone,
    _agent_gone,
    _agent_away,
    _agent_is_back,
    _supervisor_gone,
    _agent_joins,
    _agent_is_heard,
    _supervisor_answers,
    _hold_ends,
    _pause_follows_voice,
    _coach_alone,
    _ai_came_back,
    _ai_gone,
    _request,
    _brief,
    reservations_end,
    find_queue,
    offers_expire,
    _offer_next,
)


def next_facts(means: Means, call: CallState) -> list[Fact]:
    """The next step of a call, empty when nothing is lacking."""
    if not call.is_live:
        return _after_the_end(means, call)
    for rule in CONSEQUENCES:
        facts = rule(means, call)
        if facts:
            return facts
    return []
