"""Silero VAD v6 (silero-team/silero-vad, MIT) for many legs at once, from the copy faster-whisper ships.

Its ONNX graph takes one leg a run: the only axis it leaves open is time, and most of a run of one window is
the run itself. So the weights are read from that file and the graph is computed here: four short-time
spectra, four convolutions, one LSTM, for all legs that ask together. The results are those of onnxruntime to
1e-5 (tests/speech/test_silero.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from audio_models.api import Asked, MissingModel

WINDOW = 576
"""Samples of one question: 512 that are judged and the 64 before them."""
HIDDEN = 128
SPECTRUM, HOP, BINS = 256, 128, 129
FRAMES, PAD = 4, SPECTRUM // 4
ROOM = 64
"""Windows encoded at once; more are taken in turns."""
ASSET = "silero_vad_v6.onnx"

Floats = NDArray[np.float32]


class SileroJudge:
    """See `SpeechJudge`. Its memory of a leg is the LSTM's two states. Not for several threads at once."""

    name = "silero"
    window = WINDOW

    def __init__(self) -> None:
        """Raises MissingModel."""
        self._net = _net()
        self._room = _Room()

    def judge(self, asked: Sequence[Asked]) -> list[list[float]]:
        """See `SpeechJudge.judge`. All windows are encoded together, the legs remember in step."""
        if not asked:
            return []
        # The most asked come first: those that go on at each step are then the first few rows.
        order = sorted(range(len(asked)), key=lambda number: -len(asked[number].windows))
        counts = [len(asked[number].windows) for number in order]
        heard = self._encoded(np.concatenate([asked[number].windows for number in order]))
        firsts = np.cumsum([0, *counts[:-1]])
        going_on = [sum(at < count for count in counts) for at in range(counts[0])]
        states = self._net.remember(
            [heard[firsts[:legs] + at] for at, legs in enumerate(going_on)],
            np.stack([_remembered(asked[number]) for number in order]),
        )
        answers: list[list[float]] = [[] for _ in asked]
        for row, number in enumerate(order):
            asked[number].memory.state = states.after[row]
            answers[number] = states.probabilities[: counts[row], row].tolist()
        return answers

    def _encoded(self, windows: Floats) -> Floats:
        if len(windows) <= ROOM:
            return self._net.encode(windows, self._room)
        parts = range(0, len(windows), ROOM)
        return np.concatenate([self._net.encode(windows[at : at + ROOM], self._room) for at in parts])


def _remembered(asked: Asked) -> Floats:
    return asked.memory.state if asked.memory.state is not None else np.zeros(2 * HIDDEN, np.float32)


@dataclass(frozen=True)
class _States:
    """Probabilities [steps, legs], unused where a leg had no such step; states [legs, 2 x 128] at the end."""

    probabilities: Floats
    after: Floats


class _Net:
    """The weights, laid out for products with a batch of legs on the left.

    A bias is one more row of its weight, met by a column of ones; what a sigmoid reads is halved, because
    sigmoid(x) = (1 + tanh(x / 2)) / 2, so that all gates open with one tanh. Where a convolution's kernel
    meets nothing but padding its weights are left out.
    """

    def __init__(self, tensors: dict[str, Floats]) -> None:
        basis = tensors["encoder.feature_extractor.forward_basis_buffer"][:, 0]
        self._hann = np.ascontiguousarray(basis[0])  # of the constant: the basis is a windowed Fourier one
        _require_fourier(basis, self._hann)
        layers = [
            (tensors[f"encoder.conv_layers.{at}.weight"], tensors[f"encoder.conv_layers.{at}.bias"])
            for at in range(4)
        ]
        self._first, self._second = (_side_by_side(*layers[at]) for at in range(2))
        # The third layer's one frame meets padding with its first tap, the fourth's with all but the middle.
        self._third = _side_by_side(layers[2][0][:, :, 1:], layers[2][1])
        self._fourth = _side_by_side(layers[3][0][:, :, 1:2], layers[3][1])
        halved = np.repeat(np.array([0.5, 0.5, 0.5, 1], np.float32), HIDDEN)  # input, output, forget; cell
        gate_bias = tensors["onnx::LSTM_211"][0].reshape(2, 4 * HIDDEN).sum(axis=0)
        from_input = np.concatenate([tensors["onnx::LSTM_209"][0].T, gate_bias[None]])
        self._from_input = np.ascontiguousarray(from_input * halved)
        self._from_hidden = np.ascontiguousarray(tensors["onnx::LSTM_210"][0].T * halved)
        self._out = tensors["decoder.conv1d.weight"].reshape(HIDDEN) / 2
        self._out_bias = np.float32(tensors["decoder.conv1d.bias"][0] / 2)

    def remember(self, heard: Sequence[Floats], before: Floats) -> _States:
        """Steps of `encode` ([legs going on, 512], ever fewer legs) on states [legs, 2 x 128]."""
        hidden, cell = before[:, :HIDDEN].copy(), before[:, HIDDEN:].copy()
        said = np.zeros((len(heard), *hidden.shape), np.float32)
        for at, given in enumerate(heard):
            legs = len(given)
            gates = hidden[:legs] @ self._from_hidden
            gates += given
            np.tanh(gates, out=gates)
            opened = gates[:, : 3 * HIDDEN]
            opened += 1
            opened *= 0.5
            kept = cell[:legs]
            kept *= gates[:, 2 * HIDDEN : 3 * HIDDEN]
            kept += gates[:, :HIDDEN] * gates[:, 3 * HIDDEN :]
            np.multiply(gates[:, HIDDEN : 2 * HIDDEN], np.tanh(kept), out=hidden[:legs])
            said[at, :legs] = hidden[:legs]
        np.maximum(said, 0, out=said)
        opened_at = 0.5 + 0.5 * np.tanh(said @ self._out + self._out_bias)
        return _States(np.asarray(opened_at, np.float32), np.concatenate([hidden, cell], axis=1))

    def encode(self, windows: Floats, room: _Room) -> Floats:
        """[windows, 576], at most ROOM -> what the LSTM's gates hear of each, [windows, 512]."""
        count = len(windows)
        room.padded[:count, :WINDOW] = windows
        room.padded[:count, WINDOW:] = windows[:, -2 : -2 - PAD : -1]
        frames = np.multiply(room.frames[:count], self._hann, out=room.windowed[:count])
        np.abs(np.fft.rfft(frames), out=room.spectra[:count, 1:-1])
        room.taps[0][:count, :, :-1] = room.beside[0][:count]
        first = room.taps[0][:count].reshape(count * FRAMES, -1) @ self._first
        np.maximum(first.reshape(count, FRAMES, -1), 0, out=room.first[:count, 1:])
        room.taps[1][:count, :, :-1] = room.beside[1][:count]
        second = room.taps[1][:count].reshape(count * FRAMES // 2, -1) @ self._second
        third = _above_zero(np.maximum(second, 0, out=second).reshape(count, -1), self._third)
        fourth = _above_zero(third, self._fourth)
        heard: Floats = fourth @ self._from_input[:-1]
        heard += self._from_input[-1]
        return heard


class _Room:
    """Memory of one judge's encoding, and views of it: making them costs more than what they are for."""

    def __init__(self) -> None:
        self.padded = np.empty((ROOM, WINDOW + PAD), np.float32)
        self.frames = as_strided(self.padded, (ROOM, FRAMES, SPECTRUM), (4 * (WINDOW + PAD), 4 * HOP, 4))
        self.windowed = np.empty((ROOM, FRAMES, SPECTRUM), np.float32)
        # Frames of nothing, before and behind, are what convolutions are padded with.
        self.spectra = np.zeros((ROOM, FRAMES + 2, BINS), np.float32)
        self.first = np.zeros((ROOM, FRAMES + 1, HIDDEN), np.float32)
        self.beside = (_beside(self.spectra, FRAMES, 1), _beside(self.first, FRAMES // 2, 2))
        self.taps = [np.ones((*view.shape[:2], view.shape[2] + 1), np.float32) for view in self.beside]


def _beside(heard: Floats, count: int, stride: int) -> Floats:
    """Three frames side by side, `count` times: [windows, time, channels] -> [windows, count, 3 channels]."""
    windows, length, channels = heard.shape
    return as_strided(
        heard, (windows, count, 3 * channels), (4 * channels * length, 4 * channels * stride, 4)
    )


def _require_fourier(basis: Floats, hann: Floats) -> None:
    turns = np.outer(np.arange(BINS), np.arange(SPECTRUM)) * (2 * np.pi / SPECTRUM)
    expected = np.concatenate([np.cos(turns), -np.sin(turns)]) * hann
    if basis.shape != expected.shape or np.abs(basis - expected).max() > 1e-5:
        raise ValueError("spectra are not what they were")


def _side_by_side(weight: Floats, bias: Floats) -> Floats:
    """[out, in, tap] as [tap * in + 1, out]: a convolution is one product with the taps side by side."""
    taps = weight.transpose(2, 1, 0).reshape(-1, weight.shape[0])
    return np.ascontiguousarray(np.concatenate([taps, bias[None]]), np.float32)


def _above_zero(heard: Floats, weight: Floats) -> Floats:
    product: Floats = heard @ weight[:-1]
    product += weight[-1]
    return np.maximum(product, 0, out=product)


# ---------------------------------------------------------------- the file


@lru_cache(maxsize=1)
def _net() -> _Net:
    """Raises MissingModel when faster-whisper's copy is not there or is another graph than expected."""
    package = find_spec("faster_whisper")
    folder = Path(package.origin).parent if package and package.origin else Path()
    path = folder / "assets" / ASSET
    try:
        return _Net(_tensors(path.read_bytes()))
    except (OSError, KeyError, IndexError, ValueError) as error:
        raise MissingModel(
            f"Silero's model {path} cannot be used ({type(error).__name__}): install the faster-whisper that "
            'VoiceWatch names, or set speech.detector = "webrtcvad"'
        ) from None


def _tensors(model: bytes) -> dict[str, Floats]:
    """The float tensors of an ONNX file: ModelProto.graph = 7, GraphProto.initializer = 5 (onnx.proto3)."""
    found: dict[str, Floats] = {}
    for graph in _of(model, 7):
        for tensor in _of(graph, 5):
            (name,), raw = _of(tensor, 8), _of(tensor, 9)
            shape = [size for part in _of(tensor, 1) for size in _sizes(part)]
            if raw and len(raw[0]) == 4 * int(np.prod(shape)):
                found[name.decode()] = np.frombuffer(raw[0], "<f4").reshape(shape).astype(np.float32)
    return found


def _of(message: bytes, number: int) -> list[bytes]:
    """The values of field `number`; a varint's are its own bytes."""
    return [value for field, value in _fields(message) if field == number]


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Protocol Buffers' wire format: a key of field and kind, then a value whose length the kind tells."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        start = at
        match key & 7:
            case 0:
                _, at = _varint(message, at)
            case 1:
                at += 8
            case 2:
                length, start = _varint(message, at)
                at = start + length
            case 5:
                at += 4
            case kind:
                raise ValueError(f"wire kind {kind}")
        yield key >> 3, message[start:at]


def _sizes(packed: bytes) -> Iterator[int]:
    at = 0
    while at < len(packed):
        value, at = _varint(packed, at)
        yield value


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        part = message[at]
        at += 1
        value |= (part & 127) << shift
        shift += 7
        if part < 128:
            return value, at
