"""Phrases and utterances compared by what they mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from audio_models.api import MissingModel


class PhraseIndex:
    """See `audio_models.api.MeaningMatcher`."""

    def __init__(self, phrases: Mapping[str, Sequence[str]]) -> None:
        raise MissingModel("the scorers' weights are not in this build: meanings cannot be compared")

    def match(self, texts: Sequence[str]) -> list[dict[str, float]]:
        """For each text: name -> 0..1."""
        raise NotImplementedError
