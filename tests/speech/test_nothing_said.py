"""Where nobody speaks nothing is written: sounds of a telephone through the whole pipeline, with Whisper."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from audio_models.api import BUNDLED_MODEL, Transcriber, load_transcriber
from voicewatch.settings import Settings
from voicewatch.speech.analyze import analyze

Samples = NDArray[np.float64]
SECONDS = 12
TIME_S = np.arange(SECONDS * 16_000) / 16_000


def tone(*pitches_hz: float) -> Samples:
    return np.asarray(0.1 * sum(np.sin(2 * np.pi * pitch * TIME_S) for pitch in pitches_hz))


def melody() -> Samples:
    """A chord of decaying notes each half second."""
    pitch = np.array([262, 330, 392, 440, 349])[(TIME_S * 2).astype(int) % 5]
    return (
        0.2
        * np.exp(-4 * (TIME_S % 0.5))
        * (np.sin(2 * np.pi * pitch * TIME_S) + np.sin(3 * np.pi * pitch * TIME_S))
    )


SOUNDS = {
    "silence": np.zeros(len(TIME_S)),
    "hiss": np.random.default_rng(5).normal(0, 0.03, len(TIME_S)),
    "ringing": tone(440, 480) * (TIME_S % 6 < 2),
    "keys": tone(770, 1336) * (TIME_S % 0.3 < 0.12),
    "music": melody(),
}


@pytest.fixture(scope="module")
def whisper() -> Transcriber:
    return load_transcriber("auto", BUNDLED_MODEL)


def heard(path: Path, legs: list[Samples], engine: Transcriber, leg: str = "customer") -> list[str]:
    pcm = (np.stack(legs, axis=1) * 32767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(legs))
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(pcm.tobytes())
    result = analyze(path, ["customer", "ai"], None, Settings(), engine=engine)
    return [one["text"] for one in result["utterances"] if one["leg"] == leg]


@pytest.mark.parametrize("sound", SOUNDS)
def test_no_word_is_made_of_what_only_sounds(tmp_path: Path, whisper: Transcriber, sound: str) -> None:
    assert heard(tmp_path / "call.wav", [SOUNDS[sound]], whisper) == []


def test_the_ai_coming_back_is_not_the_customer(
    tmp_path: Path, whisper: Transcriber, speech: NDArray[np.float32]
) -> None:
    said = np.zeros(8 * 16_000)
    said[16_000 : 16_000 + len(speech)] = speech
    hiss = np.random.default_rng(8).normal(0, 0.0008, len(said))
    echo = 0.2 * np.roll(said, 180 * 16) + hiss
    assert heard(tmp_path / "echo.wav", [echo, said], whisper) == []
    customer = np.roll(said, 3_000 * 16)
    assert heard(tmp_path / "both.wav", [echo + customer, said], whisper) != [], "he speaks after it"
