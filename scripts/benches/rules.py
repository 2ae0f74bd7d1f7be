"""What an event costs the rules, and a back-test of 10,000 utterances that are scored already."""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import random
import re
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from voicewatch.backtest.dialogues import cases_of, read_dialogues
from voicewatch.core.backtest import report, run
from voicewatch.core.events import Fact, UtteranceFinal, UtteranceScored
from voicewatch.core.rules import Judge, RuleBook, default_rules

RULES = 50
UTTERANCES = 10_000
PER_CALL = 20
SEED = 6
DIALOGUES = Path(__file__).parents[2] / "tests/data/dialogues/style_a.jsonl"


def fifty_rules(*, alike: bool = False) -> RuleBook:
    """The default set, and its rules again under other names until there are fifty.

    Rules that ask the same are answered together, so copies ask for other levels, and for a phrase more in
    each place, as rules of several hands would; `alike` leaves them as they are.
    """
    text = default_rules().source
    head, *rules = text.split("[[rule]]")
    copies = itertools.cycle(rules)
    more = []
    for number in range(RULES - len(rules)):
        rule = next(copies)
        name = rule.split('name = "', 1)[1].split('"', 1)[0]
        rule = rule.replace(f'name = "{name}"', f'name = "{name}_{number}"', 1)
        more.append(rule if alike else _of_another_hand(rule, number))
    return RuleBook.parse("[[rule]]".join([head, *rules, *more]))


def _of_another_hand(rule: str, number: int) -> str:
    factor = 1 - 0.001 * (number + 1)
    levels = r"\b((?:\w+_(?:above|below)|level|says_again) = )(-?[\d.]+)"
    rule = re.sub(levels, lambda found: f"{found[1]}{float(found[2]) * factor:.5f}", rule)
    return rule.replace("words = [", f'words = ["the wording of hand {number}", ')


def per_event_us(book: RuleBook) -> dict[str, float]:
    """CPU time of `Judge.push` for each utterance and each score of the labelled dialogues, µs."""
    cases = cases_of(read_dialogues(DIALOGUES))
    finals: list[float] = []
    scores: list[float] = []
    for warm in (False, True, True):
        for case in cases:
            numbers = itertools.count()
            judge = Judge(book, case.call_id, lambda numbers=numbers: str(next(numbers)))
            for fact in case.facts:
                took_us = _push_us(judge, fact)
                if not warm:
                    continue  # phrases are compiled when they are first needed
                if isinstance(fact, UtteranceFinal):
                    finals.append(took_us)
                elif isinstance(fact, UtteranceScored):
                    scores.append(took_us)
    both = sorted([*finals, *scores])
    return {
        "event_mean": statistics.fmean(both),
        "event_p99": both[int(len(both) * 0.99)],
        "words_mean": statistics.fmean(finals),
        "scores_mean": statistics.fmean(scores),
    }


def _push_us(judge: Judge, fact: Fact) -> float:
    before = time.thread_time_ns()
    judge.push(fact)
    return (time.thread_time_ns() - before) / 1000


def scored_utterances(path: Path) -> None:
    """10,000 utterances with scores, in dialogues of twenty, of the words of the labelled ones."""
    chance = random.Random(SEED)
    texts = [
        (turn.role.value, turn.text) for dialogue in read_dialogues(DIALOGUES) for turn in dialogue.turns
    ]
    with path.open("w", encoding="utf-8") as file:
        for number in range(UTTERANCES // PER_CALL):
            turns = []
            for role, text in chance.choices(texts, k=PER_CALL):
                score = {
                    "sentiment": round(chance.uniform(-5, 5), 2),
                    "uncertainty": round(chance.random(), 2),
                }
                turns.append({"role": role, "text": text, **score})
            labels = {"should_escalate": chance.random() < 0.5}
            file.write(json.dumps({"id": f"s{number}", "turns": turns, "labels": labels}) + "\n")


def backtest_s() -> float:
    """Reading, replaying and reporting them, s of wall time."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scored.jsonl"
        scored_utterances(path)
        before = time.perf_counter()
        report(default_rules(), run(default_rules(), cases_of(read_dialogues(path))))
        return time.perf_counter() - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    books = {"of several hands": fifty_rules(), "copies of one another": fifty_rules(alike=True)}
    measures: list[dict[str, Any]] = [
        {"name": f"{name} ({RULES} rules, {kind})", "value": round(value, 1), "unit": "us"}
        for kind, book in books.items()
        for name, value in per_event_us(book).items()
    ]
    measures.append(
        {"name": f"backtest of {UTTERANCES} scored utterances", "value": round(backtest_s(), 2), "unit": "s"}
    )
    if wanted.json:
        machine = {"machine": platform.machine(), "cpus": os.cpu_count()}
        print(json.dumps({"schema": 1, "bench": "rules", "machine": machine, "measures": measures}))
        return
    for measure in measures:
        print(f"{measure['name']:60}{measure['value']:10} {measure['unit']}")


if __name__ == "__main__":
    main()
