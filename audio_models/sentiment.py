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
PRAISE_COUNTS = 0.2
"""Of a neutral turn that may be praise as well as complaint, the complaint is what must not be missed."""
ANSWERED, LABELLED = 0.6, 1.4
"""How much the answer in points, and the probability of the label, say of the strength of a feeling."""

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
    negative, _, positive = probabilities
    points = 5 * math.tanh(score_logit)
    if LABELS[best] == "neutral":
        score = NEUTRAL_REACH * (PRAISE_COUNTS * positive - negative)
    elif LABELS[best] == "negative":
        score = -_plainly(LABELLED * negative - ANSWERED * points + max(0.0, arousal_change or 0.0))
    else:
        score = _plainly(LABELLED * positive + ANSWERED * points)
    return SentimentScore(round(score, 2), LABELS[best], round(probabilities[best], 3))


def _plainly(strength: float) -> float:
    """A feeling of at least half the reach of neutral."""
    if strength >= NEUTRAL_REACH:
        return min(5.0, strength)
    return NEUTRAL_REACH / 2 * (1 + math.exp(strength - NEUTRAL_REACH))
