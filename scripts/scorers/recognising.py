"""Utterances with known words as the recogniser hears them: what its own figures say of its mistakes.

Synthetic voices through the bundled Whisper, clean, in noise and through a telephone; another voice, another
noise and other sentences are kept for measuring. Needs flite and espeak-ng.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
from numpy.typing import NDArray

from audio_models.api import BUNDLED_MODEL, Recognition, Transcript, load_transcriber
from audio_models.calibration import Weighted
from audio_models.uncertainty.recognition import features_of
from scripts.scorers.fitting import logistic, named
from scripts.scorers.measures import auc, calibration_error
from scripts.tiny_whisper.examples import telephone
from scripts.tiny_whisper.text import normalised, sentences
from scripts.tiny_whisper.voices import (
    HELD_OUT_ESPEAK,
    HELD_OUT_FLITE,
    Speaker,
    as_float,
    speak,
    training_speaker,
)
from voicewatch.speech.audio_file import opened

WRONG_FROM = 0.3
"""Share of wrong words from which an utterance is misheard."""
PRIOR = {
    "mean_doubt": 4.0, "worst_doubt": 0.5, "low_words": 2.0, "logprob": 1.0, "no_speech": 1.0,
    "packed": 0.5, "pace": 0.5, "short": 0.0, "revised": 1.0,
}  # fmt: skip
PRIOR_OFFSET = -3.5
SNRS_DB = (None, None, 20, 10, 5, 0, -5)
RATE_HZ = 16_000
Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Misheard:
    """An utterance as recognised; `held_out` ones are for measuring only."""

    features: Mapping[str, float]
    wrong: float
    held_out: bool
    avg_logprob: float | None
    mean_probability: float


def utterances(count: int, noises: list[Samples], seed: int = 5) -> Iterator[Misheard]:
    """`count` utterances, a third of them held out in voice, sentence and noise."""
    rng = random.Random(seed)
    engine = load_transcriber("faster-whisper", BUNDLED_MODEL)
    known, unknown = sentences(1200)
    strangers = (Speaker("flite", HELD_OUT_FLITE), Speaker("espeak", HELD_OUT_ESPEAK, 1.0, 50))
    for number in range(count):
        held_out = number % 3 == 0
        speaker = rng.choice(strangers) if held_out else training_speaker(rng)
        said = speak(("", rng.choice(unknown if held_out else known), speaker))
        noise = noises[-1] if held_out else rng.choice(noises[:-1])
        samples = _in_noise(as_float(said.samples), noise, rng.choice(SNRS_DB), rng)
        if rng.random() < 0.5:
            samples = telephone(samples)
        heard = engine.transcribe(samples)
        if heard.text:
            yield _measured(heard, said.text, len(samples) * 1000 // RATE_HZ, held_out)


def _in_noise(samples: Samples, noise: Samples, snr_db: int | None, rng: random.Random) -> Samples:
    padded = np.pad(samples, (RATE_HZ // 5, RATE_HZ // 5))
    if snr_db is None:
        return padded
    start = rng.randrange(max(1, len(noise) - len(padded)))
    under = np.resize(noise[start:], len(padded))
    loud, quiet = np.sqrt(np.mean(samples**2)), np.sqrt(np.mean(under**2)) + 1e-9
    return np.clip(padded + under * (loud / quiet) * 10 ** (-snr_db / 20), -1, 1).astype(np.float32)


def _measured(heard: Transcript, text: str, length_ms: int, held_out: bool) -> Misheard:
    probabilities = tuple(word.probability for word in heard.words if word.probability is not None)
    speech_ms = heard.words[-1].end_ms - heard.words[0].start_ms if heard.words else length_ms
    recognition = Recognition(
        probabilities, heard.avg_logprob, heard.no_speech_prob, heard.suspect, speech_ms=speech_ms
    )
    wrong = jiwer.wer(normalised(text), normalised(heard.text) or "-")
    mean = sum(probabilities) / len(probabilities) if probabilities else 0.0
    return Misheard(features_of(recognition, heard.text), wrong, held_out, heard.avg_logprob, mean)


def noises(folder: Path, seed: int = 3) -> list[Samples]:
    """White and pink noise of our own, then the recorded ones of the folder; the last is for measuring."""
    rng = np.random.default_rng(seed)
    white = rng.standard_normal(20 * RATE_HZ)
    pink = np.cumsum(white) - np.convolve(np.cumsum(white), np.ones(400) / 400, "same")
    own = [(one / np.abs(one).max()).astype(np.float32) for one in (white, pink)]
    return [*own, *(_read(path) for path in sorted(folder.glob("*.flac")))]


def _read(path: Path) -> Samples:
    with opened(path) as audio:
        pcm = b"".join(chunks[0] for chunks in audio.chunks())
    return np.frombuffer(pcm, "<i2").astype(np.float32) / 32768


def fit(found: list[Misheard]) -> Mapping[str, Any]:
    """The regression of `audio_models.uncertainty.recognition`, from those not held out."""
    known = [one for one in found if not one.held_out]
    names = list(PRIOR)
    fitted = logistic(
        [[one.features[name] for name in names] for one in known],
        [one.wrong > WRONG_FROM for one in known],
        [*PRIOR.values(), PRIOR_OFFSET],
        pull=0.3,
        least=[*([0.0] * len(names)), -20.0],
    )
    return named(names, fitted)


def report(found: list[Misheard], figures: Mapping[str, Any]) -> dict[str, float]:
    """On those held out: AUC of the regression, and of the recogniser's own mean probability."""
    model = Weighted(figures["weights"], figures["offset"])
    unknown = [one for one in found if one.held_out]
    wrong = [one.wrong > WRONG_FROM for one in unknown]
    doubts = [model.probability(one.features) for one in unknown]
    return {
        "auc": auc(doubts, wrong),
        "auc_of_mean_probability": auc([-one.mean_probability for one in unknown], wrong),
        "calibration_error": calibration_error(doubts, wrong),
        "n": len(unknown),
        "misheard": sum(wrong) / max(1, len(wrong)),
    }
