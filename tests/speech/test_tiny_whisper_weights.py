"""The committed small Whisper loads in faster-whisper unchanged and understands the demonstration calls."""

from __future__ import annotations

import re
from pathlib import Path

import jiwer
import numpy as np
import pytest
from faster_whisper import WhisperModel

from voicewatch.demo.scenarios import Line, clip_samples, list_scenarios, load_scenario

FOLDER = Path(__file__).parents[2] / "audio_models" / "weights" / "tiny-whisper"
FOLDER_LIMIT_BYTES = 8_000_000
RATE_HZ = 16_000
BUCKETS = (300, 400, 500, 700, 1000)  # mel steps of 10 ms

Audio = np.ndarray


@pytest.fixture(scope="module")
def model() -> WhisperModel:
    return WhisperModel(str(FOLDER), device="cpu", compute_type="int8", cpu_threads=1, local_files_only=True)


def normalised(text: str) -> str:
    return " ".join(re.sub(r"[^a-z' ]", " ", text.lower()).split())


def heard(line: Line) -> Audio:
    return clip_samples(line).astype(np.float32) / 32768


def generate(model: WhisperModel, samples: Audio) -> tuple[str, float]:
    """Text and no-speech probability by a window just long enough."""
    mel = model.feature_extractor(samples)[:, :-1]
    window = next(bucket for bucket in BUCKETS if bucket >= mel.shape[1] + 50)
    encoded = model.encode(np.pad(mel, ((0, 0), (0, window - mel.shape[1]))))
    token = model.hf_tokenizer.token_to_id
    prompt = [token("<|startoftranscript|>"), token("<|notimestamps|>")]
    result = model.model.generate(encoded, [prompt], beam_size=1, max_length=100, return_no_speech_prob=True)[
        0
    ]
    written = [number for number in result.sequences_ids[0] if number < token("<|endoftext|>")]
    return model.hf_tokenizer.decode(written), result.no_speech_prob


def test_the_folder_is_small_and_explained() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= FOLDER_LIMIT_BYTES
    card = (FOLDER / "MODEL_CARD.md").read_text()
    for word in ("Training", "held-out", "word error rate", "Not for"):
        assert word.lower() in card.lower()


def word_error_rate(lines: list[Line], written: list[str]) -> float:
    return float(jiwer.wer([normalised(line.text) for line in lines], [normalised(text) for text in written]))


def customer_lines(*names: str) -> list[Line]:
    return [line for name in names for line in load_scenario(name).lines_of("customer")]


@pytest.mark.parametrize("names", [["once"], list_scenarios()], ids=["once", "all"])
def test_customers_are_understood_in_short_windows(model: WhisperModel, names: list[str]) -> None:
    lines = customer_lines(*names)
    written = [generate(model, heard(line))[0] for line in lines]
    assert word_error_rate(lines, written) <= 0.05, written


def test_the_padded_window_of_transcribe_works_too(model: WhisperModel) -> None:
    lines = customer_lines("once")
    written = []
    for line in lines:
        segments, _ = model.transcribe(heard(line), beam_size=1, temperature=0, without_timestamps=True)
        written.append(" ".join(segment.text for segment in segments))
    assert word_error_rate(lines, written) <= 0.15, written


@pytest.mark.parametrize("level", [0.0, 0.001, 0.05])
def test_silence_and_noise_are_no_speech(model: WhisperModel, level: float) -> None:
    noise = level * np.random.default_rng(3).standard_normal(2 * RATE_HZ).astype(np.float32)
    assert generate(model, noise)[1] > 0.6
    speech = heard(load_scenario("once").lines_of("customer")[0])
    assert generate(model, speech)[1] < 0.1


def test_word_times_are_ordered_and_follow_the_speech(model: WhisperModel) -> None:
    lead_s = 0.5
    line = next(line for line in load_scenario("once").lines if line.id == "ask-human")
    samples = np.pad(heard(line), (int(lead_s * RATE_HZ), RATE_HZ // 2))
    segments, _ = model.transcribe(samples, beam_size=1, temperature=0, word_timestamps=True)
    words = [word for segment in segments for word in segment.words or ()]
    times = [moment for word in words for moment in (word.start, word.end)]
    assert [normalised(word.word) for word in words] == normalised(line.text).split()
    assert times == sorted(times)
    # Alignment gives the silence before the first word to that word, so its own start says little.
    assert words[0].end == pytest.approx(lead_s + 0.25, abs=0.25)
    assert words[-1].end == pytest.approx(len(samples) / RATE_HZ - 0.5, abs=0.35)
