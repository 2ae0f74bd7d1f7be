"""What turns logits and counts into probabilities, as fitted by scripts/train_scorers."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audio_models.api import MissingModel


@dataclass(frozen=True)
class Line:
    """probability = sigmoid(slope * logit + words * pattern + offset); `pattern` is 0..1, what the word
    patterns of the same cue say."""

    slope: float = 1.0
    offset: float = 0.0
    words: float = 0.0

    def probability(self, logit: float, pattern: float = 0.0) -> float:
        return sigmoid(self.slope * logit + self.words * pattern + self.offset)


@dataclass(frozen=True)
class Weighted:
    """A logistic regression by the names of its features."""

    weights: Mapping[str, float]
    offset: float

    def logit(self, features: Mapping[str, float]) -> float:
        return self.offset + sum(weight * features[name] for name, weight in self.weights.items())

    def probability(self, features: Mapping[str, float]) -> float:
        return sigmoid(self.logit(features))

    def shares(self, features: Mapping[str, float]) -> dict[str, float]:
        """What each feature adds to the logit."""
        return {name: weight * features[name] for name, weight in self.weights.items()}


@dataclass(frozen=True)
class Calibration:
    """All fitted figures."""

    temperature: float
    label: Mapping[str, float]
    """Added to the logit of each label; what the word lists say of feeling counts `label["words"]`."""
    arousal: float
    answers: Mapping[str, Line]
    likeness: Line
    """Cosine of two turns to the probability that they mean the same."""
    recognition: Weighted
    escalation: Weighted


def load_calibration(folder: Path) -> Calibration:
    """Raises MissingModel, naming the file."""
    path = folder / "calibration.json"
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        return Calibration(
            stored["temperature"],
            stored["label"],
            stored["arousal"],
            {name: Line(**line) for name, line in stored["answers"].items()},
            Line(**stored["likeness"]),
            _weighted(stored["recognition"]),
            _weighted(stored["escalation"]),
        )
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise MissingModel(f"{path} cannot be read ({error}); install VoiceWatch again") from None


def _weighted(stored: Mapping[str, Any]) -> Weighted:
    return Weighted(stored["weights"], stored["offset"])


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value)) if value > -30 else 0.0
