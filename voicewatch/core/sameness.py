"""How much two utterances say the same: by the words that carry meaning, in any order."""

from __future__ import annotations

from collections.abc import Sequence

FEWEST_WORDS = 3
"""Shorter utterances ("yes, that one") are never taken for a repeat."""
_ENDINGS = ("ing", "ed", "es", "s")
_STEM_AT_LEAST = 3
_COMMON = frozenset(
    """a an the and or but so if of to in on at for from with by as is are was were be been am it i you he she
    we they me my your his her its our their this that these those there here do does did have has had will
    would can could should may might must not no yes yeah okay please thank thanks oh well just really very
    hello hi sorry what which who when where how why about again now let us all right""".split()  # noqa: SIM905
)


def sameness(one: frozenset[str], other: frozenset[str]) -> float:
    """0..1: common meaning-bearing words as a share of all of them (Jaccard's index)."""
    if len(one) < FEWEST_WORDS or len(other) < FEWEST_WORDS:
        return 0.0
    return len(one & other) / len(one | other)


def carried(words: Sequence[str]) -> frozenset[str]:
    """The words that carry meaning, without their endings."""
    return frozenset(_stem(word) for word in words if word not in _COMMON)


def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _STEM_AT_LEAST:
            return word[: -len(ending)]
    return word
