"""How much more aroused than usual a caller sounds: against his own first seconds, never an emotion's name.

A caller's usual voice s is not known but learned: before he speaks it is anybody's, N(mean, between); each of
his first utterances x = s + a * direction + noise tells of it (a Kalman filter), where `a` is arousal and
noise N(0, within), larger for one with little voice. Of a later one, `a` is estimated by the same model, so
that what is not known of the caller, of his line or of an utterance draws the estimate towards no change.

Only a customer's voice can be judged: `CustomerVoice` is the one way in, and refuses every other role
(Regulation (EU) 2024/1689, Art. 5(1)(f), on people at work).
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from audio_models.api import Arousal, MissingModel, NotACustomer, Samples, VoiceNotJudged
from audio_models.prosody import FEATURES, Numbers, Prosody, measure

WEIGHTS = Path(__file__).parent / "weights" / "prosody" / "model.json"
AROUSAL_SD, FIRST_AROUSAL_SD = 1.0, 0.2
"""In steps from calm to highly aroused: of utterances at large, and of first ones, mostly calm."""
BASELINE_S = 12.0
"""Voiced seconds that make a caller's baseline; then it stands, or a long quarrel would become usual."""
USUAL_VOICED_S = 0.9
"""Voice in the utterances the model was fitted to; `within` is for so much."""
UNKNOWN_CALLER, KNOWN_AFTER_S = 0.5, 4.0
"""Confidence is halved for a caller of whom nothing is known, and whole after 4 s of his voice."""
NOISY_DB, CLEAR_DB = 6.0, 20.0
CLIPPED_FROM, CLIPPED_AT = 0.004, 0.04
"""Shares of samples at the very top: from the first on confidence falls, to a third at the second."""
SHOWN, SHOWN_FROM_S = 3, 0.25
"""Measures named as evidence; none with less voice than this, of which single ones are often wrong."""


@dataclass(frozen=True)
class VoiceModel:
    """Arrays over FEATURES: mean [n], between [n, n], within [n, n], direction [n], clipping [n]."""

    mean: Numbers
    between: Numbers
    within: Numbers
    direction: Numbers
    clipping: Numbers
    """By how much they are wrong in speech cut off wholly, in proportion to the root of the share that is."""

    def values(self, prosody: Prosody) -> Numbers:
        """As they would be without clipping."""
        return prosody.values - self.clipping * math.sqrt(prosody.clipped)

    def noise(self, prosody: Prosody) -> Numbers:
        """`within` for as much voice as there is."""
        return self.within * float(np.clip(USUAL_VOICED_S / max(prosody.voiced_s, 0.01), 0.4, 10.0))


class Baseline:
    """What is known of a caller's usual voice: N(mean, doubt), from `voiced_s` seconds of it."""

    def __init__(self, model: VoiceModel) -> None:
        self._model = model
        self.mean = model.mean
        self.doubt = model.between
        self.voiced_s = 0.0

    def learn(self, prosody: Prosody) -> None:
        """An utterance of the caller, while his baseline is being made."""
        if self.voiced_s >= BASELINE_S:
            return
        direction = self._model.direction
        noise = self._model.noise(prosody) + FIRST_AROUSAL_SD**2 * np.outer(direction, direction)
        gain = self.doubt @ np.linalg.inv(self.doubt + noise)
        self.mean = self.mean + gain @ (self._model.values(prosody) - self.mean)
        self.doubt = self.doubt - gain @ self.doubt
        self.voiced_s += prosody.voiced_s

    def judge(self, prosody: Prosody) -> Arousal:
        """Of one utterance against what is known."""
        model, moved = self._model, self._model.values(prosody) - self.mean
        weights = np.linalg.solve(model.noise(prosody) + self.doubt, model.direction)
        told = float(model.direction @ weights)
        certainty = told + 1 / AROUSAL_SD**2
        steps = float(moved @ weights) / certainty
        change = steps / math.hypot(1.0, steps)
        confidence = told / certainty * _clean(prosody) * self._known()
        evidence = _evidence(moved, weights * moved, change) if prosody.voiced_s >= SHOWN_FROM_S else ()
        return Arousal(round(change, 4), round(confidence, 2), evidence)

    def _known(self) -> float:
        return UNKNOWN_CALLER + (1 - UNKNOWN_CALLER) * min(1.0, self.voiced_s / KNOWN_AFTER_S)


class CustomerVoice:
    """The voice of one customer in one call. Not for several threads at once."""

    def __init__(self, role: str) -> None:
        """Raises NotACustomer for every other role, and MissingModel without the weights."""
        if role != "customer":
            raise NotACustomer(f"the voice of a call's {role} is never judged, a customer's only")
        self._baseline = Baseline(load_model())

    def judge(self, samples: Samples) -> Arousal:
        """Of the next utterance, mono at 16 kHz; what is heard early becomes the baseline.

        Raises VoiceNotJudged with the reason where there is too little voice in it.
        """
        prosody = measure(samples)
        if prosody is None or not prosody.judgeable:
            raise VoiceNotJudged("too little voice in it")
        found = self._baseline.judge(prosody)
        self._baseline.learn(prosody)
        return found


def _clean(prosody: Prosody) -> float:
    """1 for a clear recording, less with noise and clipping."""
    noise = np.interp(prosody.contrast_db, [NOISY_DB, CLEAR_DB], [0.3, 1.0])
    clipping = np.interp(prosody.clipped, [CLIPPED_FROM, CLIPPED_AT], [1.0, 0.33])
    return float(noise * clipping)


def _evidence(moved: Numbers, shares: Numbers, change: float) -> tuple[str, ...]:
    """The measures that made most of the change."""
    order = np.argsort(-shares * math.copysign(1, change))
    return tuple(_said(FEATURES[at], float(moved[at])) for at in order[:SHOWN] if shares[at] * change > 0)


_WORDS = {
    "movement": "pitch movement",
    "jitter": "unevenness of pitch",
    "shimmer": "unevenness of level",
    "articulation": "articulation",
}


def _said(feature: str, moved: float) -> str:
    if feature == "pitch":
        return f"pitch {moved:+.1f} semitones"
    if feature == "sharpness":
        return f"sharpness {moved:+.1f} dB"
    if feature == "rate":
        return f"rate {moved:+.1f} syllables a second"
    if feature in _WORDS:
        return f"{_WORDS[feature]} {100 * math.expm1(min(moved, 2.0)):+.0f} %"
    name = "voiced share" if feature == "voiced" else "clearness of tone"
    return f"{name} {100 * moved:+.0f} points"


@lru_cache(maxsize=1)
def load_model(path: Path = WEIGHTS) -> VoiceModel:
    """Raises MissingModel, naming the file."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        if tuple(stored["features"]) != FEATURES:
            raise ValueError("it was made for other measures")
        names = ("mean", "between", "within", "direction", "clipping")
        return VoiceModel(*(np.array(stored[name], np.float64) for name in names))
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise MissingModel(f"{path} cannot be read ({error}); install VoiceWatch again") from None
