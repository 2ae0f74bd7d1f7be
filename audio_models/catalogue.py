"""Which recognisers are on this machine, and what one of them can do here."""

from __future__ import annotations

import time
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from audio_models.api import BUNDLED_FOLDER, BUNDLED_MODEL, Samples, Transcriber
from audio_models.guards import normal_words
from audio_models.hub import NAMES, cache_folder

SELF_TEST = Path(__file__).parent / "weights" / "selftest.wav"
SELF_TEST_TEXT = "i was charged twice and i want to speak to a real person please"
LENGTHS_S = (1, 2, 3, 5, 8, 12)
"""Of speech; each falls into a window of another length."""
UTTERANCE_S, TALK_SHARE, USED_SHARE, STEP_S = 4.0, 0.4, 0.6, 1.0
"""A call to reckon with: utterances of 4 s, the customer speaking 40 % of the time, a partial each second;
and a core that may be used at 60 %."""


@dataclass(frozen=True)
class FoundModel:
    """`name` is what `speech.model` takes (for PocketSphinx: the engine's name)."""

    name: str
    engine: str
    where: str
    note: str


@dataclass(frozen=True)
class Cost:
    """CPU ms of one decode of so much speech, as a final (word times included) and as a partial."""

    speech_s: float
    final_ms: float
    partial_ms: float


@dataclass(frozen=True)
class SelfTest:
    """What a recogniser made of the bundled clip of synthetic speech, and what it costs here."""

    text: str
    audio_ms: int
    took_ms: int
    wer: float
    costs: tuple[Cost, ...] = ()
    calls_per_core: float = 0.0
    """With a partial each second; reckoned from `costs` decoded one by one, batches do better."""


def found_models() -> list[FoundModel]:
    """The built-in ones, and every Whisper that was fetched before."""
    found = [
        FoundModel(
            "pocketsphinx",
            "pocketsphinx",
            "in its wheel",
            "English; low fidelity; the default without a model",
        )
    ]
    if (BUNDLED_FOLDER / "model.bin").is_file():
        found.append(
            FoundModel(
                BUNDLED_MODEL,
                "faster-whisper",
                str(BUNDLED_FOLDER),
                "knows the demonstration's synthetic voices only",
            )
        )
    short = {repository: name for name, repository in reversed(NAMES.items())}
    for folder in sorted(cache_folder().glob("models--*/snapshots/*")):
        if (folder / "model.bin").exists() and (folder / "tokenizer.json").exists():
            repository = folder.parent.parent.name.removeprefix("models--").replace("--", "/")
            name = short.get(repository, repository)
            found.append(FoundModel(name, "faster-whisper", str(folder), "fetched from the Hugging Face hub"))
    return found


def self_test(transcriber: Transcriber, *, costs: bool = False) -> SelfTest:
    """Transcribes the bundled clip; with `costs` also pieces of it of several lengths."""
    samples = _read(SELF_TEST)
    began = time.perf_counter()
    transcript = transcriber.transcribe(samples)
    took_ms = round((time.perf_counter() - began) * 1000)
    wer = round(word_error_rate(SELF_TEST_TEXT, transcript.text), 3)
    found = tuple(_cost(transcriber, samples, length_s) for length_s in LENGTHS_S) if costs else ()
    calls = round(calls_per_core(found), 1) if found else 0.0
    return SelfTest(transcript.text, len(samples) // 16, took_ms, wer, found, calls)


def word_error_rate(said: str, heard: str) -> float:
    """Edits from what was heard to what was said, in words, by the number of words said."""
    wanted, got = normal_words(said), normal_words(heard)
    row = list(range(len(got) + 1))
    for at, word in enumerate(wanted, 1):
        before, row[0] = row[0], at
        for place, other in enumerate(got, 1):
            before, row[place] = row[place], min(before + (word != other), row[place] + 1, row[place - 1] + 1)
    return row[-1] / max(1, len(wanted))


def calls_per_core(costs: tuple[Cost, ...]) -> float:
    """How many calls one core carries, by the call to reckon with."""
    lengths = [cost.speech_s for cost in costs]
    final_ms = np.interp(UTTERANCE_S, lengths, [cost.final_ms for cost in costs])
    steps = np.arange(STEP_S, UTTERANCE_S, STEP_S)
    partial_ms = np.interp(steps, lengths, [cost.partial_ms for cost in costs]).sum()
    used_s_per_s = TALK_SHARE * float(final_ms + partial_ms) / 1000 / UTTERANCE_S
    return USED_SHARE / max(used_s_per_s, 1e-6)


def _cost(transcriber: Transcriber, clip: Samples, length_s: float) -> Cost:
    speech = np.resize(clip, round(length_s * 16_000))
    return Cost(length_s, *(_cpu_ms(transcriber, speech, final) for final in (True, False)))


def _cpu_ms(transcriber: Transcriber, speech: Samples, final: bool) -> float:
    """The quicker of two, by this process's CPU clock; where others do the work, by the wall's."""
    taken = []
    for _ in range(2):
        cpu_s, wall_s = time.process_time(), time.perf_counter()
        transcriber.transcribe(speech, final=final)
        used_s = (
            time.perf_counter() - wall_s
            if getattr(transcriber, "elsewhere", False)
            else time.process_time() - cpu_s
        )
        taken.append(used_s)
    return round(min(taken) * 1000, 1)


def _read(path: Path) -> Samples:
    with wave.open(str(path)) as clip:
        pcm = np.frombuffer(clip.readframes(clip.getnframes()), dtype="<i2")
    return pcm.astype(np.float32) / np.float32(32768)
