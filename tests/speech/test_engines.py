"""What every recogniser must keep to, tried on each one for real."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from audio_models.api import (
    ANY_LANGUAGE,
    BUNDLED_FOLDER,
    BUNDLED_MODEL,
    BatchTranscriber,
    DecodeRequest,
    MissingModel,
    Transcriber,
    Transcript,
    UnsupportedLanguage,
    cues_of_phrase,
    load_transcriber,
    load_voice_detector,
)
from audio_models.scripted import ScriptedTranscriber
from audio_models.spotting import urgent
from audio_models.whisper import BUCKETS, WhisperTranscriber
from voicewatch.demo.scenarios import clip_samples, load_scenario

Samples = NDArray[np.float32]
ENGINES = ["scripted", "pocketsphinx", "whisper"]


@pytest.fixture(scope="module")
def whisper() -> WhisperTranscriber:
    made = load_transcriber("auto", BUNDLED_MODEL)
    assert isinstance(made, WhisperTranscriber)
    return made


@pytest.fixture(scope="module")
def sphinx() -> Transcriber:
    return load_transcriber()


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Transcriber:
    if request.param == "scripted":
        return ScriptedTranscriber(["i", "was", "charged", "twice"])
    found: Transcriber = request.getfixturevalue("whisper" if request.param == "whisper" else "sphinx")
    return found


def noise(kind: str) -> Samples:
    random = np.random.default_rng(7)
    count = 3 * 16_000
    time_s = np.arange(count) / 16_000
    made = {
        "silence": np.zeros(count),
        "hiss": random.normal(0, 0.05, count),
        "tone": 0.3 * np.sin(2 * np.pi * 440 * time_s),
        "ringing": 0.2
        * (np.sin(2 * np.pi * 440 * time_s) + np.sin(2 * np.pi * 480 * time_s))
        * (time_s % 2 < 1),
        "dial tone": 0.2 * (np.sin(2 * np.pi * 350 * time_s) + np.sin(2 * np.pi * 440 * time_s)),
        "nothing": np.zeros(0),
    }
    return made[kind].astype(np.float32)


@pytest.mark.parametrize("kind", ["silence", "hiss", "tone", "ringing", "dial tone", "nothing"])
def test_nobody_speaking_gives_no_words(engine: Transcriber, kind: str) -> None:
    for final in (True, False):
        transcript = engine.transcribe(noise(kind), final=final)
        assert transcript.text == ""
        assert transcript.words == ()
        assert transcript.suspect


def test_words_are_in_order_inside_the_audio_and_make_the_text(engine: Transcriber, speech: Samples) -> None:
    transcript = engine.transcribe(speech)
    assert " ".join(word.text for word in transcript.words) == transcript.text
    edges = [edge for word in transcript.words for edge in (word.start_ms, word.end_ms)]
    assert edges == sorted(edges)
    assert edges[0] >= 0
    assert edges[-1] <= len(speech) // 16 + 1
    assert all(word.probability is None or 0 <= word.probability <= 1 for word in transcript.words)
    assert "charged" in transcript.text


def test_the_same_audio_gives_the_same_words_whatever_came_between(
    engine: Transcriber, speech: Samples
) -> None:
    before = engine.transcribe(speech)
    engine.transcribe(speech[20_000:])
    engine.transcribe(noise("hiss"))
    assert engine.transcribe(speech) == before


def test_it_may_be_called_from_several_threads(engine: Transcriber, speech: Samples) -> None:
    alone = engine.transcribe(speech).text
    heard: list[str] = []
    threads = [
        threading.Thread(target=lambda: heard.append(engine.transcribe(speech).text)) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert heard == [alone] * 3


def test_a_forced_prefix_is_repeated(whisper: WhisperTranscriber, speech: Samples) -> None:
    transcript = whisper.transcribe(speech, prefix=["I", "was", "charged"], final=False)
    assert transcript.text.split()[:3] == ["I", "was", "charged"]


def test_short_windows_are_used_only_where_the_encoder_output_cannot_pass_for_mel(
    whisper: WhisperTranscriber, speech: Samples
) -> None:
    assert not {159, 160} & set(BUCKETS)
    assert whisper.bucketed
    for length_ms in range(100, 2_000, 300):
        whisper.transcribe(speech[: length_ms * 16])


def test_too_much_audio_at_once_is_refused(whisper: WhisperTranscriber) -> None:
    with pytest.raises(ValueError, match="at most 30000 ms"):
        whisper.transcribe(np.zeros(31 * 16_000, np.float32))


def test_another_language_is_refused_not_guessed(sphinx: Transcriber, whisper: WhisperTranscriber) -> None:
    for engine in (sphinx, whisper):
        with pytest.raises(UnsupportedLanguage, match="English"):
            engine.transcribe(np.zeros(16_000, np.float32), language="de")


def test_without_a_model_it_is_pocketsphinx_and_says_so(sphinx: Transcriber) -> None:
    assert sphinx.low_fidelity
    assert "PocketSphinx" in sphinx.description


@pytest.mark.parametrize(
    ("engine", "model", "remedy"),
    [
        ("faster-whisper", "", "speech.model is empty"),
        ("auto", "/no/such/folder", "there is no folder"),
        ("auto", "no-such-model", "voicewatch models pull"),
        ("auto", str(Path(__file__).parent), "model.bin"),
        ("telepathy", "", "known: auto"),
    ],
)
def test_a_missing_model_is_named_with_its_remedy(engine: str, model: str, remedy: str) -> None:
    with pytest.raises(MissingModel, match=remedy):
        load_transcriber(engine, model)


@pytest.mark.parametrize("file", ["model.bin", "config.json", "tokenizer.json", "vocabulary.json"])
def test_a_file_of_a_whisper_that_is_cut_off_is_named_with_the_remedy(tmp_path: Path, file: str) -> None:
    folder = tmp_path / "whisper"
    shutil.copytree(BUNDLED_FOLDER, folder)
    whole = (folder / file).read_bytes()
    (folder / file).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(MissingModel, match=r"damaged or cut off: fetch, convert or install it again"):
        load_transcriber("faster-whisper", str(folder))


def test_the_voice_detector_wants_20_ms() -> None:
    detector = load_voice_detector()
    assert detector.voiced(bytes(640)) is False
    with pytest.raises(ValueError, match="640 bytes"):
        detector.voiced(bytes(100))


# ---------------------------------------------------------------- several at once


def test_a_batch_hears_what_each_would_alone(whisper: Transcriber, speech: NDArray[np.float32]) -> None:
    assert isinstance(whisper, BatchTranscriber)
    requests = [
        DecodeRequest(speech),
        DecodeRequest(np.roll(speech, 800), prefix=("I", "was"), final=False),
        DecodeRequest(speech[:32_000]),
        DecodeRequest(np.zeros(16_000, np.float32)),
        DecodeRequest(np.roll(speech, 1_600)),
        DecodeRequest(speech[8_000:], final=False),
    ]
    alone = [whisper.transcribe(one.samples, prefix=one.prefix, final=one.final) for one in requests]
    assert whisper.transcribe_batch(requests) == alone


def test_no_window_has_the_length_that_looks_like_a_spectrogram(whisper: Transcriber) -> None:
    assert isinstance(whisper, BatchTranscriber)
    windows = {whisper.window_of(length_ms) for length_ms in range(20, 30_001, 20)}
    assert not {frames // 2 for frames in windows} & {80, 128}
    assert max(windows) == 3_000


def test_a_language_may_be_left_to_the_engine(whisper: Transcriber, speech: NDArray[np.float32]) -> None:
    found, told = whisper.transcribe(speech, language=ANY_LANGUAGE), whisper.transcribe(speech)
    assert (found.text, found.language) == (told.text, "en")


def test_urgent_phrases_are_spotted_beside_the_words(sphinx: Transcriber) -> None:
    """Lines of the demonstration, one of which asks for a person."""
    once = {line.id: line for line in load_scenario("once").lines}

    def heard(line: str) -> Transcript:
        return sphinx.transcribe(clip_samples(once[line]).astype(np.float32) / 32768)

    one = max(heard("ask-human").spotted, key=lambda hit: hit.confidence)
    assert one.phrase == "speak to a human"
    assert 0.5 <= one.confidence <= 1
    assert 0 < one.start_ms < one.end_ms
    assert heard("charged").spotted == ()


def test_a_spotted_phrase_speaks_for_what_its_words_mean() -> None:
    assert cues_of_phrase("speak to a human", "customer").keys() >= {"urgent", "wants_human"}
    assert cues_of_phrase("cancel my account", "customer").keys() >= {"urgent", "cancel"}
    assert cues_of_phrase("speak to a human", "agent") == {}


def test_only_what_can_be_said_and_is_long_enough_is_listened_for() -> None:
    lengths = {"call": 3, "the": 2, "police": 5, "now": 2}
    found = urgent(["Call the police!", "now", "call the xyzzy", "call the police"], lengths.get)
    assert [one.phrase for one in found] == ["call the police"]
    assert found[0].confidence(0.5) is None
    assert found[0].confidence(0.95) == 1.0
