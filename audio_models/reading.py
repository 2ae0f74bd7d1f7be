"""Turns read by the network from its shipped weights, each turn once, and judged against the turns before."""

from __future__ import annotations

import functools
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from audio_models.api import MissingModel
from audio_models.conversation import Vector, compared_with, facts_of
from audio_models.inference import TurnNetwork, inference
from audio_models.reader import POSITIONS
from audio_models.text import Plain, plain
from audio_models.wordpiece import WordPiece

FOLDER = Path(__file__).parent / "weights" / "scorers"
REMEMBERED = 2_048
"""Turns whose states are kept (about 30 MB); past that the one unused for longest is read again if needed."""


@dataclass(frozen=True)
class ReadTurn:
    """A turn as read: its words, token states [pieces, width], the word of each piece (-1 for the marks), and
    its meaning."""

    said: Plain
    states: Tensor
    words: tuple[int, ...]
    meaning: Vector
    own: NDArray[np.float32]
    """Logits of ANSWERS by its own words alone, without context."""


@dataclass(frozen=True)
class Answered:
    """Logits of ANSWERS for one turn in its context."""

    logits: NDArray[np.float32]
    turn: ReadTurn
    likeness: float
    """Cosine in meaning to the nearest earlier turn of the same speaker; 0 where there is none."""
    earlier: tuple[tuple[str, ReadTurn], ...]
    """The context as read, with roles, oldest first."""


def load_network(folder: Path = FOLDER) -> tuple[TurnNetwork, WordPiece]:
    """The network and its pieces from a folder. Raises MissingModel, naming the file."""
    try:
        with (folder / "network.npz").open("rb") as file, np.load(file) as stored:
            arrays = {name: stored[name] for name in stored.files}
        network = TurnNetwork(arrays)
        vocabulary = (folder / "vocabulary.txt").read_text(encoding="utf-8").splitlines()
        pieces = WordPiece(vocabulary)
        if len(vocabulary) != len(arrays["reader.pieces.weight"]):
            raise ValueError("vocabulary.txt is not that of network.npz")
    except (OSError, EOFError, BadZipFile, KeyError, ValueError, RuntimeError) as error:
        raise MissingModel(
            f"the scorers' weights in {folder} cannot be read ({error}); install VoiceWatch again, "
            "or make them with scripts/train_scorers"
        ) from None
    return network, pieces


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
        with self._lock, inference():
            return self._read(texts)

    def answer(self, turns: Sequence[tuple[str, str, Sequence[tuple[str, str]]]]) -> list[Answered]:
        """For each (text, role, earlier turns as (role, text), oldest first): its answers in context."""
        with self._lock, inference():
            found = []
            for text, role, context in turns:
                *before, mine = self._read([*(said for _, said in context), text])
                whose = [role for role, _ in context]
                found.append(self._answer(mine, role, tuple(zip(whose, before, strict=True))))
            return found

    def parts(self, turn: ReadTurn) -> NDArray[np.float32]:
        """How much each of its pieces carries of each answer [pieces, answers]; of turns with nothing to show
        nobody asks."""
        with self._lock, inference():
            found: NDArray[np.float32] = self._network.evidence(turn.states.float()).numpy()
            return found

    # ------------------------------------------------------------ reading

    def _read(self, texts: Sequence[str]) -> list[ReadTurn]:
        turns = []
        for text in texts:
            said = plain(text)
            kept = self._known.get(said.joined) or self._encode(said)
            self._known[said.joined] = kept
            self._known.move_to_end(said.joined)
            # Another spelling of the same words has its own places in the text.
            turns.append(kept if kept.said is said else replace(kept, said=said))
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return turns

    def _encode(self, said: Plain) -> ReadTurn:
        pieces = self._pieces.cut(said.words, POSITIONS)
        states = self._network.read(pieces.numbers)
        logits, meaning = self._network.answers(states).numpy(), self._network.meaning(states).numpy()
        return ReadTurn(said, states.half(), pieces.words, meaning, logits)

    # ------------------------------------------------------------ answering

    def _answer(self, mine: ReadTurn, role: str, before: tuple[tuple[str, ReadTurn], ...]) -> Answered:
        places = compared_with(
            role, [whose for whose, _ in before], mine.meaning, [turn.meaning for _, turn in before]
        )
        logits, likeness = mine.own, 0.0
        states = mine.states.float() if before else mine.states
        for relation, place in enumerate(places):
            if place is None:
                continue
            other = before[place][1]
            cosine = float(mine.meaning @ other.meaning)
            facts = facts_of(mine.said, other.said, cosine, len(before) - place)
            added = self._network.compared(relation, states, other.states.float(), facts)
            logits = logits + added.numpy()
            likeness = cosine if relation else likeness
        return Answered(logits, mine, likeness, before)


@functools.cache
def shared_reader() -> TurnReader:
    """The one reader of this process: scores and rules share its memory. Raises MissingModel."""
    return TurnReader()
