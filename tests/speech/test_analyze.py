"""Recordings of every kind through `voicewatch analyze`'s function."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from audio_models.api import BUNDLED_MODEL
from audio_models.scripted import ScriptedTranscriber
from voicewatch.core.rules import BadRule
from voicewatch.settings import Settings, SpeechSettings
from voicewatch.speech.analyze import analyze
from voicewatch.speech.audio_file import UnreadableAudio

WORDS = ["let", "me", "speak", "to", "a", "real", "person", "please"]
Samples = NDArray[np.float32]


@pytest.fixture(scope="session")
def two_legs(speech: Samples) -> NDArray[np.int16]:
    """The customer speaks at 0.5 s, the AI at 5.5 s; shape [2, n]."""
    legs = np.zeros((2, 11 * 16_000), np.float32)
    legs[0, 8_000 : 8_000 + len(speech)] = speech
    legs[1, 88_000 : 88_000 + len(speech)] = speech
    return (legs * 32767).astype(np.int16)


def write(path: Path, samples: NDArray[np.int16], codec: str, rate_hz: int = 16_000) -> Path:
    with av.open(str(path), "w") as container:
        layout = {1: "mono", 2: "stereo", 4: "quad"}[len(samples)]
        stream = container.add_stream(codec, rate=rate_hz, layout=layout)
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples.T.reshape(1, -1)), format="s16", layout=layout
        )
        frame.sample_rate = 16_000
        resampler = av.AudioResampler(stream.format.name, layout, rate_hz, stream.frame_size or None)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            part.pts = None
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return path


def run(path: Path, roles: tuple[str, ...] = ("customer", "ai"), **options: Any) -> dict[str, Any]:
    engine = options.pop("engine", None) or ScriptedTranscriber(WORDS)
    return analyze(path, roles, options.pop("rules", None), Settings(), engine=engine, **options)


@pytest.mark.parametrize(
    ("name", "codec", "rate_hz"),
    [
        ("call.wav", "pcm_s16le", 16_000),
        ("call-8k.wav", "pcm_s16le", 8_000),
        ("call-48k.flac", "flac", 48_000),
        ("call.opus", "libopus", 48_000),
        ("call.ogg", "libopus", 48_000),
        ("call.mp3", "libmp3lame", 44_100),
    ],
)
def test_two_channels_of_any_format_are_two_legs(
    tmp_path: Path, two_legs: NDArray[np.int16], name: str, codec: str, rate_hz: int
) -> None:
    result = run(write(tmp_path / name, two_legs, codec, rate_hz))
    assert [(one["leg"], one["role"]) for one in result["utterances"]] == [
        ("customer", "customer"),
        ("ai", "ai"),
    ]
    first, second = result["utterances"]
    assert first["text"] == " ".join(WORDS)
    assert first["start_ms"] == pytest.approx(720, abs=80)
    assert second["start_ms"] == pytest.approx(5_720, abs=80)
    assert result["duration_ms"] == pytest.approx(11_000, abs=80)
    assert [one["leg"] for one in result["speech"]] == ["customer", "ai"]
    json.dumps(result)


def test_the_contract(tmp_path: Path, two_legs: NDArray[np.int16]) -> None:
    path = write(tmp_path / "call.wav", two_legs, "pcm_s16le")
    settings = Settings(speech=SpeechSettings(model=BUNDLED_MODEL))
    result = analyze(path, ["customer", "ai"], None, settings)
    assert result.keys() == {
        "schema", "audio", "duration_ms", "engine", "utterances", "speech", "alerts", "summary"
    }  # fmt: skip
    assert result["engine"].keys() == {"vad", "asr", "asr_model", "sentiment", "uncertainty"}
    assert result["engine"]["asr_model"] == BUNDLED_MODEL
    utterance = result["utterances"][0]
    assert {"id", "leg", "role", "start_ms", "end_ms", "text", "language", "words"} <= utterance.keys()
    assert utterance["sentiment"].keys() == {"score", "label", "confidence"}
    assert utterance["uncertainty"].keys() == {"score", "recognition", "speaker", "dialogue"}
    assert 0 < utterance["uncertainty"]["recognition"] < 1
    assert utterance["words"][0].keys() == {"text", "start_ms", "end_ms", "probability"}
    assert all(0 < word["probability"] <= 1 for word in utterance["words"])
    assert result["summary"]["utterances"] == 2
    assert analyze(path, ["customer", "ai"], None, settings) == result, "the same file, the same result"


def test_rules_judge_what_was_said(tmp_path: Path, two_legs: NDArray[np.int16]) -> None:
    result = run(write(tmp_path / "call.wav", two_legs, "pcm_s16le"))
    alert = next(one for one in result["alerts"] if one["rule"] == "asks_for_human")
    assert alert.keys() == {"rule", "severity", "at_ms", "utterance_ids", "evidence"}
    assert alert["utterance_ids"] == [result["utterances"][0]["id"]]
    with pytest.raises(BadRule):
        run(tmp_path / "call.wav", rules="[[rule]]\nname = 3")


def test_feeding_at_the_speed_of_speech_changes_nothing(tmp_path: Path, two_legs: NDArray[np.int16]) -> None:
    path = write(tmp_path / "call.wav", two_legs[:, : 5 * 16_000], "pcm_s16le")
    assert run(path, realtime=True) == run(path)


def test_one_channel_is_one_leg(tmp_path: Path, two_legs: NDArray[np.int16]) -> None:
    result = run(write(tmp_path / "call.wav", two_legs[:1], "pcm_s16le"))
    assert {one["leg"] for one in result["utterances"]} == {"customer"}


def test_what_the_recogniser_fails_on_is_counted_as_a_gap(
    tmp_path: Path, two_legs: NDArray[np.int16]
) -> None:
    def fail() -> None:
        raise RuntimeError("out of order")

    engine = ScriptedTranscriber(WORDS, before=fail)
    result = run(write(tmp_path / "call.wav", two_legs, "pcm_s16le"), engine=engine)
    assert result["utterances"] == []
    assert len(result["speech"]) == 2
    assert result["summary"]["transcript_gaps_ms"] > 6_000


@pytest.mark.parametrize(
    ("content", "roles", "message"),
    [
        (b"not a recording at all", ("customer", "ai"), "give WAV, FLAC, Ogg, Opus or MP3"),
        (b"", ("customer", "ai"), "give WAV, FLAC, Ogg, Opus or MP3"),
    ],
)
def test_what_is_no_recording_is_said_plainly(
    tmp_path: Path, content: bytes, roles: tuple[str, ...], message: str
) -> None:
    path = tmp_path / "call.wav"
    path.write_bytes(content)
    with pytest.raises(UnreadableAudio, match=message):
        run(path, roles)


def test_wrong_roles_and_channels_name_the_remedy(tmp_path: Path, two_legs: NDArray[np.int16]) -> None:
    path = write(tmp_path / "call.wav", two_legs, "pcm_s16le")
    with pytest.raises(ValueError, match="--roles customer,ai"):
        run(path, ("customer",))
    with pytest.raises(ValueError, match="unknown role 'robot'; known: customer, ai"):
        run(path, ("customer", "robot"))
    with pytest.raises(FileNotFoundError):
        run(tmp_path / "missing.wav")
    four = write(tmp_path / "four.wav", np.concatenate([two_legs, two_legs]), "pcm_s16le")
    with pytest.raises(UnreadableAudio, match="4 channels"):
        run(four)
