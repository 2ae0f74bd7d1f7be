"""The text that the turn reader learns from: it can be read, and nothing that only measures stands in it."""

from __future__ import annotations

import functools
import json
from pathlib import Path

from audio_models.reader import YES_NO
from audio_models.text import plain
from scripts.scorers import examples
from scripts.scorers.examples import Example

DATA = Path(__file__).parents[1] / "data"
SEED, EACH = 1, 4
COMMON_WORDS = 3
"""Anybody says "yes please"; what is longer and the same was copied."""


@functools.cache
def learned() -> list[Example]:
    return list(examples.own_text(SEED, EACH))


def test_every_line_tells_what_the_network_can_learn() -> None:
    for one in learned():
        assert one.role in ("customer", "ai")
        assert all(role in ("customer", "ai") for role, _ in one.context), one.group
        assert set(one.yes) <= set(YES_NO)
        assert all(0 <= value <= 1 for value in one.yes.values())
        assert plain(one.text).words, one.group
        assert one.score is None or one.label is None or one.score * (one.label[2] - one.label[0]) >= 0


def test_nothing_that_only_measures_is_learned() -> None:
    known = {plain(one.text).joined for one in learned()}
    for text in held_out():
        said = plain(text)
        assert len(said.words) <= COMMON_WORDS or said.joined not in known, text


def held_out() -> list[str]:
    texts = []
    for path in sorted((DATA / "utterances").glob("held_out*.jsonl")):
        texts += [json.loads(line)["text"] for line in path.read_text("utf-8").splitlines()]
    for name in ("style_b", "task_d", "task_e"):
        for line in (DATA / "dialogues" / f"{name}.jsonl").read_text("utf-8").splitlines():
            texts += [turn["text"] for turn in json.loads(line)["turns"] if turn["role"] == "customer"]
    return texts
