"""Silero as it is computed here, against onnxruntime; and many legs at once through the whole detection."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from audio_models import silero
from audio_models.api import Asked, LegMemory, MissingModel, load_speech_judge
from audio_models.silero import ASSET, WINDOW, SileroJudge
from tests.speech.conftest import Chunk as Heard
from voicewatch.speech.detection import Chunk, Detection, LegDetection

Samples = NDArray[np.float32]


def windows(samples: Samples) -> Samples:
    return np.stack([samples[end - WINDOW : end] for end in range(WINDOW, len(samples), 640)])


def test_silero_is_silero(speech: Samples) -> None:
    package = find_spec("faster_whisper")
    assert package is not None
    assert package.origin is not None
    session = onnxruntime.InferenceSession(str(Path(package.origin).parent / "assets" / ASSET))
    state = np.zeros((1, 1, 128), np.float32)
    given = windows(speech)
    wanted = session.run(None, {"input": given, "h": state, "c": state})[0]
    heard = SileroJudge().judge([Asked(LegMemory(), given)])[0]
    assert np.abs(wanted - np.array(heard)).max() < 1e-5
    assert max(heard) > 0.9
    assert min(heard) < 0.1


def test_legs_asked_together_are_answered_as_if_alone(speech: Samples) -> None:
    judge = SileroJudge()
    parts = [windows(speech[at:])[:count] for at, count in ((0, 9), (12_000, 4), (24_000, 1))]
    alone = [judge.judge([Asked(LegMemory(), part)])[0] for part in parts]
    memories = [LegMemory() for _ in parts]
    firsts = judge.judge([Asked(memory, part[:1]) for memory, part in zip(memories, parts, strict=True)])
    rest = judge.judge(
        [Asked(memory, part[1:]) for memory, part in zip(memories[:2], parts[:2], strict=True)]
    )
    for wanted, first, later in zip(alone, firsts, [*rest, []], strict=True):
        assert first + later == pytest.approx(wanted, abs=1e-5)
    assert judge.judge([]) == []


def test_a_missing_or_strange_asset_is_named_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(silero, "ASSET", "another.onnx")
    silero._net.cache_clear()
    with pytest.raises(MissingModel, match=r'speech.detector = "webrtcvad"'):
        load_speech_judge()
    silero._net.cache_clear()
    with pytest.raises(MissingModel, match="known: silero"):
        load_speech_judge("ears")
    assert load_speech_judge("webrtcvad") is None


def chunks(heard: list[Heard], gate: bool | None = None) -> list[Chunk]:
    return [Chunk(at_ms, pcm, voiced if gate is None else gate, dbfs) for at_ms, pcm, voiced, dbfs in heard]


def voiced(came: list[Chunk]) -> list[int]:
    return [one.at_ms for one in came if one.voiced]


def test_the_pace_at_which_chunks_come_changes_nothing(call_chunks: list[Heard]) -> None:
    given = chunks(call_chunks)
    one_by_one, at_once = LegDetection(), LegDetection()
    detection = Detection(load_speech_judge())
    slowly = [found for chunk in given for _, found in detection.hear([(one_by_one, chunk)])]
    slowly += detection.finish(one_by_one)
    quickly = [found for _, found in detection.hear([(at_once, chunk) for chunk in given])]
    quickly += detection.finish(at_once)
    assert slowly == quickly
    assert [one.at_ms for one in quickly] == [one.at_ms for one in given]
    assert b"".join(one.pcm for one in quickly) == b"".join(one.pcm for one in given)
    # 3.8 s of speech at 0.6 and at 5.6 s; the soft "I" at the beginning is within the pre-roll
    assert voiced(quickly)[0] == pytest.approx(820, abs=120)
    assert voiced(quickly)[-1] == pytest.approx(10_000, abs=120)
    assert not [at_ms for at_ms in voiced(quickly) if 4_600 < at_ms < 5_600]


def test_old_chunks_are_ignored_and_a_lost_one_is_no_silence(call_chunks: list[Heard]) -> None:
    given = chunks(call_chunks)[:220]
    lossy = [chunk for number, chunk in enumerate(given) if number % 25]
    leg, detection = LegDetection(), Detection(load_speech_judge())
    came = [(leg, chunk) for chunk in [*lossy[:100], *lossy[60:]]]
    found = [chunk for _, chunk in detection.hear(came)] + detection.finish(leg)
    assert [one.at_ms for one in found] == [one.at_ms for one in lossy]
    assert len(voiced(found)) > 0.9 * len(lossy) * 3.5 / 4.4


def test_without_a_judge_the_gate_stands(call_chunks: list[Heard]) -> None:
    given = chunks(call_chunks)
    leg = LegDetection()
    assert [chunk for _, chunk in Detection(None).hear([(leg, one) for one in given])] == given


def test_what_only_sounds_makes_no_speech() -> None:
    time_s = np.arange(5 * 16_000) / 16_000
    ringing = 0.1 * (np.sin(2 * np.pi * 440 * time_s) + np.sin(2 * np.pi * 480 * time_s)) * (time_s % 3 < 2)
    hiss = np.random.default_rng(3).normal(0, 0.05, len(time_s))
    detection = Detection(load_speech_judge())
    for sound in (ringing, hiss):
        pcm = (sound * 32767).astype("<i2").tobytes()
        leg = LegDetection()
        came = [(leg, Chunk(at // 32, pcm[at : at + 640], True, -20)) for at in range(0, len(pcm), 640)]
        assert voiced([chunk for _, chunk in detection.hear(came)] + detection.finish(leg)) == []
