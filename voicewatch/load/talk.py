"""What the legs of a load say, encoded before: speech without pauses, silence, bursts to measure delay by."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from voicewatch.demo.scenarios import clip_samples, list_scenarios, load_scenario
from voicewatch.media.opus import CHUNK_SAMPLES, SAMPLE_RATE_HZ, Decoder, Encoder, OpusLibrary

BITRATE_BPS, COMPLEXITY = 32_000, 5
BURST_EVERY_CHUNKS = 50
LOUD_DBFS = -25.0
_BURST_CHUNKS = 8
_LEAST_DBFS = -40.0

Pcm = npt.NDArray[np.int16]


def speech() -> list[bytes]:
    """Packets of the demonstration's customers speaking, pauses cut out, so that every chunk is mixed."""
    scenario = load_scenario(list_scenarios()[0])
    chunks = [chunk for line in scenario.lines for chunk in _chunks(clip_samples(line))]
    return _encoded([chunk for chunk in chunks if _level_dbfs(chunk) > _LEAST_DBFS])


def silence() -> list[bytes]:
    """A second of an open microphone in a quiet room (-66 dBFS), for those who only listen."""
    noise = np.random.default_rng(2).normal(0, 16, BURST_EVERY_CHUNKS * CHUNK_SAMPLES)
    return _encoded(_chunks(noise.astype(np.int16)))


def bursts() -> list[bytes]:
    """Once a second, at the first packet of the loop, a loud tone; faint noise between."""
    at = np.arange(_BURST_CHUNKS * CHUNK_SAMPLES) / SAMPLE_RATE_HZ
    tone = (0.4 * 32_767 * np.sin(2 * np.pi * 700 * at)).astype(np.int16)
    noise = np.random.default_rng(1).normal(0, 60, (BURST_EVERY_CHUNKS - _BURST_CHUNKS) * CHUNK_SAMPLES)
    return _encoded(_chunks(np.concatenate([tone, noise.astype(np.int16)])))


class Ear:
    """Hears bursts begin in what one leg receives."""

    def __init__(self) -> None:
        self._decoder = Decoder(OpusLibrary())
        self._pcm = np.zeros(CHUNK_SAMPLES, np.int16)
        self._was_loud = True

    def begins(self, packet: bytes) -> bool:
        self._decoder.decode(packet, self._pcm.ctypes.data, CHUNK_SAMPLES)
        is_loud = _level_dbfs(self._pcm) > LOUD_DBFS
        begins, self._was_loud = is_loud and not self._was_loud, is_loud
        return begins


def _chunks(samples: Pcm) -> list[Pcm]:
    whole = len(samples) // CHUNK_SAMPLES
    return list(samples[: whole * CHUNK_SAMPLES].reshape(whole, CHUNK_SAMPLES))


def _encoded(chunks: list[Pcm]) -> list[bytes]:
    encoder = Encoder(OpusLibrary(), BITRATE_BPS, COMPLEXITY)
    return [encoder.encode(np.ascontiguousarray(chunk).ctypes.data) for chunk in chunks]


def _level_dbfs(chunk: Pcm) -> float:
    power = float(np.mean((chunk / 32_768) ** 2))
    return 10 * float(np.log10(max(power, 1e-10)))
