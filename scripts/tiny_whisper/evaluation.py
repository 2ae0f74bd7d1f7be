"""How well a finished folder hears: through faster-whisper, exactly as VoiceWatch loads it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final

import jiwer
import numpy as np
import numpy.typing as npt
from faster_whisper import WhisperModel

from voicewatch.demo.scenarios import clip_samples, list_scenarios, load_scenario

from .examples import telephone
from .text import normalised
from .voices import RATE_HZ, Audio, Recording, as_float

BUCKETS: Final = (200, 300, 400, 500, 700, 1000, 1500, 2000, 3000)  # mel steps of 10 ms; never 160
SLACK: Final = 50
_PADDED_SAMPLE: Final = 40

Transcribe = Callable[[Audio], str]


@dataclass(frozen=True)
class Probe:
    """Something to recognise."""

    kind: str
    text: str
    samples: Audio


class Ear:
    """A model folder and the two ways in which it is used."""

    def __init__(self, folder: Path) -> None:
        self._model = WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=1)
        token = self._model.hf_tokenizer.token_to_id
        self._prompt = [token("<|startoftranscript|>"), token("<|notimestamps|>")]
        self._end = token("<|endoftext|>")

    def padded(self, samples: Audio) -> str:
        """faster-whisper's transcribe(): a 30 s window, no timestamps."""
        segments, _ = self._model.transcribe(
            samples, beam_size=1, temperature=0, without_timestamps=True,
            condition_on_previous_text=False, max_new_tokens=60,
        )  # fmt: skip
        return " ".join(segment.text for segment in segments)

    def bucketed(self, samples: Audio) -> str:
        """The shortest window that leaves half a second of slack."""
        return self._short(samples)[0]

    def no_speech(self, samples: Audio) -> float:
        """The probability that nobody speaks, in a short window."""
        return self._short(samples)[1]

    def words(self, samples: Audio) -> list[tuple[str, float, float]]:
        """Word, start and end in seconds, by transcribe()."""
        segments, _ = self._model.transcribe(
            samples, beam_size=1, temperature=0, word_timestamps=True, max_new_tokens=60
        )
        return [(w.word, float(w.start), float(w.end)) for s in segments for w in s.words or ()]

    def _short(self, samples: Audio) -> tuple[str, float]:
        mel = self._model.feature_extractor(samples)[:, :-1]
        window = next(bucket for bucket in BUCKETS if bucket >= min(3000, mel.shape[1] + SLACK))
        mel = np.pad(mel[:, :window], ((0, 0), (0, max(0, window - mel.shape[1]))))
        encoded = self._model.encode(mel)
        result = self._model.model.generate(
            encoded, [self._prompt], beam_size=1, max_length=120, return_no_speech_prob=True
        )[0]
        written = [token for token in result.sequences_ids[0] if token < self._end]
        return self._model.hf_tokenizer.decode(written), float(result.no_speech_prob)


def through_opus(samples: npt.NDArray[np.int16], bit_rate: str = "24k") -> Audio:
    """Encode to Opus at 16 kHz and decode again, as a call does."""
    raw = ["-f", "s16le", "-ar", str(RATE_HZ), "-ac", "1"]
    quiet = ["ffmpeg", "-loglevel", "error"]
    coded = subprocess.run(
        [*quiet, *raw, "-i", "-", "-c:a", "libopus", "-b:a", bit_rate, "-f", "ogg", "-"],
        input=samples.tobytes(), check=True, capture_output=True,
    ).stdout  # fmt: skip
    heard = subprocess.run(
        [*quiet, "-i", "-", *raw, "-"], input=coded, check=True, capture_output=True
    ).stdout
    return as_float(np.frombuffer(heard, "<i2"))


def scenario_probes() -> Iterator[Probe]:
    """All clips of the scenarios, by role, once more through Opus."""
    for scenario in map(load_scenario, list_scenarios()):
        for line in scenario.lines:
            yield Probe(f"scenario clips, {line.role}", line.text, through_opus(clip_samples(line)))


def recorded_probes(recordings: list[Recording]) -> Iterator[Probe]:
    """Recordings with a little silence around and faint noise below."""
    noise = np.random.default_rng(0)
    for recording in recordings:
        samples = np.pad(as_float(recording.samples), (1600, 3200))
        hiss = 1e-3 * noise.standard_normal(len(samples))
        yield Probe(recording.kind, recording.text, np.asarray(0.7 * samples + hiss, np.float32))


def word_error_rate(probes: list[Probe], transcribe: Transcribe) -> tuple[float, float]:
    """Word error rate and share of sentences with any error, on words without punctuation."""
    expected = [normalised(probe.text) for probe in probes]
    written = [normalised(transcribe(probe.samples)) for probe in probes]
    wrong = sum(a != b for a, b in zip(expected, written, strict=True))
    return float(jiwer.wer(expected, written)), wrong / len(probes)


def over_telephone(samples: Audio) -> Audio:
    noise = np.random.default_rng(1).standard_normal(len(samples)).astype(np.float32)
    line = telephone(samples)[: len(samples)]
    return np.asarray(line + 4e-3 * noise[: len(line)], np.float32)


def _cpu_s() -> float:
    times = os.times()
    return times.user + times.system


def evaluate(folder: Path, recordings: list[Recording]) -> str:
    """A report in Markdown."""
    ear = Ear(folder)
    rows = [
        "| set | n | bucketed window | telephone band | 30 s window | sentences with an error |",
        "|---|---|---|---|---|---|",
    ]
    probes = sorted([*scenario_probes(), *recorded_probes(recordings)], key=lambda probe: probe.kind)
    cost = {"bucketed": 0.0, "padded": 0.0}
    heard_s = {"bucketed": 0.0, "padded": 0.0}
    for kind, group in groupby(probes, key=lambda probe: probe.kind):
        some = list(group)
        few = some[: None if kind.startswith("scenario") else _PADDED_SAMPLE]
        before = _cpu_s()
        short, wrong = word_error_rate(some, ear.bucketed)
        between = _cpu_s()
        long, _ = word_error_rate(few, ear.padded)
        after = _cpu_s()
        narrow, _ = word_error_rate(some, lambda samples: ear.bucketed(over_telephone(samples)))
        for name, seconds, part in (("bucketed", between - before, some), ("padded", after - between, few)):
            cost[name] += seconds
            heard_s[name] += sum(len(probe.samples) for probe in part) / RATE_HZ
        rows.append(f"| {kind} | {len(some)} | {short:.1%} | {narrow:.1%} | {long:.1%} | {wrong:.0%} |")
    rates = (f"{name} {cost[name] / heard_s[name]:.4f}" for name in cost)
    return "\n".join([*rows, "", f"CPU seconds per second of speech: {', '.join(rates)}.", "",
                      *_without_speech(ear), "", _word_times(ear, recordings)])  # fmt: skip


def _without_speech(ear: Ear) -> Iterator[str]:
    noise = np.random.default_rng(0)
    seconds = np.arange(2 * RATE_HZ) / RATE_HZ
    sounds = {
        "silence": np.zeros(2 * RATE_HZ),
        "white noise": 0.05 * noise.standard_normal(2 * RATE_HZ),
        "faint noise": 0.001 * noise.standard_normal(2 * RATE_HZ),
        "440 Hz tone": 0.2 * np.sin(2 * np.pi * 440 * seconds),
    }
    yield "| sound | no-speech probability | transcribe() |"
    yield "|---|---|---|"
    for name, sound in sounds.items():
        samples = sound.astype(np.float32)
        yield f"| {name} | {ear.no_speech(samples):.3f} | {ear.padded(samples).strip() or 'nothing'} |"


def _word_times(ear: Ear, recordings: list[Recording]) -> str:
    """Where the second of two sentences is said to start, against where it starts."""
    gap_s = 0.5
    errors, empty, total = [], 0, 0
    pairs = [r for r in recordings if r.kind == "held-out sentences"]
    for first, second in zip(pairs[0:60:2], pairs[1:60:2], strict=True):
        gap = np.zeros(int(gap_s * RATE_HZ), np.int16)
        samples = as_float(np.concatenate([first.samples, gap, second.samples]))
        words = ear.words(samples)
        total += len(words)
        empty += sum(end - start < 0.03 for _, start, end in words)
        at = len(normalised(first.text).split())
        if len(words) == at + len(normalised(second.text).split()):
            errors.append(abs(words[at][1] - len(first.samples) / RATE_HZ - gap_s))
    middle = np.median(errors) if errors else float("nan")
    return (
        f"Word times: the first word of a second sentence starts within {middle:.2f} s (median of "
        f"{len(errors)} pairs) of the truth; {empty / max(1, total):.0%} of the words last below 0.03 s."
    )
