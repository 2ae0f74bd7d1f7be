"""Interim text that does not flicker: words are settled by agreement and then never change.

LocalAgreement-2 (Macháček et al., "Turning Whisper into Real-Time Transcription System", 2023): what two
decodes in a row agree on can be committed. Besides, agreement must have lasted over some new audio: on half
a word or half a sentence a recogniser guesses, and guesses the same twice.
"""

from __future__ import annotations

from collections.abc import Sequence

SETTLED_MS = 600
"""Audio that must have followed since a word was first heard (a fourfold cut in words taken back later)."""
UNSURE_SETTLED_MS = 2_400
"""The same where the recogniser was not sure of the decode: it guesses the same more than twice."""


class LocalAgreement:
    """The interim text of one utterance: `committed` only grows, `tail` may still change."""

    def __init__(self) -> None:
        self.committed: tuple[str, ...] = ()
        self.tail: tuple[str, ...] = ()
        self._seen_ms: tuple[int, ...] = ()  # per word of the tail: audio heard when it was first there

    def push(self, words: Sequence[str], heard_ms: int, *, sure: bool = True) -> None:
        """A decode of the utterance so far, which had heard audio up to `heard_ms`.

        Words that take the place of committed ones are dropped: what was shown as settled stays.
        """
        new = tuple(words[len(self.committed) :])
        agreed = _agreement(self.tail, new)
        seen_ms = self._seen_ms[:agreed] + (heard_ms,) * (len(new) - agreed)
        settled = 0
        needed_ms = SETTLED_MS if sure else UNSURE_SETTLED_MS
        while settled < agreed and heard_ms - seen_ms[settled] >= needed_ms:
            settled += 1
        self.committed += new[:settled]
        self.tail = new[settled:]
        self._seen_ms = seen_ms[settled:]


def revised_words(committed: Sequence[str], final: Sequence[str]) -> int:
    """How many of the settled words the final lacks: those outside the longest common subsequence."""
    settled = [_bare(word) for word in committed]
    said = [_bare(word) for word in final]
    row = [0] * (len(said) + 1)
    for word in settled:
        before = 0
        for at, other in enumerate(said, 1):
            kept = row[at]
            row[at] = before + 1 if word == other else max(row[at], row[at - 1])
            before = kept
    return len(settled) - row[-1]


def _agreement(before: Sequence[str], now: Sequence[str]) -> int:
    count = 0
    for one, other in zip(before, now, strict=False):
        if not same_word(one, other):
            break
        count += 1
    return count


def same_word(one: str, other: str) -> bool:
    """Whether they are one word, whatever their case and punctuation."""
    return _bare(one) == _bare(other)


def _bare(word: str) -> str:
    return "".join(sign for sign in word.lower() if sign.isalnum() or sign == "'")
