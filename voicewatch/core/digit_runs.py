"""Numbers as people say and write them: "four one double two", "4111 1111", "oh seven nine, triple five".

A text is cut into tokens, number words and digits become elements, and elements that follow each other as one
number would form a run. What a run means (a card, a price, a year) is judged in `private_spans.py`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto


def word_set(listed: str) -> frozenset[str]:
    """The words of a list written as one text."""
    return frozenset(listed.split())


UNITS = {"zero": "0", "oh": "0", "o": "0", "nought": "0", "naught": "0"} | {
    word: str(value)
    for value, word in enumerate(
        ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"], start=1
    )
}
TEENS = {
    word: str(value)
    for value, word in enumerate(
        [
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
        ],
        start=10,
    )
}
TENS = {
    word: str(value * 10)
    for value, word in enumerate(
        ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], start=2
    )
} | {"fourty": "40"}
MAGNITUDES = frozenset({"hundred", "thousand", "million", "billion"})
REPEATS = {"double": 2, "triple": 3, "treble": 3, "quadruple": 4}
HESITATIONS = word_set("um uh er erm hmm mm dash hyphen space then comma")
HOMOPHONES = frozenset({"to", "too", "for"})
"""What a recogniser may write for two and four: they join digits, they are not counted."""


class Kind(Enum):
    LABEL = auto()
    """A mask left by an earlier redaction."""
    QUANTITY = auto()
    """Digits that are an amount or a time by their form: $12, 1,250, 3.50, 10:30."""
    CODE = auto()
    """Letters and digits in one word: A1B2C3, 5pm, 3rd."""
    DIGITS = auto()
    WORD = auto()
    OTHER = auto()


@dataclass(frozen=True)
class Token:
    kind: Kind
    text: str
    """Lower case."""
    start: int
    end: int


_TOKEN = re.compile(
    r"""
      (?P<LABEL>\[[a-z\ ]{2,32}\])
    | (?P<QUANTITY>[$€£¥]\s?\d[\d,]*(?:\.\d+)?
        |(?<![\d.,])\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\d,])
        |(?<![\d.])\d+\.\d{1,2}(?![\d.])
        |(?<![\d:])\d{1,2}(?::\d{2}){1,2}(?![\d:]))
    | (?P<CODE>\d+[^\W\d_][^\W_]*|[^\W\d_]+\d[^\W_]*)
    | (?P<DIGITS>\d+)
    | (?P<WORD>[^\W\d_]+(?:['’][^\W\d_]+)*)
    | (?P<OTHER>\S)
    """,
    re.VERBOSE,
)


def tokens_of(text: str) -> list[Token]:
    return [
        Token(Kind[str(found.lastgroup)], found.group().lower(), found.start(), found.end())
        for found in _TOKEN.finditer(text)
    ]


@dataclass(frozen=True)
class Element:
    """One number within a run: "four", "twenty-one", "double two", "4111"."""

    first: int
    last: int
    """Tokens it is made of, both included."""
    digits: str
    """Empty for hundred, thousand, …"""
    phrases: int
    """How many numbers were said; "double two" says two of them."""
    written: bool

    @property
    def is_single(self) -> bool:
        """Said digit by digit."""
        return 0 < len(self.digits) == self.phrases


@dataclass(frozen=True)
class Run:
    """Elements in a row, and where they are in the text."""

    elements: tuple[Element, ...]
    start: int
    end: int

    @property
    def first(self) -> int:
        return self.elements[0].first

    @property
    def last(self) -> int:
        return self.elements[-1].last

    @property
    def digits(self) -> str:
        return "".join(element.digits for element in self.elements)

    @property
    def is_written(self) -> bool:
        return all(element.written for element in self.elements)

    @property
    def groups(self) -> list[int]:
        return [len(element.digits) for element in self.elements]

    @property
    def spelled(self) -> int:
        """Numbers said that are not part of an amount ("two thousand one hundred five" has none)."""
        counted = 0
        amount = False
        for index, element in enumerate(self.elements):
            following = self.elements[index + 1] if index + 1 < len(self.elements) else None
            is_magnitude = not element.digits
            before_magnitude = following is not None and not following.digits
            if not (is_magnitude or before_magnitude or amount):
                counted += element.phrases
            amount = is_magnitude
        return counted

    @property
    def has_amount(self) -> bool:
        return any(not element.digits for element in self.elements)


def runs_of(text: str, tokens: Sequence[Token]) -> list[Run]:
    """The runs of a text in order, never overlapping."""
    runs: list[Run] = []
    current: list[Element] = []

    def close() -> None:
        trimmed = _without_stray_magnitude(current)
        if trimmed:
            start, end = tokens[trimmed[0].first].start, tokens[trimmed[-1].last].end
            runs.append(Run(tuple(trimmed), start, end))
        current.clear()

    index = 0
    while index < len(tokens):
        element = _element_at(tokens, index)
        if element is None:
            index += 1
            continue
        if current and not _joins(text, tokens, current[-1], element):
            close()
        current.append(element)
        index = element.last + 1
    close()
    return runs


def _without_stray_magnitude(elements: Sequence[Element]) -> list[Element]:
    """ "a hundred people": a magnitude without a number before it is no number."""
    kept = list(elements)
    while kept and not kept[0].digits:
        kept.pop(0)
    return kept


def _element_at(tokens: Sequence[Token], index: int) -> Element | None:
    token = tokens[index]
    if token.kind is Kind.DIGITS:
        return Element(index, index, ascii_digits(token.text), 1, written=True)
    if token.kind is not Kind.WORD:
        return None
    if token.text in REPEATS:
        return _repeated(tokens, index)
    if token.text in TENS:
        return _tens(tokens, index)
    digits = UNITS.get(token.text) or TEENS.get(token.text)
    if digits is not None:
        return Element(index, index, digits, 1, written=False)
    if token.text in MAGNITUDES:
        return Element(index, index, "", 0, written=False)
    return None


def _repeated(tokens: Sequence[Token], index: int) -> Element | None:
    if index + 1 == len(tokens):
        return None
    following = tokens[index + 1]
    digit = ascii_digits(following.text) if following.kind is Kind.DIGITS else UNITS.get(following.text)
    if digit is None or len(digit) != 1:
        return None
    times = REPEATS[tokens[index].text]
    return Element(index, index + 1, digit * times, times, written=False)


def _tens(tokens: Sequence[Token], index: int) -> Element:
    tens = TENS[tokens[index].text]
    unit = index + 1
    if unit + 1 < len(tokens) and tokens[unit].text == "-":
        unit += 1
    digit = UNITS.get(tokens[unit].text, "0") if unit < len(tokens) else "0"
    adjacent = unit < len(tokens) and tokens[unit].start - tokens[index].end <= 1
    if digit == "0" or not adjacent:
        return Element(index, index, tens, 1, written=False)
    return Element(index, unit, tens[0] + digit, 1, written=False)


def ascii_digits(text: str) -> str:
    """Digits of any script as 0-9."""
    return "".join(str(unicodedata.digit(character)) for character in text)


def _joins(text: str, tokens: Sequence[Token], left: Element, right: Element) -> bool:
    """Whether `right` goes on with the number that `left` is in."""
    between = tokens[left.last + 1 : right.first]
    both_single = left.is_single and right.is_single
    words = [token.text for token in between if token.kind is not Kind.OTHER]
    if len(words) > 2:
        return False
    if any(word not in HESITATIONS and not (word in HOMOPHONES and both_single) for word in words):
        return False
    gap = text[tokens[left.last].end : tokens[right.first].start]
    marks = {token.text for token in between if token.kind is Kind.OTHER}
    if marks - set("-–—()+.,;…"):
        return False
    if marks & set(",;…") or ("." in marks and re.search(r"\.\s", gap)):
        sizes = len(left.digits), len(right.digits)
        said = not (left.written or right.written)
        return sizes == (4, 4) or ((said or left.is_single or right.is_single) and max(sizes) <= 4)
    return "\n" not in gap or both_single
