"""A back-test from files to report: which calls, which rules, what to compare and to sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from voicewatch.backtest.curve import sweep
from voicewatch.backtest.dialogues import BadDialogue, cases_of, read_dialogues
from voicewatch.backtest.journals import read_calls
from voicewatch.core.backtest import Costs, changes, overall, report, run
from voicewatch.core.predicates import installed_predicates
from voicewatch.core.replay import Case, Outcome
from voicewatch.core.rules import RuleBook, default_rules


@dataclass(frozen=True)
class Asked:
    """What a back-test is asked to do; one of `calls` and `jsonl` is given."""

    calls: Path | None = None
    jsonl: Path | None = None
    rules: Path | None = None
    against: Path | None = None
    curve: str = ""
    costs: Costs = field(default_factory=Costs)


@dataclass(frozen=True)
class Done:
    """The report, and the outcomes it was made of (`before`: by the rules of `--against`)."""

    report: dict[str, Any]
    outcomes: Sequence[Outcome]
    before: Sequence[Outcome] | None = None


def backtest(asked: Asked) -> Done:
    """Raises BadRule, BadDialogue, NoJournal, BadCurve (ValueErrors) and OSError, each in one clear line."""
    book = _rules(asked.rules)
    against = _rules(asked.against) if asked.against else None
    cases = _cases(asked, {**(against.meanings if against else {}), **book.meanings})
    outcomes = run(book, cases)
    found = report(book, outcomes, asked.costs)
    before = None
    if against is not None:
        before = run(against, cases)
        found["against"] = {
            "rules": str(asked.against),
            "overall": overall(before, asked.costs),
            "changed": changes(before, outcomes),
        }
    if asked.curve:
        found["curve"] = sweep(asked.curve, book.source, cases, asked.costs, installed_predicates())
    return Done(found, outcomes, before)


def _cases(asked: Asked, meanings: Mapping[str, Sequence[str]]) -> list[Case]:
    if asked.jsonl is not None:
        dialogues = list(read_dialogues(asked.jsonl))
        if not dialogues:
            raise BadDialogue(f"{asked.jsonl} holds no dialogue: one JSON object a line is expected")
        return cases_of(dialogues, meanings)
    assert asked.calls is not None  # the command line sees to it
    return read_calls(asked.calls)


def _rules(path: Path | None) -> RuleBook:
    if path is None:
        return default_rules()
    return RuleBook.parse(path.read_text(encoding="utf-8"), str(path), installed_predicates())


FIGURES = (
    "precision",
    "recall",
    "recall_in_time",
    "f1",
    "alerts_per_100_calls",
    "lead_turns_p50",
    "too_late",
)


def in_words(report: Mapping[str, Any]) -> str:
    """The report for people, in a terminal."""
    overall = report["overall"]
    lines = [f"{overall['calls']} calls, {overall['labelled']} labelled, {overall['escalated']} escalated"]
    compared = report.get("against", {}).get("overall", {})
    for name in FIGURES:
        before = f"   was {_shown(compared[name])}" if compared else ""
        lines.append(f"  {name.replace('_', ' '):24}{_shown(overall[name])}{before}")
    head = ("fired", "precision", "recall", "f1", "not_evaluated")
    lines.append(f"{'':26}" + "".join(f"{name.replace('_', ' '):>15}" for name in head))
    for rule in report["rules"]:
        shadow = " *" if rule["shadow"] else ""
        lines.append(f"{rule['name'] + shadow:26}" + "".join(f"{_shown(rule[name]):>15}" for name in head))
    lines += [
        f"{one['id']}: {one['judged'].replace('_', ' ')}"
        + (f" (turn {one['turn']}, {one['rule']})" if one["escalated"] else "")
        for one in report["calls"]
        if one["judged"] in ("missed", "late", "false_alarm")
    ]
    for one in report.get("against", {}).get("changed", ()):
        lines.append(f"{one['id']}: {one['before']['judged']} -> {one['after']['judged']}")
    curve = report.get("curve")
    if curve:
        lines += [
            f"{curve['rule']}.{curve['field']} {point['value']:>8g}: precision {_shown(point['precision'])}, "
            f"recall in time {_shown(point['recall_in_time'])}, cost {point['cost']:g}"
            for point in curve["points"]
        ]
        lines.append(f"best F1 at {_shown(curve['best_f1'])}, least cost at {_shown(curve['cheapest'])}")
    return "\n".join(lines)


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"
