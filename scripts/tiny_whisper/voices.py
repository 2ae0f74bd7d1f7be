"""The synthetic speakers of the training set, spoken by flite and espeak-ng."""

from __future__ import annotations

import io
import math
import multiprocessing
import random
import subprocess
import tempfile
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.signal import resample_poly

from .text import normalised, scenario_sentences, sentences

RATE_HZ: Final = 16_000
_AUDIBLE = 0.01  # of full scale
_EDGE_S = 0.03

FLITE_VOICES: Final = ("slt", "rms", "slt", "rms", "slt", "rms", "kal", "kal16")
ESPEAK_ACCENTS: Final = ("en-us", "en-gb", "en-gb-scotland", "en-029", "en-gb-x-gbclan", "en-us-nyc")
ESPEAK_VARIANTS: Final = (
    "", "+m1", "+m2", "+m3", "+m4", "+m5", "+m6", "+m7", "+m8", "+f1", "+f2", "+f4", "+f5", "+Alex",
    "+Andy", "+Annie", "+Denis", "+Diogo", "+Gene", "+Hugo", "+Jacky", "+Lee", "+Mario", "+Michael",
    "+Mike", "+Nguyen", "+Tweaky", "+adam", "+anika", "+antonio", "+aunty", "+david", "+ed", "+edward",
    "+grandma", "+iven", "+john", "+linda", "+marcelo", "+max", "+pablo", "+quincy", "+rob", "+robert",
    "+shelby", "+steph", "+travis", "+victor", "+zac",
)  # fmt: skip
HELD_OUT_FLITE: Final = "awb"
HELD_OUT_ESPEAK: Final = "en-gb-x-rp+f3"


@dataclass(frozen=True)
class Speaker:
    """One way to say a sentence. ``stretch`` above 1 is slower; pitch: Hz (flite), 0..99 (espeak)."""

    engine: str
    voice: str
    stretch: float = 1.0
    pitch: int = 0


@dataclass(frozen=True)
class Recording:
    """A sentence as spoken: int16 at 16 kHz, silence at the edges trimmed.

    ``phones`` holds the name and end (s) of every phone, where the synthesiser tells (flite does).
    """

    kind: str
    text: str
    speaker: Speaker
    samples: npt.NDArray[np.int16]
    phones: tuple[tuple[str, float], ...] = ()


Job = tuple[str, str, Speaker]
Audio = npt.NDArray[np.float32]


def as_float(samples: npt.NDArray[np.int16]) -> Audio:
    """Samples with full scale at 1."""
    return np.asarray(samples, np.float32) / np.float32(32768)


def speak(job: Job) -> Recording:
    """Synthesise one sentence."""
    kind, text, speaker = job
    samples, phones = (_flite if speaker.engine == "flite" else _espeak)(text, speaker)
    heard = np.flatnonzero(np.abs(samples) > _AUDIBLE)
    edge = int(_EDGE_S * RATE_HZ)
    start = max(0, heard[0] - edge)
    trimmed = np.asarray(samples[start : heard[-1] + edge] * 32767, np.int16)
    return Recording(
        kind, text, speaker, trimmed, tuple((name, float(end - start / RATE_HZ)) for name, end in phones)
    )


def _flite(text: str, speaker: Speaker) -> tuple[npt.NDArray[np.float64], list[tuple[str, float]]]:
    settings = ["--setf", f"duration_stretch={speaker.stretch}"]
    if speaker.pitch:
        settings += ["--setf", f"int_f0_target_mean={speaker.pitch}"]
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        command = ["flite", "-voice", speaker.voice, *settings, "-psdur", "-t", text, "-o", file.name]
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        samples = _read_wav(Path(file.name).read_bytes())
    pairs = (entry.rsplit(":", 1) for entry in told.split())  # "hh:0.31 ax:0.36 ..."
    return samples, [(name, float(end)) for name, end in pairs]


def _espeak(text: str, speaker: Speaker) -> tuple[npt.NDArray[np.float64], list[tuple[str, float]]]:
    words_per_minute = str(round(165 / speaker.stretch))
    command = ["espeak-ng", "-v", speaker.voice, "-s", words_per_minute, "-p", str(speaker.pitch)]
    heard = subprocess.run([*command, "--stdout", text], check=True, capture_output=True).stdout
    return _read_wav(heard), []


def _read_wav(data: bytes) -> npt.NDArray[np.float64]:
    with wave.open(io.BytesIO(data)) as file:
        rate_hz = file.getframerate()
    samples = np.frombuffer(data[44:], "<i2") / 32768  # espeak-ng streams: its header has no length
    shared = math.gcd(RATE_HZ, rate_hz)
    return np.asarray(resample_poly(samples, RATE_HZ // shared, rate_hz // shared))


def training_speaker(rng: random.Random) -> Speaker:
    """A random speaker, half of them flite, with varied speed and pitch."""
    stretch = round(rng.uniform(0.8, 1.25), 2)
    if rng.random() < 0.5:
        voice = rng.choice(FLITE_VOICES)
        formant = voice in ("kal", "kal16")  # the only flite voices that take a pitch well
        return Speaker("flite", voice, stretch, rng.randint(80, 150) if formant else 0)
    voice = rng.choice(ESPEAK_ACCENTS) + rng.choice(ESPEAK_VARIANTS)
    return Speaker("espeak", voice, stretch, rng.randint(25, 75))


def training_jobs(sentence_count: int, seed: int = 7, text_seed: int = 1) -> list[Job]:
    """Every sentence by one speaker; scenario lines by several, most often as in the scenarios."""
    rng = random.Random(seed)
    training, _ = sentences(sentence_count, text_seed)
    jobs: list[Job] = [("train", text, training_speaker(rng)) for text in training]
    repeats = min(10, max(1, sentence_count // 200))
    for text in scenario_sentences():
        jobs += [("scenario", text, training_speaker(rng)) for _ in range(repeats)]
        stretch = round(rng.uniform(0.92, 1.06), 2)
        jobs += [("scenario", text, Speaker("flite", voice, stretch)) for voice in ("slt", "rms")]
    rng.shuffle(jobs)
    return jobs


def evaluation_jobs(seed: int = 11) -> list[Job]:
    """Held-out sentences by known voices, known sentences by held-out voices, and both held out."""
    rng = random.Random(seed)
    training, held_out = sentences(2000)
    known = rng.sample(training, 60)
    strangers = (Speaker("flite", HELD_OUT_FLITE), Speaker("espeak", HELD_OUT_ESPEAK, 1.0, 50))
    jobs: list[Job] = [("held-out sentences", text, training_speaker(rng)) for text in held_out]
    jobs += [(f"held-out voice {s.voice}", text, s) for text in known for s in strangers]
    jobs += [("both held out", text, rng.choice(strangers)) for text in held_out[:60]]
    return jobs


def speak_all(jobs: list[Job], processes: int) -> list[Recording]:
    """Synthesise all jobs on several processes, in order."""
    with multiprocessing.Pool(processes) as pool:
        return pool.map(speak, jobs, chunksize=20)


def vocabulary(texts: list[str]) -> list[str]:
    """The distinct words of some texts."""
    return sorted(set(" ".join(map(normalised, texts)).split()))
