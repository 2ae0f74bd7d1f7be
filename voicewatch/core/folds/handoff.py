"""What went wrong, and the human who is sought for it: alerts, escalations, offers, handoff, callback."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from voicewatch.core.call_parts import Alert, Escalation, Offer
from voicewatch.core.events import (
    AIPaused,
    AIResumed,
    AlertCleared,
    AlertRaised,
    BriefingReady,
    CallbackClosed,
    CallbackRequested,
    DispositionSet,
    EscalationRaised,
    Fact,
    HandedBack,
    HandoffChanged,
    HandoffState,
    HistoryFound,
    NobodyFree,
    OfferChanged,
    OfferMade,
    OfferState,
    QueueChanged,
)
from voicewatch.core.handoff import is_final
from voicewatch.core.spans import begin, finish

if TYPE_CHECKING:
    from voicewatch.core.call import CallState


def _alert_raised(call: CallState, fact: AlertRaised) -> None:
    known = call.alerts.get(fact.alert_id)
    if known is None:
        call.alerts[fact.alert_id] = Alert(fact, fact.at_ms)
    else:
        known.raised = fact


def _alert_cleared(call: CallState, fact: AlertCleared) -> None:
    alert = call.alerts.get(fact.alert_id)
    if alert is not None:
        alert.state = "dismissed" if fact.by else "cleared"


def _escalated(call: CallState, fact: EscalationRaised) -> None:
    known = call.escalations.get(fact.escalation_id)
    if known is None:
        call.escalations[fact.escalation_id] = Escalation(fact, fact.at_ms)
    else:
        known.raised = fact


def _history(call: CallState, fact: HistoryFound) -> None:
    call.history = list(fact.calls)


def _briefed(call: CallState, fact: BriefingReady) -> None:
    escalation = call.escalations.get(fact.escalation_id)
    if escalation is not None:
        escalation.briefing = fact.briefing


def _offered(call: CallState, fact: OfferMade) -> None:
    call.offers[fact.offer_id] = Offer(fact)
    escalation = call.escalations.get(fact.escalation_id)
    if escalation is not None:
        escalation.nobody_free = None
        if escalation.offered_at_ms is None:
            escalation.offered_at_ms = fact.at_ms


def _offer_changed(call: CallState, fact: OfferChanged) -> None:
    offer = call.offers.get(fact.offer_id)
    if offer is not None:
        offer.state = fact.state
    if fact.state == OfferState.WRAPPING:
        call.wrapping[fact.offer_id] = fact.at_ms
    elif fact.offer_id in call.wrapping:
        call.wrap_up_ms += fact.at_ms - call.wrapping.pop(fact.offer_id)
    if fact.state in (OfferState.REJECTED, OfferState.TIMEOUT):
        call.refusals[fact.agent_id] = fact.at_ms


def _nobody_free(call: CallState, fact: NobodyFree) -> None:
    escalation = call.escalations.get(fact.escalation_id)
    if escalation is not None:
        escalation.nobody_free = fact


def _queued(call: CallState, fact: QueueChanged) -> None:
    escalation = call.escalations.get(fact.escalation_id)
    if escalation is not None:
        escalation.queue, escalation.queued_at_ms = fact.queue, fact.at_ms


def _callback(call: CallState, fact: CallbackRequested) -> None:
    call.callback = fact


def _called_back(call: CallState, fact: CallbackClosed) -> None:
    if fact.outcome != "not_reached":
        call.callback = None


def _handoff(call: CallState, fact: HandoffChanged) -> None:
    escalation = call.escalations.get(fact.handoff_id)
    if escalation is None:
        return
    escalation.handoff, escalation.handoff_reason = fact.state, fact.reason
    escalation.agent_id = fact.agent_id or escalation.agent_id
    if fact.state == HandoffState.ACCEPTED:
        escalation.accepted_at_ms = fact.at_ms
    elif fact.state == HandoffState.BRIDGED:
        escalation.bridged_at_ms = fact.at_ms
    elif is_final(fact.state):
        escalation.nobody_free = None
    if fact.state == HandoffState.FAILED and fact.agent_id:
        call.refusals[fact.agent_id] = fact.at_ms


def _ai_paused(call: CallState, fact: AIPaused) -> None:
    if call.ai_paused is None:
        begin(call.pauses, fact.at_ms)
    call.ai_paused = fact.why


def _ai_resumed(call: CallState, fact: AIResumed) -> None:
    call.ai_paused = None
    finish(call.pauses, fact.at_ms)


def _handed_back(call: CallState, fact: HandedBack) -> None:
    call.handbacks += 1


def _disposition(call: CallState, fact: DispositionSet) -> None:
    call.disposition = fact


FOLDS: dict[type[Fact], Callable[[CallState, Any], None]] = {
    HistoryFound: _history,
    AlertRaised: _alert_raised,
    AlertCleared: _alert_cleared,
    EscalationRaised: _escalated,
    BriefingReady: _briefed,
    OfferMade: _offered,
    OfferChanged: _offer_changed,
    NobodyFree: _nobody_free,
    QueueChanged: _queued,
    CallbackRequested: _callback,
    CallbackClosed: _called_back,
    HandoffChanged: _handoff,
    AIPaused: _ai_paused,
    AIResumed: _ai_resumed,
    HandedBack: _handed_back,
    DispositionSet: _disposition,
}
