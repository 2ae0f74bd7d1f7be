"""A customer's utterance from a file, for scores of single utterances."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np

from audio_models.api import NotACustomer, Samples, VoiceNotJudged, load_caller_voice
from voicewatch.core.events import Role
from voicewatch.speech.audio_file import opened
from voicewatch.speech.voices import Spoken, Voices

LONGEST_S = 60
"""No utterance is longer; what comes after is not read."""
CHUNKS_PER_S = 50
SAME_VOICE = 0.1
"""Two channels differ by less than this share of their power: one voice twice."""


class VoiceFiles:
    """Reads utterances; those of one call, given in their order, are judged against its beginning."""

    def __init__(self, model: str = "") -> None:
        """`model` names another than our own. Raises MissingModel then."""
        self._model = model
        self._voices = Voices(model=model)

    def spoken(self, path: Path, role: str, call: str) -> Spoken:
        """Raises VoiceNotJudged with the reason: not a customer's, not readable, two voices."""
        try:
            voice = load_caller_voice(role, self._model)
        except NotACustomer as error:
            raise VoiceNotJudged(str(error)) from None
        try:
            samples = _read(path)
        except (OSError, ValueError) as error:
            raise VoiceNotJudged(f"the audio cannot be read: {error}") from None
        known = self._voices.spoken(call, "", Role.CUSTOMER, samples) if call else None
        return known or Spoken(voice, samples)


def _read(path: Path) -> Samples:
    with opened(path) as audio:
        chunks = list(islice(audio.chunks(), LONGEST_S * CHUNKS_PER_S))
    channels = [np.frombuffer(b"".join(pcm), "<i2") for pcm in zip(*chunks, strict=True)]
    if not channels:
        raise ValueError("there is no sound in it")
    voices = [channel.astype(np.float32) / np.float32(32768) for channel in channels]
    if len(voices) == 2 and np.square(voices[0] - voices[1]).sum() > SAME_VOICE * np.square(voices).sum():
        raise ValueError("it has two channels with different voices; give the customer's alone")
    return voices[0]
