"""The labelled data in tests/data is what its README says: well formed, balanced, parts kept apart."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import pytest

_DATA = Path(__file__).parents[1] / "data"
_PARTS = ("train", "dev", "held_out")
_SECOND = "held_out_second"  # held out too, by another hand: a file of its own beside the three parts
_DEV_SECOND = "dev_second"  # for choosing too, by one more hand
_OTHER_HANDS = (_SECOND, _DEV_SECOND)
_TASKS = ("task_c", "task_d", "task_e", "task_g")
_LABELS = {
    "sentiment",
    "score",
    "speaker_uncertain",
    "wants_human",
    "needs_person_soon",
    "intents",
    "ai_uncertain",
    "ai_kind",
    "consent",
}
_INTENTS = {"cancel", "refund", "legal", "complaint", "vulnerable"}
_CONSENTS = {"clear", "ambiguous", "refused", "none"}
_AI_KINDS = {"hedge", "non_answer", "loop", "contradiction", "unbacked_promise", "denies_ai"}
_REASONS = {
    "asks_human",
    "angry",
    "confused",
    "ambiguous_consent",
    "repeated_failure",
    "high_stakes",
    "vulnerable",
    "language_mismatch",
    "ai_wrong",
    "ai_policy",
    "dead_air",
}
_STYLES = {"style_a": 36, "style_b": 36, "style_f": 60, "style_g": 50}  # and how many dialogues
_MOSTLY_FINE = "style_h"  # half of its dialogues only look bad; too small for every reason
_ALL_STYLES = _STYLES | {_MOSTLY_FINE: 20}
_DOUBT = re.compile(r"\b(do(es)?n't know|dunno|idk|pata( hi)? nahi)\b", re.I)
_NEAR = 0.6  # share of words in common above which two lines count as one


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _utterances() -> list[dict[str, Any]]:
    paths = sorted((_DATA / "utterances").glob("*.jsonl"))
    return [row for path in paths if path.stem not in _OTHER_HANDS for row in _lines(path)]


def _dialogues(style: str) -> list[dict[str, Any]]:
    return _lines(_DATA / "dialogues" / f"{style}.jsonl")


def _words(text: str) -> list[str]:
    return re.findall(r"[\w']+", text.lower())


def _spoken(row: dict[str, Any], role: str) -> bool:
    return bool(row["role"] == role)


FIRST = _utterances()
SECOND = _lines(_DATA / "utterances" / f"{_SECOND}.jsonl")
DEV_SECOND = _lines(_DATA / "utterances" / f"{_DEV_SECOND}.jsonl")
ALL = FIRST + SECOND + DEV_SECOND
CUSTOMER = [row for row in ALL if _spoken(row, "customer")]
AI = [row for row in ALL if _spoken(row, "ai")]


def _part(rows: Iterable[dict[str, Any]], part: str) -> list[dict[str, Any]]:
    return [row for row in rows if row["split"] == part]


def _said(part: str, role: str) -> list[dict[str, Any]]:
    others = {_SECOND: SECOND, _DEV_SECOND: DEV_SECOND}
    return [row for row in others.get(part) or _part(FIRST, part) if _spoken(row, role)]


def test_every_utterance_has_the_fields_of_the_guide() -> None:
    for row in ALL:
        assert row.keys() == {"id", "text", "role", "context", "labels", "style", "split", "kind"}, row
        assert row["labels"].keys() == _LABELS, row["id"]
        assert row["text"] == row["text"].strip() != "", row["id"]
        assert all(turn.keys() == {"role", "text"} and turn["text"] for turn in row["context"]), row["id"]
        if row["style"].endswith("_asr"):
            assert row["text"] == row["text"].lower(), row["id"]
            assert not re.search(r"[^\w' ]", row["text"]), f"a recogniser gives no punctuation: {row['id']}"


def test_customer_labels_are_in_range() -> None:
    for row in CUSTOMER:
        labels = row["labels"]
        score = labels["score"]
        assert -5 <= score <= 5, row["id"]
        assert labels["sentiment"] == ("negative" if score < 0 else "positive" if score else "neutral"), row[
            "id"
        ]
        assert {labels[name] for name in ("speaker_uncertain", "wants_human", "needs_person_soon")} <= {0, 1}
        assert set(labels["intents"]) <= _INTENTS, row["id"]
        assert labels["consent"] in _CONSENTS, row["id"]
        assert (labels["ai_uncertain"], labels["ai_kind"]) == (None, None), row["id"]
        pressing = labels["wants_human"] or score <= -4 or {"legal", "vulnerable"} & set(labels["intents"])
        assert labels["needs_person_soon"] or not pressing, row["id"]
        assert labels["consent"] == "none" or row["context"], f"consent to what? {row['id']}"
        assert labels["consent"] != "ambiguous" or labels["speaker_uncertain"], row["id"]


def test_labels_of_the_ai_are_in_range() -> None:
    for row in AI:
        labels = row["labels"]
        assert labels["ai_uncertain"] in (0, 1), row["id"]
        assert (labels["ai_kind"] in _AI_KINDS) == bool(labels["ai_uncertain"]), row["id"]
        own = {"ai_uncertain", "ai_kind", "intents"}
        assert all(labels[name] is None for name in _LABELS - own), row["id"]


def test_ids_and_texts_are_unique() -> None:
    ids = Counter(row["id"] for row in ALL)
    texts = Counter(" ".join(_words(row["text"])) for row in ALL)
    assert not [key for key, count in (ids | texts).items() if count > 1]


def test_the_parts_share_no_voice_and_no_wording() -> None:
    styles = [{row["style"] for row in _part(FIRST, part)} for part in _PARTS]
    styles += [{row["style"] for row in rows} for rows in (SECOND, DEV_SECOND)]
    assert not [one & other for one, other in combinations(styles, 2) if one & other]
    seen = [set(_words(row["text"])) for row in ALL if row["split"] != "held_out"]
    for row in _part(ALL, "held_out"):
        words = set(_words(row["text"]))
        if len(words) < 4:
            continue
        nearest = max(len(words & other) / len(words | other) for other in seen)
        assert nearest < _NEAR, f"{row['id']} is too near a line of another part"


def test_the_second_hand_is_for_measuring_only() -> None:
    assert len(SECOND) >= 400
    assert {(row["role"], row["split"]) for row in SECOND} == {("customer", "held_out")}


def test_the_second_hand_for_choosing_is_large_enough() -> None:
    assert {row["split"] for row in DEV_SECOND} == {"dev"}
    assert len(_said(_DEV_SECOND, "customer")) >= 430
    assert len(_said(_DEV_SECOND, "ai")) >= 70


def test_each_part_is_large_enough() -> None:
    share = {part: len(_part(FIRST, part)) / len(FIRST) for part in _PARTS}
    assert len(FIRST) >= 700
    assert 0.5 <= share["train"] <= 0.65, share
    assert share["dev"] >= 0.1, share
    assert share["held_out"] >= 0.25, share


@pytest.mark.parametrize("part", [*_PARTS, *_OTHER_HANDS])
def test_each_part_holds_both_sides_of_every_question(part: str) -> None:
    customer = _said(part, "customer")
    least = 3 if part == "dev" else 5
    for name in ("speaker_uncertain", "wants_human", "needs_person_soon"):
        positive = sum(row["labels"][name] for row in customer)
        assert 0.1 * len(customer) < positive < 0.5 * len(customer), name
    for sentiment in ("negative", "neutral", "positive"):
        assert sum(row["labels"]["sentiment"] == sentiment for row in customer) >= 15, sentiment
    assert {row["labels"]["consent"] for row in customer} == _CONSENTS
    assert {intent for row in customer for intent in row["labels"]["intents"]} == _INTENTS
    kinds = Counter(row["kind"] for row in customer)
    for kind in ("wh_negative", "complaint_plain", "polite_mask", "sarcasm", "negation", "harmless_mention"):
        assert kinds[kind] >= least, kind


@pytest.mark.parametrize("part", [*_PARTS, _DEV_SECOND])
def test_each_part_holds_every_way_in_which_the_ai_is_unsure(part: str) -> None:
    ai = _said(part, "ai")
    assert 0.4 < sum(row["labels"]["ai_uncertain"] for row in ai) / len(ai) < 0.65
    assert {row["labels"]["ai_kind"] for row in ai} == _AI_KINDS | {None}


@pytest.mark.parametrize("part", [*_PARTS, *_OTHER_HANDS])
def test_not_knowing_is_as_often_certain_as_uncertain(part: str) -> None:
    """Otherwise a detector of the phrase passes for a detector of doubt."""
    said = [
        row["labels"]["speaker_uncertain"] for row in _said(part, "customer") if _DOUBT.search(row["text"])
    ]
    assert len(said) >= 10
    assert 0.4 <= sum(said) / len(said) <= 0.6


@pytest.mark.parametrize("style", _ALL_STYLES)
def test_dialogues_are_well_formed(style: str) -> None:
    rows = _dialogues(style)
    assert len({row["id"] for row in rows}) == len(rows) == _ALL_STYLES[style]
    for row in rows:
        turns, labels = row["turns"], row["labels"]
        assert row["kind"] in {"escalate", "ordinary", "looks_bad_but_fine"}, row["id"]
        assert labels["should_escalate"] == (row["kind"] == "escalate"), row["id"]
        assert 6 <= len(turns) <= 22, row["id"]
        assert all(turn["role"] in {"customer", "ai"} and turn["text"] for turn in turns), row["id"]
        assert all(turn["start_ms"] < turn["end_ms"] for turn in turns), row["id"]
        starts = [turn["start_ms"] for turn in turns]
        assert [0, *starts] == sorted([0, *starts]), row["id"]
        if labels["should_escalate"]:
            assert 0 < labels["turn"] <= labels["latest_turn"] < len(turns), row["id"]
            assert set() < set(labels["reasons"]) <= _REASONS, row["id"]
        else:
            assert labels == {"should_escalate": False, "reasons": []}, row["id"]


@pytest.mark.parametrize("style", _STYLES)
def test_each_style_of_dialogue_holds_every_reason_and_calls_that_only_look_bad(style: str) -> None:
    rows = _dialogues(style)
    assert {reason for row in rows for reason in row["labels"]["reasons"]} == _REASONS
    kinds = Counter(row["kind"] for row in rows)
    assert kinds["looks_bad_but_fine"] >= 6
    assert 0.4 <= kinds["escalate"] / len(rows) <= 0.6


def test_half_of_the_dialogues_that_try_rules_on_what_is_fine_only_look_bad() -> None:
    kinds = Counter(row["kind"] for row in _dialogues(_MOSTLY_FINE))
    assert kinds["looks_bad_but_fine"] * 2 >= kinds.total()
    assert kinds["escalate"] >= 6


@pytest.mark.parametrize("style", _ALL_STYLES)
def test_speech_in_dialogues_goes_at_the_speed_of_speech(style: str) -> None:
    for row in _dialogues(style):
        for turn in row["turns"]:
            if len(turn["text"]) >= 20:
                rate = len(turn["text"]) * 1000 / (turn["end_ms"] - turn["start_ms"])
                assert 6 <= rate <= 18, (row["id"], turn["text"])


def test_dead_air_is_in_the_times() -> None:
    for style in _STYLES:
        for row in _dialogues(style):
            turns = row["turns"]
            silences = [after["start_ms"] - before["end_ms"] for before, after in pairwise(turns)]
            if "dead_air" in row["labels"]["reasons"]:
                assert sum(silence >= 10_000 for silence in silences) >= 2, row["id"]


def test_the_styles_of_dialogue_share_no_line() -> None:
    said = [
        {
            " ".join(_words(turn["text"]))
            for row in _dialogues(style)
            for turn in row["turns"]
            if len(turn["text"]) > 25
        }
        for style in _ALL_STYLES
    ]
    assert not [one & other for one, other in combinations(said, 2) if one & other]


@pytest.mark.parametrize("name", _TASKS)
def test_each_customer_turn_of_a_task_is_rated_and_who_needs_a_person_is_dissatisfied(name: str) -> None:
    rows = _dialogues(name)
    rated = [turn for row in rows for turn in row["turns"] if turn["role"] == "customer"]
    assert all(turn["satisfaction"] in range(1, 6) for turn in rated)
    assert 0.25 <= sum(turn["satisfaction"] <= 2 for turn in rated) / len(rated) <= 0.5
    for row in rows:
        if row["labels"]["should_escalate"]:
            assert row["turns"][row["labels"]["turn"]]["satisfaction"] <= 2, row["id"]
        else:
            assert all(turn.get("satisfaction", 3) >= 2 for turn in row["turns"]), row["id"]


def test_the_task_parts_share_no_turn() -> None:
    said = [{turn["text"].lower() for row in _dialogues(name) for turn in row["turns"]} for name in _TASKS]
    assert not [one & other for one, other in combinations(said, 2) if one & other]
