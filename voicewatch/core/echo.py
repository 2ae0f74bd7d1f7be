"""The AI's own voice coming back on the customer's leg is told from a customer by its melody of loudness.

An echo is the other side's speech, delayed and fainter: its levels rise and fall with those sent a moment
before. Two people speaking at once never keep in step so long.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

CHUNK_MS = 20
KEPT_MS = 14_000
"""Of each side: the longest utterance and the longest delay."""
MAX_DELAY_MS = 600
LEAST_MS = 900
"""In less speech than this two voices keep in step by chance."""
IN_STEP = 0.8
"""Correlation of levels. Of echoes 10 dB down, through a telephone codec and noise, 93 % are above; of other
people's speech fewer than 1 %, and that must be fainter besides."""
FAINTER_DB = 6
FLOOR_DBFS = -62
LOUD_DBFS = -50
"""What is sent out below this comes back as nothing."""


class EchoGuard:
    """Both sides of one call: what is sent to the customer, and what comes from him."""

    def __init__(self) -> None:
        self._sent: deque[tuple[int, int]] = deque(maxlen=KEPT_MS // CHUNK_MS)
        self._came: deque[tuple[int, int]] = deque(maxlen=KEPT_MS // CHUNK_MS)

    def sent(self, at_ms: int, level_dbfs: int) -> None:
        """A chunk of the AI."""
        self._sent.append((at_ms, level_dbfs))

    def came(self, at_ms: int, level_dbfs: int) -> None:
        """A chunk of the customer."""
        self._came.append((at_ms, level_dbfs))

    def is_echo(self, start_ms: int, end_ms: int) -> bool:
        """Whether the customer's leg held nothing but what was sent, in [start_ms, end_ms)."""
        if end_ms - start_ms < LEAST_MS or not self._sent:
            return False
        came = _levels(self._came, start_ms, end_ms)
        sent = _levels(self._sent, start_ms - MAX_DELAY_MS, end_ms)
        if sent.max() < LOUD_DBFS or came.max() > sent.max() - FAINTER_DB:
            return False
        shifts = np.lib.stride_tricks.sliding_window_view(sent, len(came))
        return bool(_correlations(shifts, came).max() > IN_STEP)


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
