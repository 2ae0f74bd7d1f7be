"""Phrases and utterances compared by what they mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from audio_models.calibration import load_calibration
from audio_models.reading import FOLDER, shared_reader
from audio_models.text import plain


class PhraseIndex:
    """See `audio_models.api.MeaningMatcher`."""

    def __init__(self, phrases: Mapping[str, Sequence[str]]) -> None:
        self._reader = shared_reader()
        self._likeness = load_calibration(FOLDER).likeness
        self._phrases = {}
        for name, wordings in phrases.items():
            said = [text for text in wordings if plain(text).tokens]
            if not said:
                raise ValueError(f"{name!r} needs at least one phrase with words in it")
            self._phrases[name] = np.stack([turn.meaning for turn in self._reader.read(said)])

    def match(self, texts: Sequence[str]) -> list[dict[str, float]]:
        """For each text: name -> 0..1."""
        spoken = [text for text in texts if plain(text).tokens]
        read = dict(zip(spoken, self._reader.read(spoken), strict=True))
        return [
            {
                name: round(self._likeness.probability(float((vectors @ read[text].meaning).max())), 3)
                if text in read
                else 0.0
                for name, vectors in self._phrases.items()
            }
            for text in texts
        ]
