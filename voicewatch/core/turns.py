"""Whether a speaker who pauses has finished: what is asked of the words before the pause, and by whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

FILLERS = frozenset({"um", "uh", "uhm", "erm", "er", "hmm", "mm", "well", "so", "like"})
GOING_ON = frozenset(
    {"and", "or", "but", "because", "the", "a", "an", "my", "your", "to", "of", "is", "with", "for", "number"}
)
DIGITS = frozenset(
    {"zero", "oh", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "double", "triple"}
    | {"ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety", "hundred"}
)
DIGITS_MS = 400
"""Numbers are read out in groups with half a second between them."""
FILLER_MS = 350
MIDWAY_MS = 250


class TurnDetector(Protocol):
    """Pluggable; must be pure, so that a call replays to the same utterances."""

    def wait_ms(self, words: Sequence[str]) -> int:
        """Silence to wait for beyond the hangover after these words of an utterance; 0: they may be all."""


class LastWordTurns:
    """By the last word: in a number, on a filler, midway in a sentence."""

    def wait_ms(self, words: Sequence[str]) -> int:
        """See `TurnDetector.wait_ms`."""
        if not words:
            return 0
        last = "".join(sign for sign in words[-1].lower() if sign.isalnum() or sign == "'")
        if last in DIGITS or last.isdigit():
            return DIGITS_MS
        if last in FILLERS:
            return FILLER_MS
        return MIDWAY_MS if last in GOING_ON else 0
