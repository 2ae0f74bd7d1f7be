"""Figures of a back-test: what rules were worth over calls that people have labelled.

A call counts once: it was escalated or it was not. Of a labelled call that needed a person, an escalation
is right, and too late after `latest_turn`; of one that did not, it is a false alarm. Calls without labels
count for alerts only. Precision, recall and F1 are None where there is nothing to divide by.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from voicewatch.core.replay import Case, Fired, Outcome, replay
from voicewatch.core.rules import RuleBook

SCHEMA = 1
HOUR_MS = 3_600_000
DIGITS = 4


@dataclass(frozen=True)
class Costs:
    """What a call that needed a person and got none costs, against calling one for nothing."""

    miss: float = 10.0
    false_alarm: float = 1.0


@dataclass(frozen=True)
class Counts:
    """Right, wrong and missed, in calls."""

    right: int
    wrong: int
    missed: int

    @property
    def precision(self) -> float | None:
        return _share(self.right, self.right + self.wrong)

    @property
    def recall(self) -> float | None:
        return _share(self.right, self.right + self.missed)

    @property
    def f1(self) -> float | None:
        return _share(2 * self.right, 2 * self.right + self.wrong + self.missed)

    def view(self) -> dict[str, float | None]:
        return {"precision": self.precision, "recall": self.recall, "f1": self.f1}


def run(rulebook: RuleBook, cases: Iterable[Case]) -> list[Outcome]:
    """Each case judged by these rules."""
    return [replay(rulebook, case) for case in cases]


def report(rulebook: RuleBook, outcomes: Sequence[Outcome], costs: Costs | None = None) -> dict[str, Any]:
    """The `--json` of a back-test."""
    names = dict.fromkeys(rule.name for rule in rulebook.rules)
    return {
        "schema": SCHEMA,
        "overall": overall(outcomes, costs or Costs()),
        "rules": [_of_rule(rulebook, name, outcomes) for name in names],
        "calls": [_of_call(outcome) for outcome in outcomes],
    }


def overall(outcomes: Sequence[Outcome], costs: Costs) -> dict[str, Any]:
    """Over all rules that may call a person."""
    counts = _count(outcomes, [one.escalation for one in outcomes])
    late = sum(_is_late(one, one.escalation) for one in outcomes)
    needed = counts.right + counts.missed
    alerts = sum(one.alerts for one in outcomes)
    hours = sum(one.duration_ms for one in outcomes) / HOUR_MS
    leads_s = [lead for one in outcomes if (lead := _lead_s(one)) is not None]
    return {
        **counts.view(),
        "recall_in_time": _share(counts.right - late, needed),
        "alerts_per_100_calls": _rounded(100 * alerts / len(outcomes)) if outcomes else None,
        "alerts_per_hour": _rounded(alerts / hours) if hours else None,
        "lead_turns_p50": _median(_leads(outcomes, [one.escalation for one in outcomes])),
        "lead_s_p50": _median(leads_s),
        "too_late": late,
        "calls": len(outcomes),
        "labelled": sum(one.case.labels is not None for one in outcomes),
        "escalated": sum(one.escalation is not None for one in outcomes),
        "false_alarms": counts.wrong,
        "missed": counts.missed,
        "cost": _rounded(costs.miss * counts.missed + costs.false_alarm * counts.wrong),
    }


def _of_rule(rulebook: RuleBook, name: str, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """One rule alone. Recall is over the labelled calls that name one of its reasons, or no reason at all."""
    rule = next(one for one in rulebook.rules if one.name == name)
    firsts = [next((one for one in outcome.fired if one.rule == name), None) for outcome in outcomes]
    counts = _count(outcomes, firsts, frozenset(rule.reasons))
    reasons: dict[str, int] = {}
    for outcome in outcomes:
        why = outcome.not_evaluated.get(name)
        if why is not None:
            reasons[why] = reasons.get(why, 0) + 1
    return {
        "name": name,
        "fired": sum(one is not None for one in firsts),
        **counts.view(),
        "not_evaluated": sum(reasons.values()),
        "not_evaluated_why": reasons,
        "escalated_first": sum(
            one.escalation is not None and one.escalation.rule == name for one in outcomes
        ),
        "false_alarms": counts.wrong,
        "lead_turns_p50": _median(_leads(outcomes, firsts)),
        "severity": rule.severity.value,
        "shadow": rule.shadow,
    }


def _of_call(outcome: Outcome) -> dict[str, Any]:
    first = outcome.escalation
    labels = outcome.case.labels
    return {
        "id": outcome.case.call_id,
        "escalated": first is not None,
        "turn": first.turn if first else None,
        "at_ms": first.at_ms if first else None,
        "rule": first.rule if first else None,
        "reasons": list(first.reasons) if first else [],
        "evidence": [_evidence(one) for one in first.evidence] if first else [],
        "alerts": [one.rule for one in outcome.fired if not one.shadow and not one.escalated],
        "judged": judged(outcome),
        "should_escalate": labels.should_escalate if labels else None,
    }


def _evidence(piece: Any) -> dict[str, Any]:
    found: dict[str, Any] = piece.model_dump(mode="json", exclude_defaults=True)
    return found


def judged(outcome: Outcome) -> str:
    """right, late, false_alarm, missed, rightly_left or unlabelled."""
    labels, first = outcome.case.labels, outcome.escalation
    if labels is None:
        return "unlabelled"
    if not labels.should_escalate:
        return "rightly_left" if first is None else "false_alarm"
    if first is None:
        return "missed"
    return "late" if _is_late(outcome, first) else "right"


# ---------------------------------------------------------------- comparing two sets


def changes(before: Sequence[Outcome], after: Sequence[Outcome]) -> list[dict[str, Any]]:
    """The calls that the two sets of rules treat differently."""
    found = []
    for old, new in zip(before, after, strict=True):
        then, now = _stand(old), _stand(new)
        if then != now:
            found.append({"id": new.case.call_id, "before": then, "after": now})
    return found


def _stand(outcome: Outcome) -> dict[str, Any]:
    first = outcome.escalation
    return {
        "judged": judged(outcome),
        "escalated": first is not None,
        "turn": first.turn if first else None,
        "rule": first.rule if first else None,
    }


# ---------------------------------------------------------------- counting


def _count(
    outcomes: Sequence[Outcome], firsts: Sequence[Fired | None], reasons: frozenset[str] = frozenset()
) -> Counts:
    right = wrong = missed = 0
    for outcome, first in zip(outcomes, firsts, strict=True):
        labels = outcome.case.labels
        if labels is None:
            continue
        if first is not None:
            right += labels.should_escalate
            wrong += not labels.should_escalate
        elif labels.should_escalate:
            concerns = not reasons or not labels.reasons or not reasons.isdisjoint(labels.reasons)
            missed += concerns
    return Counts(right, wrong, missed)


def _is_late(outcome: Outcome, first: Fired | None) -> bool:
    labels = outcome.case.labels
    if labels is None or first is None or not labels.should_escalate:
        return False
    if labels.latest_turn is not None:
        return first.turn > labels.latest_turn
    return labels.human_at_ms is not None and first.at_ms > labels.human_at_ms


def _leads(outcomes: Sequence[Outcome], firsts: Sequence[Fired | None]) -> list[float]:
    """Turns from the alert to the last one that would have been in time; negative if it was too late."""
    found: list[float] = []
    for outcome, first in zip(outcomes, firsts, strict=True):
        labels = outcome.case.labels
        if labels is None or first is None or not labels.should_escalate:
            continue
        deadline = labels.latest_turn if labels.latest_turn is not None else labels.turn
        if deadline is not None:
            found.append(deadline - first.turn)
    return found


def _lead_s(outcome: Outcome) -> float | None:
    """Seconds from the escalation to when a human acted by himself, or spoke the last turn in time."""
    labels, first = outcome.case.labels, outcome.escalation
    if labels is None or first is None or not labels.should_escalate:
        return None
    deadline_ms = labels.human_at_ms
    if deadline_ms is None and labels.latest_turn is not None:
        finals = outcome.case.finals
        if labels.latest_turn < len(finals):
            deadline_ms = finals[labels.latest_turn].end_ms
    return None if deadline_ms is None else (deadline_ms - first.at_ms) / 1000


def _share(part: float, whole: float) -> float | None:
    return _rounded(part / whole) if whole else None


def _median(values: Sequence[float]) -> float | None:
    return _rounded(statistics.median(values)) if values else None


def _rounded(value: float) -> float:
    return round(value, DIGITS)
