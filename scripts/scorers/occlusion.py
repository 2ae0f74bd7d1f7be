"""Which words carry an answer, learned from leaving words out.

Leaving each word out and reading again tells it (Li et al. 2016, https://arxiv.org/abs/1612.08220), at the
cost of a reading for each word. The pieces' states know most of it: a small layer on them learns to tell.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

from audio_models.reader import ANSWERS, Network
from audio_models.text import plain
from audio_models.wordpiece import WordPiece

MOST_WORDS = 20
"""Of a text that is read without each of its words: longer ones cost much and teach little more."""
BATCH = 50
"""Texts."""
RATE = 2e-3
PATIENT = 0.5
"""Logits from which an error counts no more than in proportion: a few words change everything."""


@dataclass(frozen=True)
class LeftOut:
    """States of a text's pieces [pieces, width], the word of each (-1: none), and what each answer loses
    without each word [words, answers]."""

    states: Tensor
    words: Tensor
    lost: Tensor


@torch.no_grad()
def left_out(network: Network, pieces: WordPiece, texts: Sequence[str]) -> Iterator[LeftOut]:
    """Each text of at least two words, read without each of them."""
    for text in texts:
        said = plain(text).words
        if not 2 <= len(said) <= MOST_WORDS:
            continue
        cut = pieces.cut(said, 4 * MOST_WORDS)
        words = torch.tensor(cut.words)
        there = torch.ones(1, len(words), dtype=torch.bool)
        numbers = torch.tensor([cut.numbers])
        without = words[None, :] != torch.arange(len(said))[:, None]
        states = network.reader(numbers, there)
        whole = network.answers(states, there)
        less = network.answers(network.reader(numbers.expand(len(said), -1), without), without)
        yield LeftOut(states[0].half(), words, (whole - less).half())


def learn(network: Network, found: Sequence[LeftOut], epochs: int, seed: int) -> float:
    """Trains `network.evidence` in place; the correlation of what it tells with what is lost, on a tenth of
    the texts that it did not learn from."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    kept, learned = found[::10], [one for at, one in enumerate(found) if at % 10]
    optimiser = torch.optim.AdamW(network.evidence.parameters(), lr=RATE, weight_decay=0.01)
    steps = epochs * -(-len(learned) // BATCH)
    done = 0
    for _ in range(epochs):
        order = rng.permutation(len(learned))
        for at in range(0, len(order), BATCH):
            told, lost = _told(network, [learned[row] for row in order[at : at + BATCH]])
            loss = functional.smooth_l1_loss(told, lost, beta=PATIENT)
            for group in optimiser.param_groups:
                group["lr"] = RATE * (1 - done / steps)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]  # torch types it not
            optimiser.step()
            done += 1
    with torch.no_grad():
        told, lost = _told(network, kept)
    return float(np.corrcoef(told.flatten().numpy(), lost.flatten().numpy())[0, 1])


def _told(network: Network, batch: Sequence[LeftOut]) -> tuple[Tensor, Tensor]:
    """What the layer tells of each word, and what is lost without it, [words of all, answers] each."""
    counts = [len(one.lost) for one in batch]
    first = np.cumsum([0, *counts[:-1]])
    pieces = torch.cat([network.evidence(one.states[one.words >= 0].float()) for one in batch])
    at = torch.cat([one.words[one.words >= 0] + int(start) for one, start in zip(batch, first, strict=True)])
    told = torch.zeros(sum(counts), len(ANSWERS)).index_add(0, at, pieces)
    return told, torch.cat([one.lost for one in batch]).float()
