"""Sums of voices with ramps, soft-limited; pure numpy on int16 rows of one chunk.

A voice that enters or leaves a mix, or breaks off, does so over 10 ms: no click.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voicewatch.media.opus import CHUNK_SAMPLES, SAMPLE_RATE_HZ

Pcm = NDArray[np.int16]

RAMP_MS = 10
_RAMP_SAMPLES = SAMPLE_RATE_HZ * RAMP_MS // 1000
_KNEE = 24_576.0
"""Above 3/4 of full scale a sum is bent, not cut."""
_ROOM = 32_767.0 - _KNEE


def _ramp_up() -> NDArray[np.float32]:
    up = np.ones(CHUNK_SAMPLES, np.float32)
    up[:_RAMP_SAMPLES] = (1 - np.cos(np.pi * (np.arange(_RAMP_SAMPLES) + 0.5) / _RAMP_SAMPLES)) / 2
    return up


def _ramp_down() -> NDArray[np.float32]:
    down = np.zeros(CHUNK_SAMPLES, np.float32)
    down[:_RAMP_SAMPLES] = 1 - RAMP_UP[:_RAMP_SAMPLES]
    return down


RAMP_UP = _ramp_up()
RAMP_DOWN = _ramp_down()
_CROSS_UP = np.linspace(0, 1, CHUNK_SAMPLES, dtype=np.float32)


def mix(out: Pcm, steady: Sequence[Pcm], entering: Iterable[Pcm] = (), leaving: Iterable[Pcm] = ()) -> None:
    """Write the sum to `out`: steady voices as they are, the others ramped in or out."""
    total: NDArray[Any] = np.zeros(CHUNK_SAMPLES, np.float32)
    for row in steady:
        total += row
    for row in entering:
        total += row * RAMP_UP
    for row in leaving:
        total += row * RAMP_DOWN
    limit(total)
    np.rint(total, out=total)
    out[:] = total


def limit(total: NDArray[np.float32]) -> None:
    """Bend what is above the knee smoothly below full scale, in place; all else stays as it is."""
    if float(np.abs(total).max()) <= _KNEE:
        return
    over = np.abs(total) - _KNEE
    bent = _KNEE + _ROOM * np.tanh(np.maximum(over, 0) / _ROOM)
    np.copyto(total, np.copysign(bent, total), where=over > 0)


def fade_out(row: Pcm) -> None:
    """End this chunk in silence, in place."""
    row[:] = row * RAMP_DOWN


def fade_in(row: Pcm) -> None:
    """Begin this chunk from silence, in place."""
    row[:] = row * RAMP_UP


def squeeze(out: Pcm, first: Pcm, second: Pcm) -> None:
    """Two chunks in the time of one, the first passing over into the second."""
    out[:] = first + (second.astype(np.float32) - first) * _CROSS_UP


class Past:
    """The last chunks of every row, for who has to hear again what was just heard."""

    __slots__ = ("_at", "_chunks")

    def __init__(self, max_rows: int, chunks: int) -> None:
        self._chunks = np.zeros((chunks, max_rows, CHUNK_SAMPLES), np.int16)
        self._at = 0

    def keep(self, rows: Pcm) -> None:
        """This tick's chunks."""
        self._at = (self._at + 1) % len(self._chunks)
        self._chunks[self._at, : len(rows)] = rows

    def before(self, row: int, age: int) -> Pcm:
        """What was kept `age` ticks ago; 1 is the newest."""
        chunk: Pcm = self._chunks[(self._at - age + 1) % len(self._chunks), row]
        return chunk


class LevelMeter:
    """RMS of each row in dBFS (full-scale square wave = 0), -96 for silence. Its workspace is kept."""

    def __init__(self, max_rows: int) -> None:
        self._samples = np.zeros((max_rows, CHUNK_SAMPLES), np.float32)

    def __call__(self, rows: Pcm) -> NDArray[np.float32]:
        samples = self._samples[: len(rows)]
        samples[:] = rows
        power = np.einsum("ij,ij->i", samples, samples) / (CHUNK_SAMPLES * 32_768.0**2)
        return 10 * np.log10(np.maximum(power, 10 ** (-96 / 10)))  # type: ignore[no-any-return]
