"""Sums of money in what was said, in figures or in words: "$4,000", "twelve hundred pounds", "2 lakh"."""

from __future__ import annotations

import re
from dataclasses import dataclass

_UNITS = {
    word: number
    for number, word in enumerate(
        """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
        sixteen seventeen eighteen nineteen""".split()  # noqa: SIM905
    )
} | {"a": 1, "couple": 2, "few": 3, "several": 3, "half": 0.5}
_TENS = {
    word: 10 * number
    for number, word in enumerate(
        "twenty thirty forty fifty sixty seventy eighty ninety".split(),  # noqa: SIM905
        start=2,
    )
}
_SCALES = {
    "hundred": 100, "thousand": 1_000, "grand": 1_000, "k": 1_000, "lakh": 100_000, "lac": 100_000,
    "lakhs": 100_000, "million": 1_000_000, "crore": 10_000_000, "hundreds": 200, "thousands": 2_000,
}  # fmt: skip
_SIGNS = "$£€₹¥"
_CURRENCY = re.compile(
    r"(?:dollars?|bucks?|pounds?|quid|sterling|euros?|rupees?|rs|usd|gbp|eur|inr|grand)\b", re.IGNORECASE
)
_FIGURE = re.compile(
    rf"(?P<sign>[{_SIGNS}]\s?)?(?P<number>\d{{1,3}}(?:[,.]\d{{3}})+(?!\d)|\d+(?:\.\d+)?)(?P<scale>\s?k\b)?",
    re.IGNORECASE,
)
_SCALE_AFTER = re.compile(r"\s?(thousand|grand|lakhs?|lac|million|crore|hundred)\b", re.IGNORECASE)
_NUMBER_WORD = "|".join(sorted((*_UNITS, *_TENS, *_SCALES), key=len, reverse=True))
_SPELLED = re.compile(
    rf"\b(?:{_NUMBER_WORD})(?:[\s-]+(?:and[\s-]+|of[\s-]+)?(?:{_NUMBER_WORD}))*\b", re.IGNORECASE
)
_MIGHT_BE = re.compile(
    rf"[{_SIGNS}]|\b(?:dollars?|bucks?|pounds?|quid|euros?|rupees?|rs|usd|gbp|eur|inr|grand|thousands?|lakhs?"
    r"|crore|million|\d+k)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Sum:
    """An amount, whatever its currency, and its characters [start, end) in the text."""

    amount: float
    start: int
    end: int


def largest_sum(text: str) -> Sum | None:
    """The largest sum that is said to be money, None if there is none."""
    if not _MIGHT_BE.search(text):
        return None
    found = [*_in_figures(text), *_in_words(text)]
    return max(found, key=lambda one: one.amount, default=None)


def _in_figures(text: str) -> list[Sum]:
    found = []
    for match in _FIGURE.finditer(text):
        digits = match["number"]
        grouped = re.fullmatch(r"\d{1,3}(?:[,.]\d{3})+", digits)
        amount = float(re.sub(r"[,.]", "", digits)) if grouped else float(digits)
        end = match.end()
        scaled = re.match(
            r"\s?(thousand|grand|lakhs?|lac|million|crore|hundred)\b", text[end:], re.IGNORECASE
        )
        if match["scale"]:
            amount *= 1_000
        elif scaled:
            amount *= _SCALES[scaled[1].lower()]
            end += scaled.end()
        if (
            match["sign"]
            or match["scale"]
            or _is_money(text, end)
            or (scaled and scaled[1].lower() == "grand")
        ):
            found.append(Sum(amount, match.start(), end))
    return found


def _in_words(text: str) -> list[Sum]:
    found = []
    for match in _SPELLED.finditer(text):
        words = [word for word in re.split(r"[\s-]+", match.group().lower()) if word not in ("and", "of")]
        scaled = any(word in _SCALES for word in words)
        if not scaled and all(word in ("a", "few", "couple", "several", "half") for word in words):
            continue
        if _is_money(text, match.end()) or "grand" in words:
            found.append(Sum(_amount(words), match.start(), match.end()))
    return found


def _is_money(text: str, end: int) -> bool:
    return bool(_CURRENCY.match(text[end:].lstrip()))


def _amount(words: list[str]) -> float:
    total, group = 0.0, 0.0
    for word in words:
        if word in _SCALES:
            scale = _SCALES[word]
            if scale == 100:
                group = (group or 1) * scale
            else:
                total, group = total + (group or 1) * scale, 0.0
        else:
            group += _UNITS.get(word, _TENS.get(word, 0))
    return total + group
