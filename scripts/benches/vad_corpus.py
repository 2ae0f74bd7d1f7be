"""What the bench of voice detection listens to: clips with the times at which somebody speaks in them.

No label is made from the signal's energy, which would let an energy detector win: meetings carry people's
marks (RTTM), read speech is aligned with its text by PocketSphinx, and the acted clips are known by where
they were padded.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pocketsphinx
from numpy.typing import NDArray
from scipy.signal import resample_poly

RATE_HZ = 16_000
FRAME = RATE_HZ // 100
"""Labels and flags are compared every 10 ms."""
READ_SETS = ("librispeech_mini", "librivox", "ljspeech", "misc")
ROOM_DBFS = -66
"""Hiss under everything: no line is digitally silent."""
JOINED_MS = 150
"""A pause between two words up to so long belongs to the speech around it."""
ACTED_CLIPS = 60

Samples = NDArray[np.float32]
Labels = NDArray[np.bool_]


@dataclass(frozen=True)
class Clip:
    """Samples (float32, 16 kHz) and for each 10 ms whether somebody speaks."""

    condition: str
    samples: Samples
    speaking: Labels


def conditions(data: Path, *, short: bool = False) -> Iterator[Clip]:
    """Every clip of the bench. `short` leaves out most, for a look."""
    manifest = [json.loads(line) for line in (data / "audio" / "manifest.jsonl").open(encoding="utf-8")]
    noise = np.concatenate([read_clip(data / one["audio"]) for one in _of(manifest, "noise")])
    for one in list(_of(manifest, "ami_trn"))[: 2 if short else None]:
        samples = read_clip(data / one["audio"])
        yield Clip("meetings (AMI)", samples, _from_rttm(data / one["rttm"], len(samples)))
    read = _spread(list(_aligned(data, [one for name in READ_SETS for one in _of(manifest, name)])))
    acted_rows = list(_of(manifest, "emodb"))[:: max(1, 535 // ACTED_CLIPS)]
    acted = _spread([_acted(read_clip(data / one["audio"])) for one in acted_rows])
    yield Clip("read", *read)
    for snr_db in (20, 10) if short else (20, 10, 5, 0):
        yield Clip(f"read, noise {snr_db} dB", _mixed(*read, noise, snr_db), read[1])
    yield Clip("read, telephone, noise 10 dB", telephone(_mixed(*read, noise, 10)), read[1])
    yield Clip("acted (EMO-DB)", *acted)
    yield Clip("acted, noise 10 dB", _mixed(*acted, noise, 10), acted[1])


def non_speech(seconds: float, data: Path | None = None) -> Iterator[Clip]:
    """What is no speech, `seconds` of each: silence, hiss, ringing, keys, music; with `data` its noises."""
    made = {
        "silence": np.zeros(int(seconds * RATE_HZ)),
        "hiss": np.random.default_rng(5).normal(0, 0.03, int(seconds * RATE_HZ)),
        "ringing": ringing(seconds),
        "keys": keys(seconds),
        "music": music(seconds),
    }
    if data is not None:
        manifest = [json.loads(line) for line in (data / "audio" / "manifest.jsonl").open(encoding="utf-8")]
        noise = np.concatenate([read_clip(data / one["audio"]) for one in _of(manifest, "noise")])
        made["recorded noise"] = np.resize(noise, int(seconds * RATE_HZ))
    for name, samples in made.items():
        yield Clip(name, samples.astype(np.float32), np.zeros(len(samples) // FRAME, bool))


def ringing(seconds: float) -> NDArray[np.float64]:
    """North American ring-back: 440 + 480 Hz, 2 s on, 4 s off."""
    time_s = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    tone = np.sin(2 * np.pi * 440 * time_s) + np.sin(2 * np.pi * 480 * time_s)
    return 0.1 * tone * (time_s % 6 < 2)


def keys(seconds: float) -> NDArray[np.float64]:
    """DTMF, a key each 0.3 s, 0.12 s long, as people press them, with a pause after eleven."""
    time_s = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    low, high = np.array([697, 770, 852, 941]), np.array([1209, 1336, 1477, 1633])
    number = (time_s / 0.3).astype(int)
    pressed = (time_s % 0.3 < 0.12) & (number % 16 < 11)
    choice = np.random.default_rng(3).integers(0, 4, (number.max() + 1, 2))
    one, other = low[choice[number, 0]], high[choice[number, 1]]
    return 0.12 * pressed * (np.sin(2 * np.pi * one * time_s) + np.sin(2 * np.pi * other * time_s))


def music(seconds: float) -> NDArray[np.float64]:
    """Hold music: plucked strings (Karplus and Strong) over chords, a melody and a soft beat."""
    random = np.random.default_rng(11)
    total = int(seconds * RATE_HZ)
    sound = np.zeros(total + RATE_HZ)
    beat = int(0.42 * RATE_HZ)
    chords = ((57, 60, 64), (53, 57, 60), (48, 52, 55), (55, 59, 62))
    for number, at in enumerate(range(0, total, beat)):
        chord = chords[number // 4 % 4]
        notes = (
            [*chord, 12 + int(random.choice(chord))] if number % 2 == 0 else [12 + int(random.choice(chord))]
        )
        for note in notes:
            sound[at : at + RATE_HZ] += 0.15 * _plucked(440 * 2 ** ((note - 69) / 12), random)
        hit = random.normal(0, 0.05, 800) * np.exp(-np.arange(800) / 120)
        sound[at : at + 800] += hit
    return np.asarray(sound[:total] * 0.5)


def _plucked(pitch_hz: float, random: np.random.Generator) -> NDArray[np.float64]:
    period = round(RATE_HZ / pitch_hz)
    line = random.uniform(-1, 1, period)
    rounds = RATE_HZ // period + 1
    out = np.empty((rounds, period))
    for number in range(rounds):
        out[number] = line
        line = 0.498 * (line + np.roll(line, -1))
    return out.reshape(-1)[:RATE_HZ]


# ---------------------------------------------------------------- labels


def _from_rttm(path: Path, length: int) -> Labels:
    speaking = np.zeros(length // FRAME, bool)
    for line in path.read_text(encoding="utf-8").splitlines():
        start_s, long_s = map(float, line.split()[3:5])
        speaking[round(start_s * 100) : round((start_s + long_s) * 100)] = True
    return speaking


def _aligned(data: Path, rows: Iterable[dict[str, str]]) -> Iterator[tuple[Samples, Labels]]:
    decoder = pocketsphinx.Decoder(lm=None, samprate=RATE_HZ, loglevel="FATAL", cmn="batch")
    for row in rows:
        samples = read_clip(data / row["audio"])
        words = re.findall(r"[a-z']+", row["text"].lower())
        if any(decoder.lookup_word(word) is None for word in words):
            continue
        decoder.set_align_text(" ".join(words))
        decoder.reinit_feat()
        decoder.start_utt()
        decoder.process_raw((samples * 32767).astype("<i2").tobytes(), full_utt=True)
        decoder.end_utt()
        speaking = np.zeros(len(samples) // FRAME, bool)
        for segment in decoder.seg() or ():
            if not segment.word.startswith(("<", "[", "(")):
                speaking[segment.start_frame : segment.end_frame + 1] = True
        if speaking.any():
            yield samples, _joined(speaking)


def _joined(speaking: Labels) -> Labels:
    """Pauses shorter than JOINED_MS between words are speech."""
    edges = np.flatnonzero(np.diff(speaking.astype(int)))
    out = speaking.copy()
    for end, start in itertools.pairwise(edges):
        if speaking[end] and not speaking[end + 1] and start - end <= JOINED_MS // 10:
            out[end : start + 1] = True
    return out


def _acted(samples: Samples) -> tuple[Samples, Labels]:
    """Padding is digitally silent; what lies between is the acted sentence."""
    loud = np.flatnonzero(np.abs(samples) > 2 / 32768)
    speaking = np.zeros(len(samples) // FRAME, bool)
    speaking[loud[0] // FRAME : loud[-1] // FRAME + 1] = True
    return samples, speaking


# ---------------------------------------------------------------- audio


def _spread(clips: list[tuple[Samples, Labels]]) -> tuple[Samples, Labels]:
    """The clips at one level, one after the other with 0.8 to 3 s between them, over faint hiss."""
    random = np.random.default_rng(2)
    parts: list[Samples] = []
    labels: list[Labels] = []
    for samples, speaking in clips:
        pause = FRAME * int(random.integers(80, 300))
        whole = len(speaking) * FRAME
        parts += [np.zeros(pause, np.float32), _at_level(samples[:whole], speaking, -26)]
        labels += [np.zeros(pause // FRAME, bool), speaking]
    parts.append(np.zeros(RATE_HZ * 2, np.float32))
    labels.append(np.zeros(200, bool))
    samples = np.concatenate(parts)
    hiss = random.normal(0, 10 ** (ROOM_DBFS / 20), len(samples)).astype(np.float32)
    return samples + hiss, np.concatenate(labels)


def _at_level(samples: Samples, speaking: Labels, dbfs: float) -> Samples:
    power = float(np.mean(samples[np.repeat(speaking, FRAME)] ** 2)) + 1e-12
    return (samples * np.float32(10 ** (dbfs / 20) / np.sqrt(power))).astype(np.float32)


def _mixed(samples: Samples, speaking: Labels, noise: Samples, snr_db: float) -> Samples:
    """SNR of the power while somebody speaks to the power of the noise."""
    voice = float(np.mean(samples[np.repeat(speaking, FRAME)] ** 2))
    long_noise = np.resize(noise, len(samples))
    gain = np.sqrt(voice / (float(np.mean(long_noise**2)) * 10 ** (snr_db / 10)))
    return (samples + np.float32(gain) * long_noise).astype(np.float32)


def telephone(samples: Samples) -> Samples:
    """8 kHz and mu-law, as G.711 has it."""
    narrow = np.clip(resample_poly(samples, 1, 2), -1, 1)
    code = np.round(127 * np.sign(narrow) * np.log1p(255 * np.abs(narrow)) / np.log(256))
    heard = np.sign(code) * (256 ** (np.abs(code) / 127) - 1) / 255
    wide = resample_poly(heard, 2, 1).astype(np.float32)
    return np.pad(wide, (0, max(0, len(samples) - len(wide))))[: len(samples)]


def read_clip(path: Path) -> Samples:
    """A mono file at 16 kHz."""
    parts = []
    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE_HZ)
        for decoded in container.decode(audio=0):
            parts += [one.to_ndarray()[0] for one in resampler.resample(decoded)]
        parts += [one.to_ndarray()[0] for one in resampler.resample(None)]
    return np.concatenate(parts).astype(np.float32)


def _of(manifest: list[dict[str, str]], name: str) -> Iterator[dict[str, str]]:
    return (one for one in manifest if one["set"] == name)
