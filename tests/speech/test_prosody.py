"""The caller's voice: what moves it, what must not, and whose is never judged."""

import json
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from audio_models.api import (
    FUSED_FROM,
    MissingModel,
    NotACustomer,
    ScoreRequest,
    Scores,
    VoiceNotJudged,
    load_caller_voice,
)
from audio_models.arousal import load_model
from audio_models.prosody import FEATURES, measure
from audio_models.scripted import ScriptedTranscriber
from voicewatch.core.events import Role, UtteranceFinal
from voicewatch.settings import Settings, SpeechSettings
from voicewatch.speech.analyze import analyze
from voicewatch.speech.facts import Understanding
from voicewatch.speech.voice_files import VoiceFiles
from voicewatch.speech.voices import Spoken, Voices, score_spoken

Audio = NDArray[np.float32]
RATE_HZ = 16_000


def sung(pitch_hz: float, seconds: float = 2.0, vibrato: float = 0.03, tilt: float = 1.2) -> Audio:
    """A buzz of many harmonics in syllables, four a second, as a voice without words has it."""
    at_s = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    phase = 2 * np.pi * np.cumsum(pitch_hz * (1 + vibrato * np.sin(2 * np.pi * 1.3 * at_s))) / RATE_HZ
    harmonics = range(1, int(3600 / pitch_hz))
    buzz = np.sum([np.sin(number * phase) / number**tilt for number in harmonics], axis=0)
    syllables = 0.05 + np.clip(np.sin(2 * np.pi * 4 * at_s), 0, 1)
    noise = np.random.default_rng(1).normal(0, 1e-3, len(at_s))
    return np.asarray(0.1 * buzz * syllables + noise, np.float32)


def telephone(samples: Audio) -> Audio:
    """300 to 3400 Hz."""
    spectrum = np.fft.rfft(samples)
    hz = np.fft.rfftfreq(len(samples), 1 / RATE_HZ)
    spectrum[(hz < 300) | (hz > 3400)] = 0
    return np.asarray(np.fft.irfft(spectrum, len(samples)), np.float32)


def change_of(samples: Audio, *before: Audio) -> float:
    voice = load_caller_voice("customer")
    for one in before:
        voice.judge(one)
    return voice.judge(samples).change


def test_pitch_is_found_without_its_fundamental() -> None:
    for pitch_hz in (90.0, 120.0, 180.0, 240.0, 330.0):
        found = measure(telephone(sung(pitch_hz)))
        assert found is not None
        semitones = dict(zip(FEATURES, found.values, strict=True))["pitch"]
        assert 100 * 2 ** (semitones / 12) == pytest.approx(pitch_hz, rel=0.03)


def test_syllables_are_counted() -> None:
    found = measure(sung(150.0, 3.0))
    assert found is not None
    assert dict(zip(FEATURES, found.values, strict=True))["rate"] * found.speech_s == pytest.approx(12, abs=1)


@given(gain_db=st.floats(-24, 12))
@settings(max_examples=12, deadline=None)
def test_gain_moves_nothing(gain_db: float) -> None:
    spoken = sung(140.0)
    louder = np.asarray(np.round(spoken * 10 ** (gain_db / 20) * 32767) / 32767, np.float32)
    assert abs(change_of(louder) - change_of(spoken)) < 0.05


def test_the_telephone_takes_nothing_away(speech: Audio) -> None:
    assert abs(change_of(telephone(speech)) - change_of(speech)) < 0.05


def sped(samples: Audio, factor: float) -> Audio:
    """Higher and faster by this factor."""
    at = np.arange(0, len(samples) - 1, factor)
    return np.interp(at, np.arange(len(samples)), samples).astype(np.float32)


def test_higher_and_faster_is_more_aroused(speech: Audio) -> None:
    voice = load_caller_voice("customer")
    for _ in range(3):
        voice.judge(speech)
    again, higher, lower = (voice.judge(sped(speech, factor)) for factor in (1.0, 1.35, 0.85))
    assert lower.change < again.change < 0.15 < higher.change <= 1
    assert abs(again.change) < 0.15
    assert all(" +" in said for said in higher.evidence)
    assert all(" -" in said for said in lower.evidence)


def test_a_high_voice_is_not_an_excited_one_once_it_is_known(speech: Audio) -> None:
    for factor in (0.85, 1.0, 1.3):
        spoken = sped(speech, factor)
        assert abs(change_of(spoken, spoken, spoken, spoken)) < 0.25


def test_little_is_believed_of_a_caller_not_known_of_noise_and_of_clipping() -> None:
    voice, spoken = load_caller_voice("customer"), sung(150.0)
    unknown = voice.judge(spoken).confidence
    for _ in range(4):
        voice.judge(spoken)
    known = voice.judge(spoken).confidence
    noise = np.random.default_rng(2).normal(0, 0.02, len(spoken)).astype(np.float32)
    assert unknown < FUSED_FROM < known
    assert voice.judge(spoken + noise).confidence < known
    assert voice.judge(np.clip(8 * spoken, -0.3, 0.3)).confidence < known


@pytest.mark.parametrize(
    "samples",
    [np.zeros(48_000), np.zeros(0), sung(150.0)[:1600], np.random.default_rng(3).normal(0, 0.1, 48_000)],
    ids=["silence", "nothing", "0.1 s", "noise"],
)
def test_what_is_no_voice_is_not_judged(samples: Audio) -> None:
    with pytest.raises(VoiceNotJudged, match="too little voice"):
        load_caller_voice("customer").judge(samples.astype(np.float32))


# ---------------------------------------------------------------- whose


@pytest.mark.parametrize("role", ["agent", "supervisor", "ai", "", "Customer"])
def test_nobody_but_a_customer_has_a_voice_to_judge(role: str) -> None:
    with pytest.raises(NotACustomer):
        load_caller_voice(role)


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.CUSTOMER])
def test_no_other_seat_gets_one_in_a_call(role: Role) -> None:
    assert Voices().spoken("call", "seat", role, sung(150.0)) is None
    with pytest.raises(VoiceNotJudged, match="never judged"):
        VoiceFiles().spoken(Path("any.wav"), role.value, "call")


def test_a_deployment_may_do_without() -> None:
    assert Voices(wanted=False).spoken("call", "seat", Role.CUSTOMER, sung(150.0)) is None


def test_damaged_weights_are_found_before_anybody_speaks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_off = tmp_path / "model.json"
    cut_off.write_text('{"features": [')
    monkeypatch.setattr("audio_models.arousal.load_model", lambda: load_model(cut_off))
    with pytest.raises(MissingModel, match=r"model\.json cannot be read.*install VoiceWatch again"):
        Voices()
    assert Voices(wanted=False).spoken("call", "seat", Role.CUSTOMER, sung(150.0)) is None


def test_a_seat_keeps_its_voice_until_the_call_is_over() -> None:
    voices, spoken = Voices(), sung(150.0)
    first = voices.spoken("call", "seat", Role.CUSTOMER, spoken)
    again = voices.spoken("call", "seat", Role.CUSTOMER, spoken)
    assert first is not None
    assert again is not None
    assert again.voice is first.voice
    voices.forget("call")
    anew = voices.spoken("call", "seat", Role.CUSTOMER, spoken)
    assert anew is not None
    assert anew.voice is not first.voice


# ---------------------------------------------------------------- with words


class Listening:
    """A scorer that keeps what it was asked."""

    sentiment_name = uncertainty_name = "listening"

    def __init__(self) -> None:
        self.asked: list[ScoreRequest] = []

    def score(self, request: ScoreRequest) -> Scores:
        return self.score_batch([request])[0]

    def score_batch(self, requests: list[ScoreRequest]) -> list[Scores]:  # type: ignore[override]
        self.asked += requests
        return [Scores(not_scored={"sentiment": "not asked"}) for _ in requests]


def test_words_are_judged_with_a_voice_only_when_it_is_known() -> None:
    scorer, voice = Listening(), load_caller_voice("customer")
    spoken = Spoken(voice, sung(150.0))
    silent = replace(spoken, samples=np.zeros(16_000, np.float32))
    asked = [(ScoreRequest("yes"), one) for one in (spoken, *[spoken] * 4, None, silent)]
    scores = score_spoken(scorer, asked)
    first, known, unspoken, unheard = scores[0], scores[4], scores[5], scores[6]
    assert scorer.asked[0].arousal_change is None
    assert first.arousal is not None
    assert known.arousal is not None
    assert scorer.asked[4].arousal_change == known.arousal.change
    assert unspoken.arousal is None
    assert "arousal" not in unspoken.not_scored
    assert unheard.not_scored == {"sentiment": "not asked", "arousal": "too little voice in it"}
    assert scorer.asked[6].arousal_change is None


def test_the_fact_says_what_moved() -> None:
    spoken = Voices().spoken("call", "seat", Role.CUSTOMER, sung(220.0, vibrato=0.08))
    final = UtteranceFinal(
        call_id="call", utterance_id="seat-0", seat_id="seat", role=Role.CUSTOMER, start_ms=0, end_ms=2_000,
        text="where is my order",
    )  # fmt: skip
    scored = Understanding(Listening()).scored(final, spoken)  # type: ignore[arg-type]
    assert scored.arousal is not None
    assert -1 <= scored.arousal.change <= 1
    [evidence] = [one for one in scored.evidence if one.kind == "voice"]
    assert evidence.value == scored.arousal.change
    assert evidence.quote == ""


def test_in_a_recording_only_the_customers_leg_has_it(tmp_path: Path, speech: Audio) -> None:
    words = ScriptedTranscriber(["let", "me", "speak", "to", "a", "person"])
    later = np.concatenate([np.zeros(5 * RATE_HZ, np.float32), speech])
    path = written(tmp_path / "call.wav", np.pad(speech, (0, 5 * RATE_HZ)), later)
    for other in ("ai", "agent"):
        found = analyze(path, ("customer", other), None, Settings(), engine=words)["utterances"]
        heard = {one["role"]: one["arousal"] for one in found}
        assert heard["customer"].keys() == {"change", "confidence"}
        assert heard[other] is None
        of_other = [one for said in found if said["role"] == other for one in said["evidence"]]
        assert all(one["kind"] != "voice" for one in of_other)
    switched_off = Settings(speech=SpeechSettings(voice=False))
    found = analyze(path, ("customer", "ai"), None, switched_off, engine=words)["utterances"]
    assert [one["arousal"] for one in found] == [None, None]


# ---------------------------------------------------------------- files and weights


def written(path: Path, *channels: Audio, rate_hz: int = RATE_HZ) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(channels))
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes((np.stack(channels, axis=1) * 32767).astype("<i2").tobytes())
    return path


def test_a_file_must_hold_one_voice(tmp_path: Path) -> None:
    files, one, other = VoiceFiles(), sung(120.0), sung(210.0)
    assert files.spoken(written(tmp_path / "twice.wav", one, one), "customer", "").samples.size
    with pytest.raises(VoiceNotJudged, match="two channels"):
        files.spoken(written(tmp_path / "two.wav", one, other), "customer", "")
    with pytest.raises(VoiceNotJudged, match="cannot be read"):
        files.spoken(tmp_path / "missing.wav", "customer", "")


def test_weights_are_small_and_theirs(tmp_path: Path) -> None:
    model = load_model()
    np.linalg.cholesky(model.between)
    np.linalg.cholesky(model.within)
    bad = tmp_path / "model.json"
    bad.write_text(json.dumps({"features": ["pitch"]}))
    with pytest.raises(MissingModel, match="other measures"):
        load_model(bad)
