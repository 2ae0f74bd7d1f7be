"""The report of a back-test as one HTML page that needs nothing else. All words in it are masked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from voicewatch.backtest.run import Done
from voicewatch.core.quoting import quote
from voicewatch.core.replay import Fired, Outcome

WRONG = ("missed", "late", "false_alarm")
MAX_CALLS = 500
"""Calls told in full; the page says how many more there are."""
IN_WORDS = {
    "right": "rightly escalated",
    "late": "escalated too late",
    "false_alarm": "false alarm",
    "missed": "missed",
    "rightly_left": "rightly left alone",
    "unlabelled": "not labelled",
}
STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #777; --bad: #c33; --good: #2a7; --mark: #fd06; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; }
h1 { font-size: 1.4rem } h2 { font-size: 1.1rem; margin-top: 2.2rem }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { border-bottom: 1px solid var(--line); padding: .25rem .5rem; text-align: right }
th:first-child, td:first-child { text-align: left }
.soft { color: var(--soft) } .bad { color: var(--bad) } .good { color: var(--good) }
details { border: 1px solid var(--line); border-radius: .4rem; margin: .5rem 0; padding: .4rem .8rem }
summary { cursor: pointer } .turn { margin: .15rem 0 } .turn b { display: inline-block; width: 6.5rem }
.fired { background: var(--mark) } svg { width: 100%; height: 9rem }
"""


def html(done: Done) -> str:
    """The whole page."""
    report = done.report
    parts = [
        "<h1>Back-test of rules</h1>",
        _figures(report),
        _compared(done),
        _curve(report.get("curve")),
        _rules(report["rules"]),
        _calls(done),
    ]
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>Back-test</title><style>{STYLE}</style>"
        + "".join(parts)
        + "</html>\n"
    )


FIGURES = {
    "precision": "precision",
    "recall": "recall",
    "recall_in_time": "recall in time",
    "f1": "F1",
    "too_late": "too late",
    "missed": "missed",
    "false_alarms": "false alarms",
    "alerts_per_100_calls": "alerts / 100 calls",
    "alerts_per_hour": "alerts / hour",
    "lead_turns_p50": "lead, turns",
    "lead_s_p50": "lead, s",
    "cost": "cost",
}


def _figures(report: Mapping[str, Any]) -> str:
    rows = [("these rules", report["overall"])]
    if "against" in report:
        rows.append((report["against"]["rules"], report["against"]["overall"]))
    calls = report["overall"]
    told = f"<p class=soft>{calls['calls']} calls, {calls['labelled']} labelled.</p>"
    return told + _table(
        ["", *FIGURES.values()],
        ([name, *(_number(found[key]) for key in FIGURES)] for name, found in rows),
    )


def _rules(rules: Sequence[Mapping[str, Any]]) -> str:
    fields = (
        "fired", "escalated_first", "false_alarms", "precision", "recall", "f1", "lead_turns_p50",
        "not_evaluated",
    )  # fmt: skip
    heads = ("rule", "fired", "escalated first", "false alarms", "precision", "recall", "F1", "lead, turns",
             "not evaluated")  # fmt: skip
    rows = [
        [rule["name"] + (" (shadow)" if rule["shadow"] else ""), *(_number(rule[key]) for key in fields)]
        for rule in rules
    ]
    why = [
        f"{rule['name']}: {reason} ({times})"
        for rule in rules
        for reason, times in rule["not_evaluated_why"].items()
    ]
    notes = "".join(f"<li>{escape(line)}</li>" for line in why)
    return "<h2>Rules</h2>" + _table(heads, rows) + (f"<ul class=soft>{notes}</ul>" if notes else "")


def _compared(done: Done) -> str:
    changed = done.report.get("against", {}).get("changed")
    if changed is None or done.before is None:
        return ""
    if not changed:
        return "<h2>What changes</h2><p>No call is treated differently.</p>"
    before = {one.case.call_id: one for one in done.before}
    after = {one.case.call_id: one for one in done.outcomes}
    told = [
        _call(
            after[one["id"]],
            f"{IN_WORDS[one['before']['judged']]} ({_by(one['before'])}) &rarr; "
            f"{IN_WORDS[one['after']['judged']]} ({_by(one['after'])})",
            before[one["id"]].escalation,
        )
        for one in changed[:MAX_CALLS]
    ]
    return f"<h2>What changes: {len(changed)} calls</h2>" + "".join(told)


def _by(stand: Mapping[str, Any]) -> str:
    return f"{escape(stand['rule'])} at turn {stand['turn']}" if stand["escalated"] else "not escalated"


def _calls(done: Done) -> str:
    calls = {one["id"]: one for one in done.report["calls"]}
    wrong = [one for one in done.outcomes if calls[one.case.call_id]["judged"] in WRONG]
    told = [_call(one, IN_WORDS[calls[one.case.call_id]["judged"]], None) for one in wrong[:MAX_CALLS]]
    more = f"<p class=soft>and {len(wrong) - MAX_CALLS} more</p>" if len(wrong) > MAX_CALLS else ""
    return f"<h2>Calls judged wrongly: {len(wrong)}</h2>" + "".join(told) + more


def _call(outcome: Outcome, verdict: str, before: Fired | None) -> str:
    """One call: what was said, and where the rules spoke."""
    spoke: dict[int, list[str]] = {}
    for one in outcome.fired:
        kind = "shadow" if one.shadow else "calls a person" if one.escalated else "alert"
        spoke.setdefault(one.turn, []).append(f"{one.rule}: {kind}")
    if before is not None:
        spoke.setdefault(before.turn, []).append(f"{before.rule}: called a person before")
    labels = outcome.case.labels
    lines = []
    for number, final in enumerate(outcome.case.finals):
        notes = "; ".join(spoke.get(number, ()))
        due = " (a person is needed from here)" if labels and labels.turn == number else ""
        due += " (the last turn in time)" if labels and labels.latest_turn == number else ""
        fired = " fired" if notes else ""
        lines.append(
            f"<p class='turn{fired}'><b>{number} {final.role.value}</b>{escape(quote(final))}"
            f"<span class=soft> {escape(notes)}{escape(due)}</span></p>"
        )
    reasons = ", ".join(labels.reasons) if labels and labels.reasons else ""
    head = f"{escape(outcome.case.call_id)}: {verdict} <span class=soft>{escape(reasons)}</span>"
    return f"<details><summary>{head}</summary>{''.join(lines)}</details>"


def _curve(curve: Mapping[str, Any] | None) -> str:
    if not curve or not curve["points"]:
        return ""
    fields = ("precision", "recall", "recall_in_time", "f1", "alerts_per_100_calls", "cost")
    rows = [[f"{point['value']:g}", *(_number(point[key]) for key in fields)] for point in curve["points"]]
    best = f"best F1 at {_number(curve['best_f1'])}, least cost at {_number(curve['cheapest'])}"
    return (
        f"<h2>{escape(curve['rule'])}.{escape(curve['field'])}</h2><p>{best}</p>"
        + _drawing(curve["points"])
        + _table(["value", "precision", "recall", "recall in time", "F1", "alerts / 100 calls", "cost"], rows)
    )


def _drawing(points: Sequence[Mapping[str, Any]]) -> str:
    """Precision and recall over the values."""
    width, height, last = 600, 120, max(1, len(points) - 1)
    lines = []
    for key, color in (("precision", "var(--good)"), ("recall_in_time", "var(--bad)")):
        places = " ".join(
            f"{width * at / last:.0f},{height - height * point[key]:.0f}"
            for at, point in enumerate(points)
            if point[key] is not None
        )
        lines.append(f"<polyline points='{places}' fill=none stroke='{color}' stroke-width=2 />")
    legend = "<p class=soft>green: precision; red: recall in time</p>"
    return f"<svg viewBox='0 0 {width} {height}' preserveAspectRatio=none>{''.join(lines)}</svg>{legend}"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(one)}</th>" for one in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def _number(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.2f}" if isinstance(value, float) and not value.is_integer() else f"{value:g}"
