"""The network that reads turns: a small transformer encoder, one attention for each thing asked, and a
comparison with earlier turns.

Every turn is read once by itself and its token states are kept, so the context of a later turn costs no
second reading. Which words carry an answer is told by a layer of its own (see `Evidence`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

WIDTH = 384
HEADS = 12
INNER = 1536
LAYERS = 6
VOCABULARY = 30_522
POSITIONS = 96
"""Pieces of one turn; more are cut. 96 are about 25 seconds of speech."""
EPSILON = 1e-12
COMPARED = 64

SENTIMENTS = ("negative", "neutral", "positive")
YES_NO = (
    "angry",
    "uncertain",
    "confused",
    "consent_unclear",
    "wants_human",
    "complaint",
    "cancel",
    "refund",
    "legal",
    "vulnerable",
    "needs_person",
    "dissatisfied",
    "ai_uncertain",
    "ai_hedge",
    "ai_non_answer",
    "ai_loop",
    "ai_contradiction",
    "ai_promise",
    "ai_denies",
)
"""Questions with a yes or no, each a logit of its own."""
ANSWERS = (*SENTIMENTS, "score", *YES_NO)
"""All answers, in the order of the last dimension: three logits of the label, the score (times five after
tanh), and the yes-or-no questions."""
RELATIONS = 2
"""Earlier turns a turn is compared with: the other side's last one, and its own speaker's nearest one."""
FACTS = 6
"""Plain numbers that go with a comparison: see `audio_models.conversation.facts_of`."""


class Layer(nn.Module):
    """One transformer layer, normalised after each step as in BERT."""

    def __init__(self) -> None:
        super().__init__()
        self.into: Any = nn.Linear(WIDTH, 3 * WIDTH)
        self.out: Any = nn.Linear(WIDTH, WIDTH)
        self.first_norm = nn.LayerNorm(WIDTH, eps=EPSILON)
        self.up: Any = nn.Linear(WIDTH, INNER)
        self.down: Any = nn.Linear(INNER, WIDTH)
        self.second_norm = nn.LayerNorm(WIDTH, eps=EPSILON)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """`states` [batch, pieces, width]; `mask` [batch, 1, 1, pieces], True where there is a piece."""
        batch, pieces, _ = states.shape
        parts = self.into(states).view(batch, pieces, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        seen = functional.scaled_dot_product_attention(parts[0], parts[1], parts[2], attn_mask=mask)
        states = self.first_norm(states + self.out(seen.transpose(1, 2).reshape(batch, pieces, WIDTH)))
        layered: Tensor = self.second_norm(states + self.down(functional.gelu(self.up(states))))
        return layered


class Reader(nn.Module):
    """Pieces of a turn to token states."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: Any = nn.Embedding(VOCABULARY, WIDTH)
        self.places = nn.Embedding(POSITIONS, WIDTH)
        self.norm = nn.LayerNorm(WIDTH, eps=EPSILON)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))

    def forward(self, numbers: Tensor, there: Tensor, first: int = 0, last: int = LAYERS) -> Tensor:
        """[batch, pieces] numbers and a mask of the same shape to states [batch, pieces, width].

        With `first` > 0, `numbers` are states after that many layers; `last` stops early.
        """
        states = self.embed(numbers) if first == 0 else numbers
        mask = there[:, None, None, :]
        for layer in self.layers[first:last]:
            states = layer(states, mask)
        return states

    def embed(self, numbers: Tensor) -> Tensor:
        places = self.places.weight[: numbers.shape[1]]
        embedded: Tensor = self.norm(self.pieces(numbers) + places)
        return embedded


class Answers(nn.Module):
    """Every answer looks at the words through its own attention and adds up what it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.looks_at = nn.Linear(WIDTH, len(ANSWERS), bias=False)
        self.sees = nn.Linear(WIDTH, len(ANSWERS))

    def forward(self, states: Tensor, there: Tensor) -> Tensor:
        """Logits [batch, answers]."""
        attention = self.looks_at(states).masked_fill(~there[:, :, None], -1e4).softmax(1)
        seen: Tensor = (attention * functional.linear(states, self.sees.weight)).sum(1) + self.sees.bias
        return seen


class Evidence(nn.Module):
    """How much of each answer a word carries: what the answer would lose without it, told from what the
    word's pieces became. Attention does not tell it, for a piece holds much of its neighbours (Jain and
    Wallace 2019, https://arxiv.org/abs/1902.10186)."""

    def __init__(self) -> None:
        super().__init__()
        self.sees = nn.Linear(WIDTH, COMPARED)
        self.tells = nn.Linear(COMPARED, len(ANSWERS))

    def forward(self, states: Tensor) -> Tensor:
        """[..., answers] of states [..., width]; the pieces of a word add up."""
        told: Tensor = self.tells(functional.gelu(self.sees(states)))
        return told


class Meaning(nn.Module):
    """States to a unit vector whose cosine tells how alike two turns are in meaning."""

    def __init__(self) -> None:
        super().__init__()
        self.turn = nn.Linear(WIDTH, WIDTH)
        nn.init.eye_(self.turn.weight)
        nn.init.zeros_(self.turn.bias)

    def forward(self, states: Tensor, there: Tensor) -> Tensor:
        weights = there[:, :, None].to(states.dtype)
        mean = (states * weights).sum(1) / weights.sum(1)
        return functional.normalize(self.turn(mean), dim=-1)


class Comparison(nn.Module):
    """A turn against an earlier one, word by word (decomposable attention, Parikh et al. 2016,
    https://arxiv.org/abs/1606.01933): each word with what stands for it over there, and what is left over."""

    def __init__(self) -> None:
        super().__init__()
        self.align = nn.Linear(WIDTH, WIDTH, bias=False)
        nn.init.eye_(self.align.weight)
        self.compare = nn.Linear(4 * WIDTH, COMPARED)
        self.judge = nn.Linear(4 * COMPARED + FACTS, len(ANSWERS), bias=False)
        nn.init.zeros_(self.judge.weight)

    def forward(
        self, ours: Tensor, there: Tensor, theirs: Tensor, there_theirs: Tensor, facts: Tensor
    ) -> Tensor:
        """What this comparison adds to each answer, [batch, answers]."""
        affinity = self.align(ours) @ theirs.transpose(1, 2) / math.sqrt(WIDTH)
        forth = affinity.masked_fill(~there_theirs[:, None, :], -1e4).softmax(-1) @ theirs
        back = affinity.transpose(1, 2).masked_fill(~there[:, None, :], -1e4).softmax(-1) @ ours
        found = torch.cat(
            [self._pooled(ours, forth, there), self._pooled(theirs, back, there_theirs), facts], -1
        )
        judged: Tensor = self.judge(found)
        return judged

    def _pooled(self, words: Tensor, aligned: Tensor, there: Tensor) -> Tensor:
        pair = torch.cat([words, aligned, words - aligned, words * aligned], -1)
        seen = functional.gelu(self.compare(pair))
        weights = there[:, :, None].to(seen.dtype)
        mean = (seen * weights).sum(1) / weights.sum(1)
        return torch.cat([mean, seen.masked_fill(~there[:, :, None], -1e4).amax(1)], -1)


@dataclass(frozen=True)
class Earlier:
    """Earlier turns to compare a batch with: states, mask and facts; `rows` are the turns that have one."""

    rows: Tensor
    states: Tensor
    there: Tensor
    facts: Tensor


class Network(nn.Module):
    """Reader, answers, evidence, meaning and the comparisons: all that is trained."""

    def __init__(self) -> None:
        super().__init__()
        self.reader = Reader()
        self.answers = Answers()
        self.evidence = Evidence()
        self.meaning = Meaning()
        self.comparisons = nn.ModuleList(Comparison() for _ in range(RELATIONS))

    def answer(self, states: Tensor, there: Tensor, earlier: tuple[Earlier | None, ...]) -> Tensor:
        """Logits [batch, answers]."""
        logits: Tensor = self.answers(states, there)
        for comparison, other in zip(self.comparisons, earlier, strict=True):
            if other is not None:
                added = comparison(
                    states[other.rows], there[other.rows], other.states, other.there, other.facts
                )
                logits = logits.index_add(0, other.rows, added)
        return logits
