"""When each word of a recording is said.

flite tells when each phone ends but not to which word it belongs: the phones of the sentence are aligned
with those flite gives each word by itself. For espeak-ng, which tells nothing, the words share the loud
part of a recording by the usual lengths of their phones.
"""

from __future__ import annotations

import re
import subprocess
from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from typing import Final

import numpy as np

from .voices import RATE_HZ, Recording, as_float

STEP_S: Final = 0.02
_WORD: Final = re.compile(r"[A-Za-z']+")
_PAUSE: Final = "pau"
_USUAL_S: Final = 0.08
_VOWELS: Final = frozenset(
    "aa ae ah ao aw ax axr ay eh er ey ih ix iy ow oy uh uw".split()  # noqa: SIM905 (as flite names them)
)

Span = tuple[float, float]
Placed = tuple[int, int, float, float]
"""(first character, behind the last, start and end in seconds) of a word."""


@cache
def phones_of(word: str) -> tuple[str, ...]:
    """The phones of a word by itself, as flite says it."""
    told = subprocess.run(
        ["flite", "-ps", "-t", word, "-o", "none"], check=True, capture_output=True, text=True
    ).stdout
    return tuple(phone for phone in told.split() if phone != _PAUSE)


def placed_words(recording: Recording) -> list[Placed]:
    """Every word of the text, in order."""
    words = list(_WORD.finditer(recording.text))
    expected = [phones_of(word.group().lower()) for word in words]
    times = _by_phones(recording, expected) if recording.phones else _by_loudness(recording, expected)
    return [(word.start(), word.end(), *time) for word, time in zip(words, times, strict=True)]


def character_times(recording: Recording) -> tuple[list[float], list[float]]:
    """(characters of the text, seconds) to interpolate between; what stands between words is at
    their edges."""
    at: list[float] = []
    seconds: list[float] = []
    for first, behind, start, end in placed_words(recording):
        at += [float(first), float(behind)]
        seconds += [max(start, seconds[-1] if seconds else 0.0), max(end, start)]
    return at, seconds


def _by_phones(recording: Recording, expected: Sequence[Sequence[str]]) -> list[Span]:
    starts = [0.0, *(end for _, end in recording.phones)]
    said = [
        (name, start, end)
        for (name, end), start in zip(recording.phones, starts, strict=False)
        if name != _PAUSE
    ]
    owners = _aligned([name for name, _, _ in said], expected)
    spans: defaultdict[int, list[Span]] = defaultdict(list)
    for owner, (_, start, end) in zip(owners, said, strict=True):
        spans[owner].append((max(0.0, start), end))
    times: list[Span] = []
    for word in range(len(expected)):
        before = times[-1][1] if times else 0.0
        mine = spans.get(word)
        times.append((mine[0][0], mine[-1][1]) if mine else (before, before))
    return times


def _aligned(said: Sequence[str], expected: Sequence[Sequence[str]]) -> list[int]:
    """The word of every phone that is said, by the cheapest edits of what was expected."""
    phones = [(phone, word) for word, part in enumerate(expected) for phone in part]
    rows, columns = len(said) + 1, len(phones) + 1
    cost = [[float(i + j) if i == 0 or j == 0 else 0.0 for j in range(columns)] for i in range(rows)]
    for i in range(1, rows):
        for j in range(1, columns):
            other = _difference(said[i - 1], phones[j - 1][0])
            cost[i][j] = min(cost[i - 1][j - 1] + other, cost[i - 1][j] + 1, cost[i][j - 1] + 1)
    owners: list[int] = []
    i, j = rows - 1, columns - 1
    while i > 0:
        if j > 0 and cost[i][j] == cost[i - 1][j - 1] + _difference(said[i - 1], phones[j - 1][0]):
            i, j = i - 1, j - 1
            owners.append(phones[j][1])
        elif j > 0 and cost[i][j] == cost[i][j - 1] + 1:
            j -= 1
        else:
            i -= 1
            owners.append(phones[max(j - 1, 0)][1] if phones else 0)
    return owners[::-1]


def _difference(one: str, other: str) -> float:
    if one == other:
        return 0.0
    return 0.5 if (one in _VOWELS) == (other in _VOWELS) else 1.5


def _by_loudness(recording: Recording, expected: Sequence[Sequence[str]]) -> list[Span]:
    step = int(STEP_S * RATE_HZ)
    count = max(1, len(recording.samples) // step)
    chunks = np.resize(as_float(recording.samples), count * step).reshape(count, step)
    loudness = np.sqrt((chunks**2).mean(axis=1))
    loud = (loudness > 0.04 * loudness.max()).astype(float)
    said = np.concatenate([[0.0], np.cumsum(loud)]) / loud.sum()
    lengths = [sum(_usual_s(phone) for phone in part) + 0.01 for part in expected]
    until = np.concatenate([[0.0], np.cumsum(lengths)]) / sum(lengths)
    first = np.searchsorted(said, until[:-1] + 1e-9, side="right") - 1  # after a pause
    last = np.searchsorted(said, until[1:] - 1e-9, side="left")  # before a pause
    return [(float(a * STEP_S), float(b * STEP_S)) for a, b in zip(first, last, strict=True)]


def _usual_s(phone: str) -> float:
    if phone in ("ax", "ih", "ix"):
        return 0.06
    return 0.11 if phone in _VOWELS else _USUAL_S
