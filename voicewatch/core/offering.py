"""Finding a human for an escalation: its queue, the offers it makes, and what becomes of them.

Pure: what a call's state still lacks, as in `consequences.py`, and the facts of commands about queues.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from voicewatch.core.call import CallState, Escalation, Offer
from voicewatch.core.call_view import URGENCY
from voicewatch.core.events import (
    CallbackRequested,
    Fact,
    HandoffState,
    NobodyFree,
    OfferChanged,
    OfferMade,
    OfferState,
    QueueChanged,
    Role,
    Severity,
)
from voicewatch.core.handoff import move_offer
from voicewatch.core.routing import Agent, Need, Roster, choose
from voicewatch.core.routing_plan import Queue, RoutingPlan

FEELINGS_RUN_HIGH = -3.0
"""Sentiment (-5..5) of the customer's newest words from which an agent trained in calming is preferred."""
CALMING_REASONS = frozenset({"angry", "vulnerable"})


@dataclass(frozen=True)
class Means:
    """What the rules may use beside the call: agents, settings, the other calls that wait, and new ids."""

    roster: Roster
    offer_timeout_ms: int
    grace_ms: int
    new_id: Callable[[], str]
    utc_offset_ms: int = 0
    """UTC (Unix) minus the clock that is common to all calls (zero_mono_ns)."""
    ahead: Callable[[CallState], int] = lambda call: 0
    """How many other calls wait before this one."""

    @property
    def plan(self) -> RoutingPlan:
        return self.roster.plan

    def utc(self, call: CallState) -> datetime:
        unix_ms = self.utc_offset_ms + call.zero_mono_ns // 1_000_000 + call.at_ms
        return datetime.fromtimestamp(unix_ms / 1_000, UTC)


def need_rank(plan: RoutingPlan, call: CallState) -> tuple[int, int, int]:
    """Order of waiting: severity (raised by waiting), then the customer's tier, then who came first."""
    escalation = call.active_escalation
    if escalation is None:
        return len(URGENCY), 0, 0
    waited_ms = max(0, call.at_ms - escalation.since_ms)
    urgency = max(0, URGENCY[escalation.raised.severity] - waited_ms // (plan.severity_after_s * 1_000))
    since_ms = call.zero_mono_ns // 1_000_000 + escalation.since_ms
    return urgency, plan.tier_rank(call.attributes.get("tier", "")), since_ms


# ---------------------------------------------------------------- facts of an offer


def offer_moved(call: CallState, offer: Offer, state: OfferState, reason: str = "") -> OfferChanged:
    """The offer in its next state; IllegalMove if it cannot get there."""
    return OfferChanged(
        call_id=call.call_id,
        at_ms=call.at_ms,
        offer_id=offer.made.offer_id,
        agent_id=offer.made.agent_id,
        state=move_offer(offer.state, state),
        reason=reason,
    )


def offer_made(means: Means, call: CallState, escalation: Escalation, agent: Agent) -> OfferMade:
    return OfferMade(
        call_id=call.call_id,
        at_ms=call.at_ms,
        offer_id=means.new_id(),
        escalation_id=escalation.raised.escalation_id,
        agent_id=agent.agent_id,
        agent_name=agent.name,
        expires_at_ms=call.at_ms + means.offer_timeout_ms,
    )


def withdrawn(call: CallState, reason: str, *, but: Offer | None = None) -> list[Fact]:
    """All offers that ring, but one, are rescinded."""
    return [
        offer_moved(call, offer, OfferState.RESCINDED, reason)
        for offer in call.pending_offers
        if offer is not but
    ]


def callback_agreed(call: CallState, by: str, number: str, when: str, note: str) -> CallbackRequested:
    return CallbackRequested(
        call_id=call.call_id, at_ms=call.at_ms, by=by, number=number, when=when, note=note
    )


# ---------------------------------------------------------------- what a state lacks


def find_queue(means: Means, call: CallState) -> list[Fact]:
    """The queue an escalation belongs to, or overflows into."""
    escalation = _seeking(call)
    if escalation is None:
        return []
    raised, plan = escalation.raised, means.plan
    if not escalation.queue:
        queue = plan.queue_for(raised.queue, raised.skill, call.attributes.get("topic", ""))
        return [_queued(call, escalation, queue.name, "matched")] if queue else []
    queue = plan.queue(escalation.queue)
    if queue is None or not queue.overflow:
        return []
    if not plan.is_open(queue, means.utc(call)):
        return [_queued(call, escalation, queue.overflow, "closed")] if _may_go_on(plan, queue) else []
    waited_ms = call.at_ms - (escalation.queued_at_ms or escalation.since_ms)
    if call.pending_offers or waited_ms < queue.overflow_after_s * 1_000:
        return []
    return [_queued(call, escalation, queue.overflow, "overflow")] if _may_go_on(plan, queue) else []


def _may_go_on(plan: RoutingPlan, queue: Queue) -> bool:
    """Queues that overflow into each other end at the first one that has been left already."""
    seen, here = {queue.name}, plan.queue(queue.overflow)
    while here is not None and here.overflow:
        if here.name in seen:
            return False
        seen.add(here.name)
        here = plan.queue(here.overflow)
    return True


def _queued(call: CallState, escalation: Escalation, queue: str, why: str) -> QueueChanged:
    return QueueChanged.model_validate(
        {
            "call_id": call.call_id,
            "at_ms": call.at_ms,
            "escalation_id": escalation.raised.escalation_id,
            "queue": queue,
            "why": why,
        }
    )


def offers_expire(means: Means, call: CallState) -> list[Fact]:
    return [
        offer_moved(call, offer, OfferState.TIMEOUT, "no_answer")
        for offer in call.pending_offers
        if call.at_ms >= offer.made.expires_at_ms
    ]


def next_agent(means: Means, call: CallState) -> Agent | None:
    """The agent to be asked now, if the escalation may ask one more; nobody while its queue is closed."""
    escalation = _seeking(call)
    if escalation is None or len(call.pending_offers) >= means.plan.offers_at_once:
        return None
    queue = means.plan.queue(escalation.queue)
    if queue is not None and not means.plan.is_open(queue, means.utc(call)):
        return None
    need = need_of(means.plan, call, escalation, queue)
    return choose(
        means.roster.agents.values(), need, lambda agent_id: means.roster.success(agent_id, need.reasons)
    )


def need_of(plan: RoutingPlan, call: CallState, escalation: Escalation, queue: Queue | None) -> Need:
    raised = escalation.raised
    return Need(
        at_ms=call.at_ms,
        skill=queue.asks_for if queue else raised.skill or call.attributes.get("topic", ""),
        is_strict=queue is not None and queue.strict,
        language=call.attributes.get("language", ""),
        tier=call.attributes.get("tier", ""),
        calming=plan.deescalation_skill if _feelings_run_high(call, escalation) else "",
        reasons=tuple(raised.reasons),
        refusals=call.refusals,
        prefer=raised.agent_id,
        policy=(queue.policy if queue else None) or plan.policy,
    )


def _feelings_run_high(call: CallState, escalation: Escalation) -> bool:
    if CALMING_REASONS & set(escalation.raised.reasons) or escalation.raised.severity == Severity.CRITICAL:
        return True
    scores = [
        one.scored.sentiment.score
        for one in call.spoken(Role.CUSTOMER)
        if one.scored and one.scored.sentiment
    ]
    return bool(scores) and scores[-1] <= FEELINGS_RUN_HIGH


def tell_nobody_free(means: Means, call: CallState) -> list[Fact]:
    """Nobody could be asked: told once, and once more when the queue closes or opens."""
    escalation = _seeking(call)
    if escalation is None or call.pending_offers:
        return []
    queue = means.plan.queue(escalation.queue)
    opens_at = means.plan.opens_at(queue, means.utc(call)) if queue else None
    is_closed = queue is not None and not means.plan.is_open(queue, means.utc(call))
    position = means.ahead(call) + 1
    wait_s = means.roster.expected_wait_s(position)
    why = "closed" if is_closed else "busy" if wait_s is not None else "no_agents"
    told = escalation.nobody_free
    if told is not None and (told.why == "closed") == is_closed:
        return []
    return [
        NobodyFree.model_validate(
            {
                "call_id": call.call_id,
                "at_ms": call.at_ms,
                "escalation_id": escalation.raised.escalation_id,
                "why": why,
                "position": position,
                "expected_wait_s": None if is_closed else wait_s,
                "opens_at": opens_at,
                "callback": queue is None or queue.callback,
            }
        )
    ]


def reservations_end(means: Means, call: CallState) -> list[Fact]:
    """An accepted offer follows its agent: out of the call into wrap-up, and to its end."""
    facts: list[Fact] = []
    for offer in call.open_reservations:
        agent = means.roster.agents.get(offer.made.agent_id)
        if call.is_live and call.seat_of(offer.made.agent_id, Role.AGENT) is not None:
            continue
        wraps_up = agent is not None and call.call_id in agent.wrap_ups
        if offer.state == OfferState.ACCEPTED and wraps_up:
            facts.append(offer_moved(call, offer, OfferState.WRAPPING))
        elif not wraps_up:
            facts.append(offer_moved(call, offer, OfferState.COMPLETED))
    return facts


def _seeking(call: CallState) -> Escalation | None:
    """The escalation, if it is looking for somebody now."""
    escalation = call.active_escalation
    if escalation is None or escalation.handoff not in (HandoffState.BRIEFING, HandoffState.RINGING):
        return None
    return escalation
