"""The network of `audio_models.reader` as it is run: one turn at a time, its large matrices in 8 bits.

A turn by itself needs no padding and no mask, and reads the same whatever else is read beside it. Weights
are in 8 bits by row, activations are brought there by turn; that and as few steps as possible are what keeps
a turn within a few milliseconds of one core. Training knows nothing of this: the figures are those of
`reader.Network`.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
import torch.nn.functional as functional
from numpy.typing import NDArray
from torch import Tensor

from audio_models.reader import COMPARED, EPSILON, HEADS, LAYERS, RELATIONS, WIDTH

Tensors = Mapping[str, Tensor]
START_SIZE = 4.0
"""Values of the start mark are a few times those of words, in all turns alike: brought to 8 bits as they
are, words would lose two of theirs. By the error of the logits, which is halved (0.16 to 0.075); for new
weights try it anew."""
_SIZE = WIDTH // HEADS


@contextmanager
def inference() -> Iterator[None]:
    """What a TurnNetwork is called under. Without the second, torch asks each packed matrix whether it has a
    multiplication of its own, and the answer, an exception, takes 20 us: as long as many a product."""
    with torch.inference_mode(), torch._C.DisableTorchFunctionSubclass():
        yield


class TurnNetwork:
    """Reader, answers, meaning and comparisons from the arrays of `network.npz`. Call it under
    `inference()`. Raises KeyError where an array is missing."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        self._pieces = arrays["reader.pieces.weight"]
        self._piece_steps = arrays["reader.pieces.scale"][:, None]
        self._places = arrays["reader.places.weight"].astype(np.float32)
        self._sizes = torch.ones(len(self._places), 1)
        self._sizes[0] = START_SIZE
        self._norm = _Norm(tensors, "reader.norm.")
        self._layers = [_Layer(tensors, f"reader.layers.{number}.") for number in range(LAYERS)]
        # What each answer looks at and what it sees there, in one multiplication.
        self._heads = torch.cat([tensors["answers.looks_at.weight"], tensors["answers.sees.weight"]]).float()
        self._head_bias = tensors["answers.sees.bias"].float()
        self._evidence = [
            (tensors[f"evidence.{name}.weight"].float(), tensors[f"evidence.{name}.bias"].float())
            for name in ("sees", "tells")
        ]
        self._turn = _rounded(tensors["meaning.turn.weight"].float(), tensors["meaning.turn.bias"].float())
        self._comparisons = [_Comparison(tensors, f"comparisons.{number}.") for number in range(RELATIONS)]

    def read(self, numbers: Sequence[int]) -> Tensor:
        """Numbers of pieces, marks around them, to their states [pieces, width]."""
        at = np.array(numbers)
        embedded = self._pieces[at] * self._piece_steps[at] + self._places[: len(at)]
        states = self._norm(torch.from_numpy(embedded))
        sizes = self._sizes[: len(at)]
        for layer in self._layers:
            states = layer(states, sizes)
        return states

    def meaning(self, states: Tensor) -> Tensor:
        """A unit vector whose cosine tells how alike two turns are in meaning."""
        found = _product(states.mean(0, keepdim=True), self._turn)[0]
        return found.div_(found.dot(found).sqrt_())

    def answers(self, states: Tensor) -> Tensor:
        """Logits [answers]."""
        looks, sees = functional.linear(states, self._heads).chunk(2, 1)
        return looks.softmax(0).mul_(sees).sum(0).add_(self._head_bias)

    def evidence(self, states: Tensor) -> Tensor:
        """How much of each answer each piece carries [pieces, answers]."""
        sees, tells = self._evidence
        return functional.linear(functional.gelu(functional.linear(states, *sees)), *tells)

    def compared(self, relation: int, ours: Tensor, theirs: Tensor, facts: Sequence[float]) -> Tensor:
        """What an earlier turn adds to each answer, [answers]."""
        return self._comparisons[relation](ours, theirs, facts)


class _Norm:
    def __init__(self, tensors: Tensors, prefix: str) -> None:
        self._weight = tensors[prefix + "weight"].float()
        self._bias = tensors[prefix + "bias"].float()

    def __call__(self, states: Tensor) -> Tensor:
        return torch.layer_norm(states, (WIDTH,), self._weight, self._bias, EPSILON)


class _Int8Linear:
    """`y = x W^T + b` with W in 8 bits by output row and x in 8 bits as a whole."""

    def __init__(self, tensors: Tensors, prefix: str) -> None:
        bias = tensors[prefix + "bias"].float()
        self._packed = _packed(tensors[prefix + "weight"], tensors[prefix + "scale"], bias)

    def __call__(self, states: Tensor) -> Tensor:
        return _product(states, self._packed)


class _Int8LinearOfSizes:
    """The same with the pieces of x brought to one size before, and back to `sizes` [pieces, 1] after."""

    def __init__(self, tensors: Tensors, prefix: str) -> None:
        self._packed = _packed(tensors[prefix + "weight"], tensors[prefix + "scale"], None)
        self._bias = tensors[prefix + "bias"].float()

    def __call__(self, states: Tensor, sizes: Tensor) -> Tensor:
        return torch.addcmul(self._bias, _product(states / sizes, self._packed), sizes)


def _packed(weight: Tensor, scale: Tensor, bias: Tensor | None) -> torch.ScriptObject:
    """`weight` in 8 bits, a `scale` for each row."""
    with warnings.catch_warnings():
        # PyTorch moves quantised tensors to a package of their own; the multiplication itself stays.
        warnings.simplefilter("ignore", UserWarning)
        zeros = torch.zeros(len(weight), dtype=torch.long)
        rows = torch._make_per_channel_quantized_tensor(weight, scale.double(), zeros, 0)
        packed: torch.ScriptObject = torch.ops.quantized.linear_prepack(rows, bias)
    return packed


def _rounded(weight: Tensor, bias: Tensor) -> torch.ScriptObject:
    """`weight` brought to 8 bits."""
    scale = weight.abs().amax(1).clamp_min(1e-8) / 127
    return _packed((weight / scale[:, None]).round().to(torch.int8), scale, bias)


_NARROW = not torch.cpu._is_vnni_supported()
"""Without VNNI two products of 8 bits overflow the sum they are added up in: 7 bits then."""


_multiplied = torch.ops.quantized.linear_dynamic.default._op
"""Without the way there in Python, which asks each argument what it is: 5 us, thirty times a turn."""


def _product(states: Tensor, packed: torch.ScriptObject) -> Tensor:
    found: Tensor = _multiplied(states, packed, _NARROW)
    return found


class _Layer:
    """See `reader.Layer`. What a query is scaled by is in its weights; for as few pieces as a turn has, plain
    products are faster than the attention made for long texts."""

    def __init__(self, tensors: Tensors, prefix: str) -> None:
        scaled = torch.ones(3 * WIDTH)
        scaled[:WIDTH] = 1 / math.sqrt(_SIZE)
        self._into = _packed(
            tensors[prefix + "into.weight"],
            tensors[prefix + "into.scale"].float() * scaled,
            tensors[prefix + "into.bias"].float() * scaled,
        )
        self._out = _Int8Linear(tensors, prefix + "out.")
        self._up = _Int8LinearOfSizes(tensors, prefix + "up.")
        self._down = _Int8LinearOfSizes(tensors, prefix + "down.")
        self._first_norm = _Norm(tensors, prefix + "first_norm.")
        self._second_norm = _Norm(tensors, prefix + "second_norm.")

    def __call__(self, states: Tensor, sizes: Tensor) -> Tensor:
        pieces = len(states)
        heads = _product(states, self._into).view(pieces, 3 * HEADS, _SIZE).transpose(0, 1)
        query, key, value = torch.split_with_sizes(heads, (HEADS, HEADS, HEADS))
        attention = torch.bmm(query, key.transpose(1, 2)).softmax(-1)
        seen = torch.bmm(attention, value).transpose(0, 1)
        states = self._first_norm(self._out(seen.reshape(pieces, WIDTH)).add_(states))
        inner = functional.gelu(self._up(states, sizes))
        return self._second_norm(self._down(inner, sizes).add_(states))


class _Comparison:
    """See `reader.Comparison`. Words and what stands for them over there are judged as a pair
    [w, a, w - a, w * a]; of what of it is linear in w and in a, each turn has its own share."""

    def __init__(self, tensors: Tensors, prefix: str) -> None:
        align = tensors[prefix + "align.weight"].float() / math.sqrt(WIDTH)
        word, aligned, apart, product = tensors[prefix + "compare.weight"].float().chunk(4, 1)
        shares = torch.cat([word + apart, aligned - apart])
        bias = torch.cat([tensors[prefix + "compare.bias"].float(), torch.zeros(COMPARED)])
        self._ours = _rounded(torch.cat([align, shares]), torch.cat([torch.zeros(WIDTH), bias]))
        self._theirs = _rounded(shares, bias)
        self._product = product.t().contiguous()
        self._judge = tensors[prefix + "judge.weight"].float()

    def __call__(self, ours: Tensor, theirs: Tensor, facts: Sequence[float]) -> Tensor:
        sought, our_word, our_aligned = torch.split_with_sizes(
            _product(ours, self._ours), (WIDTH, COMPARED, COMPARED), 1
        )
        their_word, their_aligned = _product(theirs, self._theirs).chunk(2, 1)
        affinity = sought @ theirs.t()
        forth, back = affinity.softmax(1), affinity.t().softmax(1)
        found = [
            *self._pooled(ours, forth @ theirs, torch.addmm(our_word, forth, their_aligned)),
            *self._pooled(theirs, back @ ours, torch.addmm(their_word, back, our_aligned)),
            torch.tensor(facts),
        ]
        return functional.linear(torch.cat(found), self._judge)

    def _pooled(self, words: Tensor, aligned: Tensor, shares: Tensor) -> tuple[Tensor, Tensor]:
        seen = functional.gelu(torch.addmm(shares, aligned.mul_(words), self._product))
        return seen.mean(0), seen.amax(0)
