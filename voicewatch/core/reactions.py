"""What follows from facts and from time, over all calls: the rules' word, and what a state lacks.

Nothing here waits. What follows from a state (an offer to the next agent, the AI paused, a coach without an
agent) is not remembered anywhere: after every fact `_settle` asks `consequences.py` what the state still
lacks, until it lacks nothing. So a restarted director folds the journal and goes on, and whatever was cut
off is made up for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from voicewatch.core.call import CallState
from voicewatch.core.call_view import URGENCY
from voicewatch.core.consequences import next_facts
from voicewatch.core.events import (
    CallStarted,
    DispositionSet,
    EscalationRaised,
    Fact,
    OfferChanged,
    SeatClosed,
)
from voicewatch.core.offering import Means, need_rank
from voicewatch.core.routing import Roster
from voicewatch.core.routing_plan import RoutingPlan
from voicewatch.core.rules import Judge, RuleBook
from voicewatch.core.wanted import Wanted, wanted

MAX_STEPS = 200
"""A state needs a handful of steps to settle; more is a fault of `consequences.py`, not a loop to sit in."""
WENT_WELL = ("resolved", "refund")
"""Dispositions of a call that the human could settle: what `proven_success` routing learns from."""


class Reactions:
    """See the module. Times are the calls' own `at_ms`; ids come from `new_id`."""

    def __init__(
        self,
        rulebook: RuleBook,
        *,
        offer_timeout_ms: int,
        wrap_up_ms: int,
        customer_grace_ms: int,
        new_id: Callable[[], str],
        plan: RoutingPlan | None = None,
        utc_offset_ms: int = 0,
    ) -> None:
        self.rulebook = rulebook
        self.calls: dict[str, CallState] = {}
        self.roster = Roster(wrap_up_ms, plan or RoutingPlan())
        self._new_id = new_id
        self._means = Means(
            self.roster, offer_timeout_ms, customer_grace_ms, new_id, utc_offset_ms, self._waiting_before
        )
        self._judges: dict[str, Judge] = {}
        self._now_ms = 0
        """Newest instant seen, on the clock common to all calls (zero_mono_ns + at_ms)."""

    def restore(self, facts: Sequence[Fact]) -> None:
        """Folds one call's journal: state only. `tick` then makes up for what was cut off."""
        for fact in facts:
            self._apply(fact, learn=True)

    def see_utc(self, offset_ms: int) -> None:
        """What UTC is now, beyond the clock that is common to all calls: hours of queues go by it."""
        self._means = replace(self._means, utc_offset_ms=offset_ms)

    def push(self, fact: Fact) -> list[Fact]:
        """Applies a fact from a process; returns the further facts that it causes, applied, in order."""
        if fact.call_id not in self.calls and not isinstance(fact, CallStarted):
            return []
        return self._tell(fact)[1:]

    def tick(self, now: Mapping[str, int]) -> list[Fact]:
        """Lets time pass: call_id -> at_ms of calls live, and of ended ones while somebody wraps up."""
        said: list[Fact] = []
        for call_id, at_ms in now.items():
            call = self.calls.get(call_id)
            if call is None:
                continue
            self._see_time(call, at_ms)
            if call.is_live:
                for judgement in self._judges[call_id].tick(at_ms):
                    said += self._judged(call, judgement)
        self.roster.tick(self._now_ms)
        return said + self._settle_all()

    def forget(self, call_id: str) -> None:
        """Drops an ended call from memory."""
        self.calls.pop(call_id, None)
        self._judges.pop(call_id, None)
        self.roster.forget_call(call_id)

    def use_rules(self, rulebook: RuleBook, journals: Mapping[str, Sequence[Fact]]) -> list[Fact]:
        """Judges all calls by other rules from now on; `journals` has the facts so far of each live call.

        What the new rules would have said of the past is not said; alerts of rules that are gone are cleared.
        """
        self.rulebook = rulebook
        said: list[Fact] = []
        for call_id, facts in journals.items():
            call = self.calls.get(call_id)
            if call is None or not call.is_live:
                continue
            judge = self._judges[call_id] = Judge(rulebook, call_id, self._new_id)
            for fact in facts:
                judge.learn(fact)
            open_ones = [alert.raised for alert in call.alerts.values() if alert.state == "open"]
            for cleared in judge.withdraw(open_ones, call.at_ms):
                said += self._told(cleared)
        return said

    def not_evaluated(self, call_id: str) -> dict[str, str]:
        """Rule -> why it could not be evaluated in this call, for inspection."""
        return self._judges[call_id].not_evaluated if call_id in self._judges else {}

    def wanted(self, call_id: str) -> Wanted:
        """See `Wanted`. An unknown or ended call wants nothing."""
        call = self.calls.get(call_id)
        return wanted(call) if call is not None else Wanted({}, {}, None, None, None)

    # ------------------------------------------------------------ inside

    def _see_time(self, call: CallState, at_ms: int) -> None:
        call.at_ms = max(call.at_ms, at_ms)
        self._now_ms = max(self._now_ms, call.zero_mono_ns // 1_000_000 + at_ms)

    def _apply(self, fact: Fact, learn: bool = False) -> list[Fact]:
        """Applies one fact everywhere; returns what the rules say to it, not yet applied."""
        call = self.calls.get(fact.call_id)
        if call is None:
            if not isinstance(fact, CallStarted):
                return []
            call = self.calls[fact.call_id] = CallState(fact.call_id)
            self._judges[fact.call_id] = Judge(self.rulebook, fact.call_id, self._new_id)
        call.apply(fact)
        self._see_time(call, fact.at_ms)
        self.roster.apply(fact, self._now_ms)
        if isinstance(fact, DispositionSet) and call.escalation is not None:
            self.roster.learn(fact.agent_id, call.escalation.raised.reasons, fact.code in WENT_WELL)
        judge = self._judges[fact.call_id]
        if learn or not call.is_live:
            judge.learn(fact)
            return []
        return list(judge.push(fact))

    def _tell(self, *facts: Fact) -> list[Fact]:
        """Applies facts of one call and everything that follows, anywhere; returns all of them in order."""
        if not facts:
            return []
        said = [one for fact in facts for one in self._told(fact)]
        call = self.calls[facts[0].call_id]
        said += self._settle(call)
        if any(isinstance(fact, OfferChanged | SeatClosed) for fact in said):
            said += self._settle_all()  # an agent may have become free for another call
        return said

    def _told(self, fact: Fact) -> list[Fact]:
        """Applies one fact and what the rules say to it."""
        said = [fact]
        for judgement in self._apply(fact):
            said += self._judged(self.calls[fact.call_id], judgement)
        return said

    def _judged(self, call: CallState, judgement: Fact) -> list[Fact]:
        """A rule's word becomes a fact; a second escalation only makes the first one worse."""
        if isinstance(judgement, EscalationRaised):
            merged = _one_at_a_time(call, judgement)
            return self._told(merged) if merged is not None else []
        return self._told(judgement)

    def _settle(self, call: CallState) -> list[Fact]:
        """Applies what the state lacks until it lacks nothing."""
        said: list[Fact] = []
        for _ in range(MAX_STEPS):
            lacking = next_facts(self._means, call)
            if not lacking:
                return said
            for fact in lacking:
                said += self._told(fact)
        raise AssertionError(f"call {call.call_id} does not settle: {[fact.type for fact in said[-6:]]}")

    def _settle_all(self) -> list[Fact]:
        """Settles every call that is not over, the most urgent and oldest escalation first."""
        waiting = [call for call in self.calls.values() if call.is_live or call.open_reservations]
        for call in waiting:
            if call.zero_mono_ns:
                call.at_ms = max(call.at_ms, self._now_ms - call.zero_mono_ns // 1_000_000)
        ordered = sorted(waiting, key=lambda call: need_rank(self.roster.plan, call))
        return [fact for call in ordered for fact in self._settle(call)]

    def _waiting_before(self, call: CallState) -> int:
        """How many other calls are looked after before this one."""
        mine = need_rank(self.roster.plan, call)
        return sum(
            other is not call
            and other.is_live
            and other.active_escalation is not None
            and other.active_escalation.is_waiting
            and need_rank(self.roster.plan, other) < mine
            for other in self.calls.values()
        )


def _one_at_a_time(call: CallState, raised: EscalationRaised) -> EscalationRaised | None:
    """The escalation to tell: none while a human has the call or is joining it; while one rings already,
    that one, made worse or richer by the new one, or none if it adds nothing."""
    active = call.active_escalation
    if active is None:
        return None if call.human_voice() is not None else raised
    if not active.is_waiting:
        return None
    known = active.raised
    reasons = [*known.reasons, *(code for code in raised.reasons if code not in known.reasons)]
    leads = URGENCY[raised.severity] < URGENCY[known.severity] or raised.alert_id == known.alert_id
    if not leads and reasons == known.reasons:
        return None
    leading = raised if leads else known
    return known.model_copy(
        update={
            "at_ms": raised.at_ms,
            "severity": leading.severity,
            "headline": leading.headline,
            "rule": leading.rule,
            "alert_id": leading.alert_id,
            "evidence": leading.evidence,
            "reasons": reasons,
            "skill": known.skill or raised.skill,
            "queue": known.queue or raised.queue,
            "agent_id": known.agent_id or raised.agent_id,
        }
    )
