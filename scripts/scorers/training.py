"""Fine-tunes the upper layers of MiniLM and the answers on top, on a CPU, from a fixed seed.

The lower layers stay as they are: their states are computed once for each text, which is what makes
training on one core a matter of half an hour.
"""

from __future__ import annotations

import pickle
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as functional
from numpy.typing import NDArray
from torch import Tensor

from audio_models.conversation import compared_with, facts_of
from audio_models.reader import ANSWERS, LAYERS, RELATIONS, SENTIMENTS, WIDTH, YES_NO, Earlier, Network
from audio_models.text import Plain, plain
from audio_models.wordpiece import WordPiece
from scripts.scorers.examples import Example

FROZEN = 3
LIMIT = 64
"""Pieces of a turn in training."""
BATCH = 32
RATE = 6e-5
HEAD_RATE = 1e-3
AVERAGED = 0.995
"""What is kept is a moving average of the weights over some 200 steps: steadier than the last of them."""
MEANING_WEIGHT = 2.0
YES_WEIGHT = 1.5
POSITIVE_WEIGHT = 1.5
SCORE_WEIGHT = 0.7
RANKING_WEIGHT = 0.5
SMOOTHING = 0.05
POLISH_RATE = 5e-4
POLISH_BATCH = 128
WARMING = 150
"""Steps in which the learning rate rises."""
KEPT_EACH = 500
"""Steps."""
FIRST_YES = len(SENTIMENTS) + 1


States = Mapping[str, NDArray[np.float16]]
"""A text and its states [pieces, width]."""


class Texts:
    """Every text once: its states under the trained layers, and what MiniLM makes of it as a whole."""

    def __init__(self, network: Network, pieces: WordPiece) -> None:
        self._network = network
        self._pieces = pieces
        self.plain: dict[str, Plain] = {}
        self._states: dict[str, NDArray[np.float16]] = {}
        self._meaning: dict[str, NDArray[np.float32]] = {}

    def read(self, texts: Sequence[str]) -> None:
        """Reads those not read yet; shorter ones first, so that little is padded."""
        new = sorted(dict.fromkeys(text for text in texts if text not in self.plain), key=len)
        for at in range(0, len(new), 128):
            self._read(new[at : at + 128])

    @torch.inference_mode()
    def _read(self, texts: Sequence[str]) -> None:
        said = [plain(text) for text in texts]
        cut = [self._pieces.cut([token.word for token in one.tokens], LIMIT).numbers for one in said]
        numbers = torch.zeros(len(cut), max(map(len, cut)), dtype=torch.long)
        there = torch.zeros_like(numbers, dtype=torch.bool)
        for row, found in enumerate(cut):
            numbers[row, : len(found)] = torch.tensor(found)
            there[row, : len(found)] = True
        lower = self._network.reader(numbers, there, last=FROZEN)
        upper = self._network.reader(lower, there, first=FROZEN)
        weights = there[:, :, None].float()
        meaning = functional.normalize((upper * weights).sum(1) / weights.sum(1), dim=-1)
        for row, text in enumerate(texts):
            self.plain[text] = said[row]
            self._states[text] = lower[row, : len(cut[row])].half().numpy()
            self._meaning[text] = meaning[row].numpy().copy()

    def keep(self, path: Path) -> None:
        """What was read, for another training: reading takes as long as an epoch."""
        with path.open("wb") as file:
            pickle.dump((self._states, self._meaning), file)

    def recall(self, path: Path) -> None:
        """What an earlier training had read, of the same MiniLM."""
        with path.open("rb") as file:
            self._states, self._meaning = pickle.load(file)
        self.plain = {text: plain(text) for text in self._states}

    def meaning(self, text: str) -> NDArray[np.float32]:
        return self._meaning[text]

    def states(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Padded states under the trained layers and their mask."""
        return _padded([self._states[text] for text in texts])


def _padded(found: Sequence[NDArray[np.float16]]) -> tuple[Tensor, Tensor]:
    longest = max(map(len, found))
    states = torch.zeros(len(found), longest, WIDTH)
    there = torch.zeros(len(found), longest, dtype=torch.bool)
    for row, one in enumerate(found):
        states[row, : len(one)] = torch.from_numpy(one.astype(np.float32))
        there[row, : len(one)] = True
    return states, there


@dataclass(frozen=True)
class Goals:
    """What a batch should answer; a weight of 0 means that it is not known."""

    label: Tensor
    label_weight: Tensor
    score: Tensor
    score_weight: Tensor
    yes: Tensor
    yes_weight: Tensor


def goals(batch: Sequence[Example]) -> Goals:
    label = torch.zeros(len(batch), len(SENTIMENTS))
    label_weight = torch.zeros(len(batch))
    score, score_weight = torch.zeros(len(batch)), torch.zeros(len(batch))
    yes, yes_weight = torch.zeros(len(batch), len(YES_NO)), torch.zeros(len(batch), len(YES_NO))
    for row, one in enumerate(batch):
        if one.label is not None:
            label[row] = torch.tensor(one.label)
            label_weight[row] = one.weight
        if one.score is not None:
            score[row], score_weight[row] = one.score / 5, one.weight
        for name, value in one.yes.items():
            at = YES_NO.index(name)
            yes[row, at] = value
            yes_weight[row, at] = one.weight * (POSITIVE_WEIGHT if value > 0.5 else 1.0)
    return Goals(label, label_weight, score, score_weight, yes, yes_weight)


def loss_of(logits: Tensor, goal: Goals) -> Tensor:
    smooth = goal.label * (1 - SMOOTHING) + SMOOTHING / len(SENTIMENTS)
    label = -(smooth * logits[:, : len(SENTIMENTS)].log_softmax(-1)).sum(-1)
    score = functional.smooth_l1_loss(
        torch.tanh(logits[:, len(SENTIMENTS)]), goal.score, reduction="none", beta=0.2
    )
    yes = functional.binary_cross_entropy_with_logits(logits[:, FIRST_YES:], goal.yes, reduction="none")
    return (
        (label * goal.label_weight).mean()
        + SCORE_WEIGHT * 5 * (score * goal.score_weight).mean()
        + YES_WEIGHT * (yes * goal.yes_weight).sum(-1).mean() / 3
        + RANKING_WEIGHT * (_negative_order(logits, goal) + _human_order(logits, goal))
    )


def _negative_order(logits: Tensor, goal: Goals) -> Tensor:
    """Whether negative turns stand before the others, whatever set they are from."""
    known = goal.label_weight > 0
    lean = logits[:, 0] - logits[:, 1 : len(SENTIMENTS)].logsumexp(-1)
    return _order(lean, known & (goal.label[:, 0] >= 0.5), known & (goal.label[:, 0] <= 0.2))


def _human_order(logits: Tensor, goal: Goals) -> Tensor:
    at = YES_NO.index("wants_human")
    known = goal.yes_weight[:, at] > 0
    return _order(logits[:, FIRST_YES + at], known & (goal.yes[:, at] > 0.5), known & (goal.yes[:, at] < 0.5))


def _order(values: Tensor, above: Tensor, below: Tensor) -> Tensor:
    """Surprise at each pair that stands the wrong way round: a smooth 1 - AUC."""
    if not above.any() or not below.any():
        return values.sum() * 0
    return functional.softplus(values[below][None, :] - values[above][:, None]).mean()


def forward(network: Network, texts: Texts, batch: Sequence[Example]) -> tuple[Tensor, Tensor]:
    """(logits, meanings) of a batch with its context."""
    states, there = texts.states([one.text for one in batch])
    states = network.reader(states, there, first=FROZEN)
    earlier = tuple(_earlier(network, texts, batch, relation) for relation in range(2))
    logits, _ = network.answer(states, there, earlier)
    return logits, network.meaning(states, there)


def _earlier(
    network: Network,
    texts: Texts,
    batch: Sequence[Example],
    relation: int,
    upper: States | None = None,
) -> Earlier | None:
    """The turns that this relation compares a batch with; `upper` are their states where they are known."""
    rows, said, facts = [], [], []
    for row, one in enumerate(batch):
        if not one.context:
            continue
        meanings = [texts.meaning(text) for _, text in one.context]
        mine = texts.meaning(one.text)
        place = compared_with(one.role, [role for role, _ in one.context], mine, meanings)[relation]
        if place is None:
            continue
        text = one.context[place][1]
        rows.append(row)
        said.append(text)
        cosine = float(mine @ meanings[place])
        facts.append(facts_of(texts.plain[one.text], texts.plain[text], cosine, len(one.context) - place))
    if not rows:
        return None
    if upper is not None:
        states, there = _padded([upper[text] for text in said])
    else:
        states, there = texts.states(said)
        # The reader learns from the turn itself; through its context it would cost as much again.
        with torch.no_grad():
            states = network.reader(states, there, first=FROZEN)
    return Earlier(torch.tensor(rows), states, there, torch.tensor(facts))


def batches(examples: Sequence[Example], rng: random.Random, size: int = BATCH) -> Iterator[list[Example]]:
    """Shuffled batches of turns of about the same length."""
    order = sorted(examples, key=lambda one: len(one.text) * rng.uniform(0.8, 1.25))
    found = [order[at : at + size] for at in range(0, len(order), size)]
    rng.shuffle(found)
    yield from found


def train(
    network: Network,
    texts: Texts,
    examples: Sequence[Example],
    epochs: int,
    seed: int,
    minutes: float = 120.0,
    kept: Path | None = None,
) -> None:
    """Trains in place; ends after the epochs, or after `minutes` of wall time (the learning rate follows
    whichever is nearer, so that both end well). What is learned is kept in the file `kept` now and then."""
    rng = random.Random(seed)
    torch.manual_seed(seed)
    upper = [weight for layer in network.reader.layers[FROZEN:LAYERS] for weight in layer.parameters()]
    heads = [
        weight
        for part in (network.answers, network.meaning, network.comparisons)
        for weight in part.parameters()
    ]
    for weight in network.reader.parameters():
        weight.requires_grad_(False)
    for weight in upper:
        weight.requires_grad_(True)
    optimiser = torch.optim.AdamW(
        [{"params": upper, "peak": RATE}, {"params": heads, "peak": HEAD_RATE}], lr=RATE, weight_decay=0.01
    )
    steps = epochs * -(-len(examples) // BATCH)
    average = Average([*upper, *heads])
    began, step, shown = time.monotonic(), 0, 0.0
    for epoch in range(epochs):
        for batch in batches(examples, rng):
            done = max(step / steps, (time.monotonic() - began) / (60 * minutes))
            if done >= 1:
                average.into_weights()
                return
            for group in optimiser.param_groups:
                group["lr"] = group["peak"] * min(1.0, step / WARMING) * (1 - done)
            logits, meaning = forward(network, texts, batch)
            wanted = torch.from_numpy(np.stack([texts.meaning(one.text) for one in batch]))
            apart = 1 - (meaning * wanted).sum(-1)
            loss = loss_of(logits, goals(batch)) + MEANING_WEIGHT * apart.mean()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_([*upper, *heads], 1.0)
            optimiser.step()
            average.follow()
            shown = 0.98 * shown + 0.02 * loss.item() if step else loss.item()
            step += 1
            if kept is not None and step % KEPT_EACH == 0:
                save(network, kept)
            if step % 100 == 0:
                minutes_so_far = (time.monotonic() - began) / 60
                print(
                    f"epoch {epoch} step {step}/{steps} loss {shown:.3f} "
                    f"meaning {1 - apart.mean().item():.3f} {minutes_so_far:.1f} min",
                    flush=True,
                )
    average.into_weights()


def polish(
    network: Network, texts: Texts, states: States, examples: Sequence[Example], epochs: int, seed: int
) -> None:
    """Trains the answers alone, the reader as it is: with `states` computed once (`upper_states`), a step
    costs a small part of what one of `train` does. What comparisons add stays as it is."""
    rng = random.Random(seed)
    added = _added(network, texts, states, examples)
    weights = list(network.answers.parameters())
    for weight in weights:
        weight.requires_grad_(True)
    optimiser = torch.optim.AdamW(weights, lr=POLISH_RATE, weight_decay=0.01)
    average = Average(weights)
    places = {id(one): row for row, one in enumerate(examples)}
    steps = epochs * -(-len(examples) // POLISH_BATCH)
    done, shown = 0, 0.0
    for epoch in range(epochs):
        for batch in batches(examples, rng, POLISH_BATCH):
            for group in optimiser.param_groups:
                group["lr"] = POLISH_RATE * (1 - done / (steps + 1))
            rows = [places[id(one)] for one in batch]
            logits, _ = network.answers(*_padded([states[one.text] for one in batch]))
            loss = loss_of(logits + added[rows], goals(batch))
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            average.follow()
            shown = 0.99 * shown + 0.01 * loss.item() if done else loss.item()
            done += 1
        print(f"polish {epoch} loss {shown:.3f}", flush=True)
    average.into_weights()


@torch.no_grad()
def upper_states(network: Network, texts: Texts, examples: Sequence[Example]) -> States:
    """What the network makes of each turn and its context."""
    found: dict[str, NDArray[np.float16]] = {}
    said = {text for one in examples for text in (one.text, *(other for _, other in one.context))}
    order = sorted(said, key=len)
    for at in range(0, len(order), 128):
        part = order[at : at + 128]
        states, there = texts.states(part)
        states = network.reader(states, there, first=FROZEN)
        for row, text in enumerate(part):
            found[text] = states[row, : int(there[row].sum())].half().numpy()
    return found


@torch.no_grad()
def _added(network: Network, texts: Texts, states: States, examples: Sequence[Example]) -> Tensor:
    """What the comparisons add to the answers of each example."""
    added = torch.zeros(len(examples), len(ANSWERS))
    with_context = [row for row, one in enumerate(examples) if one.context]
    for at in range(0, len(with_context), 128):
        rows = torch.tensor(with_context[at : at + 128])
        part = [examples[row] for row in rows]
        ours, there = _padded([states[one.text] for one in part])
        for relation in range(RELATIONS):
            other = _earlier(network, texts, part, relation, states)
            if other is not None:
                more = network.comparisons[relation](
                    ours[other.rows], there[other.rows], other.states, other.there, other.facts
                )
                added.index_add_(0, rows[other.rows], more)
    return added


class Average:
    """A moving average of weights in training."""

    def __init__(self, weights: Sequence[Tensor]) -> None:
        self._weights = weights
        self._means = [weight.detach().clone() for weight in weights]
        self._steps = 0

    @torch.no_grad()
    def follow(self) -> None:
        """After each step; young averages follow faster."""
        self._steps += 1
        share = 1 - min(AVERAGED, self._steps / (self._steps + 10))
        for mean, weight in zip(self._means, self._weights, strict=True):
            mean.lerp_(weight, share)

    @torch.no_grad()
    def into_weights(self) -> None:
        for mean, weight in zip(self._means, self._weights, strict=True):
            weight.copy_(mean)


@torch.inference_mode()
def answers(network: Network, texts: Texts, examples: Sequence[Example]) -> NDArray[np.float32]:
    """Logits [examples, ANSWERS], in their order."""
    texts.read([text for one in examples for text in (one.text, *(said for _, said in one.context))])
    found = np.zeros((len(examples), len(ANSWERS)), np.float32)
    order = sorted(range(len(examples)), key=lambda at: len(examples[at].text))
    for at in range(0, len(order), 64):
        rows = order[at : at + 64]
        found[rows] = forward(network, texts, [examples[row] for row in rows])[0].numpy()
    return found


def save(network: Network, path: Path) -> None:
    torch.save(network.state_dict(), path)


def restore(network: Network, path: Path) -> None:
    network.load_state_dict(torch.load(path, weights_only=True))
