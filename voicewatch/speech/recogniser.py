"""The recogniser that the settings name: one place that turns them into an engine."""

from __future__ import annotations

from audio_models.api import Transcriber, load_transcriber
from voicewatch.settings import SpeechSettings


def load_recogniser(speech: SpeechSettings, *, model: str | None = None) -> Transcriber:
    """The settings' engine, with `model` in place of theirs. Raises MissingModel, UnsupportedLanguage."""
    return load_transcriber(
        speech.engine,
        speech.model if model is None else model,
        speech.language,
        speech.workers,
        speech.beam_size,
        phrases=speech.phrases,
        urgent_phrases=speech.urgent_phrases,
        remote_url=speech.remote_url,
        remote_token=speech.remote_token.get_secret_value(),
    )
