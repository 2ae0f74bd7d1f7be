"""From logits to probabilities, on labelled utterances that the training did not see.

Answers by the `dev` part, the label also by a corpus that a second network had never met, likeness by groups
of sentences that mean the same. The need of a person: needing.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audio_models.cues import find_cues
from audio_models.feeling import word_feeling
from audio_models.reader import ANSWERS, SENTIMENTS, YES_NO
from audio_models.reading import TurnReader
from audio_models.scorer import CUE_OF_ANSWER
from audio_models.text import plain
from scripts.scorers import needing
from scripts.scorers.examples import Example, rows, share
from scripts.scorers.fitting import label_line, logistic
from scripts.scorers.grammar import lines
from scripts.scorers.measures import best_threshold

PULL = 2.0
ENOUGH = 10
"""Positives from which a threshold may be chosen by F1."""
OTHERS_WEIGH = 8.0
SLOPE, WORDS = 0.8, 1.0
"""Believed before any label is seen: a little overconfident, and patterns are right more often than not."""
WORDS_OF = {answer: cue for side in ("customer", "ai") for answer, cue in CUE_OF_ANSWER[side].items()}


def is_measured(group: str) -> bool:
    """Which half of the rated reviews is kept for measuring; the other one calibrates."""
    return share(group) < 0.5


def logits_of(reader: TurnReader, examples: Sequence[Example]) -> NDArray[np.float32]:
    """[examples, ANSWERS] by the network as it is shipped."""
    found = [
        answered.logits
        for at in range(0, len(examples), 64)
        for answered in reader.answer([(one.text, one.role, one.context) for one in examples[at : at + 64]])
    ]
    return np.stack(found)


def answer_lines(logits: NDArray[np.float32], examples: Sequence[Example]) -> dict[str, dict[str, float]]:
    """A Line for each answer; one without labels keeps what was believed."""
    found = {}
    for name in YES_NO:
        known = [row for row, one in enumerate(examples) if name in one.yes]
        at = ANSWERS.index(name)
        patterns = [_pattern(examples[row], WORDS_OF[name]) for row in known]
        features = np.column_stack([logits[known, at], patterns]) if known else np.zeros((0, 2))
        truth = [examples[row].yes[name] >= 0.5 for row in known]
        fitted = logistic(features, truth, [SLOPE, WORDS, 0.0], pull=PULL, least=[0.2, 0.0, -9.0])
        slope, words, offset = (round(float(one), 3) for one in fitted)
        if sum(truth) >= ENOUGH:
            # What is decided at 0.5 is decided where that serves best; both ways of setting it are unsure.
            best = best_threshold(logits[known, at] + words / slope * np.array(patterns), truth)
            offset = round((offset - slope * best) / 2, 3)
        found[name] = {"slope": slope, "offset": offset, "words": words}
    return found


def _pattern(one: Example, cue: str) -> float:
    return next((found.value for found in find_cues(plain(one.text), one.role) if found.name == cue), 0.0)


def rated_turns(dialogues: Path) -> list[Example]:
    """Customer turns with the satisfaction that was read in them, 1..5: 2 and less is dissatisfied."""
    found = []
    for dialogue in rows(dialogues):
        said = [(turn["role"], turn["text"]) for turn in dialogue["turns"]]
        for place, turn in enumerate(dialogue["turns"]):
            if "satisfaction" in turn:
                yes = {"dissatisfied": float(turn["satisfaction"] <= 2)}
                found.append(Example(turn["text"], context=tuple(said[max(0, place - 12) : place]), yes=yes))
    return found


def label_figures(logits: NDArray[np.float32], examples: Sequence[Example]) -> dict[str, Any]:
    """Temperature and offsets; the pieces come from several corpora, each counting for what it has."""
    known = [row for row, one in enumerate(examples) if one.label is not None]
    words = np.array([word_feeling(plain(examples[row].text))[0].balance for row in known])
    truth = np.array([int(np.argmax(examples[row].label)) for row in known])  # type: ignore[arg-type]
    return label_line(logits[known][:, : len(SENTIMENTS)], words, truth)


def likeness_line(reader: TurnReader) -> dict[str, float]:
    """Cosine to probability, on groups that mean the same."""
    groups = [line.text.split(" | ") for line in lines("same")]
    turns = [[turn.meaning for turn in reader.read(group)] for group in groups]
    cosines, same = [], []
    for number, group in enumerate(turns):
        for at, one in enumerate(group):
            cosines += [float(one @ other) for other in group[at + 1 :]]
            same += [1.0] * (len(group) - at - 1)
            others = [float(one @ other) for rest in turns[number + 1 :] for other in rest]
            cosines += others
            same += [0.0] * len(others)
    # Of what is said in a call hardly anything means the same as a given phrase: other meanings weigh more.
    share = sum(same) / (len(same) - sum(same))
    weights = [1.0 if one else OTHERS_WEIGH * share for one in same]
    slope, offset = logistic(np.array(cosines)[:, None], same, [12.0, -7.0], pull=0.01, weights=weights)
    return {"slope": round(float(slope), 3), "offset": round(float(offset), 3), "words": 0.0}


def write(folder: Path, figures: Mapping[str, Any]) -> None:
    """Changes these figures of the folder's calibration and leaves the others."""
    path = folder / "calibration.json"
    stored = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    path.write_text(json.dumps(stored | dict(figures), indent=1) + "\n", encoding="utf-8")


def unfitted() -> dict[str, Any]:
    """What everything is before it is fitted."""
    return {
        "temperature": 1.3,
        "label": {"negative": 0.0, "neutral": 0.0, "positive": 0.0, "words": 0.0},
        "arousal": 0.8,
        "answers": {name: {"slope": SLOPE, "offset": 0.0, "words": WORDS} for name in YES_NO},
        "likeness": {"slope": 12.0, "offset": -7.0, "words": 0.0},
        "recognition": {
            "weights": {
                "mean_doubt": 4.0, "worst_doubt": 0.5, "low_words": 2.0, "logprob": 1.0, "no_speech": 1.0,
                "packed": 0.5, "pace": 0.5, "short": 0.0, "revised": 1.0,
            },
            "offset": -3.5,
        },
        "escalation": {"weights": dict(needing.PRIOR), "offset": needing.OFFSET},
    }  # fmt: skip
