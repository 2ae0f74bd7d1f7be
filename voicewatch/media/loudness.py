"""How loud somebody speaks, and the slow gain that makes one speaker as loud as another. Pure.

Loudness is K-weighted (ITU-R BS.1770-5) and, like EBU R128's short-term loudness, a mean over about 3 s; but
over 3 s of *speech*: pauses do not count. The weighting is done on each chunk's spectrum, for all speakers at
once; against the filters of BS.1770 run over the samples the difference on speech is a few tenths of a dB.
"""

from __future__ import annotations

from math import log10

import numpy as np
from numpy.typing import NDArray

from voicewatch.media.mixer import Pcm, limit
from voicewatch.media.opus import CHUNK_MS, CHUNK_SAMPLES, SAMPLE_RATE_HZ

MAX_GAIN_DB = 9.0
SLEW_DB_PER_S = 3.0
SURE_CHUNKS = 25
"""Half a second of voice before a level is believed."""
_MEAN_CHUNKS = 150
_DEAD_BAND_DB = 1.0
"""A smaller difference is left alone; a larger one is taken out whole."""
_OFFSET_DB = -0.691
"""BS.1770: what the weighting adds at 1 kHz."""
_STEP_DB = SLEW_DB_PER_S * CHUNK_MS / 1000


class Speaker:
    """Loudness of one speaker, in dB below a full-scale square wave, over his last 3 s of voice."""

    __slots__ = ("_heard", "_power")

    def __init__(self) -> None:
        self._heard = 0
        self._power = 0.0

    def hear(self, power: float, chunks: int = 1) -> None:
        """A voiced chunk's K-weighted power, full scale = 1; it stands for so many."""
        self._heard += chunks
        self._power += (power - self._power) * chunks / min(self._heard, _MEAN_CHUNKS)

    @property
    def level_db(self) -> float | None:
        """None until there was enough voice."""
        if self._heard < SURE_CHUNKS:
            return None
        return _OFFSET_DB + 10 * log10(max(self._power, 1e-10))


class Match:
    """The gain that brings `speaker` to the loudness of `model`, the one he is compared with."""

    __slots__ = ("_moving", "gain_db", "model", "speaker")

    def __init__(self, speaker: Speaker, model: Speaker) -> None:
        self.speaker, self.model = speaker, model
        self.gain_db = 0.0
        self._moving = False

    @property
    def is_unity(self) -> bool:
        """Nothing is changed."""
        return self.gain_db == 0.0

    def step(self) -> tuple[float, float]:
        """Factors at the start of the next chunk and after its ramp."""
        before = self.gain_db
        own, model = self.speaker.level_db, self.model.level_db
        if own is not None and model is not None:
            wanted = max(-MAX_GAIN_DB, min(MAX_GAIN_DB, model - own))
            self._moving = abs(wanted - before) > (_STEP_DB if self._moving else _DEAD_BAND_DB)
            if self._moving:
                self.gain_db += max(-_STEP_DB, min(_STEP_DB, wanted - before))
        return 10 ** (before / 20), 10 ** (self.gain_db / 20)


def powers(rows: Pcm) -> NDArray[np.float64]:
    """K-weighted power of each row, full scale = 1."""
    spectrum = np.fft.rfft(rows, axis=1)
    found: NDArray[np.float64] = (spectrum.real**2 + spectrum.imag**2) @ _WEIGHTS
    return found


def amplify(rows: Pcm, factors: list[tuple[float, float]]) -> Pcm:
    """The rows, each passing from its first factor to its second over 10 ms, softly limited."""
    pairs = np.array(factors, np.float32)
    first, then = pairs[:, :1], pairs[:, 1:]
    total = ((first + (then - first) * _RAMP) * rows).astype(np.float32, copy=False)
    limit(total)
    louder: Pcm = np.rint(total).astype(np.int16)
    return louder


def _k_weights() -> NDArray[np.float64]:
    """Per bin of a chunk's spectrum: |K(f)|^2 and what makes the sum a mean square.

    BS.1770's two filters in analogue form: a shelf of +4 dB above 1.7 kHz and a high-pass at 38 Hz.
    """
    hz = np.arange(CHUNK_SAMPLES // 2 + 1) * SAMPLE_RATE_HZ / CHUNK_SAMPLES
    shelf_at = 1j * hz / 1_681.97
    high, band = 10 ** (3.99984 / 20), 10 ** (3.99984 / 20 * 0.4997)
    shelf = (high * shelf_at**2 + band / 0.70718 * shelf_at + 1) / (shelf_at**2 + shelf_at / 0.70718 + 1)
    pass_at = 1j * hz / 38.1355
    high_pass = pass_at**2 / (pass_at**2 + pass_at / 0.50033 + 1)
    weights: NDArray[np.float64] = np.abs(shelf * high_pass) ** 2 * 2.0
    weights[[0, -1]] /= 2
    weights /= (CHUNK_SAMPLES * 32_768.0) ** 2
    return weights


_WEIGHTS = _k_weights()
_RAMP = np.minimum(1, (np.arange(CHUNK_SAMPLES, dtype=np.float32) + 1) / (SAMPLE_RATE_HZ // 100))
