"""Turns as they are read in a call, against the network as it is trained: the same but for rounding."""

import functools
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from audio_models.conversation import compared_with, facts_of
from audio_models.reader import POSITIONS, Earlier, Network
from audio_models.reading import FOLDER, TurnReader, load_network
from audio_models.text import plain

DIALOGUES = Path(__file__).parents[1] / "data" / "dialogues"
MOST_TURNS = 30

Turn = tuple[str, str, list[tuple[str, str]]]
"""Text, role, what was said before as (role, text)."""


@functools.cache
def trained() -> Network:
    """The shipped weights in the network that they were trained in."""
    with np.load(FOLDER / "network.npz") as stored:
        arrays = {name: torch.from_numpy(stored[name]).float() for name in stored.files}
    network = Network()
    network.load_state_dict(
        {
            name: array * arrays[step].unsqueeze(-1)
            if (step := name.removesuffix("weight") + "scale") in arrays
            else array
            for name, array in arrays.items()
            if not name.endswith(".scale")
        }
    )
    return network.eval()


@functools.cache
def states_of(text: str) -> Tensor:
    _, pieces = load_network()
    numbers = pieces.cut([token.word for token in plain(text).tokens], POSITIONS).numbers
    return trained().reader(torch.tensor([numbers]), torch.ones(1, len(numbers), dtype=torch.bool))


def by_the_book(turn: Turn, places: Sequence[int | None]) -> NDArray[np.float32]:
    """Logits of ANSWERS, with these places of the context compared with."""
    text, _, context = turn
    ours = states_of(text)
    earlier: list[Earlier | None] = []
    for place in places:
        if place is None:
            earlier.append(None)
            continue
        said = context[place][1]
        theirs = states_of(said)
        cosine = float(meaning_of(ours) @ meaning_of(theirs))
        facts = facts_of(plain(text), plain(said), cosine, len(context) - place)
        earlier.append(Earlier(torch.tensor([0]), theirs, everywhere(theirs), torch.tensor([facts])))
    logits = trained().answer(ours, everywhere(ours), tuple(earlier))
    return logits[0].numpy()


def meaning_of(states: Tensor) -> NDArray[np.float32]:
    return trained().meaning(states, everywhere(states))[0].numpy()


def everywhere(states: Tensor) -> Tensor:
    return torch.ones(states.shape[:2], dtype=torch.bool)


def turns() -> list[Turn]:
    """Turns of whole calls, each with what was said before; and some of unusual lengths."""
    lines = (DIALOGUES / "task_c.jsonl").read_text("utf-8").splitlines()
    calls = [[(turn["role"], turn["text"]) for turn in json.loads(line)["turns"]] for line in lines]
    found: list[Turn] = [(text, role, call[:at]) for call in calls for at, (role, text) in enumerate(call)]
    long = " ".join(text for _, text in calls[0])
    odd: list[Turn] = [
        ("no", "customer", []),
        (long, "customer", calls[1]),
        ("hm", "ai", [("customer", long)]),
    ]
    return [*odd, *found[:MOST_TURNS]]


def test_it_answers_as_it_was_trained_to() -> None:
    reader, asked = TurnReader(), turns()
    found = reader.answer(asked)
    expected = []
    with torch.inference_mode():
        for turn, answered in zip(asked, found, strict=True):
            roles, earlier = zip(*answered.earlier, strict=True) if answered.earlier else ((), ())
            mine = reader.read([turn[0]])[0].meaning
            places = compared_with(turn[1], roles, mine, [one.meaning for one in earlier])
            expected.append(by_the_book(turn, places))
    off = np.abs(np.stack([one.logits for one in found]) - np.stack(expected))
    assert off.mean() < 0.2
    assert off.max() < 1.5
