"""Silero VAD v6 (silero-team/silero-vad, MIT) for many legs at once, from the copy faster-whisper ships.

Its ONNX graph takes one leg a run: the only axis it leaves open is time, and most of a run of one window is
the run itself. So the weights are read from that file and the graph is computed here: four short-time
spectra, four convolutions, one LSTM, for all legs that ask together. The results are those of onnxruntime to
1e-5 (tests/speech/test_silero.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audio_models.api import Asked, MissingModel

WINDOW = 576
"""Samples of one question: 512 that are judged and the 64 before them."""
HIDDEN = 128
SPECTRUM, HOP, BINS = 256, 128, 129
ASSET = "silero_vad_v6.onnx"

Floats = NDArray[np.float32]


class SileroJudge:
    """See `SpeechJudge`. Its memory of a leg is the LSTM's two states."""

    name = "silero"
    window = WINDOW

    def __init__(self) -> None:
        """Raises MissingModel."""
        self._net = _net()

    def judge(self, asked: Sequence[Asked]) -> list[list[float]]:
        """See `SpeechJudge.judge`. All windows are encoded together, the legs remember in step."""
        if not asked:
            return []
        counts = [len(one.windows) for one in asked]
        heard = np.split(self._net.encode(np.concatenate([one.windows for one in asked])), np.cumsum(counts))
        answers: list[list[float]] = [[] for _ in asked]
        for at in range(max(counts)):
            going_on = [number for number, count in enumerate(counts) if at < count]
            before = np.stack([_remembered(asked[number]) for number in going_on])
            now = np.stack([heard[number][at] for number in going_on])
            probabilities, after = self._net.remember(now, before)
            for row, number in enumerate(going_on):
                asked[number].memory.state = after[row]
                answers[number].append(float(probabilities[row]))
        return answers


def _remembered(asked: Asked) -> Floats:
    return asked.memory.state if asked.memory.state is not None else np.zeros(2 * HIDDEN, np.float32)


class _Net:
    """The weights, laid out for products with a batch of legs on the left."""

    def __init__(self, tensors: dict[str, Floats]) -> None:
        self._basis = np.ascontiguousarray(tensors["encoder.feature_extractor.forward_basis_buffer"][:, 0].T)
        layers = [
            (tensors[f"encoder.conv_layers.{at}.weight"], tensors[f"encoder.conv_layers.{at}.bias"])
            for at in range(4)
        ]
        # [out, in, tap] becomes [tap * in, out]: a convolution is one product with the taps side by side.
        self._convolutions = [
            (np.ascontiguousarray(weight.transpose(2, 1, 0).reshape(-1, weight.shape[0])), bias)
            for weight, bias in layers
        ]
        # Of the last layer's single frame only the middle tap meets anything but padding.
        last, bias = layers[3]
        self._convolutions[3] = (np.ascontiguousarray(last[:, :, 1].T), bias)
        self._from_input = np.ascontiguousarray(tensors["onnx::LSTM_209"][0].T)
        self._from_hidden = np.ascontiguousarray(tensors["onnx::LSTM_210"][0].T)
        self._gate_bias = tensors["onnx::LSTM_211"][0].reshape(2, 4 * HIDDEN).sum(axis=0)
        self._out = tensors["decoder.conv1d.weight"].reshape(HIDDEN)
        self._out_bias = float(tensors["decoder.conv1d.bias"][0])

    def remember(self, heard: Floats, before: Floats) -> tuple[Floats, Floats]:
        """[legs, 512] of `encode`, states [legs, 2 x 128] -> probabilities [legs], the states after."""
        hidden, cell = before[:, :HIDDEN], before[:, HIDDEN:]
        gates = heard + hidden @ self._from_hidden
        # ONNX orders the gates input, output, forget, cell.
        opened = _sigmoid(gates[:, : 3 * HIDDEN])
        cell = opened[:, 2 * HIDDEN :] * cell + opened[:, :HIDDEN] * np.tanh(gates[:, 3 * HIDDEN :])
        hidden = opened[:, HIDDEN : 2 * HIDDEN] * np.tanh(cell)
        probabilities = _sigmoid(np.maximum(hidden, 0) @ self._out + self._out_bias)
        return probabilities, np.concatenate([hidden, cell], axis=1)

    def encode(self, windows: Floats) -> Floats:
        """[windows, 576] -> what the LSTM's gates hear of each, [windows, 512]."""
        count = len(windows)
        padded = np.concatenate([windows, windows[:, -2 : -2 - SPECTRUM // 4 : -1]], axis=1)
        frames = np.empty((count, 4, SPECTRUM), np.float32)
        for at in range(4):
            frames[:, at] = padded[:, at * HOP : at * HOP + SPECTRUM]
        parts = frames.reshape(-1, SPECTRUM) @ self._basis
        real, imaginary = parts[:, :BINS], parts[:, BINS:]
        spectra = np.sqrt(real * real + imaginary * imaginary).reshape(count, 4, BINS)
        first = self._convolved(0, spectra, stride=1)
        second = self._convolved(1, first, stride=2)
        third = self._convolved(2, second, stride=2)
        weight, bias = self._convolutions[3]
        heard: Floats = np.maximum(third[:, 0] @ weight + bias, 0) @ self._from_input + self._gate_bias
        return heard

    def _convolved(self, layer: int, heard: Floats, stride: int) -> Floats:
        """Three taps, padded by one on both sides, then what is above zero; [windows, time, channels]."""
        weight, bias = self._convolutions[layer]
        windows, length, channels = heard.shape
        count = (length - 1) // stride + 1
        taps = np.zeros((windows, count, 3 * channels), np.float32)
        taps[:, 1:, :channels] = heard[:, stride - 1 :: stride][:, : count - 1]
        taps[:, :, channels : 2 * channels] = heard[:, ::stride]
        behind = heard[:, 1::stride]
        taps[:, : behind.shape[1], 2 * channels :] = behind
        out: Floats = taps.reshape(windows * count, 3 * channels) @ weight
        out += bias
        np.maximum(out, 0, out=out)
        return out.reshape(windows, count, -1)


def _sigmoid(values: Floats) -> Floats:
    half = np.float32(0.5)
    return np.asarray(half + half * np.tanh(half * values), np.float32)


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
