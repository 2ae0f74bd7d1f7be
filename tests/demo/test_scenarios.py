"""The demonstration calls are complete, and their clips can be told apart by ear."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import correlate

from voicewatch.demo.scenarios import (
    CLIP_RATE_HZ,
    DEMO_FOLDER,
    SCENARIO_FOLDER,
    Line,
    Samples,
    ScenarioError,
    clip_samples,
    list_scenarios,
    load_scenario,
    read_scenario,
    render_two_channel,
)

CLIPS_LIMIT_BYTES = 2_000_000


@pytest.mark.parametrize("name", list_scenarios())
def test_every_line_has_a_clip_of_proper_length_and_level(name: str) -> None:
    for line in load_scenario(name).lines:
        samples = clip_samples(line)
        level_dbfs = 20 * np.log10(np.sqrt(np.mean((samples / 32768) ** 2)))
        assert 1.5 <= len(samples) / CLIP_RATE_HZ <= 5.0, line.id
        assert -23 <= level_dbfs <= -18, line.id
        assert np.abs(samples.astype(int)).max() < 32767, line.id


def test_once_tells_the_whole_story() -> None:
    once = load_scenario("once")
    moods = [line.mood for line in once.lines_of("customer", "ai")]
    assert moods[0] == "neutral"
    assert moods.count("negative") >= 3
    assert any("human" in line.text for line in once.lines_of("customer", "ai"))
    assert any("not sure" in line.text for line in once.lines_of("ai", "ai"))
    assert once.lines_of("agent", "agent")
    assert once.lines_of("supervisor", "coach")
    assert once.lines_of("supervisor", "barge")
    assert once.lines_of("ai", "handback")
    assert "goodbye" in once.lines[-1].text
    assert sum(len(clip_samples(line)) for line in once.lines) / CLIP_RATE_HZ < 55


def _spectrogram(samples: Samples) -> np.ndarray:
    chunks = samples[: len(samples) // 320 * 320].reshape(-1, 320).astype(float)
    power = np.abs(np.fft.rfft(chunks * np.hanning(320), axis=1))[:, 4:84] ** 2
    logs = np.log(power.reshape(len(power), 20, 4).sum(axis=2) + 1e3)
    return np.asarray(logs - logs.mean(axis=0))


def _likeness(heard: np.ndarray, clip: np.ndarray) -> float:
    """Best normalised correlation of a clip with any stretch of what was heard."""
    clip = clip[: len(heard)]
    products = correlate(heard, clip, mode="valid", method="fft")[:, 0]
    energy = np.concatenate([[0.0], np.cumsum((heard**2).sum(axis=1))])
    stretches = energy[len(clip) :] - energy[: -len(clip)]
    return float((products / np.sqrt(stretches * (clip**2).sum())).max())


def test_clips_of_a_call_are_told_apart_by_correlation() -> None:
    lines = load_scenario("once").lines
    clips = {line.id: _spectrogram(clip_samples(line)) for line in lines}

    def heard(line: Line) -> np.ndarray:
        noise = np.random.default_rng(1).normal(0, 100, len(clip_samples(line)) + 8000)
        noise[4000:-4000] += clip_samples(line)
        return _spectrogram(noise.astype(np.int16))

    for line in lines:
        sound = heard(line)
        likeness = {name: _likeness(sound, clip) for name, clip in clips.items()}
        own = likeness.pop(line.id)
        assert own > 0.7, line.id
        assert own > max(likeness.values()) + 0.2, line.id


def test_two_channels_hold_customer_left_and_answers_right() -> None:
    samples, rate_hz = render_two_channel(load_scenario("once"))
    assert rate_hz == CLIP_RATE_HZ
    assert samples.shape[1] == 2
    speaking = np.abs(samples.astype(int)) > 500
    assert not (speaking[:, 0] & speaking[:, 1]).any()
    assert speaking[:, 0].any()
    assert speaking[:, 1].any()


def test_clips_stay_small_and_none_is_left_over() -> None:
    files = set((DEMO_FOLDER / "clips").rglob("*.opus"))
    named = {line.clip_path for name in list_scenarios() for line in load_scenario(name).lines}
    assert files == named
    assert sum(path.stat().st_size for path in files) <= CLIPS_LIMIT_BYTES


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ScenarioError, match="choose one of: address_change"):
        load_scenario("../once")


@pytest.mark.parametrize(
    ("pattern", "replacement", "told"),
    [
        (r'role = "ai"', 'role = "robot"', r"lines\.0\.role"),
        (r'id = "charged"', 'id = "greeting"', "used more than once: greeting"),
        (r"clips/once/02", "clips/../../02", "must look like clips/"),
        (r'supervisor = "kal16"\n', "", r"add a voice under \[voices\] for: supervisor"),
        (r'name = "once"', 'name = "twice"', "name must be 'once'"),
        (r'title = "[^"]*"', "title = ", "cannot be read"),
    ],
)
def test_a_wrong_file_is_told_by_field(tmp_path: Path, pattern: str, replacement: str, told: str) -> None:
    text = (SCENARIO_FOLDER / "once.toml").read_text()
    path = tmp_path / "once.toml"
    path.write_text(re.sub(pattern, replacement, text, count=1))
    with pytest.raises(ScenarioError, match=told):
        read_scenario(path)


def test_a_missing_clip_names_the_remedy() -> None:
    line = load_scenario("once").lines[0].model_copy(update={"clip": "clips/once/none.opus"})
    with pytest.raises(ScenarioError, match="run scripts/make_speech"):
        clip_samples(line)
