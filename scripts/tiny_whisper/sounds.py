"""Sounds of a telephone line in which nobody speaks, made at random: what shall be written is nothing."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter

from .voices import RATE_HZ

Sound = npt.NDArray[np.float64]

_KEYS_LOW: Final = (697, 770, 852, 941)
_KEYS_HIGH: Final = (1209, 1336, 1477, 1633)
_LINES: Final = ((440, 480), (400, 450), (425, 425), (480, 620), (350, 440))
_CHORDS: Final = ((0, 4, 7), (0, 3, 7), (0, 5, 9), (0, 4, 7, 11))


def sound(rng: random.Random, noise: np.random.Generator, count: int) -> Sound:
    """``count`` samples of one kind of sound, full scale at 1, at any level down to nearly nothing."""
    made = rng.choice(_KINDS)(rng, noise, count)
    peak = float(np.abs(made).max(initial=0.0)) or 1.0
    return np.asarray(made / peak * 10 ** rng.uniform(-2.5, -0.1))


def coloured_noise(rng: random.Random, noise: np.random.Generator, count: int) -> Sound:
    """White, or falling towards high pitches."""
    hiss = noise.standard_normal(count)
    if rng.random() < 0.5:
        pole = rng.uniform(0.3, 0.95)
        hiss = lfilter([np.sqrt(1 - pole**2)], [1, -pole], hiss)
    return np.asarray(hiss)


def _time(count: int) -> Sound:
    return np.arange(count) / RATE_HZ


def _tone(rng: random.Random, noise: np.random.Generator, count: int) -> Sound:
    """One or two pure pitches, steady, or swelling, or gliding."""
    made = np.zeros(count)
    for _ in range(rng.choice((1, 1, 1, 2))):
        pitch_hz = 50 * (80 ** rng.random())
        glide = rng.choice((0.0, 0.0, rng.uniform(-0.6, 2.0)))
        turns = np.cumsum(pitch_hz * (1 + glide * np.linspace(0, 1, count))) / RATE_HZ
        made += np.sin(2 * np.pi * turns)
    if rng.random() < 0.3:
        made *= 1 + 0.8 * np.sin(2 * np.pi * rng.uniform(2, 30) * _time(count))
    return made


def _cadenced(rng: random.Random, sounding: Sound, on_s: float, off_s: float) -> Sound:
    phase = (_time(len(sounding)) + rng.uniform(0, on_s + off_s)) % (on_s + off_s)
    return np.where(phase < on_s, sounding, 0.0)


def _ringing(rng: random.Random, noise: np.random.Generator, count: int) -> Sound:
    """Ringing, busy and dialling tones of several countries."""
    low_hz, high_hz = rng.choice(_LINES)
    both = np.sin(2 * np.pi * low_hz * _time(count)) + np.sin(2 * np.pi * high_hz * _time(count))
    on_s, off_s = rng.choice(((2.0, 4.0), (0.4, 0.2), (0.5, 0.5), (0.25, 0.25), (9.0, 0.0)))
    return _cadenced(rng, both, on_s, off_s)


def _keys(rng: random.Random, noise: np.random.Generator, count: int) -> Sound:
    """Pressed keys (DTMF)."""
    made = np.zeros(count)
    at = int(rng.uniform(0, 0.3) * RATE_HZ)
    while at < count:
        length = int(rng.uniform(0.06, 0.4) * RATE_HZ)
        seconds = _time(min(length, count - at))
        pair = (rng.choice(_KEYS_LOW), rng.choice(_KEYS_HIGH))
        made[at : at + len(seconds)] = sum(np.sin(2 * np.pi * hz * seconds) for hz in pair)
        at += length + int(rng.uniform(0.05, 0.6) * RATE_HZ)
    return made


def _note(rng: random.Random, pitch_hz: float, count: int) -> Sound:
    seconds = _time(count)
    harmonics = range(1, rng.randint(2, 9))
    fall = rng.uniform(0.6, 2.0)
    made = sum(np.sin(2 * np.pi * h * pitch_hz * seconds) / h**fall for h in harmonics)
    return np.asarray(made * np.exp(-seconds * rng.uniform(0.3, 8)) * np.minimum(1, seconds / 0.01))


def _music(rng: random.Random, noise: np.random.Generator, count: int) -> Sound:
    """Chords, a melody and a beat."""
    made = np.zeros(count)
    root_hz, beat = rng.uniform(80, 330), int(rng.uniform(0.2, 0.8) * RATE_HZ)
    for at in range(0, count, beat):
        shift = rng.choice((0, 0, 5, 7, -3))
        semitones = rng.choice(_CHORDS) if rng.random() < 0.6 else (12 + rng.choice((0, 2, 4, 7, 9)),)
        length = min(count - at, beat * rng.randint(1, 3))
        for semitone in semitones:
            made[at : at + length] += _note(rng, root_hz * 2 ** ((semitone + shift) / 12), length)
        if rng.random() < 0.5:
            hit = min(count - at, 1600)
            made[at : at + hit] += noise.standard_normal(hit) * np.exp(-np.arange(hit) / rng.uniform(60, 400))
    return made


def _noises(rng: random.Random, noise: np.random.Generator, count: int) -> Sound:
    """Hiss, often in gusts, with or without cracks."""
    made = coloured_noise(rng, noise, count)
    if rng.random() < 0.5:
        gusts = np.interp(np.arange(count), np.linspace(0, count, 9), noise.uniform(0, 1, 9))
        made = made * gusts ** rng.uniform(1, 4)
    if rng.random() < 0.3:
        made[noise.integers(0, count, rng.randint(1, 30))] += 8.0
    return made


def _hum(rng: random.Random, noise: np.random.Generator, count: int) -> Sound:
    hum_hz = rng.choice((50, 60, 100, 120))
    made = sum(rng.random() * np.sin(2 * np.pi * h * hum_hz * _time(count)) for h in range(1, 8))
    return np.asarray(made + 0.05 * noise.standard_normal(count))


_KINDS: Final[tuple[Callable[[random.Random, np.random.Generator, int], Sound], ...]] = (
    _tone, _tone, _ringing, _keys, _music, _music, _noises, _hum,
)  # fmt: skip
