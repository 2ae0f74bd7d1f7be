"""Turns read by the network from its shipped weights: int8 on one core, each turn once.

Matrices are stored and multiplied in 8 bits: weights by row, activations by word (both symmetric), which is
what keeps a turn within a few milliseconds and the weights small.
"""

from __future__ import annotations

import functools
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from audio_models.api import MissingModel
from audio_models.conversation import Vector, compared_with, facts_of
from audio_models.reader import POSITIONS, WIDTH, Earlier, Layer, Network
from audio_models.text import Plain, plain
from audio_models.wordpiece import WordPiece

FOLDER = Path(__file__).parent / "weights" / "scorers"
REMEMBERED = 2_048
"""Turns whose states are kept (about 30 MB); past that the one unused for longest is read again if needed."""
BATCH = 16
"""Turns read at once: more gain nothing on one core and would hold up others."""

Arrays = Mapping[str, NDArray[Any]]


class Int8Linear(nn.Module):
    """`y = x W^T + b` with W in 8 bits by output row and x in 8 bits by input row."""

    def __init__(self, weight: Tensor, scale: Tensor, bias: Tensor) -> None:
        super().__init__()
        # Column-major is what the multiplication wants; [in, out] without a copy each time.
        self._weight = weight.t().contiguous()
        self._scale = scale
        self._bias = bias

    def forward(self, inputs: Tensor) -> Tensor:
        flat = inputs.reshape(-1, inputs.shape[-1])
        step = torch.linalg.vector_norm(flat, torch.inf, 1, True).div_(127).add_(1e-8)
        rounded = (flat / step).round_().to(torch.int8)
        found = torch.addcmul(self._bias, torch._int_mm(rounded, self._weight) * step, self._scale)
        return found.view(*inputs.shape[:-1], -1)


class Int8Embedding(nn.Module):
    """Rows in 8 bits, each with its own step."""

    def __init__(self, weight: Tensor, scale: Tensor) -> None:
        super().__init__()
        self._weight = weight
        self._scale = scale

    def forward(self, numbers: Tensor) -> Tensor:
        return self._weight[numbers].float() * self._scale[numbers].unsqueeze(-1)


@dataclass(frozen=True)
class ReadTurn:
    """A turn as read: its words, token states [pieces, width], the word of each piece, and its meaning."""

    said: Plain
    states: Tensor
    words: tuple[int, ...]
    meaning: Vector
    own: NDArray[np.float32]
    """Logits of ANSWERS by its own words alone, without context."""


@dataclass(frozen=True)
class Answered:
    """Logits of ANSWERS for one turn in its context, and each piece's part of them [pieces, answers]."""

    logits: NDArray[np.float32]
    parts: NDArray[np.float32]
    own: NDArray[np.float32]
    """The logits by the turn's own words alone."""
    words: tuple[int, ...]
    """The word of each piece, -1 for the marks."""
    likeness: float
    """Cosine in meaning to the nearest earlier turn of the same speaker; 0 where there is none."""
    earlier: tuple[tuple[str, ReadTurn], ...]
    """The context as read, with roles, oldest first."""


def load_network(folder: Path = FOLDER) -> tuple[Network, WordPiece]:
    """The network and its pieces from a folder. Raises MissingModel, naming the file."""
    try:
        with np.load(folder / "network.npz") as stored:
            network = _built({name: stored[name] for name in stored.files})
        vocabulary = (folder / "vocabulary.txt").read_text(encoding="utf-8").splitlines()
    except (OSError, KeyError, ValueError) as error:
        raise MissingModel(
            f"the scorers' weights in {folder} cannot be read ({error}); install VoiceWatch again, "
            "or make them with scripts/train_scorers"
        ) from None
    return network, WordPiece(vocabulary)


def _built(arrays: Arrays) -> Network:
    with torch.device("meta"):
        network = Network()
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    reader = network.reader
    reader.pieces = Int8Embedding(tensors["reader.pieces.weight"], tensors["reader.pieces.scale"])
    for number, layer in enumerate(reader.layers):
        assert isinstance(layer, Layer)
        for name in ("into", "out", "up", "down"):
            prefix = f"reader.layers.{number}.{name}."
            linear = Int8Linear(*(tensors[prefix + part] for part in ("weight", "scale", "bias")))
            setattr(layer, name, linear)
    names = dict(network.named_parameters())
    network.load_state_dict({name: tensors[name].float() for name in names}, strict=True, assign=True)
    for weight in network.parameters():
        weight.requires_grad_(False)
    return network.eval()


class TurnReader:
    """Reads turns and remembers them. May be used from several threads; they wait for one another."""

    def __init__(self, folder: Path = FOLDER) -> None:
        """Raises MissingModel."""
        # One core for scores: the others are the recogniser's.
        torch.set_num_threads(1)
        self._network, self._pieces = load_network(folder)
        self._known: OrderedDict[str, ReadTurn] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, texts: Sequence[str]) -> list[ReadTurn]:
        """Each text as read; those known already cost nothing."""
        with self._lock, torch.inference_mode():
            return self._read(texts)

    def answer(self, turns: Sequence[tuple[str, str, Sequence[tuple[str, str]]]]) -> list[Answered]:
        """For each (text, role, earlier turns as (role, text), oldest first): its answers in context."""
        with self._lock, torch.inference_mode():
            everything = [
                text for text, _, context in turns for text in (*(said for _, said in context), text)
            ]
            read = dict(zip(everything, self._read(everything), strict=True))
            return [
                answered
                for at in range(0, len(turns), BATCH)
                for answered in self._answer(turns[at : at + BATCH], read)
            ]

    # ------------------------------------------------------------ reading

    def _read(self, texts: Sequence[str]) -> list[ReadTurn]:
        said = {text: plain(text) for text in dict.fromkeys(texts)}
        new = {one.joined: one for one in said.values() if one.joined not in self._known}
        found: dict[str, ReadTurn] = {}
        order = sorted(new.values(), key=lambda one: len(one.tokens))
        for at in range(0, len(order), BATCH):
            found |= self._encode(order[at : at + BATCH])
        turns = []
        for text in texts:
            one = said[text]
            kept = found.get(one.joined) or self._known[one.joined]
            self._known[one.joined] = kept
            self._known.move_to_end(one.joined)
            # Another spelling of the same words has its own places in the text.
            turns.append(replace(kept, said=one))
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return turns

    def _encode(self, said: Sequence[Plain]) -> dict[str, ReadTurn]:
        cut = [self._pieces.cut([token.word for token in one.tokens], POSITIONS) for one in said]
        numbers = torch.zeros(len(cut), max(len(one.numbers) for one in cut), dtype=torch.long)
        there = torch.zeros_like(numbers, dtype=torch.bool)
        for row, pieces in enumerate(cut):
            numbers[row, : len(pieces.numbers)] = torch.tensor(pieces.numbers)
            there[row, : len(pieces.numbers)] = True
        states = self._network.reader(numbers, there)
        meanings = self._network.meaning(states, there).numpy()
        own = self._network.answers(states, there)[0].numpy()
        return {
            one.joined: ReadTurn(
                one, states[row, : len(pieces.words)].half(), pieces.words, meanings[row], own[row]
            )
            for row, (one, pieces) in enumerate(zip(said, cut, strict=True))
        }

    # ------------------------------------------------------------ answering

    def _answer(
        self, turns: Sequence[tuple[str, str, Sequence[tuple[str, str]]]], read: Mapping[str, ReadTurn]
    ) -> list[Answered]:
        ours = [read[text] for text, _, _ in turns]
        earlier = [tuple((role, read[text]) for role, text in context) for _, _, context in turns]
        pairs: tuple[list[tuple[int, ReadTurn, tuple[float, ...]]], ...] = ([], [])
        likeness = [0.0] * len(turns)
        for row, (mine, (_, role, _), before) in enumerate(zip(ours, turns, earlier, strict=True)):
            places = compared_with(
                role, [whose for whose, _ in before], mine.meaning, [turn.meaning for _, turn in before]
            )
            for relation, place in enumerate(places):
                if place is None:
                    continue
                other = before[place][1]
                cosine = float(mine.meaning @ other.meaning)
                facts = facts_of(mine.said, other.said, cosine, len(before) - place)
                pairs[relation].append((row, other, facts))
                likeness[row] = cosine if relation else likeness[row]
        states, there = _stacked([one.states for one in ours])
        logits, parts = self._network.answer(states, there, tuple(_earlier(found) for found in pairs))
        return [
            Answered(
                logits[row].numpy(),
                parts[row, : len(one.words)].numpy(),
                one.own,
                one.words,
                likeness[row],
                earlier[row],
            )
            for row, one in enumerate(ours)
        ]


def _earlier(found: Sequence[tuple[int, ReadTurn, tuple[float, ...]]]) -> Earlier | None:
    if not found:
        return None
    states, there = _stacked([turn.states for _, turn, _ in found])
    rows = torch.tensor([row for row, _, _ in found])
    return Earlier(rows, states, there, torch.tensor([facts for _, _, facts in found]))


def _stacked(found: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    longest = max(len(one) for one in found)
    states = torch.zeros(len(found), longest, WIDTH)
    there = torch.zeros(len(found), longest, dtype=torch.bool)
    for row, one in enumerate(found):
        states[row, : len(one)] = one
        there[row, : len(one)] = True
    return states, there


@functools.cache
def shared_reader() -> TurnReader:
    """The one reader of this process: scores and rules share its memory. Raises MissingModel."""
    return TurnReader()
