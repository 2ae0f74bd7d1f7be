"""Writes the weights that VoiceWatch loads: matrices in 8 bits by row, the little rest in 16."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from audio_models.reader import Layer, Network

MATRICES = ("into", "out", "up", "down")


def write(network: Network, vocabulary: Sequence[str], out: Path) -> int:
    """Bytes written."""
    arrays: dict[str, NDArray[Any]] = {}
    state = {name: weight.detach() for name, weight in network.state_dict().items()}
    _rows(arrays, "reader.pieces.", state.pop("reader.pieces.weight"))
    for number, layer in enumerate(network.reader.layers):
        assert isinstance(layer, Layer)
        for name in MATRICES:
            prefix = f"reader.layers.{number}.{name}."
            _rows(arrays, prefix, state.pop(prefix + "weight"))
            arrays[prefix + "bias"] = state.pop(prefix + "bias").numpy().astype(np.float32)
    arrays |= {name: weight.numpy().astype(np.float16) for name, weight in state.items()}
    out.mkdir(parents=True, exist_ok=True)
    np.savez(out / "network.npz", **arrays)
    (out / "vocabulary.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    return sum(path.stat().st_size for path in out.iterdir())


def _rows(arrays: dict[str, NDArray[Any]], prefix: str, weight: Tensor) -> None:
    scale = weight.abs().amax(1).clamp_min(1e-8) / 127
    arrays[prefix + "weight"] = (weight / scale[:, None]).round().numpy().astype(np.int8)
    arrays[prefix + "scale"] = scale.numpy().astype(np.float32)
