"""Whisper's architecture (Radford et al. 2022, arXiv 2212.04356), small, in plain PyTorch.

Layers are named and fused as CTranslate2 stores them, so that exporting is copying.
Differences to the published code: any window length is accepted, and one cross-attention
head of the last decoder layer is exposed, to be guided towards the times of words.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn


@dataclass(frozen=True)
class Size:
    """The dimensions of a model."""

    width: int = 144
    heads: int = 3
    encoder_layers: int = 3
    decoder_layers: int = 2
    mels: int = 80
    positions: int = 1500
    text_positions: int = 448


def _split(x: Tensor, heads: int) -> Tensor:
    batch, length, width = x.shape
    return x.view(batch, length, heads, width // heads).transpose(1, 2)


class SelfAttention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, causal: bool) -> Tensor:
        q, k, v = (_split(part, self.heads) for part in self.query_key_value(self.norm(x)).chunk(3, -1))
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
        added: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return x + added


class CrossAttention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, heard: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the new states and the attention weights, shaped (batch, heads, text, heard)."""
        q = _split(self.query(self.norm(x)), self.heads)
        k, v = (_split(part, self.heads) for part in self.key_value(heard).chunk(2, -1))
        weights = (q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])).softmax(-1)
        return x + self.out((weights @ v).transpose(1, 2).flatten(2)), weights


class FeedForward(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.inner = nn.Linear(width, 4 * width)
        self.out = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        added: Tensor = self.out(F.gelu(self.inner(self.norm(x))))
        return x + added


class EncoderLayer(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = SelfAttention(width, heads)
        self.feed_forward = FeedForward(width)

    def forward(self, x: Tensor) -> Tensor:
        mixed: Tensor = self.feed_forward(self.attention(x, causal=False))
        return mixed


class DecoderLayer(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = SelfAttention(width, heads)
        self.cross = CrossAttention(width, heads)
        self.feed_forward = FeedForward(width)

    def forward(self, x: Tensor, heard: Tensor) -> tuple[Tensor, Tensor]:
        x, weights = self.cross(self.attention(x, causal=True), heard)
        return self.feed_forward(x), weights


def _sinusoids(length: int, width: int) -> Tensor:
    rates = torch.exp(-math.log(10_000) / (width // 2 - 1) * torch.arange(width // 2))
    angles = torch.arange(length)[:, None] * rates[None]
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def _look_nearby(attention: SelfAttention) -> None:
    """Start with queries like keys, so that positions first attend to their neighbours.

    Mimetic initialisation (Trockman and Kolter 2023, arXiv 2305.09828): learning that speech is
    local would otherwise take most of a short training.
    """
    width = attention.out.in_features
    alike = torch.empty(width, width)
    nn.init.orthogonal_(alike, gain=1.2)
    with torch.no_grad():
        attention.query_key_value.weight[:width] = alike
        attention.query_key_value.weight[width : 2 * width] = alike


class Encoder(nn.Module):
    positions: Tensor

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(size.mels, size.width, 3, padding=1)
        self.conv2 = nn.Conv1d(size.width, size.width, 3, stride=2, padding=1)
        self.register_buffer("positions", _sinusoids(size.positions, size.width))
        self.layers = nn.ModuleList(EncoderLayer(size.width, size.heads) for _ in range(size.encoder_layers))
        self.norm = nn.LayerNorm(size.width)

    def forward(self, mel: Tensor) -> Tensor:
        """(batch, mels, 10 ms steps) -> (batch, 20 ms steps, width)."""
        x = F.gelu(self.conv2(F.gelu(self.conv1(mel)))).transpose(1, 2)
        x = x + self.positions[: x.shape[1]]
        for layer in self.layers:
            x = layer(x)
        normed: Tensor = self.norm(x)
        return normed


class Decoder(nn.Module):
    def __init__(self, size: Size, vocabulary: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, size.width)
        self.positions = nn.Parameter(torch.empty(size.text_positions, size.width))
        self.layers = nn.ModuleList(DecoderLayer(size.width, size.heads) for _ in range(size.decoder_layers))
        self.norm = nn.LayerNorm(size.width)

    def forward(self, tokens: Tensor, heard: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the next token, and the attention of the last layer's first head."""
        x = self.embedding(tokens) + self.positions[: tokens.shape[1]]
        for layer in self.layers:
            x, weights = layer(x, heard)
        return self.norm(x) @ self.embedding.weight.T, weights[:, 0]


class TinyWhisper(nn.Module):
    """Encoder and decoder, and two heads on the encoder that only training uses."""

    def __init__(self, size: Size, vocabulary: int, characters: int, phones: int) -> None:
        super().__init__()
        self.size = size
        self.encoder = Encoder(size)
        self.decoder = Decoder(size, vocabulary)
        self.characters = nn.Linear(size.width, characters)
        self.phones = nn.Linear(size.width, phones)
        self._initialise()

    def _initialise(self) -> None:
        """Larger than usual, or the convolutions drown below the position code for long."""
        for module in self.modules():
            if isinstance(module, nn.Conv1d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                assert module.bias is not None
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        for layer in self.encoder.layers:
            assert isinstance(layer, EncoderLayer)
            _look_nearby(layer.attention)
        nn.init.normal_(self.decoder.embedding.weight, std=self.size.width**-0.5)
        nn.init.normal_(self.decoder.positions, std=0.05)
