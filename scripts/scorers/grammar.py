"""The text of our own to train on: lines with choices, written out.

`(a|b|)` is a choice, `{name}` a slot of `slots.txt`. The same seed writes the same.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

TEXT = Path(__file__).parent / "text"
_CHOICE = re.compile(r"\(([^()]*)\)")
_SLOT = re.compile(r"\{([^{}]+)\}")


@dataclass(frozen=True)
class Line:
    """A line as written, and what the header above it says holds for it."""

    header: tuple[str, ...]
    text: str


def lines(name: str) -> Iterator[Line]:
    """The lines of `text/NAME.txt` with their headers."""
    header: tuple[str, ...] = ()
    for line in (TEXT / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("=="):
            header = tuple(line.removeprefix("==").split())
        elif line.strip() and not line.startswith("#"):
            yield Line(header, line.strip())


@cache
def _slots() -> dict[str, list[str]]:
    pairs = (line.text.split(" = ", 1) for line in lines("slots"))
    return {name: choices.split(" | ") for name, choices in pairs}


def written_out(text: str, rng: random.Random, at_most: int) -> list[str]:
    """Up to `at_most` different sentences of this line: as many as its choices allow, roughly."""
    choices = 1
    for group in _CHOICE.findall(text):
        choices *= group.count("|") + 1
    for slot in _SLOT.findall(text):
        choices *= min(4, len(_slots().get(slot, "x")))
    found = {_one(text, rng) for _ in range(2 * min(at_most, choices))}
    return sorted(found)[:at_most] if len(found) <= at_most else rng.sample(sorted(found), at_most)


def _one(text: str, rng: random.Random) -> str:
    while match := _CHOICE.search(text):
        text = text[: match.start()] + rng.choice(match.group(1).split("|")) + text[match.end() :]
    while match := _SLOT.search(text):
        text = text[: match.start()] + rng.choice(_slots()[match.group(1)]) + text[match.end() :]
    return " ".join(text.split())
