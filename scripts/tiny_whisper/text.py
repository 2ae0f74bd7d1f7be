"""What the small Whisper is taught to write: the sentences of a call centre.

Sentences come from the demonstration scenarios (word for word) and from the templates of
sentences.toml, whose slots are filled at random. Casing and punctuation are those that the
model shall write.
"""

from __future__ import annotations

import random
import re
import tomllib
from pathlib import Path
from typing import Final

from voicewatch.demo.scenarios import list_scenarios, load_scenario

HELD_OUT_SENTENCES: Final = 150

_SOURCE = tomllib.loads(Path(__file__).with_name("sentences.toml").read_text(encoding="utf-8"))
SLOTS: Final = {
    name: [choice.strip() for choice in choices.split("|")] for name, choices in _SOURCE["slots"].items()
}
TEMPLATES: Final[list[str]] = _SOURCE["sentences"]["templates"].strip().splitlines()


def fill(template: str, rng: random.Random) -> str:
    """A template with every slot filled at random; starts with a capital."""
    sentence = re.sub(r"\{(\w+)\}", lambda slot: rng.choice(SLOTS[slot[1]]), template)
    return sentence[0].upper() + sentence[1:]


def scenario_sentences() -> list[str]:
    """Every line of the demonstration scenarios, once."""
    lines = (line.text for name in list_scenarios() for line in load_scenario(name).lines)
    return sorted(set(lines))


def sentences(count: int, seed: int = 1) -> tuple[list[str], list[str]]:
    """Sentences to train on (about ``count`` distinct ones) and sentences held out.

    All scenario lines are in training; held-out ones come from slot templates only and are the
    same for every seed.
    """
    rng = random.Random(1)
    training = set(scenario_sentences()) | {t for t in TEMPLATES if "{" not in t}
    slotted = [template for template in TEMPLATES if "{" in template]
    held_out: set[str] = set()
    while len(held_out) < HELD_OUT_SENTENCES:
        held_out |= {fill(rng.choice(slotted), rng)} - training
    if seed != 1:
        rng = random.Random(seed)
    for attempt in range(3 * count):
        if len(training) >= count:
            break
        training |= {fill(slotted[attempt % len(slotted)], rng)} - held_out
    return sorted(training), sorted(held_out)


def normalised(text: str) -> str:
    """Words only, lower case, single spaces: what word error rates are counted on."""
    return " ".join(re.sub(r"[^a-z' ]", " ", text.lower()).split())
