"""Sentiment of an utterance from its words: weighted words and phrases, with what turns them round.

A first, explainable scorer: negation, intensity, courtesy that hides a complaint, and complaints that
hold no word of feeling ("this is the third time"). English only, made for recognised speech.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from audio_models.api import SentimentScore, Span
from audio_models.lexicon import (
    BOOSTERS,
    COMPLAINTS,
    FORMULAS,
    MASKED_BY_BUT,
    NEGATIONS,
    PRAISE,
    WEIGHTS,
)
from audio_models.text import Plain

NEGATION_REACH = 3
FLIP = -0.65
"""A negated word means its opposite, but less ("not good" is bad, "not bad" hardly good)."""
LABEL_AT = 1.0
SQUASH = 9.0
"""Sum of weights s becomes 5 s / sqrt(s² + SQUASH), so one strong word is about 3.5."""
BASE_CONFIDENCE = {"negative": 0.55, "neutral": 0.58, "positive": 0.58, "mixed": 0.35}
"""Share of labels found right on review and forum text when the evidence is weakest."""


@dataclass(frozen=True)
class _Hit:
    start: int
    end: int
    value: float
    note: str


def score_sentiment(said: Plain) -> tuple[SentimentScore, list[Span]]:
    """Score of these words and the spans (of the original text) that made it."""
    hits = _mask_courtesy(_phrases(said) + _words(said))
    hits = _weigh_clauses(said, hits)
    positive = sum(hit.value for hit in hits if hit.value > 0)
    negative = -sum(hit.value for hit in hits if hit.value < 0)
    total = positive - negative
    score = 5 * total / math.sqrt(total * total + SQUASH)
    label = _label(score, positive, negative)
    spans = [
        Span("sentiment", *said.span(hit.start, hit.end), value=round(hit.value, 2), note=hit.note)
        for hit in hits
        if abs(hit.value) >= 0.5
    ]
    return SentimentScore(round(score, 2), label, _confidence(label, score, len(said.tokens))), spans


def _phrases(said: Plain) -> list[_Hit]:
    found: list[_Hit] = []
    for pattern, value, note in (*PRAISE, *COMPLAINTS):
        for match in pattern.finditer(said.joined):
            if not any(hit.start < match.end() and match.start() < hit.end for hit in found):
                found.append(_Hit(match.start(), match.end(), value, note))
    return found


def _words(said: Plain) -> list[_Hit]:
    taken = [match.span() for match in FORMULAS.finditer(said.joined)]
    taken += [(hit.start, hit.end) for hit in _phrases(said)]
    words = [token.word for token in said.tokens]
    found = []
    for at, word in enumerate(words):
        start = said.offsets[at]
        value = WEIGHTS.get(word)
        if value is None or any(low <= start < high for low, high in taken):
            continue
        # A leading "no" answers a question, it does not negate what follows.
        before = words[max(words[:1] == ["no"], at - NEGATION_REACH) : at]
        note = ""
        for earlier in before[-2:]:
            value *= BOOSTERS.get(earlier, 1.0)
        if NEGATIONS & set(before) and word not in NEGATIONS:
            value, note = value * FLIP, "negated"
        found.append(_Hit(start, start + len(word), value, note))
    return found


def _mask_courtesy(hits: list[_Hit]) -> list[_Hit]:
    """Courtesy beside a complaint is form, and praise that opens one is meant the other way."""
    worst = min((hit.value for hit in hits), default=0.0)
    if worst > -1.5:
        return hits
    return [hit for hit in hits if hit.note or hit.value < 0 or (hit.value > 1.9 and hit.start > 0)]


def _weigh_clauses(said: Plain, hits: list[_Hit]) -> list[_Hit]:
    turn = MASKED_BY_BUT.search(said.joined)
    if turn is None:
        return hits
    return [
        _Hit(hit.start, hit.end, hit.value * (0.5 if hit.end <= turn.start() else 1.25), hit.note)
        for hit in hits
    ]


def _label(
    score: float, positive: float, negative: float
) -> Literal["negative", "neutral", "positive", "mixed"]:
    if min(positive, negative) >= 1.5 and min(positive, negative) >= 0.6 * max(positive, negative):
        return "mixed"
    if score <= -LABEL_AT:
        return "negative"
    return "positive" if score >= LABEL_AT else "neutral"


def _confidence(label: str, score: float, words: int) -> float:
    base = BASE_CONFIDENCE[label]
    if label == "neutral":
        # The longer the utterance without a word of feeling, the likelier one was not known.
        return round(base - 0.1 * min(1.0, words / 30) + (0.15 if words <= 4 else 0.0), 2)
    if label == "mixed":
        return base
    return round(base + 0.3 * min(1.0, (abs(score) - LABEL_AT) / 3.5), 2)
