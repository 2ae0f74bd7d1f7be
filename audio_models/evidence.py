"""Which words carried an answer: those without which it would lose most."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from audio_models.api import Span
from audio_models.text import Plain

SHARE = 0.6
"""Words are named until they make up so much of what speaks for the answer."""
MOST = 4
LEAST = 0.25
"""Of a logit: a word that carries less is no evidence of anything, though others carry still less."""
GAP = 1
"""Words between two that are named; they join into one span."""


def carried_by(said: Plain, words: Sequence[int], parts: NDArray[np.float32], kind: str) -> list[Span]:
    """Spans of the original text; `words` is the word of each piece (-1: none), `parts` what it carries.

    The value of a span is about what the logit would lose without it.
    """
    weights = [0.0] * len(said.tokens)
    for word, part in zip(words, parts, strict=True):
        if word >= 0:
            weights[word] += float(part)
    order = sorted(range(len(weights)), key=lambda at: -weights[at])
    total = sum(weight for weight in weights if weight > 0)
    named: list[int] = []
    for at in order[:MOST]:
        if weights[at] < LEAST or sum(weights[one] for one in named) >= SHARE * total:
            break
        named.append(at)
    spans = []
    for group in _joined(sorted(named)):
        first, last = said.tokens[group[0]], said.tokens[group[-1]]
        value = sum(weights[at] for at in range(group[0], group[-1] + 1))
        spans.append(Span(kind, first.start, last.end, round(value, 2)))
    return spans


def _joined(places: Sequence[int]) -> list[list[int]]:
    groups: list[list[int]] = []
    for place in places:
        if groups and place - groups[-1][-1] <= GAP + 1:
            groups[-1].append(place)
        else:
            groups.append([place])
    return groups
