"""What a back-test counts, replays, compares and refuses."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.stories.tell import play
from voicewatch.backtest.curve import BadCurve, sweep
from voicewatch.backtest.dialogues import BadDialogue, cases_of, read_dialogues
from voicewatch.backtest.journals import NoJournal, labels_of, read_calls
from voicewatch.backtest.page import html
from voicewatch.backtest.run import Asked, backtest, in_words
from voicewatch.core.backtest import Costs, changes, report, run
from voicewatch.core.events import AlertRaised, EscalationRaised, LabelSet
from voicewatch.core.replay import Case, replay
from voicewatch.core.rules import RuleBook, default_rules
from voicewatch.record.journal import Journal

RULES = """version = 1
[[rule]]
name = "help"
text = "Calls for help."
headline = "Help {times}"
severity = "high"
reasons = ["asks_human"]
action = "escalate"
when = { words = ["help"], count = 1 }

[[rule]]
name = "sad"
text = "Sad."
headline = "Sad"
severity = "watch"
reasons = ["angry"]
when = { sentiment_below = -2 }

[[rule]]
name = "on_trial"
text = "Trial."
headline = "Trial"
severity = "high"
reasons = ["angry"]
action = "escalate"
shadow = true
when = { words = ["oh"] }
"""
BOOK = RuleBook.parse(RULES)


def line(call_id: str, *texts: str, labels: dict[str, Any] | None = None, **scores: Any) -> dict[str, Any]:
    turns = [
        {"role": "customer" if at % 2 else "ai", "text": text, "start_ms": at * 5_000,
         "end_ms": at * 5_000 + 3_000, "sentiment": 0, **scores}
        for at, text in enumerate(texts)
    ]  # fmt: skip
    return {"id": call_id, "turns": turns} | ({"labels": labels} if labels else {})


def needed(turn: int, latest: int, *reasons: str) -> dict[str, Any]:
    return {"should_escalate": True, "turn": turn, "latest_turn": latest, "reasons": list(reasons)}


FINE = {"should_escalate": False}
CALLS = [
    line("in_time", "hello", "help", "oh", "well", labels=needed(1, 2, "asks_human")),
    line("late", "hello", "well", "yes", "help", labels=needed(1, 2, "asks_human")),
    line("missed", "hello", "oh well", labels=needed(1, 1, "angry")),
    line("alarm", "hello", "help me choose", labels=FINE),
    line("left", "hello", "thank you", labels=FINE),
    line("unknown", "hello", "help"),
]


@pytest.fixture
def cases(tmp_path: Path) -> list[Case]:
    return cases_of(read_dialogues(written(tmp_path, CALLS)))


def written(folder: Path, lines: list[dict[str, Any]]) -> Path:
    path = folder / "dialogues.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in lines), encoding="utf-8")
    return path


def test_calls_are_counted_as_people_labelled_them(cases: list[Case]) -> None:
    found = report(BOOK, run(BOOK, cases), Costs(miss=7, false_alarm=2))
    overall = found["overall"]
    assert {one["id"]: one["judged"] for one in found["calls"]} == {
        "in_time": "right", "late": "late", "missed": "missed", "alarm": "false_alarm",
        "left": "rightly_left", "unknown": "unlabelled",
    }  # fmt: skip
    assert (overall["precision"], overall["recall"], overall["f1"]) == (0.6667, 0.6667, 0.6667)
    assert (overall["too_late"], overall["recall_in_time"]) == (1, 0.3333)
    assert overall["lead_turns_p50"] == 0  # one turn early, one turn late
    assert (overall["calls"], overall["labelled"], overall["cost"]) == (6, 5, 9)
    assert found["calls"][0]["evidence"][0]["quote"] == "help"
    assert (found["calls"][0]["turn"], found["calls"][0]["at_ms"]) == (1, 8_000)


def test_each_rule_is_judged_by_the_calls_that_name_its_reasons(cases: list[Case]) -> None:
    rules = {one["name"]: one for one in report(BOOK, run(BOOK, cases))["rules"]}
    assert (rules["help"]["fired"], rules["help"]["recall"], rules["help"]["precision"]) == (4, 1.0, 0.6667)
    assert (rules["sad"]["fired"], rules["sad"]["recall"], rules["sad"]["precision"]) == (0, 0.0, None)


def test_a_shadow_rule_is_counted_and_calls_nobody(cases: list[Case]) -> None:
    found = report(BOOK, run(BOOK, cases))
    rule = next(one for one in found["rules"] if one["name"] == "on_trial")
    assert (rule["fired"], rule["shadow"]) == (1, True)
    assert found["overall"]["missed"] == 1


def test_what_could_not_be_scored_is_said(tmp_path: Path) -> None:
    unscored = line("u", "hello", "hm", sentiment=None, not_scored={"sentiment": "no model"})
    (outcome,) = run(BOOK, cases_of(read_dialogues(written(tmp_path, [unscored]))))
    assert outcome.not_evaluated == {"sad": "no model"}
    rules = {one["name"]: one for one in report(BOOK, [outcome])["rules"]}
    assert (rules["sad"]["not_evaluated"], rules["sad"]["not_evaluated_why"]) == (1, {"no model": 1})


def test_the_same_calls_and_rules_give_the_same_report(tmp_path: Path) -> None:
    path = written(tmp_path, CALLS)
    once, again = (backtest(Asked(jsonl=path)).report for _ in range(2))
    assert json.dumps(once) == json.dumps(again)


def test_words_without_scores_are_scored_and_silences_found(tmp_path: Path) -> None:
    turns = [
        {"role": "ai", "text": "Hello."},
        {"role": "customer", "text": "This is terrible, really terrible."},
        {"role": "customer", "text": "Hello?", "start_ms": 40_000, "end_ms": 41_000},
    ]
    (case,) = cases_of(read_dialogues(written(tmp_path, [{"id": 1, "turns": turns}])))
    kinds = [fact.type for fact in case.facts]
    assert kinds.count("silence_began") == kinds.count("silence_ended") == 1
    scored = [fact for fact in case.facts if fact.type == "utterance_scored"]
    assert scored[1].sentiment.score < -1  # type: ignore[attr-defined]
    assert any(one.rule == "long_dead_air" for one in replay(default_rules(), case).fired)


def test_two_sets_are_compared_call_by_call(cases: list[Case]) -> None:
    stricter = RuleBook.parse(RULES.replace("count = 1", "count = 2"))
    found = changes(run(BOOK, cases), run(stricter, cases))
    assert {one["id"]: (one["before"]["judged"], one["after"]["judged"]) for one in found} == {
        "in_time": ("right", "missed"), "late": ("late", "missed"),
        "alarm": ("false_alarm", "rightly_left"), "unknown": ("unlabelled", "unlabelled"),
    }  # fmt: skip


def test_a_curve_names_the_best_and_the_cheapest_value(cases: list[Case]) -> None:
    curve = sweep("help.count", RULES, cases, Costs())
    assert (curve["points"][0]["f1"], curve["points"][1]["f1"]) == (0.6667, 0.0)
    assert (curve["best_f1"], curve["cheapest"]) == (1, 1)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ("help.cuont", "did you mean count?"),
        ("hlep.count", "did you mean help?"),
        ("help.level", "has no level with a number"),
    ],
)
def test_a_curve_that_cannot_be_drawn_says_why(asked: str, says: str) -> None:
    with pytest.raises(BadCurve, match=says.replace("?", r"\?")):
        sweep(asked, RULES, [], Costs())


def test_the_page_tells_the_calls_masked_and_escaped(tmp_path: Path) -> None:
    secret = line("<b>", "hello", "help <script>, my card is 4111 1111 1111 1111", labels=FINE)
    rules = tmp_path / "rules.toml"
    rules.write_text(RULES, encoding="utf-8")
    never = tmp_path / "never.toml"
    never.write_text(RULES.replace('"help"]', '"never"]'), encoding="utf-8")
    calls = written(tmp_path, [*CALLS, secret])
    done = backtest(Asked(jsonl=calls, rules=rules, against=never, curve="help.count"))
    page = html(done)
    assert "4111" not in page
    assert "<script>" not in page
    assert "What changes" in page
    assert "alarm: false alarm (turn 1, help)" in in_words(done.report)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"id": 1, "turns": []}', "line 1: turns"),
        ('{"id": 1, "turns": [{"role": "robot", "text": "x"}]}', "turns.0.role"),
        ("nonsense", "line 1: the line"),
        (
            '{"id": 1, "turns": [{"role": "ai", "text": "x"}],'
            ' "labels": {"should_escalate": true, "turn": 4}}',
            "labels.turn is 4",
        ),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text(text + "\n", encoding="utf-8")
    with pytest.raises(BadDialogue, match=says):
        list(read_dialogues(path))


async def test_a_journal_is_replayed_with_what_people_did_as_labels(tmp_path: Path) -> None:
    stage = play(
        "0 start\n4 customer: Give me a human.\n6 available peter\n8 accept peter\n9 connect seat-peter"
    )
    journal = await Journal.open(tmp_path / "journal")
    await journal.append(stage.journal)
    await journal.close()

    (case,) = await asyncio.to_thread(read_calls, tmp_path)
    assert case.labels is not None
    assert (case.labels.should_escalate, case.labels.reasons) == (True, ("asks_human",))
    outcome = replay(default_rules(), case)
    assert outcome.escalation is not None
    then = next(fact for fact in stage.journal if isinstance(fact, EscalationRaised))
    assert (outcome.escalation.rule, outcome.escalation.at_ms) == (then.rule, then.at_ms)
    with pytest.raises(NoJournal):
        read_calls(tmp_path / "nowhere")


def test_peoples_word_decides_what_a_call_needed() -> None:
    stage = play("0 start\n4 customer: Give me a human.")
    facts = list(stage.journal)
    assert labels_of(facts) is None
    assert any(isinstance(fact, AlertRaised) for fact in facts)
    word = LabelSet(call_id="call", by="sue", about="call", target="call", value="fine")
    assert labels_of([*facts, word]) == labels_of([word])
    dismissed = play("0 start\n4 customer: Give me a human.\n6 dismiss asks_for_human")
    assert labels_of(dismissed.journal).should_escalate is False  # type: ignore[union-attr]
    by_hand = play("0 start\n4 customer: Well.\n6 escalate")
    found = labels_of(by_hand.journal)
    assert found is not None
    assert (found.should_escalate, found.turn, found.human_at_ms) == (True, 0, 6_000)
