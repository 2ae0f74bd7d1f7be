"""Words of an utterance as scorers see them: lower case, no punctuation, with their place in the text."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

Worth = TypeVar("Worth")
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")

_UNSPELLED = {
    "dont": "don't",
    "cant": "can't",
    "wont": "won't",
    "didnt": "didn't",
    "doesnt": "doesn't",
    "isnt": "isn't",
    "wasnt": "wasn't",
    "arent": "aren't",
    "havent": "haven't",
    "hasnt": "hasn't",
    "couldnt": "couldn't",
    "wouldnt": "wouldn't",
    "shouldnt": "shouldn't",
    "cannot": "can't",
    "im": "i'm",
    "ive": "i've",
    "thats": "that's",
    "whats": "what's",
}


class Token(NamedTuple):
    """A word with its characters [start, end) in the text."""

    word: str
    start: int
    end: int


@dataclass(frozen=True)
class Plain:
    """A text as plain words: `joined` is what patterns are searched in, one space between words."""

    tokens: tuple[Token, ...]
    joined: str
    offsets: tuple[int, ...]
    """Where each token begins in `joined`."""

    @functools.cached_property
    def words(self) -> tuple[str, ...]:
        """Without their places."""
        return tuple(token.word for token in self.tokens)

    @functools.cached_property
    def content(self) -> frozenset[str]:
        """The words that carry meaning, roughly stemmed: for telling a repeat from a new thing."""
        return frozenset(_stem(word) for word in self.words if word not in _COMMON)

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Characters of the original text for characters [start, end) of `joined`."""
        touched = [
            token
            for token, offset in zip(self.tokens, self.offsets, strict=True)
            if offset < end and offset + len(token.word) > start
        ]
        return (touched[0].start, touched[-1].end) if touched else (0, 0)


@functools.lru_cache(maxsize=4_096)
def plain(text: str) -> Plain:
    """The words of `text`, contractions spelled alike whatever the recogniser wrote.

    Remembered for a while: a turn is looked at again with each one that follows it.
    """
    tokens = []
    for match in _WORD.finditer(text):
        word = match.group().lower().replace("’", "'")
        tokens.append(Token(_UNSPELLED.get(word, word), match.start(), match.end()))
    offsets, at = [], 0
    for token in tokens:
        offsets.append(at)
        at += len(token.word) + 1
    return Plain(tuple(tokens), " ".join(token.word for token in tokens), tuple(offsets))


class Patterns(Generic[Worth]):
    """Regular expressions over `Plain.joined`, each with what it is worth.

    They are looked for all at once before one by one: most turns hold none of them.
    """

    def __init__(self, pairs: Iterable[tuple[str, Worth]], *, before: str, after: str) -> None:
        """`before` and `after`: what each match must stand between, as expressions of no width."""
        whole = [(f"(?:{pattern}){after}", worth) for pattern, worth in pairs]
        self._any = re.compile(f"{before}(?:{'|'.join(pattern for pattern, _ in whole)})")
        self._each = tuple((re.compile(before + pattern), worth) for pattern, worth in whole)

    def find(self, joined: str) -> list[tuple[re.Match[str], Worth]]:
        """Matches in the order of the expressions."""
        if not self._any.search(joined):
            return []
        return [(match, worth) for pattern, worth in self._each for match in pattern.finditer(joined)]


def _stem(word: str) -> str:
    for ending in ("ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


_COMMON = frozenset(
    """a an the and or but so if of to in on at for from with by as is are was were be been am it's i'm i you
    he she it we they me my your his her its our their this that these those there here do does did have has
    had will would can could should may might must not no yes yeah okay ok please thank thanks um uh er oh
    well just really very hello hi sorry what which who when where how why about again now""".split()  # noqa: SIM905
)
