"""Fine-tunes MiniLM and the answers on top, on a CPU, from a fixed seed: an hour of one core.

All layers learn, the embeddings of pieces and places stay as they are. No text is read twice alike: words are
lost and misheard at random, anew in each epoch.
"""

from __future__ import annotations

import pickle
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as functional
from numpy.typing import NDArray
from torch import Tensor

from audio_models.conversation import compared_with, facts_of
from audio_models.reader import ANSWERS, SENTIMENTS, YES_NO, Earlier, Network
from audio_models.text import Plain, plain
from audio_models.wordpiece import WordPiece
from scripts.scorers.examples import Example, misheard

LIMIT = 64
"""Pieces of a turn in training."""
BATCH = 32
RATE = 5e-5
HEAD_RATE = 1e-3
AVERAGED = 0.995
"""What is kept is a moving average of the weights over some 200 steps: steadier than the last of them."""
MEANING_WEIGHT = 2.0
YES_WEIGHT = 1.5
POSITIVE_WEIGHT = 1.5
SCORE_WEIGHT = 0.7
RANKING_WEIGHT = 0.5
SMOOTHING = 0.05
LOST = 0.1
"""Of the pieces of a turn, so that no answer hangs on a single word."""
LOST_FROM = 5
"""Pieces from which some are lost: of three words none can be spared."""
MISHEARD = 0.4
"""Of the turns, in each epoch."""
WARMING = 150
"""Steps in which the learning rate rises."""
KEPT_EACH = 500
"""Steps."""
FIRST_YES = len(SENTIMENTS) + 1


class Texts:
    """Every text once: its pieces, and what MiniLM makes of it as a whole before it learns anything."""

    def __init__(self, network: Network, pieces: WordPiece) -> None:
        self._network = network
        self._pieces = pieces
        self.plain: dict[str, Plain] = {}
        self._meaning: dict[str, NDArray[np.float32]] = {}

    def read(self, texts: Sequence[str]) -> None:
        """Reads those not read yet; shorter ones first, so that little is padded."""
        new = sorted(dict.fromkeys(text for text in texts if text not in self.plain), key=len)
        for at in range(0, len(new), 128):
            self._read(new[at : at + 128])

    @torch.inference_mode()
    def _read(self, texts: Sequence[str]) -> None:
        self.plain |= {text: plain(text) for text in texts}
        numbers, there = self.pieces(texts)
        states = self._network.reader(numbers, there)
        weights = there[:, :, None].float()
        meaning = functional.normalize((states * weights).sum(1) / weights.sum(1), dim=-1)
        self._meaning |= zip(texts, meaning.numpy().copy(), strict=True)

    def keep(self, path: Path) -> None:
        """What was read, for another training."""
        with path.open("wb") as file:
            pickle.dump(self._meaning, file)

    def recall(self, path: Path) -> None:
        """What an earlier training had read, of the same MiniLM."""
        with path.open("rb") as file:
            self._meaning = pickle.load(file)
        self.plain = {text: plain(text) for text in self._meaning}

    def meaning(self, text: str) -> NDArray[np.float32]:
        return self._meaning[text]

    def pieces(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Padded numbers of the pieces [texts, pieces] and their mask; of texts not read, too."""
        said = [self.plain.get(text) or plain(text) for text in texts]
        cut = [self._pieces.cut(one.words, LIMIT).numbers for one in said]
        numbers = torch.zeros(len(cut), max(map(len, cut)), dtype=torch.long)
        there = torch.zeros_like(numbers, dtype=torch.bool)
        for row, found in enumerate(cut):
            numbers[row, : len(found)] = torch.tensor(found)
            there[row, : len(found)] = True
        return numbers, there


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


def forward(
    network: Network, texts: Texts, batch: Sequence[Example], heard: Sequence[str] | None = None
) -> tuple[Tensor, Tensor]:
    """(logits, meanings) of a batch with its context; of turns `heard` in other words than they were said,
    some pieces are lost besides."""
    numbers, there = texts.pieces(heard or [one.text for one in batch])
    if heard:
        there = _some_lost(there)
    states = network.reader(numbers, there)
    earlier = tuple(_earlier(network, texts, batch, relation) for relation in range(2))
    return network.answer(states, there, earlier), network.meaning(states, there)


def _some_lost(there: Tensor) -> Tensor:
    kept = torch.rand(there.shape) >= LOST
    return there & (kept | (there.sum(1, keepdim=True) < LOST_FROM))


def _earlier(network: Network, texts: Texts, batch: Sequence[Example], relation: int) -> Earlier | None:
    """The turns that this relation compares a batch with."""
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
    numbers, there = texts.pieces(said)
    # The reader learns from the turn itself; through its context it would cost as much again.
    with torch.no_grad():
        states = network.reader(numbers, there)
    return Earlier(torch.tensor(rows), states, there, torch.tensor(facts))


def drawn(examples: Sequence[Example], rng: random.Random) -> list[Example]:
    """What an epoch reads: each as often as it says, on average."""
    return [one for one in examples for _ in range(int(one.often + rng.random()))]


def batches(examples: Sequence[Example], rng: random.Random) -> Iterator[list[Example]]:
    """Shuffled batches of turns of about the same length."""
    order = sorted(examples, key=lambda one: len(one.text) * rng.uniform(0.8, 1.25))
    found = [order[at : at + BATCH] for at in range(0, len(order), BATCH)]
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
    layers = list(network.reader.layers.parameters())
    heads = [
        weight
        for part in (network.answers, network.meaning, network.comparisons)
        for weight in part.parameters()
    ]
    for weight in network.reader.parameters():
        weight.requires_grad_(False)
    for weight in layers:
        weight.requires_grad_(True)
    optimiser = torch.optim.AdamW(
        [{"params": layers, "peak": RATE}, {"params": heads, "peak": HEAD_RATE}],
        lr=RATE,
        weight_decay=0.01,
        fused=True,
    )
    steps = max(1, round(epochs * sum(one.often for one in examples) / BATCH))
    average = Average([*layers, *heads])
    began, step, shown = time.monotonic(), 0, 0.0
    for epoch in range(epochs):
        for batch in batches(drawn(examples, rng), rng):
            done = max(step / steps, (time.monotonic() - began) / (60 * minutes))
            if done >= 1:
                average.into_weights()
                return
            for group in optimiser.param_groups:
                group["lr"] = group["peak"] * min(1.0, step / WARMING) * max(0.0, 1 - done)
            heard = [misheard(one.text, rng) if rng.random() < MISHEARD else one.text for one in batch]
            logits, meaning = forward(network, texts, batch, heard)
            wanted = torch.from_numpy(np.stack([texts.meaning(one.text) for one in batch]))
            apart = 1 - (meaning * wanted).sum(-1)
            loss = loss_of(logits, goals(batch)) + MEANING_WEIGHT * apart.mean()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_([*layers, *heads], 1.0)
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
        torch._foreach_lerp_(self._means, list(self._weights), share)

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


def mean_of(network: Network, paths: Sequence[Path]) -> None:
    """Sets `network` to the mean of networks that began alike and read in another order: it does better on
    what none of them has seen than any of them (Wortsman et al. 2022, https://arxiv.org/abs/2203.05482)."""
    found = [torch.load(path, weights_only=True) for path in paths]
    network.load_state_dict({name: sum(one[name] for one in found) / len(found) for name in found[0]})


def save(network: Network, path: Path) -> None:
    torch.save(network.state_dict(), path)
