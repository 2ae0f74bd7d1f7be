"""Recordings as the chunks of a call: any format that FFmpeg reads, at 16 kHz, a leg a channel."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
from numpy.typing import NDArray

RATE_HZ = 16_000
CHUNK_SAMPLES = RATE_HZ // 50
MAX_CHANNELS = 2


class UnreadableAudio(ValueError):
    """The file is no recording that can be analysed; the text says why and what can."""


@dataclass(frozen=True)
class AudioFile:
    """An open recording of `channels` channels."""

    path: Path
    channels: int
    _container: Any

    def chunks(self) -> Iterator[list[bytes]]:
        """20 ms after 20 ms: little-endian int16 of each channel; the last one is filled up with silence."""
        rest: NDArray[np.int16] = np.zeros((self.channels, 0), np.int16)
        for samples in self._samples():
            rest = np.concatenate([rest, samples], axis=1)
            whole = rest.shape[1] // CHUNK_SAMPLES * CHUNK_SAMPLES
            yield from _split(rest[:, :whole])
            rest = rest[:, whole:]
        if rest.shape[1]:
            yield from _split(np.pad(rest, ((0, 0), (0, CHUNK_SAMPLES - rest.shape[1]))))

    def _samples(self) -> Iterator[NDArray[np.int16]]:
        layout = "stereo" if self.channels == 2 else "mono"
        resampler = av.AudioResampler(format="s16p", layout=layout, rate=RATE_HZ)
        try:
            for decoded in self._container.decode(audio=0):
                for resampled in resampler.resample(decoded):
                    yield resampled.to_ndarray().astype(np.int16)
            for resampled in resampler.resample(None):
                yield resampled.to_ndarray().astype(np.int16)
        except av.error.FFmpegError as error:
            raise UnreadableAudio(f"the audio is damaged ({error.strerror})") from None


@contextmanager
def opened(path: Path) -> Iterator[AudioFile]:
    """The recording at `path`. Raises UnreadableAudio, or OSError when there is no such file."""
    with path.open("rb"):
        pass  # the operating system's own words for a missing file are better than FFmpeg's
    try:
        container = av.open(str(path), mode="r")
    except av.error.FFmpegError:
        raise UnreadableAudio(
            "this is no audio file that can be read; give WAV, FLAC, Ogg, Opus or MP3"
        ) from None
    with container:
        if not container.streams.audio:
            raise UnreadableAudio("there is no audio in this file")
        channels = container.streams.audio[0].codec_context.channels
        if not 1 <= channels <= MAX_CHANNELS:
            raise UnreadableAudio(
                f"the file has {channels} channels; one (everybody) or two (a leg each) can be analysed"
            )
        yield AudioFile(path, channels, container)


def level_dbfs(pcm: bytes) -> int:
    """Level of a chunk as media states it: -96 (silence) to 0."""
    samples = np.frombuffer(pcm, "<i2").astype(np.float64)
    power = float(np.mean(samples * samples)) / 32768**2
    return max(-96, round(10 * math.log10(max(power, 1e-10))))


def _split(samples: NDArray[np.int16]) -> Iterator[list[bytes]]:
    little = samples.astype("<i2")
    for first in range(0, samples.shape[1], CHUNK_SAMPLES):
        yield [channel[first : first + CHUNK_SAMPLES].tobytes() for channel in little]
