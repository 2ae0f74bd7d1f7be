"""What is sent where nobody sounds: very quiet noise, so that a line never seems dead (as RFC 3389 explains).

The noise is a loop, encoded once when the process starts: a tick costs nothing. It goes to listeners only;
recordings and transcripts are made of what comes in.
"""

from __future__ import annotations

import numpy as np

from voicewatch.media.mixer import Pcm
from voicewatch.media.opus import CHUNK_SAMPLES, Encoder

LOOP_CHUNKS = 100
SILENT_DBFS = -96
"""At this level there is no noise, only digital silence."""
_SEED = 3389
_FULL_SCALE = 32_768
_SMOOTH = np.array([0.25, 0.5, 0.25])
"""Takes the hiss off: a room is darker than white noise."""


class Backdrop:
    """The loop as PCM and as packets; both are looked up by tick, so that all listeners are in step."""

    def __init__(self, encoder: Encoder, level_dbfs: float) -> None:
        """`encoder` must be fresh."""
        self._pcm = _noise(level_dbfs)
        for _ in range(2):  # the second round begins in the state in which it ends: the loop has no seam
            self._packets = [encoder.encode(chunk.ctypes.data) for chunk in self._pcm]

    def pcm(self, tick: int) -> Pcm:
        chunk: Pcm = self._pcm[tick % LOOP_CHUNKS]
        return chunk

    def packet(self, tick: int) -> bytes:
        return self._packets[tick % LOOP_CHUNKS]


def _noise(level_dbfs: float) -> Pcm:
    """LOOP_CHUNKS rows of noise at that RMS level."""
    if level_dbfs <= SILENT_DBFS:
        return np.zeros((LOOP_CHUNKS, CHUNK_SAMPLES), np.int16)
    white = np.random.default_rng(_SEED).standard_normal(LOOP_CHUNKS * CHUNK_SAMPLES)
    dark = np.convolve(np.concatenate([white[-1:], white, white[:1]]), _SMOOTH, "valid")
    scaled = dark * (_FULL_SCALE * 10 ** (level_dbfs / 20) / np.sqrt(np.mean(dark**2)))
    chunks: Pcm = np.rint(scaled).astype(np.int16).reshape(LOOP_CHUNKS, CHUNK_SAMPLES)
    return chunks
