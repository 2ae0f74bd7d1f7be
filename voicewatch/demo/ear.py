"""Hearing as a test hears: which known clip is in the air, judged by the sound alone.

Pure: samples in, `Heard` out; audio time is counted in samples. The received sound (through two Opus codings
and a mixer) is compared with each clip by normalised cross-correlation at 4 kHz, where most of the energy of
speech lies and an FFT of a whole clip costs well under a millisecond.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

RATE_HZ = 16_000
_DECIMATE = 4
_LOW_HZ = RATE_HZ // _DECIMATE
_WINDOW = _LOW_HZ  # one second of sound decides
_STEP = RATE_HZ // 5
_SILENCE_DBFS = -50.0
_SURE = 0.6
"""Correlation that counts as heard: a clip in the air scores 0.7 to 0.95."""
_END_SLACK_S = 0.35

Pcm = npt.NDArray[np.int16]
_Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Heard:
    """A clip in the air: at `at_s` of what this ear received, `position_s` into the clip."""

    line_id: str
    at_s: float
    position_s: float
    correlation: float
    finished: bool


class Ear:
    """Listens for a set of clips (int16, 16 kHz, mono)."""

    def __init__(self, clips: Mapping[str, Pcm]) -> None:
        self._clips = {name: _Template(_low(clip.astype(np.float32))) for name, clip in clips.items()}
        self._recent: _Floats = np.zeros(RATE_HZ + 64, np.float32)
        self._received = 0
        self._next_look = _STEP
        self.level_dbfs = -96.0
        """Level of the last fifth of a second."""

    @property
    def received_s(self) -> float:
        return self._received / RATE_HZ

    def hear(self, samples: Pcm) -> list[Heard]:
        """Take in samples of any length; returns the clips recognised since the last call."""
        found: list[Heard] = []
        for start in range(0, len(samples), _STEP):
            piece = samples[start : start + _STEP].astype(np.float32)
            self._recent = np.concatenate([self._recent[len(piece) :], piece])
            self._received += len(piece)
            if self._received >= self._next_look:
                self._next_look += _STEP
                found += self._look()
        return found

    def _look(self) -> list[Heard]:
        self.level_dbfs = dbfs(self._recent[-_STEP:])
        window = _low(self._recent)[-_WINDOW:]
        if dbfs(window) < _SILENCE_DBFS:
            return []
        # Clips of about one length share a size of FFT, so the window's is made once for each size.
        spectra = {
            size: np.conj(np.fft.rfft(window, size)) for size in {c.size for c in self._clips.values()}
        }
        energy = float(np.sum(window.astype(np.float64) ** 2))
        matches = {name: clip.match(spectra[clip.size], energy) for name, clip in self._clips.items()}
        # One voice repeats itself between its clips, so the best match alone is believed.
        name = max(matches, key=lambda key: matches[key][0], default="")
        if not name or matches[name][0] < _SURE:
            return []
        correlation, end = matches[name]
        finished = end / _LOW_HZ >= len(self._clips[name]) / _LOW_HZ - _END_SLACK_S
        return [Heard(name, self.received_s, end / _LOW_HZ, correlation, finished)]


class _Template:
    """One clip, prepared: its spectrum and running energy; a second of silence on either side."""

    def __init__(self, clip: _Floats) -> None:
        self._length = len(clip)
        padded = np.concatenate([np.zeros(_WINDOW, np.float32), clip, np.zeros(_WINDOW, np.float32)])
        self.size = 1 << (len(padded) + _WINDOW).bit_length()
        self._spectrum = np.fft.rfft(padded, self.size)
        energy = np.concatenate([[0.0], np.cumsum(padded.astype(np.float64) ** 2)])
        self._energy = energy[_WINDOW:] - energy[:-_WINDOW]
        self._loudest = float(self._energy.max())

    def __len__(self) -> int:
        return self._length

    def match(self, window: npt.NDArray[np.complex128], energy: float) -> tuple[float, int]:
        """Best correlation of a window with the clip, and where in the clip the window then ends.

        `window`: the conjugate of its spectrum of this `size`; `energy`: the sum of its squares.
        """
        products = np.fft.irfft(self._spectrum * window, self.size)
        places = len(self._energy)
        floor = self._loudest * 0.3  # a window that covers only a quiet edge of the clip proves nothing
        scale = np.sqrt(np.maximum(self._energy, floor) * energy) + 1e-9
        scores = products[:places] / scale
        best = int(np.argmax(scores))
        return float(scores[best]), min(best, self._length)


def dbfs(samples: npt.NDArray[np.float32]) -> float:
    """Level of int16-scaled samples, 0 dBFS being a full-scale square wave; silence is -96."""
    mean_square = float(np.mean(samples.astype(np.float64) ** 2)) if len(samples) else 0.0
    return max(-96.0, 10 * math.log10(mean_square / 32768.0**2 + 1e-12))


def _low(samples: _Floats) -> _Floats:
    """To 4 kHz: a windowed-sinc low-pass of 1.8 kHz, then every fourth sample."""
    return np.convolve(samples, _LOWPASS, "same")[::_DECIMATE].astype(np.float32)


def _lowpass(taps: int = 47, cutoff_hz: float = 1_800.0) -> _Floats:
    n = np.arange(taps) - (taps - 1) / 2
    kernel: npt.NDArray[np.float64] = np.sinc(2 * cutoff_hz / RATE_HZ * n) * np.hamming(taps)
    return np.asarray(kernel / kernel.sum(), np.float32)


_LOWPASS = _lowpass()
