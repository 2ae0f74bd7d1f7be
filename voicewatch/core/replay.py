"""A call of the past through rules of today: what they would have said, and when. Deterministic."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from voicewatch.core.events import (
    ActionAsked,
    ActionDone,
    AlertCleared,
    AlertRaised,
    CallEnded,
    EscalationRaised,
    Evidence,
    Fact,
    Nudged,
    Severity,
    ShadowRaised,
    UtteranceFinal,
)
from voicewatch.core.rules import RULE_SAYS, Judge, RuleBook

TICK_MS = 500
"""The rules see time pass in such steps, as a live call's do."""


@dataclass(frozen=True)
class Labels:
    """What people said of a call; turns are counted from 0."""

    should_escalate: bool
    turn: int | None = None
    """The turn that shows that a person is needed."""
    latest_turn: int | None = None
    """The last turn at which it is not too late."""
    reasons: tuple[str, ...] = ()
    human_at_ms: int | None = None
    """When a human acted by himself."""


@dataclass(frozen=True)
class Case:
    """A call to replay: its facts in order, and its labels if it has any."""

    call_id: str
    facts: Sequence[Fact]
    labels: Labels | None = None

    @property
    def finals(self) -> list[UtteranceFinal]:
        return [fact for fact in self.facts if isinstance(fact, UtteranceFinal)]


@dataclass(frozen=True)
class Fired:
    """What a rule said first of one alert, and where in the call."""

    rule: str
    severity: Severity
    reasons: tuple[str, ...]
    at_ms: int
    turn: int
    escalated: bool
    shadow: bool
    headline: str
    evidence: tuple[Evidence, ...]


@dataclass
class Outcome:
    """What the rules made of a call."""

    case: Case
    fired: list[Fired] = field(default_factory=list)
    """Alerts in order; one that called a person only later is there again, with `escalated`."""
    not_evaluated: dict[str, str] = field(default_factory=dict)
    duration_ms: int = 0

    @property
    def escalation(self) -> Fired | None:
        """What called a person first."""
        return next((one for one in self.fired if one.escalated and not one.shadow), None)

    @property
    def alerts(self) -> int:
        return sum(not one.shadow and not one.escalated for one in self.fired)


JUDGED = (AlertRaised, AlertCleared, ShadowRaised, ActionAsked, ActionDone)


def is_judgement(fact: Fact) -> bool:
    """Whether the rules of then said it: those of now say it anew."""
    if isinstance(fact, EscalationRaised):
        return fact.rule is not None
    if isinstance(fact, Nudged):
        return fact.by.startswith(RULE_SAYS)
    return isinstance(fact, JUDGED)


def replay(rulebook: RuleBook, case: Case) -> Outcome:
    """The case judged by these rules."""
    numbers = itertools.count(1)
    judge = Judge(rulebook, case.call_id, lambda: f"{case.call_id}-{next(numbers)}")
    outcome = Outcome(case)
    seen: set[str] = set()
    turn, now_ms = -1, 0
    for fact in case.facts:
        if is_judgement(fact):
            continue
        for at_ms in range(now_ms + TICK_MS, fact.at_ms, TICK_MS):
            _note(outcome, judge.tick(at_ms), turn, seen)
        now_ms = max(now_ms, fact.at_ms)
        turn += isinstance(fact, UtteranceFinal)
        if isinstance(fact, CallEnded):
            _note(outcome, judge.tick(fact.at_ms), turn, seen)
            break
        _note(outcome, judge.push(fact), turn, seen)
    outcome.duration_ms = now_ms
    outcome.not_evaluated = judge.not_evaluated
    return outcome


def _note(outcome: Outcome, said: Iterable[Fact], turn: int, seen: set[str]) -> None:
    for one in said:
        if isinstance(one, AlertRaised | ShadowRaised):
            key = one.alert_id
        elif isinstance(one, EscalationRaised):
            key = f"{one.alert_id} escalated"
        else:
            continue
        if key in seen:
            continue
        seen.add(key)
        outcome.fired.append(
            Fired(
                rule=one.rule or "",
                severity=one.severity,
                reasons=tuple(one.reasons),
                at_ms=one.at_ms,
                turn=turn,
                escalated=isinstance(one, EscalationRaised)
                or (isinstance(one, ShadowRaised) and one.escalates),
                shadow=isinstance(one, ShadowRaised),
                headline="" if isinstance(one, ShadowRaised) else one.headline,
                evidence=tuple(one.evidence),
            )
        )
