"""Which earlier turns a turn is read against, and the plain facts about the pair."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from audio_models.lexicon import NEGATIONS
from audio_models.text import Plain

REMEMBERED_TURNS = 8
"""Turns back that a repeat or a contradiction is looked for."""
OTHERS, OWN = 0, 1
"""Places of the two relations."""
_NUMBER = re.compile(
    r"\d|^(?:one|two|three|four|five|six|seven|eight|nine|ten|twenty|thirty|forty|fifty|hundred)$"
)
_ASKING = frozenset(
    "what when where who why how which can could do does did is are will would shall may should".split()  # noqa: SIM905
)

Vector = NDArray[np.float32]


def compared_with(
    role: str, earlier: Sequence[str], meaning: Vector, meanings: Sequence[Vector]
) -> tuple[int | None, int | None]:
    """Places of the turns to compare with: the other side's last, and the nearest in meaning of one's own.

    `earlier` are the roles of the turns before, oldest first; `meanings` their unit vectors.
    """
    recent = range(max(0, len(earlier) - REMEMBERED_TURNS), len(earlier))
    others = next((at for at in reversed(recent) if earlier[at] != role), None)
    own = max(
        (at for at in recent if earlier[at] == role),
        key=lambda at: float(meaning @ meanings[at]),
        default=None,
    )
    return others, own


def facts_of(ours: Plain, theirs: Plain, cosine: float, turns_ago: int) -> tuple[float, ...]:
    """The FACTS of a pair: likeness in meaning and in words, shared numbers, one negated and the other not,
    how long ago, and whether the earlier one asked something."""
    mine, other = ours.words, theirs.words
    return (
        cosine,
        _common(ours.content, theirs.content),
        _common(_numbers(mine), _numbers(other)),
        float(NEGATIONS.isdisjoint(mine) != NEGATIONS.isdisjoint(other)),
        turns_ago / REMEMBERED_TURNS,
        float(any(word in _ASKING for word in other[:2])),
    )


@functools.lru_cache(maxsize=4_096)
def _numbers(words: tuple[str, ...]) -> frozenset[str]:
    return frozenset(word for word in words if _NUMBER.search(word))


def _common(first: frozenset[str], second: frozenset[str]) -> float:
    return len(first & second) / len(first | second) if first and second else 0.0
