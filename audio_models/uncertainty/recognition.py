"""How likely the recogniser's words are wrong: a logistic regression over what it says of itself.

Whisper is sure of its inventions, so its probabilities are not enough: how well the text packs (loops), and
whether so many words fit into the time, count as well.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence

from audio_models.api import Recognition
from audio_models.calibration import Weighted

SUSPECT = 0.9
"""Doubt in words that a guard has flagged, at least."""
SPOKEN_WORDS_PER_S = 2.6


def features_of(heard: Recognition, text: str) -> dict[str, float]:
    """The figures of an utterance; what the recogniser does not tell is as in an ordinary one."""
    words = heard.word_probabilities
    doubts = sorted(1 - probability for probability in words)
    mean = sum(doubts) / len(doubts) if doubts else 1 - math.exp(heard.avg_logprob or -0.2)
    raw = text.encode()
    return {
        "mean_doubt": mean,
        "worst_doubt": doubts[-1] if doubts else mean,
        "low_words": sum(doubt > 0.5 for doubt in doubts) / len(doubts) if doubts else mean,
        "logprob": -(heard.avg_logprob if heard.avg_logprob is not None else -0.2),
        "no_speech": heard.no_speech_prob or 0.0,
        "packed": min(4.0, len(raw) / len(zlib.compress(raw))) if raw else 1.0,
        "pace": _pace(len(text.split()), heard.speech_ms),
        "short": 1.0 / (1 + len(text.split())),
        "revised": heard.revised_share or 0.0,
    }


def score_recognition(heard: Recognition | None, text: str, model: Weighted) -> tuple[float | None, str]:
    """The probability that more than three words in ten are wrong, or None and why."""
    if heard is None:
        return None, "the text was reported, not recognised"
    if not heard.word_probabilities and heard.avg_logprob is None:
        return (SUSPECT, "") if heard.suspect else (None, "the recogniser gives no probabilities")
    doubt = model.probability(features_of(heard, text))
    return round(max(doubt, SUSPECT) if heard.suspect else doubt, 3), ""


def total_doubt(parts: Sequence[float | None]) -> float:
    """Parts as if independent (noisy or); those that are None do not count."""
    sure = 1.0
    for part in parts:
        sure *= 1 - (part or 0.0)
    return 1 - sure


def _pace(words: int, speech_ms: int | None) -> float:
    """How far the words per second are from how people speak, as a logarithm."""
    if not speech_ms or not words:
        return 0.0
    return abs(math.log(words / (speech_ms / 1000) / SPOKEN_WORDS_PER_S))
