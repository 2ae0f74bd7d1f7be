"""A word is not said in silence: where word times take in a pause, they end at its edges.

Cross-attention finds where in a window each word is, but nothing tells it to whom a pause belongs: the
dynamic time warping that follows (as in Whisper's word times) gives it to the word behind it, mostly.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from audio_models.api import SAMPLE_RATE_HZ, TranscriptWord

STEP_MS = 20
STEP = SAMPLE_RATE_HZ * STEP_MS // 1000
PAUSE_STEPS = 8
"""160 ms: what is quiet for so long is a pause; the closure of a plosive lasts 50 to 130 ms."""
FLOOR_DBFS = -70.0
CLEAR_DB = 15.0
"""Speech that stands out less from what is around it shows no pauses: nothing is moved."""
QUIET_SHARE = 0.3
"""Of the way (in dB) from the quiet of the audio to its speech."""

Levels = NDArray[np.float64]


def out_of_silence(words: Sequence[TranscriptWord], samples: NDArray[np.float32]) -> list[TranscriptWord]:
    """The words (in order, ms from the beginning of `samples`, 16 kHz) without the pauses in their times."""
    levels = _levels_db(samples)
    if not len(levels):
        return list(words)
    floor, peak = (float(level) for level in np.percentile(levels, (10, 95)))
    if peak - floor < CLEAR_DB:
        return list(words)
    quiet = levels < floor + QUIET_SHARE * (peak - floor)
    moved: list[TranscriptWord] = []
    for word in words:
        first, behind = word.start_ms // STEP_MS, min(-(-word.end_ms // STEP_MS), len(levels))
        pieces = list(_pieces(quiet[first:behind]))
        if not pieces or pieces == [(0, behind - first)]:
            moved.append(word)
            continue
        loudest = max(pieces, key=lambda piece: _loudness(levels[first + piece[0] : first + piece[1]]))
        start_ms = max(word.start_ms, (first + loudest[0]) * STEP_MS)
        end_ms = min(word.end_ms, (first + loudest[1]) * STEP_MS)
        moved.append(replace(word, start_ms=start_ms, end_ms=max(start_ms, end_ms)))
    return moved


def _levels_db(samples: NDArray[np.float32]) -> Levels:
    whole = len(samples) // STEP
    power = np.mean(np.square(samples[: whole * STEP].reshape(whole, STEP), dtype=np.float64), axis=1)
    levels: Levels = np.maximum(10 * np.log10(power + 1e-12), FLOOR_DBFS)
    return levels


def _loudness(levels: Levels) -> float:
    """Energy of a piece: short clicks lose against a word."""
    return float(np.sum(10 ** (levels / 10)))


def _pieces(quiet: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """[start, end) of what lies between pauses; shorter quiet belongs to the word."""
    start, pause = None, 0
    for at, is_quiet in enumerate(quiet.tolist()):
        pause = pause + 1 if is_quiet else 0
        if not is_quiet and start is None:
            # A quiet beginning that is no pause belongs to the word.
            start = 0 if at < PAUSE_STEPS else at
        if pause == PAUSE_STEPS and start is not None:
            yield start, at + 1 - PAUSE_STEPS
            start = None
    if start is not None:
        yield start, len(quiet) - (pause if pause >= PAUSE_STEPS else 0)
