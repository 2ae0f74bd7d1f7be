"""The AI's own voice coming back on the customer's leg is told from a customer by its melody of loudness.

An echo is the other side's speech, delayed and fainter: its levels rise and fall with those sent a moment
before. Two people speaking at once never keep in step so long. Where the AI tells what it says, the same
words at the same time need less of that; words alone are never enough, for customers repeat what they hear.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

CHUNK_MS = 20
KEPT_MS = 14_000
"""Of each side: the longest utterance and the longest delay."""
MAX_DELAY_MS = 600
LEAST_MS = 900
"""In less speech than this two voices keep in step by chance."""
LONG_MS = 2_000
IN_STEP, IN_STEP_LONG = 0.8, 0.65
"""Correlation of levels over LEAST_MS and over LONG_MS, from which on it is an echo. Of echoes 12 to 26 dB
down through a telephone and a room 88 to 93 % of short and 98 % of long ones are above; of other people's
speech over a faint echo 3 % and none, and that must be fainter besides."""
FAINTER_DB = 6
FLOOR_DBFS = -62
LOUD_DBFS = -50
"""What is sent out below this comes back as nothing."""
LEAST_SAME_MS = 300
LEAST_SAME_WORDS = 2
SAME_WORDS = 0.7
"""Share of the words heard that the AI says, in that order."""
IN_STEP_SAME = 0.5
"""Correlation that is enough of the same words..."""
COVERED = 0.8
"""... where so much of the speech that came has speech that was sent behind it."""
COVERED_BELOW_DB = 25
"""Below the loudest chunk; what is fainter is a pause."""
KEPT_TEXTS, KEPT_WORDS = 8, 160
"""What is said in TOLD_WITHIN_MS, spoken twice as fast as anybody speaks."""
TOLD_WITHIN_MS = 20_000
"""The AI tells what it says before, while or after it says it."""


class EchoGuard:
    """Both sides of one call: what is sent to the customer, and what comes from him."""

    def __init__(self) -> None:
        self._sent: deque[tuple[int, int]] = deque(maxlen=KEPT_MS // CHUNK_MS)
        self._came: deque[tuple[int, int]] = deque(maxlen=KEPT_MS // CHUNK_MS)
        self._said: deque[tuple[int, list[str]]] = deque(maxlen=KEPT_TEXTS)

    def sent(self, at_ms: int, level_dbfs: int) -> None:
        """A chunk of the AI."""
        self._sent.append((at_ms, level_dbfs))

    def came(self, at_ms: int, level_dbfs: int) -> None:
        """A chunk of the customer."""
        self._came.append((at_ms, level_dbfs))

    def said(self, at_ms: int, text: str) -> None:
        """The AI tells at `at_ms` what it says."""
        self._said.append((at_ms, _words(text)[:KEPT_WORDS]))

    def is_echo(self, start_ms: int, end_ms: int) -> bool:
        """Whether the customer's leg held nothing but what was sent, in [start_ms, end_ms)."""
        if end_ms - start_ms < LEAST_MS:
            return False
        part = min(1.0, (end_ms - start_ms - LEAST_MS) / (LONG_MS - LEAST_MS))
        return self._in_step(start_ms, end_ms) > IN_STEP + (IN_STEP_LONG - IN_STEP) * part

    def repeats(self, start_ms: int, end_ms: int, text: str) -> bool:
        """Whether `text`, heard there, is what the AI was saying at that time: a shorter or blurred echo."""
        heard = _words(text)
        if end_ms - start_ms < LEAST_SAME_MS or len(heard) < LEAST_SAME_WORDS:
            return False
        told = (words for at_ms, words in self._said if abs(at_ms - end_ms) < TOLD_WITHIN_MS)
        if max((_in_order(heard, words) for words in told), default=0) < SAME_WORDS * len(heard):
            return False
        return self._in_step(start_ms, end_ms, covered=COVERED) > IN_STEP_SAME

    def _in_step(self, start_ms: int, end_ms: int, covered: float = 0.0) -> float:
        """The best correlation with what was sent up to MAX_DELAY_MS before; 0 if that was not louder.

        Only delays count at which speech was sent behind the share `covered` of the speech that came.
        """
        if not self._sent:
            return 0.0
        came = _levels(self._came, start_ms, end_ms)
        sent = _levels(self._sent, start_ms - MAX_DELAY_MS, end_ms)
        if sent.max() < LOUD_DBFS or came.max() > sent.max() - FAINTER_DB:
            return 0.0
        shifts = np.lib.stride_tricks.sliding_window_view(sent, len(came))
        correlations = _correlations(shifts, came)
        loud = came > came.max() - COVERED_BELOW_DB
        behind = (shifts[:, loud] > sent.max() - COVERED_BELOW_DB).mean(axis=1)
        return float(correlations[behind >= covered].max(initial=0.0))


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.lower().replace("'", ""))


def _in_order(some: Sequence[str], others: Sequence[str]) -> int:
    """How many words of `some` are in `others` in the same order (their longest common subsequence)."""
    row = [0] * (len(others) + 1)
    for word in some:
        before = row
        row = [0]
        for at, other in enumerate(others):
            row.append(before[at] + 1 if word == other else max(before[at + 1], row[at]))
    return row[-1]


def _levels(chunks: deque[tuple[int, int]], start_ms: int, end_ms: int) -> NDArray[np.float64]:
    """dBFS of every chunk place in the span; where nothing came it is silent."""
    levels = np.full((end_ms - start_ms) // CHUNK_MS, float(FLOOR_DBFS))
    for at_ms, level in chunks:
        if start_ms <= at_ms < end_ms - CHUNK_MS + 1:
            levels[(at_ms - start_ms) // CHUNK_MS] = max(FLOOR_DBFS, level)
    return levels


def _correlations(rows: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pearson's, of each row with `other`; 0 where one of them is level."""
    rows = rows - rows.mean(axis=1, keepdims=True)
    other = other - other.mean()
    scale = np.sqrt((rows**2).sum(axis=1) * (other**2).sum())
    return np.asarray((rows @ other) / np.maximum(scale, 1e-9))
