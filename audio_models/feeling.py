"""Feeling by word lists: weighted words and phrases, with what turns them round.

Not enough by itself (most anger has no word of feeling), but it knows rare words, and can be read.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from audio_models.api import Span
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
SQUASH = 9.0
"""A balance s of weights becomes s / sqrt(s² + SQUASH), so one strong word is about 0.7."""


@dataclass(frozen=True)
class WordFeeling:
    """Sums of the positive and of the negative weights found."""

    positive: float = 0.0
    negative: float = 0.0

    @property
    def balance(self) -> float:
        """-1..1"""
        total = self.positive - self.negative
        return total / math.sqrt(total * total + SQUASH)


@dataclass(frozen=True)
class _Hit:
    start: int
    end: int
    value: float
    note: str


def word_feeling(said: Plain) -> tuple[WordFeeling, list[Span]]:
    """What these words say by themselves, and the spans (of the original text) that say it."""
    phrases = _phrases(said)
    hits = _mask_courtesy(phrases + _words(said, phrases))
    hits = _weigh_clauses(said, hits)
    positive = sum(hit.value for hit in hits if hit.value > 0)
    negative = -sum(hit.value for hit in hits if hit.value < 0)
    spans = [
        Span("sentiment", *said.span(hit.start, hit.end), value=round(hit.value, 2), note=hit.note)
        for hit in hits
        if abs(hit.value) >= 0.5
    ]
    return WordFeeling(positive, negative), spans


def _phrases(said: Plain) -> list[_Hit]:
    found: list[_Hit] = []
    for match, (value, note) in (*PRAISE.find(said.joined), *COMPLAINTS.find(said.joined)):
        if not any(hit.start < match.end() and match.start() < hit.end for hit in found):
            found.append(_Hit(match.start(), match.end(), value, note))
    return found


def _words(said: Plain, phrases: list[_Hit]) -> list[_Hit]:
    taken = [match.span() for match in FORMULAS.finditer(said.joined)]
    taken += [(hit.start, hit.end) for hit in phrases]
    words = said.words
    found = []
    for at, word in enumerate(words):
        start = said.offsets[at]
        value = WEIGHTS.get(word)
        if value is None or any(low <= start < high for low, high in taken):
            continue
        # A leading "no" answers a question, it does not negate what follows.
        before = words[max(words[:1] == ("no",), at - NEGATION_REACH) : at]
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
