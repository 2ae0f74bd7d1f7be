"""The need of a person, fitted to dialogues labelled with the turn from which one is needed, and to turns.

Whole dialogues are kept apart: what is fitted to seven eighths of them is measured on the last, and that
also sets how far the probabilities may be trusted (Platt 1999). A deployment's own labels are drawn towards
what the model believed before, so that a few of them are of use already.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audio_models.api import ScoreRequest, Turn
from audio_models.calibration import Weighted
from audio_models.escalation import REASONS, TurnSigns, features_of
from audio_models.scorer import ReadingScorer
from scripts.scorers.examples import Example, rows
from scripts.scorers.fitting import logistic, named
from scripts.scorers.measures import auc, calibration_error

Floats = NDArray[np.float64]

NAMES = tuple(REASONS)
PRIOR = {
    "asks_human": 4.5, "angry": 1.5, "low_mood": 1.5, "confused": 1.0, "consent_unclear": 1.5, "repeats": 1.0,
    "dissatisfied": 1.5, "stakes": 3.0, "vulnerable": 3.0, "ai_doubtful": 1.0, "ai_stuck": 1.0, "need": 2.0,
    "complaint": 0.5, "length": 0.3, "unanswered": 0.7, "ai_unsure": 1.5, "tools_failed": 0.8,
}  # fmt: skip
OFFSET = -4.0
"""What is believed before any label is seen."""
PULL, PULL_OF_SHIPPED = 0.5, 2.0
"""Towards what was believed; ten calls move the shipped model about half of the way."""
PARTS = 8
BOUNDS = [*([0.0] * len(NAMES)), -20.0]
"""Nothing that speaks for a person may come to speak against one."""
FEWEST_CALLS, ENOUGH_CALLS = 10, 100
"""Labelled calls below which nothing is fitted, and from which on more change little. Some need a person."""


@dataclass(frozen=True)
class Judged:
    """Customer turns: features [n, NAMES], whether a person was needed by then, and whose call each is of."""

    features: Floats
    needed: NDArray[np.bool_]
    call: NDArray[np.int64]

    def of(self, chosen: NDArray[np.bool_]) -> Judged:
        return Judged(self.features[chosen], self.needed[chosen], self.call[chosen])


class TooFewLabels(Exception):
    """There is not enough to learn from; the text says what is missing."""


def dialogue_signs(
    scorer: ReadingScorer, dialogue: Mapping[str, Any]
) -> Iterator[tuple[int, list[TurnSigns]]]:
    """For each customer turn its place and the signs of the conversation up to it."""
    turns = [Turn(turn["role"], turn["text"]) for turn in dialogue["turns"]]
    for place, turn in enumerate(turns):
        if turn.role == "customer":
            request = ScoreRequest(turn.text, turn.role, context=turns[max(0, place - 12) : place])
            signs = scorer.signs(request)
            if signs:
                yield place, signs


def needed_from(dialogue: Mapping[str, Any]) -> float:
    """The first turn at which a person is needed; infinity where none ever is."""
    told = dialogue["labels"]
    return float(told.get("turn", 0)) if told["should_escalate"] else float("inf")


def judged(scorer: ReadingScorer, files: Sequence[Path], turns: Sequence[Example] = ()) -> Judged:
    """All labelled dialogues of the files, and single `turns` of which is told whether they need a person:
    each of these is a call of its own, mostly its first turn. Raises TooFewLabels."""
    features, needed, calls = [], [], []
    labelled = [one for file in files for one in rows(file) if one.get("labels")]
    for number, dialogue in enumerate(labelled):
        for place, signs in dialogue_signs(scorer, dialogue):
            found = features_of(signs)
            features.append([found[name] for name in NAMES])
            needed.append(place >= needed_from(dialogue))
            calls.append(number)
    if len(labelled) < FEWEST_CALLS or len(set(needed)) < 2:
        raise TooFewLabels(
            f"{len(labelled)} labelled calls: at least {FEWEST_CALLS} are needed, some with and some without "
            f"`should_escalate`; from {ENOUGH_CALLS} on more change little"
        )
    for number, one in enumerate(turns, len(labelled)):
        context = [Turn(role, said) for role, said in one.context]
        signs = scorer.signs(ScoreRequest(one.text, one.role, context=context))
        if one.role == "customer" and signs:
            found = features_of(signs)
            features.append([found[name] for name in NAMES])
            needed.append(one.yes["needs_person"] > 0.5)
            calls.append(number)
    return Judged(np.array(features), np.array(needed), np.array(calls))


def fitted(found: Judged, before: Weighted | None = None) -> tuple[Mapping[str, Any], dict[str, float]]:
    """The regression as it is stored, and how it does on calls that it was not fitted to.

    `before`: what is to be moved by these labels; None for the beginning.
    """
    prior = [*(PRIOR[name] for name in NAMES), OFFSET]
    if before is not None:
        prior = [*(before.weights.get(name, PRIOR[name]) for name in NAMES), before.offset]
    pull = PULL if before is None else PULL_OF_SHIPPED
    apart = _judged_apart(found, prior, pull)
    slope, offset = logistic(apart[:, None], found.needed, [1.0, 0.0], pull=PULL, least=[0.1, -20.0])
    weights = slope * _fit(found, prior, pull)
    weights[-1] += offset
    likely = 1 / (1 + np.exp(-(slope * apart + offset)))
    stands = {
        "calls": len(np.unique(found.call)),
        "turns": len(found.needed),
        "needed": round(float(found.needed.mean()), 3),
        "auc": round(auc(likely, found.needed), 3),
        "calibration_error": round(calibration_error(likely, found.needed), 3),
    }
    return named(NAMES, weights), stands


def _judged_apart(found: Judged, prior: Sequence[float], pull: float) -> Floats:
    """Logit of each turn by a fit that saw nothing of its call."""
    part = found.call % PARTS
    logits = np.zeros(len(found.needed))
    for one in range(PARTS):
        weights = _fit(found.of(part != one), prior, pull)
        logits[part == one] = found.features[part == one] @ weights[:-1] + weights[-1]
    return logits


def _fit(found: Judged, prior: Sequence[float], pull: float) -> Floats:
    return logistic(found.features, found.needed, prior, pull=pull, least=BOUNDS)
