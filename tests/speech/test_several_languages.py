"""A Whisper of several languages through recognition, from the model's own answer to what is not scored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from audio_models.api import ANY_LANGUAGE, DecodeRequest, Transcript, UnsupportedLanguage
from audio_models.whisper import WhisperTranscriber
from tests.speech.test_analyze import write
from tests.support.multilingual_whisper import multilingual_whisper
from voicewatch.settings import Settings, SpeechSettings
from voicewatch.speech.analyze import analyze

Samples = NDArray[np.float32]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> WhisperTranscriber:
    return WhisperTranscriber(str(multilingual_whisper(tmp_path_factory.mktemp("whisper"))))


def heard(model: WhisperTranscriber, *requests: DecodeRequest) -> list[Transcript]:
    return model.transcribe_batch(list(requests))


def test_the_language_is_the_models_answer_only_where_it_was_asked_for(
    model: WhisperTranscriber, speech: Samples
) -> None:
    asked, told = heard(model, DecodeRequest(speech, ANY_LANGUAGE), DecodeRequest(speech, "es-MX"))
    assert asked.language == "de"
    assert asked.language_probability is not None
    assert asked.language_probability > 0.9
    assert (told.language, told.language_probability) == ("", None)


def test_a_language_nobody_knows_is_refused_by_name(model: WhisperTranscriber, speech: Samples) -> None:
    with pytest.raises(UnsupportedLanguage, match="tlh"):
        heard(model, DecodeRequest(speech, "tlh"))


def test_a_calls_language_is_found_kept_and_not_scored(
    model: WhisperTranscriber, speech: Samples, tmp_path: Path
) -> None:
    said = (np.tile(np.append(speech, np.zeros(24_000, np.float32)), 4) * 32767).astype(np.int16)
    recording = write(tmp_path / "call.wav", said[None, :], "pcm_s16le")
    settings = Settings(speech=SpeechSettings(language="auto"))
    told = analyze(recording, ("customer",), None, settings, engine=model)
    assert told["utterances"], "nonsense is text too"
    assert {one["language"] for one in told["utterances"]} == {"de"}
    for one in told["utterances"]:
        assert one["sentiment"] is None
        assert "unsupported_language" in one["not_scored"]["sentiment"]
