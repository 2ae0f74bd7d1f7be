"""Training examples: recordings made as various as telephone calls are, with their targets."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812
from faster_whisper.feature_extractor import FeatureExtractor
from scipy.signal import lfilter, resample_poly
from torch import Tensor

from .sounds import coloured_noise, sound
from .text import normalised
from .tokens import Vocabulary
from .voices import RATE_HZ, Audio, Recording, as_float
from .word_times import character_times

ALPHABET: Final = " abcdefghijklmnopqrstuvwxyz'"
UNKNOWN_PHONE: Final = -100
PHONES: Final = (  # noqa: SIM905 (as flite names them; fifty quoted names are harder to read)
    "pau aa ae ah ao aw ax ax-h axr ay b ch d dh dx eh el em en er ey f g hh hv ih iy jh k l m n nx ng "
    "ow oy p r s sh t th uh uw v w y z zh brth h#"
).split()
STEP_S: Final = 0.02  # one encoder position
WINDOW_STEPS: Final = 3000  # mel steps of 10 ms in Whisper's own window
IGNORED: Final = -100
_SHARE_NO_SPEECH = 0.12
_SHARE_SCENARIOS = 0.3
_SHARE_TWO_SENTENCES = 0.08
_SHARE_CUT = 0.12
_EASY_EXAMPLES = 16_000  # over so many, clean single sentences give way to difficult ones

Span = tuple[float, float]


@dataclass(frozen=True)
class Example:
    """Mel features of one window and what shall be written: ``spans[i]`` is when target i is said."""

    mel: Tensor
    inputs: list[int]
    targets: list[int]
    spans: list[Span | None]
    end_s: float | None  # when the last word is over; None: nothing is said
    characters: list[int]
    phones: npt.NDArray[np.int64]  # one per encoder position, UNKNOWN_PHONE where nobody knows


@dataclass(frozen=True)
class Batch:
    mel: Tensor
    inputs: Tensor
    targets: Tensor
    guide: Tensor  # (batch, text, positions): 1 where a token may be attended to, all 0: free
    rows: Tensor  # (batch, positions): the target that is said there, IGNORED where nobody knows
    characters: list[list[int]]
    phones: Tensor  # (batch, positions)
    positions: list[int]  # heard, without padding


@dataclass(frozen=True)
class Utterance:
    """Samples (int16 when kept, float when worked on), text, each token's start and end in seconds."""

    samples: npt.NDArray[Any]
    text: str
    tokens: list[int]
    spans: list[Span]
    phones: npt.NDArray[np.int64]  # one per encoder position


_MEL_FILTERS = torch.from_numpy(FeatureExtractor().mel_filters).float()
_HANN = torch.hann_window(400)


def log_mel(samples: Audio) -> Tensor:
    """Whisper's features as faster-whisper computes them, the padding's last step dropped."""
    padded = F.pad(torch.from_numpy(np.asarray(samples, np.float32)), (0, 160))
    power = torch.stft(padded, 400, 160, window=_HANN, return_complex=True)[:, :-1].abs() ** 2
    logs = (_MEL_FILTERS @ power).clamp(min=1e-10).log10()
    logs = torch.maximum(logs, logs.amax() - 8)
    return ((logs + 4) / 4)[:, :-1]


def utterance_of(recording: Recording, vocabulary: Vocabulary) -> Utterance:
    """Place a recording's tokens in time: within a word, a character takes as long as any other."""
    at, seconds = character_times(recording)
    length = len(recording.text) + 1  # pieces count the space before the first word

    def time(share: float) -> float:
        return float(np.interp(share * length - 1, at, seconds))

    def start(share: float) -> float:
        """A piece that begins with a space begins with the word behind it."""
        character = round(share * length) - 1
        spaced = character < 0 or recording.text[character] == " "
        return time((character + 2) / length if spaced else share)

    pieces = vocabulary.pieces(recording.text)
    spans = [(first := start(piece.start), max(first, time(piece.end))) for piece in pieces]
    tokens = [piece.token for piece in pieces]
    return Utterance(recording.samples, recording.text, tokens, spans, _phones_of(recording))


def _phones_of(recording: Recording) -> npt.NDArray[np.int64]:
    positions = int(len(recording.samples) / RATE_HZ / STEP_S)
    phones = np.full(positions, UNKNOWN_PHONE)
    start = 0
    for name, end_s in recording.phones:
        end = max(start, round(end_s / STEP_S))
        phones[start:end] = PHONES.index(name)
        start = end
    return phones


def _as_float(said: Utterance) -> Utterance:
    return replace(said, samples=as_float(said.samples))


def _joined(first: Utterance, second: Utterance, pause_s: float) -> Utterance:
    shift = len(first.samples) / RATE_HZ + pause_s
    pause = np.zeros(int(pause_s * RATE_HZ), np.float32)
    quiet = np.full(round((len(first.samples) + len(pause)) / RATE_HZ / STEP_S) - len(first.phones), 0)
    return Utterance(
        np.concatenate([first.samples, pause, second.samples]),
        f"{first.text} {second.text}",
        first.tokens + second.tokens,
        first.spans + [(start + shift, end + shift) for start, end in second.spans],
        np.concatenate([first.phones, quiet, second.phones]),
    )


def _cut(whole: Utterance, rng: random.Random, vocabulary: Vocabulary) -> Utterance:
    """The beginning of an utterance, up to the end of a random word: what live captions hear."""
    pieces = vocabulary.tokenizer.encode(" " + whole.text).tokens
    ends = [i for i in range(1, len(pieces)) if pieces[i].startswith("Ġ")]
    if not ends:
        return whole
    last = rng.choice(ends)
    until_s = whole.spans[last - 1][1] + 0.04
    text = vocabulary.tokenizer.decode(whole.tokens[:last]).strip()
    return Utterance(
        whole.samples[: int(until_s * RATE_HZ)],
        text,
        whole.tokens[:last],
        whole.spans[:last],
        whole.phones[: int(until_s / STEP_S)],
    )


def _resampled(whole: Utterance, factor: float) -> Utterance:
    """Faster and higher, or slower and lower: also another length of the vocal tract."""
    length = int(len(whole.samples) / factor)
    at = np.arange(length) * factor
    samples = np.interp(at, np.arange(len(whole.samples)), whole.samples).astype(np.float32)
    spans = [(start / factor, end / factor) for start, end in whole.spans]
    there = (np.arange(int(len(whole.phones) / factor)) * factor).astype(np.int64)
    return Utterance(samples, whole.text, whole.tokens, spans, whole.phones[there])


def telephone(samples: Audio) -> Audio:
    """Through a narrow-band line: 8 kHz and 8 bit mu-law."""
    narrow = np.clip(resample_poly(samples, 1, 2), -1, 1)
    companded = np.sign(narrow) * np.log1p(255 * np.abs(narrow)) / np.log(256)
    rounded = np.round(companded * 127) / 127
    expanded = np.sign(rounded) * (256 ** np.abs(rounded) - 1) / 255
    return np.asarray(resample_poly(expanded, 2, 1), np.float32)


class ExampleSource:
    """An endless source of batches, drawn from recordings with everything at random."""

    def __init__(self, recordings: list[Recording], vocabulary: Vocabulary, seed: int) -> None:
        self._vocabulary = vocabulary
        self._utterances = [utterance_of(recording, vocabulary) for recording in recordings]
        self._scenarios = [
            said
            for said, recording in zip(self._utterances, recordings, strict=True)
            if recording.kind == "scenario"
        ]
        self._random = random.Random(seed)
        self._noise = np.random.default_rng(seed)
        self._made = 0

    def batches(self, size: int) -> Iterator[Batch]:
        """Batches of windows of about the same length, each padded a little."""
        while True:
            pool = sorted((self.example() for _ in range(8 * size)), key=lambda e: e.mel.shape[1])
            groups = [pool[i : i + size] for i in range(0, len(pool), size)]
            self._random.shuffle(groups)
            for group in groups:
                longest = max(example.mel.shape[1] for example in group)
                yield collate(group, longest + self._random.randint(0, 60), self._vocabulary)

    def long_batches(self, size: int) -> Iterator[Batch]:
        """Batches whose windows are padded up to the 30 s that transcribe() always uses."""
        while True:
            group = [self.example() for _ in range(size)]
            longest = max(example.mel.shape[1] for example in group)
            padded = WINDOW_STEPS if self._random.random() < 0.6 else self._random.randint(longest, 2000)
            yield collate(group, padded, self._vocabulary)

    def example(self) -> Example:
        if self._random.random() < _SHARE_NO_SPEECH:
            return self._without_speech()
        return self._with_speech()

    def _without_speech(self) -> Example:
        words = self._vocabulary
        samples = self._background(self._random.uniform(0.4, 4.0))
        first = self._random.choice([words.no_timestamps, words.time_zero])
        return Example(
            mel=log_mel(samples),
            inputs=[words.start, first],
            targets=[words.no_speech, words.end],
            spans=[None, None],
            end_s=None,
            characters=[],
            phones=np.zeros(int(len(samples) / RATE_HZ / STEP_S), np.int64),
        )

    def _background(self, length_s: float) -> Audio:
        """Silence, hiss, or a sound of the line."""
        rng, count = self._random, int(length_s * RATE_HZ)
        hiss = coloured_noise(rng, self._noise, count) * 10 ** rng.uniform(-5, -2)
        if rng.random() < 0.7:
            hiss = hiss + sound(rng, self._noise, count)
        if rng.random() < 0.3:
            hiss = telephone(np.asarray(hiss, np.float32))
        return np.asarray(hiss, np.float32)

    def _recording(self) -> Utterance:
        """Any, but the scenarios' lines oftener than their number."""
        lines = self._scenarios if self._random.random() < _SHARE_SCENARIOS else self._utterances
        return _as_float(self._random.choice(lines or self._utterances))

    def _with_speech(self) -> Example:
        rng, words = self._random, self._vocabulary
        self._made += 1
        if rng.random() > self._made / _EASY_EXAMPLES:
            return self._target(self._recording(), 0.0)
        said = self._recording()
        if rng.random() < _SHARE_TWO_SENTENCES:
            said = _joined(said, self._recording(), rng.uniform(0.1, 0.6))
        if rng.random() < 0.5:
            said = _resampled(said, rng.uniform(0.87, 1.15))
        if rng.random() < _SHARE_CUT:
            said = _cut(said, rng, words)
        lead_s, tail_s = rng.choice([0.0, rng.uniform(0, 0.5)]), rng.uniform(0, 0.6)
        samples = np.pad(said.samples, (int(lead_s * RATE_HZ), int(tail_s * RATE_HZ)))
        example = self._target(replace(said, samples=self._on_the_line(samples)), lead_s)
        return replace(example, mel=self._masked(self._another_throat(example.mel)))

    def _target(self, said: Utterance, lead_s: float) -> Example:
        rng, words = self._random, self._vocabulary
        spans = [(start + lead_s, end + lead_s) for start, end in said.spans]
        if rng.random() < 0.5:
            head, tail = [words.no_timestamps], [words.end]
            ends: list[Span | None] = [None]
        else:
            head, tail = [words.time(spans[0][0])], [words.time(spans[-1][1]), words.end]
            ends = [None, None]
        targets = head + said.tokens + tail
        return Example(
            mel=log_mel(said.samples),
            inputs=[words.start, *targets[:-1]],
            targets=targets,
            spans=[None, *spans, *ends],
            end_s=spans[-1][1],
            characters=[ALPHABET.index(letter) + 1 for letter in normalised(said.text)],
            phones=np.concatenate([np.zeros(round(lead_s / STEP_S), np.int64), said.phones]),
        )

    def _on_the_line(self, samples: npt.NDArray[Any]) -> Audio:
        """Another microphone, level, noise and often a narrow-band line."""
        rng = self._random
        if rng.random() < 0.5:
            samples = lfilter([1, rng.uniform(-0.6, 0.6)], [1], samples)
        if rng.random() < 0.35:
            samples = telephone(samples)
        level = np.sqrt((samples**2).mean()) + 1e-9
        snr_db = rng.choice([rng.uniform(10, 40), 60.0])
        samples = samples + coloured_noise(rng, self._noise, len(samples)) * level * 10 ** (-snr_db / 20)
        return np.asarray(samples * 10 ** rng.uniform(-1.0, 0.2), np.float32)

    def _another_throat(self, mel: Tensor) -> Tensor:
        """Formants moved together, pitch and speed kept: a longer or shorter vocal tract.

        A warp of the mel axis (vocal tract length perturbation, Jaitly and Hinton 2013).
        """
        if self._random.random() < 0.4:
            return mel
        bands = mel.shape[0]
        at = (torch.arange(bands) * self._random.uniform(0.88, 1.13)).clamp(max=bands - 1)
        below = at.floor().long()
        share = (at - below).unsqueeze(1)
        above = (below + 1).clamp(max=bands - 1)
        return mel[below] * (1 - share) + mel[above] * share

    def _masked(self, mel: Tensor) -> Tensor:
        """Hide a band and a moment now and then (SpecAugment, arXiv 1904.08779)."""
        if self._random.random() < 0.4:
            band = self._random.randint(0, 70)
            mel[band : band + self._random.randint(2, 10)] = mel.mean()
        if self._random.random() < 0.3:
            moment = self._random.randint(0, max(0, mel.shape[1] - 12))
            mel[:, moment : moment + self._random.randint(2, 12)] = mel.mean()
        return mel


def collate(examples: list[Example], mel_steps: int, vocabulary: Vocabulary) -> Batch:
    """Pad to common lengths; mel with 0, as faster-whisper pads."""
    mel_steps = min(WINDOW_STEPS, mel_steps + mel_steps % 2)
    examples = [example for example in examples if example.mel.shape[1] <= mel_steps]
    count, text = len(examples), max(len(example.targets) for example in examples)
    mel = torch.zeros(count, 80, mel_steps)
    inputs = torch.full((count, text), vocabulary.end)
    targets = torch.full((count, text), IGNORED)
    guide = torch.zeros(count, text, mel_steps // 2)
    rows = torch.full((count, mel_steps // 2), IGNORED)
    phones = torch.full((count, mel_steps // 2), UNKNOWN_PHONE)
    for i, example in enumerate(examples):
        mel[i, :, : example.mel.shape[1]] = example.mel
        inputs[i, : len(example.inputs)] = torch.tensor(example.inputs)
        targets[i, : len(example.targets)] = torch.tensor(example.targets)
        known = example.phones[: mel_steps // 2]
        phones[i, : len(known)] = torch.from_numpy(known)
        _fill_rows(rows[i, : example.mel.shape[1] // 2], example)
        for j, span in enumerate(example.spans):
            if span:
                guide[i, j, max(0, int((span[0] - 0.06) / STEP_S)) : int((span[1] + 0.06) / STEP_S) + 1] = 1
    return Batch(
        mel, inputs, targets, guide, rows,
        [example.characters for example in examples],
        phones,
        [example.mel.shape[1] // 2 for example in examples],
    )  # fmt: skip


def _fill_rows(rows: Tensor, example: Example) -> None:
    """Each position belongs to the last target that has begun; behind the words, to what ends them.

    Pauses thereby belong to what is before them, and a word begins where its path does.
    """
    if example.end_s is None:
        return
    said = [j for j, span in enumerate(example.spans) if span]
    starts = [span[0] for span in example.spans if span]
    for j, start in zip(said, starts, strict=True):
        rows[0 if j == said[0] else round(start / STEP_S) :] = j
    rows[max(round(example.end_s / STEP_S), round(starts[-1] / STEP_S) + 1) :] = said[-1] + 1
