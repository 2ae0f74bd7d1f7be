"""The network of `audio_models.reader` as it is run: one turn at a time, its large matrices in 8 bits.

A turn by itself needs no padding and no mask, and reads the same whatever else is read beside it. Weights
are in 8 bits by row, activations are brought there by turn or by piece; that and as few steps as possible
are what keeps a turn within a few milliseconds of one core. Training knows nothing of this: the figures are
those of `reader.Network`.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as functional
from numpy.typing import NDArray
from torch import Tensor

from audio_models.reader import EPSILON, HEADS, LAYERS, RELATIONS, WIDTH

Tensors = Mapping[str, Tensor]
_SIZE = WIDTH // HEADS
_VECTOR = 16
"""Numbers that a core works on at once."""


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
        self._pieces = tensors["reader.pieces.weight"]
        self._piece_steps = tensors["reader.pieces.scale"]
        self._places = tensors["reader.places.weight"].float()
        self._norm = _Norm(tensors, "reader.norm.")
        self._layers = [_Layer(tensors, f"reader.layers.{number}.") for number in range(LAYERS)]
        # What each answer looks at and what it sees there, in one multiplication.
        self._heads = torch.cat([tensors["answers.looks_at.weight"], tensors["answers.sees.weight"]]).float()
        self._head_bias = tensors["answers.sees.bias"].float()
        self._turn = tensors["meaning.turn.weight"].float(), tensors["meaning.turn.bias"].float()
        self._comparisons = [_Comparison(tensors, f"comparisons.{number}.") for number in range(RELATIONS)]

    def read(self, numbers: Sequence[int]) -> Tensor:
        """Numbers of pieces, marks around them, to their states [pieces, width]."""
        at = torch.tensor(numbers)
        states = self._pieces[at].float().mul_(self._piece_steps[at].unsqueeze(-1))
        states = self._norm(states.add_(self._places[: len(numbers)]))
        for layer in self._layers:
            states = layer(states)
        return states

    def meaning(self, states: Tensor) -> Tensor:
        """A unit vector whose cosine tells how alike two turns are in meaning."""
        found = functional.linear(states.mean(0), *self._turn)
        return found.div_(torch.linalg.vector_norm(found))

    def answers(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """(logits [answers], each piece's part of them [pieces, answers])."""
        looks, sees = functional.linear(states, self._heads).chunk(2, 1)
        parts = looks.softmax(0).mul_(sees)
        return parts.sum(0).add_(self._head_bias), parts

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
        self._packed = _packed(tensors, prefix, tensors[prefix + "bias"].float())

    def __call__(self, states: Tensor) -> Tensor:
        return _product(states, self._packed)


class _Int8LinearByPiece:
    """The same with x in 8 bits by piece: pieces are brought to one size before, and taken back after.

    The marks hold values many times those of words: brought to 8 bits together, words would lose half of
    theirs.
    """

    def __init__(self, tensors: Tensors, prefix: str) -> None:
        self._packed = _packed(tensors, prefix, None)
        self._bias = tensors[prefix + "bias"].float()

    def __call__(self, states: Tensor) -> Tensor:
        size = states.abs().amax(1, True)
        return torch.addcmul(self._bias, _product(states / size, self._packed), size)


def _packed(tensors: Tensors, prefix: str, bias: Tensor | None) -> torch.ScriptObject:
    weight, scale = tensors[prefix + "weight"], tensors[prefix + "scale"].double()
    with warnings.catch_warnings():
        # PyTorch moves quantised tensors to a package of their own; the multiplication itself stays.
        warnings.simplefilter("ignore", UserWarning)
        zeros = torch.zeros(len(weight), dtype=torch.long)
        rows = torch._make_per_channel_quantized_tensor(weight, scale, zeros, 0)
        packed: torch.ScriptObject = torch.ops.quantized.linear_prepack(rows, bias)
    return packed


_NARROW = not torch.cpu._is_vnni_supported()
"""Without VNNI two products of 8 bits overflow the sum they are added up in: 7 bits then."""


def _product(states: Tensor, packed: torch.ScriptObject) -> Tensor:
    found: Tensor = torch.ops.quantized.linear_dynamic(states, packed, _NARROW)
    return found


class _Layer:
    """See `reader.Layer`."""

    def __init__(self, tensors: Tensors, prefix: str) -> None:
        self._into = _Int8Linear(tensors, prefix + "into.")
        self._out = _Int8Linear(tensors, prefix + "out.")
        self._up = _Int8LinearByPiece(tensors, prefix + "up.")
        self._down = _Int8LinearByPiece(tensors, prefix + "down.")
        self._first_norm = _Norm(tensors, prefix + "first_norm.")
        self._second_norm = _Norm(tensors, prefix + "second_norm.")

    def __call__(self, states: Tensor) -> Tensor:
        pieces = len(states)
        query, key, value = self._into(states).view(pieces, 3, HEADS, _SIZE).permute(1, 2, 0, 3)
        weights = _softmax(torch.bmm(query, key.transpose(1, 2)).mul_(1 / math.sqrt(_SIZE)))
        seen = torch.bmm(weights, value).transpose(0, 1).reshape(pieces, WIDTH)
        states = self._first_norm(self._out(seen).add_(states))
        return self._second_norm(self._down(functional.gelu(self._up(states))).add_(states))


def _softmax(found: Tensor) -> Tensor:
    """Over the last dimension. Of rows shorter than a vector torch takes ten times as long for it."""
    if found.shape[-1] >= _VECTOR:
        return found.softmax(-1)
    weights = found.sub_(found.amax(-1, True)).exp_()
    return weights.div_(weights.sum(-1, True))


class _Comparison:
    """See `reader.Comparison`. Words and what stands for them over there are judged as a pair
    [w, a, w - a, w * a]; by what of it is linear in w and in a, that is three small multiplications."""

    def __init__(self, tensors: Tensors, prefix: str) -> None:
        self._align = tensors[prefix + "align.weight"].float() / math.sqrt(WIDTH)
        word, aligned, apart, product = tensors[prefix + "compare.weight"].float().chunk(4, 1)
        self._of_both = torch.cat([word + apart, aligned - apart])
        self._product = product.contiguous()
        self._bias = tensors[prefix + "compare.bias"].float()
        self._judge = tensors[prefix + "judge.weight"].float()

    def __call__(self, ours: Tensor, theirs: Tensor, facts: Sequence[float]) -> Tensor:
        affinity = functional.linear(ours, self._align) @ theirs.t()
        our_word, our_aligned = functional.linear(ours, self._of_both).chunk(2, 1)
        their_word, their_aligned = functional.linear(theirs, self._of_both).chunk(2, 1)
        forth, back = affinity.softmax(1), affinity.t().softmax(1)
        found = [
            *self._pooled(ours, forth @ theirs, our_word, forth @ their_aligned),
            *self._pooled(theirs, back @ ours, their_word, back @ our_aligned),
            torch.tensor(facts),
        ]
        return functional.linear(torch.cat(found), self._judge)

    def _pooled(
        self, words: Tensor, aligned: Tensor, of_word: Tensor, of_aligned: Tensor
    ) -> tuple[Tensor, Tensor]:
        linear = torch.addmm(self._bias, words * aligned, self._product.t()).add_(of_word).add_(of_aligned)
        seen = functional.gelu(linear)
        return seen.mean(0), seen.amax(0)
