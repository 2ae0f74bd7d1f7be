"""Sentiment of a turn: the network's label and score, with what the voice adds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from audio_models.api import SentimentScore
from audio_models.calibration import Calibration
from audio_models.feeling import WordFeeling

NEUTRAL_REACH = 1.0
"""A neutral turn is within this much of 0, and one with a feeling at least half of it away."""

Label = Literal["negative", "neutral", "positive"]
LABELS: tuple[Label, ...] = ("negative", "neutral", "positive")


def score_sentiment(
    logits: Sequence[float],
    score_logit: float,
    feeling: WordFeeling,
    calibration: Calibration,
    arousal_change: float | None,
) -> SentimentScore:
    """The label with its probability, and a score on the same side of 0 as the label.

    An excited voice makes an unhappy turn unhappier; what somebody is glad of, it leaves as it is.
    """
    words = calibration.label["words"] * feeling.balance
    moved = [
        logit / calibration.temperature + calibration.label[name]
        for name, logit in zip(LABELS, logits, strict=True)
    ]
    moved[0] -= words
    moved[2] += words
    if arousal_change is not None and moved[2] < max(moved[:2]):
        moved[0] += calibration.arousal * arousal_change
    top = max(moved)
    weights = [math.exp(one - top) for one in moved]
    probabilities = [weight / sum(weights) for weight in weights]
    best = max(range(3), key=lambda at: probabilities[at])
    score = 5 * math.tanh(score_logit)
    # Two answers about one thing are brought together; the label decides on which side of 0.
    score = 0.7 * score + 0.3 * 2.5 * (probabilities[2] - probabilities[0])
    if arousal_change is not None and LABELS[best] == "negative":
        score -= max(0.0, arousal_change)
    return SentimentScore(round(_within(LABELS[best], score), 2), LABELS[best], round(probabilities[best], 3))


def _within(label: Label, score: float) -> float:
    """On the side of its label; what is beyond a bound is drawn in, not cut, so that order is kept."""
    if label == "neutral":
        return NEUTRAL_REACH * math.tanh(score / NEUTRAL_REACH)
    if label == "negative":
        return -_plainly(-score)
    return _plainly(score)


def _plainly(strength: float) -> float:
    """A feeling of at least half the reach of neutral."""
    if strength >= NEUTRAL_REACH:
        return min(5.0, strength)
    return NEUTRAL_REACH / 2 * (1 + math.exp(strength - NEUTRAL_REACH))
