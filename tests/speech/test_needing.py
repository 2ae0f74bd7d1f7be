"""The need of a person, moved by labels: what is fitted is a probability, and few labels move it little."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from audio_models.api import load_scorer
from audio_models.calibration import Weighted
from audio_models.scorer import ReadingScorer
from scripts.scorers.needing import NAMES, OFFSET, PRIOR, Judged, TooFewLabels, fitted, judged

TRUE_SLOPE, TRUE_OFFSET = 3.0, -2.5


def calls(count: int, seed: int = 1) -> Judged:
    """Eight turns each, in which nothing but dissatisfaction tells whether a person is needed."""
    rng = np.random.default_rng(seed)
    features = np.zeros((8 * count, len(NAMES)))
    dissatisfied = rng.random(8 * count)
    features[:, NAMES.index("dissatisfied")] = dissatisfied
    likely = 1 / (1 + np.exp(-(TRUE_SLOPE * dissatisfied + TRUE_OFFSET)))
    return Judged(features, rng.random(8 * count) < likely, np.repeat(np.arange(count), 8))


def test_what_is_fitted_is_a_probability_of_calls_not_seen() -> None:
    figures, stands = fitted(calls(200))
    assert stands["calibration_error"] < 0.05
    unseen = calls(200, seed=2)
    weights = np.array([figures["weights"][name] for name in NAMES])
    likely = 1 / (1 + np.exp(-(unseen.features @ weights + figures["offset"])))
    assert abs(likely.mean() - unseen.needed.mean()) < 0.05


def test_what_the_labels_do_not_show_stays_as_it_was_believed() -> None:
    before = Weighted(dict(PRIOR), OFFSET)
    figures, _ = fitted(calls(10), before)
    moved = {name: weight / PRIOR[name] for name, weight in figures["weights"].items()}
    unseen = {name: share for name, share in moved.items() if name != "dissatisfied"}
    assert max(unseen.values()) == pytest.approx(min(unseen.values()), rel=0.01)  # all by one factor


def test_a_few_calls_are_too_few_and_it_says_how_many_are_needed(tmp_path: Path) -> None:
    file = tmp_path / "labels.jsonl"
    turns = [{"role": "customer", "text": "Well then."}]
    lines = [{"id": str(n), "turns": turns, "labels": {"should_escalate": False}} for n in range(12)]
    lines += [{"id": "unlabelled", "turns": turns}]
    scorer = load_scorer()
    assert isinstance(scorer, ReadingScorer)
    for kept in (lines[:9], lines):  # too few; all of one kind
        file.write_text("\n".join(map(json.dumps, kept)))
        with pytest.raises(TooFewLabels, match="at least 10"):
            judged(scorer, [file])
    lines[0]["labels"] = {"should_escalate": True, "turn": 0}
    file.write_text("\n".join(map(json.dumps, lines)))
    assert judged(scorer, [file]).needed.sum() == 1
