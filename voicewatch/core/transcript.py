"""Interim text that does not flicker: words are settled by agreement and then never change.

LocalAgreement-2 (Macháček et al., "Turning Whisper into Real-Time Transcription System", 2023): what two
decodes in a row agree on can be committed. Besides, agreement must have lasted over some new audio: on half
a word or half a sentence a recogniser guesses, and guesses the same twice.
"""

from __future__ import annotations

from collections.abc import Sequence

SETTLED_MS = 600
"""Audio that must have followed since a word was first heard (a fourfold cut in words taken back later)."""

TRIM_SEARCH_MS = 120
TRIM_BOUNDARIES = 3
TRIM_LEAST_MS = 800
TRIM_KEPT_MS = 800


class LocalAgreement:
    """The interim text of one utterance: `committed` only grows, `tail` may still change."""

    def __init__(self) -> None:
        self.committed: tuple[str, ...] = ()
        self.tail: tuple[str, ...] = ()
        self._seen_ms: tuple[int, ...] = ()  # per word of the tail: audio heard when it was first there

    def push(self, words: Sequence[str], heard_ms: int) -> None:
        """A decode of the utterance so far, which had heard audio up to `heard_ms`.

        Words that take the place of committed ones are dropped: what was shown as settled stays.
        """
        new = tuple(words[len(self.committed) :])
        agreed = _agreement(self.tail, new)
        seen_ms = self._seen_ms[:agreed] + (heard_ms,) * (len(new) - agreed)
        settled = 0
        while settled < agreed and heard_ms - seen_ms[settled] >= SETTLED_MS:
            settled += 1
        self.committed += new[:settled]
        self.tail = new[settled:]
        self._seen_ms = seen_ms[settled:]


def trim_point(
    words_ms: Sequence[tuple[int, int]], settled: int, levels: Sequence[float], step_ms: int
) -> tuple[int, int] | None:
    """Where a window may be cut so that only settled words are lost: (how many of them, ms), or None.

    `words_ms` are the words' (start, end), the first `settled` of them settled; `levels` of each `step_ms`
    of the window in dB. Word times are good to a tenth of a second or two, so the cut is looked for at the
    quietest place around each of the last boundaries; there must be audio worth cutting, and some left.
    """
    length_ms = len(levels) * step_ms
    found: list[tuple[float, int, int]] = []
    for count in range(max(1, settled - TRIM_BOUNDARIES + 1), settled + 1):
        end_ms = words_ms[count - 1][1]
        next_ms = words_ms[count][0] if count < len(words_ms) else end_ms
        first = max(0, (end_ms - TRIM_SEARCH_MS) // step_ms)
        around = levels[first : (next_ms + TRIM_SEARCH_MS) // step_ms]
        if not around:
            continue
        quietest = min(range(len(around)), key=lambda at: (around[at], -at))
        at_ms = (first + quietest) * step_ms + step_ms // 2
        if TRIM_LEAST_MS <= at_ms <= length_ms - TRIM_KEPT_MS:
            found.append((around[quietest], count, at_ms))
    if not found:
        return None
    _, count, at_ms = min(found, key=lambda one: (one[0], -one[1]))
    return count, at_ms


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
