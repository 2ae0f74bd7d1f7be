"""One figure of one rule, swept over its range: which value would have served best."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from voicewatch.core.backtest import Costs, overall, report, run
from voicewatch.core.call_conditions import Predicate
from voicewatch.core.replay import Case
from voicewatch.core.rule_table import nearest
from voicewatch.core.rules import BadRule, RuleBook

SHARES = [round(0.2 + 0.05 * step, 2) for step in range(16)]
COUNTS = [1, 2, 3, 4, 5, 6]
WINDOWS_S = [15, 30, 45, 60, 90, 120, 180, 240, 300]
PAUSES_S = [4, 6, 8, 10, 12, 15, 20, 25, 30, 45]
STEPS: Mapping[str, Sequence[float]] = {
    "sentiment_below": [-5 + 0.5 * step for step in range(11)],
    "sentiment_above": [-2 + 0.5 * step for step in range(13)],
    "sentiment_falls_by": [1 + 0.5 * step for step in range(15)],
    "level": SHARES,
    "uncertainty_above": SHARES,
    "escalation_above": SHARES,
    "says_again": SHARES,
    "non_talk_share_above": SHARES,
    "talk_share_above": SHARES,
    "ai_confidence_below": SHARES,
    "count": COUNTS,
    "times": COUNTS,
    "at_least": COUNTS,
    "distinct": COUNTS,
    "of_last": COUNTS,
    "tools_failed": COUNTS,
    "within_s": WINDOWS_S,
    "cooldown_s": WINDOWS_S,
    "clear_after_s": WINDOWS_S,
    "silence_s": PAUSES_S,
    "for_s": PAUSES_S,
    "non_talk_s": PAUSES_S,
    "call_lasts_s": [60, 120, 180, 240, 300, 420, 600, 900],
    "sum_above": [50, 100, 250, 500, 1_000, 2_000, 5_000, 10_000],
}
"""Field -> the values that are tried."""


class BadCurve(ValueError):
    """What is to be swept is not there; the text says what is."""


def sweep(
    asked: str,
    text: str,
    cases: Sequence[Case],
    costs: Costs,
    predicates: Mapping[str, Predicate] | None = None,
) -> dict[str, Any]:
    """`asked` is RULE.FIELD; the field gets each value wherever it stands in that rule, the rest stays."""
    name, _, field = asked.partition(".")
    if not field:
        raise BadCurve(f"--curve {asked}: write it as RULE.FIELD, such as angry_and_stuck.count")
    if field not in STEPS:
        raise BadCurve(f"--curve {asked}: cannot sweep {field}{nearest(field, STEPS)}")
    points = []
    for value in STEPS[field]:
        try:
            book = RuleBook.parse(_with_value(text, name, field, value), predicates=predicates)
        except BadRule:
            continue  # a value that cannot be in this place, such as of_last below count
        outcomes = run(book, cases)
        figures = overall(outcomes, costs)
        of_rule = next(one for one in report(book, outcomes, costs)["rules"] if one["name"] == name)
        kept = ("precision", "recall", "recall_in_time", "f1", "alerts_per_100_calls", "cost")
        points.append(
            {
                "value": value,
                **{key: figures[key] for key in kept},
                "rule": {key: of_rule[key] for key in ("fired", "precision", "recall", "f1")},
            }
        )
    best = max(points, key=lambda point: (point["f1"] or 0.0, -point["cost"]), default=None)
    cheapest = min(points, key=lambda point: (point["cost"], -(point["f1"] or 0.0)), default=None)
    return {
        "rule": name,
        "field": field,
        "points": points,
        "best_f1": best and best["value"],
        "cheapest": cheapest and cheapest["value"],
    }


def _with_value(text: str, name: str, field: str, value: float) -> str:
    """The rule file with the field set in this rule."""
    parts = re.split(r"(?m)^(?=\s*\[\[\s*rule\s*\]\])", text)
    names = [found[1] for part in parts if (found := re.search(r'(?m)^\s*name\s*=\s*"([^"]*)"', part))]
    if name not in names:
        raise BadCurve(f"--curve: there is no rule {name}{nearest(name, names)}")
    place = next(at for at, part in enumerate(parts) if re.search(rf'(?m)^\s*name\s*=\s*"{name}"', part))
    changed, times = re.subn(rf"(?<![\w.]){field}(\s*=\s*)-?[\d.]+", rf"{field}\g<1>{value:g}", parts[place])
    if not times:
        raise BadCurve(f"--curve: the rule {name} has no {field} with a number")
    return "".join([*parts[:place], changed, *parts[place + 1 :]])
