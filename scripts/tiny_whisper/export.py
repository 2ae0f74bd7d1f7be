"""Write a trained model as a folder that faster-whisper loads: int8, with its tokenizer."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ctranslate2.specs.whisper_spec import WhisperSpec
from torch import Tensor, nn

from .examples import ALPHABET, PHONES
from .model import CrossAttention, FeedForward, SelfAttention, Size, TinyWhisper
from .tokens import Vocabulary

PREPROCESSOR = {
    "feature_extractor_type": "WhisperFeatureExtractor",
    "feature_size": 80,
    "sampling_rate": 16_000,
    "hop_length": 160,
    "chunk_length": 30,
    "n_fft": 400,
}


def export(folder: Path, size: Size, out: Path) -> None:
    """Convert ``folder`` (tokenizer.json, model.pt) to a CTranslate2 folder ``out``."""
    vocabulary = Vocabulary.load(folder / "tokenizer.json")
    model = TinyWhisper(size, vocabulary.size, len(ALPHABET) + 1, len(PHONES))
    model.load_state_dict(torch.load(folder / "model.pt", map_location="cpu", weights_only=True))

    spec = specification(model)
    spec.register_vocabulary(vocabulary.listing())
    spec.config.suppress_ids = []
    spec.config.suppress_ids_begin = [vocabulary.blank]  # not the end: nothing is said in silence
    spec.config.lang_ids = []
    spec.config.alignment_heads = [[size.decoder_layers - 1, 0]]  # the guided head
    spec.validate()
    spec.optimize(quantization="int8")
    with tempfile.TemporaryDirectory() as fresh:
        spec.save(fresh)
        (Path(fresh) / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR, indent=1) + "\n")
        shutil.copy(folder / "tokenizer.json", fresh)
        out.mkdir(parents=True, exist_ok=True)
        for path in Path(fresh).iterdir():
            shutil.copy(path, out)


def _array(tensor: Tensor) -> np.ndarray:
    return np.ascontiguousarray(tensor.detach().numpy(), dtype=np.float32)


def specification(model: TinyWhisper) -> WhisperSpec:
    size = model.size
    encoder: Any = model.encoder  # nn.ModuleList forgets the types of its layers
    decoder: Any = model.decoder
    spec = WhisperSpec(size.encoder_layers, size.heads, size.decoder_layers, size.heads)
    for name in ("conv1", "conv2"):
        _copy(getattr(spec.encoder, name), getattr(encoder, name))
    spec.encoder.position_encodings.encodings = _array(encoder.positions)
    spec.decoder.position_encodings.encodings = _array(decoder.positions)
    spec.decoder.embeddings.weight = _array(decoder.embedding.weight)
    spec.decoder.projection.weight = _array(decoder.embedding.weight)
    for part_spec, part in ((spec.encoder, encoder), (spec.decoder, decoder)):
        _copy_norm(part_spec.layer_norm, part.norm)
        for layer_spec, layer in zip(part_spec.layer, part.layers, strict=True):
            _copy_self_attention(layer_spec.self_attention, layer.attention)
            _copy_feed_forward(layer_spec.ffn, layer.feed_forward)
    for layer_spec, layer in zip(spec.decoder.layer, decoder.layers, strict=True):
        _copy_cross_attention(layer_spec.attention, layer.cross)
    return spec


def _copy(spec: Any, module: nn.Linear | nn.Conv1d) -> None:
    spec.weight = _array(module.weight)
    assert module.bias is not None
    spec.bias = _array(module.bias)


def _copy_norm(spec: Any, module: nn.LayerNorm) -> None:
    spec.gamma = _array(module.weight)
    spec.beta = _array(module.bias)


def _copy_self_attention(spec: Any, module: SelfAttention) -> None:
    _copy_norm(spec.layer_norm, module.norm)
    for target, source in zip(spec.linear, (module.query_key_value, module.out), strict=True):
        _copy(target, source)


def _copy_cross_attention(spec: Any, module: CrossAttention) -> None:
    _copy_norm(spec.layer_norm, module.norm)
    for target, source in zip(spec.linear, (module.query, module.key_value, module.out), strict=True):
        _copy(target, source)


def _copy_feed_forward(spec: Any, module: FeedForward) -> None:
    _copy_norm(spec.layer_norm, module.norm)
    _copy(spec.linear_0, module.inner)
    _copy(spec.linear_1, module.out)
