"""Speech for these tests: a few seconds of a synthetic voice that comes with the models."""

import wave
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import audio_models
from audio_models.api import load_voice_detector

Chunk = tuple[int, bytes, bool, int]


@pytest.fixture(scope="session")
def speech() -> NDArray[np.float32]:
    """3.8 s: "I was charged twice and I want to speak to a real person, please"."""
    path = Path(audio_models.__file__).parent / "weights" / "selftest.wav"
    with wave.open(str(path)) as clip:
        pcm = np.frombuffer(clip.readframes(clip.getnframes()), "<i2")
    return pcm.astype(np.float32) / np.float32(32768)


@pytest.fixture(scope="session")
def call_chunks(speech: NDArray[np.float32]) -> list[Chunk]:
    """(at_ms, pcm, voiced, dBFS): 0.6 s of silence, the speech, 1.2 s of silence, and all that once more."""
    once = np.concatenate([np.zeros(9_600, np.float32), speech, np.zeros(19_200, np.float32)])
    samples = np.concatenate([once, once])
    return chunks_of(samples)


def chunks_of(samples: NDArray[np.float32]) -> list[Chunk]:
    pcm = (samples * 32767).astype("<i2").tobytes()
    detector = load_voice_detector()
    found = []
    for at in range(0, len(pcm) // 640 * 640, 640):
        piece = pcm[at : at + 640]
        level = float(np.sqrt(np.mean(np.frombuffer(piece, "<i2").astype(float) ** 2))) / 32768
        dbfs = max(-96, round(20 * np.log10(max(level, 1e-5))))
        found.append((at // 32, piece, detector.voiced(piece), dbfs))
    return found
