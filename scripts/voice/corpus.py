"""Acted German speech by arousal (EMO-DB), plain speech of others, and the lines it may have come through."""

from __future__ import annotations

import fractions
import io
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.signal import butter, resample_poly, sosfilt

from audio_models.api import SAMPLE_RATE_HZ, Samples
from voicewatch.speech.audio_file import opened

Change = Callable[[Samples, Generator], Samples]
HEADROOM = 0.7
TELEPHONE = butter(4, [300, 3400], btype="band", fs=8000, output="sos")


@dataclass(frozen=True)
class Clip:
    speaker: str
    emotion: str
    arousal: str
    """high, mid or low; usual: nobody was asked to act."""
    samples: Samples


def read(path: Path) -> Samples:
    """The first channel, at 16 kHz."""
    with opened(path) as audio:
        pcm = b"".join(chunks[0] for chunks in audio.chunks())
    return np.frombuffer(pcm, "<i2").astype(np.float32) / 32768


def emodb(data: Path) -> list[Clip]:
    """The clips of the folder with `audio/manifest.jsonl`."""
    lines = (data / "audio" / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if row["set"] == "emodb"]
    return [Clip(row["speaker"], row["emotion"], row["arousal"], read(data / row["audio"])) for row in rows]


PLAIN_SETS = ("librispeech_mini", "librivox", "ljspeech", "aws_call40")
PIECE_S, PIECES = 3, 12


def plain_speech(data: Path) -> list[Clip]:
    """Readers and a customer of other corpora, 3 s a piece, at most 12 of each: what is usual elsewhere."""
    lines = (data / "audio" / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    found: dict[str, list[Samples]] = {}
    for row in map(json.loads, lines):
        if row["set"] in PLAIN_SETS:
            spoken = read(data / row["audio"])
            length = PIECE_S * SAMPLE_RATE_HZ
            pieces = [spoken[at : at + length] for at in range(0, len(spoken) - length + 1, length)]
            found.setdefault(f"{row['set']} {row['speaker']}", []).extend(pieces)
    return [
        Clip(speaker, "neutral", "usual", piece)
        for speaker, pieces in found.items()
        for piece in [one for one in pieces if np.sqrt(np.mean(np.square(one))) > 0.005][:PIECES]
    ]


def conditions(data: Path) -> dict[str, Change]:
    """By name: what happens to speech on its way. `line N` is a microphone, the same for one seed."""
    noises = [read(path) for path in sorted((data / "audio" / "noise").glob("*.flac"))]
    return {
        "clean": lambda clip, _: clip,
        "gain -12 dB": lambda clip, _: _as_pcm(clip * HEADROOM / 4),
        "gain -24 dB": lambda clip, _: _as_pcm(clip * HEADROOM / 16),
        "gain +6 dB, clipped": lambda clip, _: _as_pcm(clip * 2),
        CLIPPED: lambda clip, _: _as_pcm(clip * 4),
        "telephone": lambda clip, _: telephone(clip * HEADROOM),
        "opus 24 kbit/s": lambda clip, _: opus(clip * HEADROOM, 24_000),
        "opus 12 kbit/s": lambda clip, _: opus(clip * HEADROOM, 12_000),
        "noise 20 dB": lambda clip, rng: noisy(clip, noises, 20, rng),
        "noise 10 dB": lambda clip, rng: noisy(clip, noises, 10, rng),
        "noise 15 dB, telephone": lambda clip, rng: telephone(noisy(clip, noises, 15, rng)),
        "faster, higher": lambda clip, _: sped(clip, 1.1),
        "slower, lower": lambda clip, _: sped(clip, 0.9),
        "room": room,
        "line 0": microphone,
        "line 1": microphone,
    }


CLIPPED = "gain +12 dB, clipped"
"""The clips are full scale: a quarter of each peak is left. Only what that does to the measures is fitted."""
TRAINED = (
    "clean",
    "telephone",
    "opus 24 kbit/s",
    "opus 12 kbit/s",
    "noise 20 dB",
    "noise 10 dB",
    "noise 15 dB, telephone",
    "faster, higher",
    "slower, lower",
    "room",
    "line 0",
    "line 1",
)
"""Those that the model is fitted to."""


def changed(clips: Iterable[Clip], name: str, change: Change) -> Iterable[Samples]:
    """Each clip in this condition; what is of chance in it is the same for a speaker's clips and each run."""
    for clip in clips:
        yield change(clip.samples, np.random.default_rng(list(f"{clip.speaker} {name}".encode())))


# ---------------------------------------------------------------- what happens to speech


def telephone(clip: Samples) -> Samples:
    """300 to 3400 Hz at 8 kHz, G.711 mu-law."""
    narrow = np.clip(sosfilt(TELEPHONE, resample_poly(clip, 1, 2)), -1, 1)
    code = np.round(127 * np.sign(narrow) * np.log1p(255 * np.abs(narrow)) / np.log(256)) / 127
    return _as_pcm(resample_poly(np.sign(code) * (256 ** np.abs(code) - 1) / 255, 2, 1))


def opus(clip: Samples, bits_per_s: int) -> Samples:
    file = io.BytesIO()
    with av.open(file, "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=SAMPLE_RATE_HZ, layout="mono")
        stream.bit_rate = bits_per_s
        frame = av.AudioFrame.from_ndarray(_int16(clip)[None], format="s16", layout="mono")
        frame.sample_rate, frame.time_base, frame.pts = (
            SAMPLE_RATE_HZ, fractions.Fraction(1, SAMPLE_RATE_HZ), 0,
        )  # fmt: skip
        container.mux([*stream.encode(frame), *stream.encode(None)])
    file.seek(0)
    with av.open(file) as container:
        resampler = av.AudioResampler("s16", "mono", SAMPLE_RATE_HZ)
        decoded = [one for frame in container.decode(audio=0) for one in resampler.resample(frame)]
        found = [one.to_ndarray()[0] for one in [*decoded, *resampler.resample(None)]]
    return np.concatenate(found)[: len(clip)].astype(np.float32) / 32768


def noisy(clip: Samples, noises: list[Samples], snr_db: float, rng: Generator) -> Samples:
    """Recorded noise at this ratio to the speech, pauses not counted."""
    noise = noises[int(rng.integers(len(noises)))]
    at = int(rng.integers(len(noise) - len(clip)))
    noise = noise[at : at + len(clip)]
    spoken = float(np.mean(np.square(clip[np.abs(clip) > 0.01])))
    gain = np.sqrt(spoken / float(np.mean(np.square(noise))) / 10 ** (snr_db / 10))
    return _as_pcm(0.5 * (clip + gain * noise))


def sped(clip: Samples, factor: float) -> Samples:
    """Another speaker: pitch, vocal tract and haste scaled alike."""
    return _as_pcm(HEADROOM * resample_poly(clip, 100, round(100 * factor)))


def room(clip: Samples, rng: Generator) -> Samples:
    """0.3 s of reverberation, 12 dB below the direct sound."""
    length = SAMPLE_RATE_HZ // 4
    tail = rng.standard_normal(length) * np.exp(-6.9 * np.arange(length) / SAMPLE_RATE_HZ / 0.3)
    tail *= 0.25 / np.linalg.norm(tail)
    tail[0] = 1.0
    return _levelled(np.convolve(clip, tail)[: len(clip)])


def microphone(clip: Samples, rng: Generator) -> Samples:
    """A response that wanders by some dB from 1 kHz to the next."""
    response_db = np.cumsum(rng.normal(0, 2, 9))
    spectrum = np.fft.rfft(clip)
    hz = np.linspace(0, 8, len(spectrum))
    return _levelled(np.fft.irfft(spectrum * 10 ** (np.interp(hz, range(9), response_db) / 20), len(clip)))


def _levelled(samples: NDArray[np.floating]) -> Samples:
    return _as_pcm(HEADROOM * samples / np.abs(samples).max())


def _int16(samples: NDArray[np.floating]) -> NDArray[np.int16]:
    return np.clip(np.round(samples * 32767), -32768, 32767).astype(np.int16)


def _as_pcm(samples: NDArray[np.floating]) -> Samples:
    return _int16(samples).astype(np.float32) / 32768
