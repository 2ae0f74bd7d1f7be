"""Words cut into the pieces that the encoder knows: BERT's WordPiece over plain words.

Own code, because input is already plain (lower case, no punctuation but apostrophes): greedy longest match,
as in Wu et al. 2016, https://arxiv.org/abs/1609.08144.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

_PARTS = re.compile(r"[^\W_]+|[^\w\s]|_")
MAX_WORD = 40
"""Longer "words" are one unknown piece: nobody says them."""


@dataclass(frozen=True)
class Pieces:
    """Piece numbers with the start and end marks, and for each piece its word's place (-1 for the marks)."""

    numbers: tuple[int, ...]
    words: tuple[int, ...]


class WordPiece:
    """A vocabulary of pieces, in the order of their numbers; `##` marks those that continue a word."""

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self._numbers = {piece: number for number, piece in enumerate(vocabulary)}
        self._unknown = self._numbers["[UNK]"]
        self._start = self._numbers["[CLS]"]
        self._end = self._numbers["[SEP]"]

    def cut(self, words: Sequence[str], limit: int) -> Pieces:
        """The pieces of these words, at most `limit` with both marks: what is over is cut from the middle,
        since what people mean stands at the beginning and at the end."""
        numbers: list[int] = []
        places: list[int] = []
        for place, word in enumerate(words):
            found = self._numbers_of(word)
            numbers += found
            places += [place] * len(found)
        room = limit - 2
        if len(numbers) > room:
            head = room // 2
            tail = len(numbers) - (room - head)
            numbers = numbers[:head] + numbers[tail:]
            places = places[:head] + places[tail:]
        return Pieces((self._start, *numbers, self._end), (-1, *places, -1))

    def _numbers_of(self, word: str) -> list[int]:
        if word.isascii() and word.isalnum() and len(word) <= MAX_WORD and word in self._numbers:
            return [self._numbers[word]]
        return [number for part in _PARTS.findall(_bare(word)) for number in self._word(part)]

    def _word(self, word: str) -> list[int]:
        if len(word) > MAX_WORD:
            return [self._unknown]
        found, at = [], 0
        while at < len(word):
            for end in range(len(word), at, -1):
                number = self._numbers.get(("##" if at else "") + word[at:end])
                if number is not None:
                    break
            else:
                return [self._unknown]
            found.append(number)
            at = end
        return found


def _bare(word: str) -> str:
    """Without accents, as the vocabulary was made."""
    return "".join(sign for sign in unicodedata.normalize("NFD", word) if unicodedata.category(sign) != "Mn")
