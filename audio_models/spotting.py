"""Urgent phrases that are listened for by themselves, whatever the recogniser makes of the rest.

PocketSphinx's keyphrase search compares each phrase's phones with the likeliest phones of any speech. How
much the phrase may be behind is its threshold. A phrase of one word matches much that is none, so it must
match better; measured by `scripts/bench sphinx`. What is spotted stays of low fidelity.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from audio_models.cues import find_cues
from audio_models.phrase_model import normal
from audio_models.text import plain

MAX_URGENT = 100
DEFAULT_URGENT = {
    "speak to a human": -0.3, "talk to a human": -0.3, "get me a human": -0.225, "human being": -0.205,
    "real person": -0.205, "speak to a person": -0.3, "talk to a person": -0.3, "speak to someone": -0.3,
    "supervisor": -0.2, "your manager": -0.22, "emergency": -0.2, "call the police": -0.2,
    "legal action": -0.235, "cancel my account": -0.3, "close my account": -0.225, "file a complaint": -0.23,
}  # fmt: skip
"""Phrases and the score (natural logarithm of the search's posterior) that each must reach: none
of 800 ordinary sentences (0.8 h, twelve synthetic voices, half of them over a telephone) does."""
LEAST, LEAST_OF_ONE = -0.195, -0.18
"""The same for a deployment's own phrases of several words, or of one."""
EXPONENT, EXPONENT_OF_ONE = -50, -35
"""Powers of ten: how unlikely beside any speech a phrase of several words, or of one, may be to be seen."""
LEAST_PHONES = 8
"""A shorter phrase is in too much other speech."""
CERTAIN = -0.1
"""Score of a clear voice."""


@dataclass(frozen=True)
class Urgent:
    """A phrase to listen for and the score from which it counts."""

    phrase: str
    least: float

    @property
    def line(self) -> str:
        """As PocketSphinx's keyphrase file has it."""
        exponent = EXPONENT if " " in self.phrase else EXPONENT_OF_ONE
        return f"{self.phrase} /1e{exponent}/"

    def confidence(self, posterior: float) -> float | None:
        """0..1, None where it does not count."""
        score = math.log(max(posterior, 1e-9))
        if score < self.least:
            return None
        return round(min(1.0, 0.5 + 0.5 * (score - self.least) / (CERTAIN - self.least)), 2)


def urgent(phrases: Iterable[str], phones_in: Callable[[str], int | None]) -> list[Urgent]:
    """Those that can be listened for; `phones_in` gives a word's length, None if nobody can pronounce it."""
    found: list[Urgent] = []
    for phrase in dict.fromkeys(map(normal, phrases)):
        lengths = [phones_in(word) for word in phrase.split()]
        known = [length for length in lengths if length is not None]
        if lengths and len(known) == len(lengths) and sum(known) >= LEAST_PHONES:
            least = LEAST if " " in phrase else LEAST_OF_ONE
            found.append(Urgent(phrase, DEFAULT_URGENT.get(phrase, least)))
    return found[:MAX_URGENT]


def cues_of(phrase: str, role: str) -> dict[str, float]:
    """What a phrase means to rules: `urgent`, and the cues that its words would be if they were read."""
    if role != "customer":
        return {}
    return {"urgent": 1.0} | {cue.name: cue.value for cue in find_cues(plain(phrase), role)}
