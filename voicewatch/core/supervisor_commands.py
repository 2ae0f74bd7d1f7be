"""What a supervisor may ask for: each a pure function of a call to the facts that it causes, or Refused.

The call's `at_ms` is the time of the command.
"""

from __future__ import annotations

from collections.abc import Callable

from voicewatch.core.call import CallState
from voicewatch.core.consequences import call_off
from voicewatch.core.events import (
    AlertCleared,
    EscalationRaised,
    Evidence,
    Fact,
    Mode,
    ModeChanged,
    Nudged,
    Role,
    SeatClosed,
    SeatOpened,
    Severity,
)
from voicewatch.core.offering import withdrawn
from voicewatch.core.refused import Refused, checked_text
from voicewatch.core.routing import Roster

SUPERVISES = (Mode.MONITOR, Mode.COACH, Mode.BARGE, Mode.TAKEOVER)


def supervised(call: CallState, who: str, name: str, mode: str, seat_id: str) -> list[Fact]:
    """Lets a supervisor in, or changes the mode of the seat he has (`seat_id` is then not used)."""
    if mode not in SUPERVISES:
        raise Refused(422, "Unknown mode", f"mode is one of {', '.join(SUPERVISES)}, not {mode!r}.")
    wanted = Mode(mode)
    if wanted == Mode.COACH and not call.open_seats(Role.AGENT):
        raise Refused(
            409,
            "Nobody to coach",
            "There is no human agent in this call to coach. Monitor, barge or take over instead; "
            "the AI is nudged by text.",
        )
    seat = call.seat_of(who, Role.SUPERVISOR)
    if seat is None:
        return [
            SeatOpened(
                call_id=call.call_id,
                at_ms=call.at_ms,
                seat_id=seat_id,
                role=Role.SUPERVISOR,
                who=who,
                name=name,
                mode=wanted,
            )
        ]
    if seat.mode == wanted:
        return []
    return [ModeChanged(call_id=call.call_id, at_ms=call.at_ms, seat_id=seat.seat_id, mode=wanted, by=who)]


def left(call: CallState, who: str) -> list[Fact]:
    """A supervisor leaves; the customer never notices more than his voice being gone."""
    seat = call.seat_of(who, Role.SUPERVISOR)
    if seat is None:
        raise Refused(404, "Not in the call", "You are not in this call.")
    return [SeatClosed(call_id=call.call_id, at_ms=call.at_ms, seat_id=seat.seat_id, reason="left")]


def escalated(
    call: CallState, roster: Roster, by: str, reason: str, agent_id: str, new_id: Callable[[], str]
) -> list[Fact]:
    """A supervisor calls a person, or turns the ringing to an agent by name (empty: to nobody by name)."""
    agent = roster.agents.get(agent_id)
    if agent_id and (agent is None or agent.state not in ("available", "ringing")):
        state = agent.state.replace("_", " ") if agent else "unknown"
        raise Refused(409, "Agent not free", f"{agent.name if agent else agent_id} is not free: {state}.")
    active = call.active_escalation
    if call.human_voice() is not None or (active is not None and not active.is_waiting):
        raise Refused(409, "A person has the call", "A human has this call or is joining it.")
    why = checked_text("reason", reason)
    if active is None:
        return [
            EscalationRaised(
                call_id=call.call_id,
                at_ms=call.at_ms,
                escalation_id=new_id(),
                severity=Severity.HIGH,
                reasons=["by_hand"],
                headline="A supervisor asks for a person",
                by=by,
                agent_id=agent_id,
                evidence=[Evidence(kind="by_hand", note=why)] if why else [],
            )
        ]
    if not agent_id:
        raise Refused(
            409, "Escalated already", f"A person has been called already: {active.raised.headline}."
        )
    turned = active.raised.model_copy(update={"at_ms": call.at_ms, "agent_id": agent_id, "by": by})
    return [turned, *withdrawn(call, "assigned_by_name")]


def dismissed(call: CallState, by: str, alert_id: str, reason: str) -> list[Fact]:
    """A supervisor says that an alert was wrong; the escalation it raised is called off."""
    alert = call.alerts.get(alert_id)
    if alert is None:
        raise Refused(404, "No such alert", f"This call has no alert {alert_id}.")
    if alert.state != "open":
        raise Refused(409, "Alert is closed", f"This alert is {alert.state} already.")
    why = checked_text("reason", reason, needed=True)
    facts: list[Fact] = [
        AlertCleared(call_id=call.call_id, at_ms=call.at_ms, alert_id=alert_id, why=why, by=by)
    ]
    escalation = call.active_escalation
    if escalation is not None and escalation.is_waiting and escalation.raised.alert_id == alert_id:
        facts += call_off(call, escalation, "dismissed")
    return facts


def released(call: CallState, reason: str) -> list[Fact]:
    """A supervisor takes an escalation that waits off the queue: the AI goes on alone."""
    escalation = call.active_escalation
    if escalation is None or not escalation.is_waiting:
        raise Refused(409, "Nothing to release", "No escalation of this call waits for a person.")
    return call_off(call, escalation, checked_text("reason", reason) or "released")


def nudged(call: CallState, by: str, text: str) -> list[Fact]:
    """A text for the AI to read."""
    if not call.open_seats(Role.AI):
        raise Refused(409, "No AI", "There is no AI in this call to nudge.")
    said = checked_text("text", text, needed=True)
    return [Nudged(call_id=call.call_id, at_ms=call.at_ms, by=by, text=said)]
