"""How much the voice's stated weight in sentiment matters: a simulation, not evidence.

No licensed set has words and voice labelled together. So labelled utterances (words) are each given the
change of a clip of acted speech (voice), drawn by what is assumed of callers: which share of the strongly
unhappy sounds angry, and which share of everybody sounds excited for reasons of his own. What comes out says
how much could be gained or lost by the weight if that were so, and nothing of real callers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audio_models.calibration import load_calibration
from audio_models.feeling import word_feeling
from audio_models.reader import ANSWERS, SENTIMENTS
from audio_models.reading import FOLDER, TurnReader
from audio_models.sentiment import score_sentiment
from audio_models.text import plain
from scripts.scorers.calibrating import logits_of
from scripts.scorers.examples import Example, labelled
from scripts.scorers.measures import auc

UTTERANCES = Path(__file__).resolve().parents[2] / "tests" / "data" / "utterances"
WEIGHTS = (0.0, 0.4, 0.8, 1.2)
ASSUMED = {
    "half of the angry sound it": (0.5, 0.0),
    "all of the angry sound it": (1.0, 0.0),
    "half do, and a fifth of everybody is excited anyhow": (0.5, 0.2),
    "nobody does, and a fifth of everybody is excited anyhow": (0.0, 0.2),
}
"""Share of those at -3 and below who sound angry, and of all others who sound as excited."""
ANGRY_TO = -3.0
DRAWS, SEED = 20, 5


def sensitivity(changes: Mapping[str, Sequence[float]]) -> Iterator[tuple[str, float]]:
    """(what, AUC of negative) by weight and assumption; `changes` are of acted clips, by emotion."""
    found = [one for one in labelled(UTTERANCES, "dev") if one.role == "customer" and one.score is not None]
    logits = logits_of(TurnReader(FOLDER), found)
    truth = np.array([one.label is not None and int(np.argmax(one.label)) == 0 for one in found])
    for assumed, shares in ASSUMED.items():
        rng = np.random.default_rng(SEED)
        drawn = [_voices(found, changes, shares, rng) for _ in range(DRAWS)]
        for weight in WEIGHTS:
            areas = [auc(_negative(found, logits, voices, weight), truth) for voices in drawn]
            yield f"simulated: {assumed}; weight {weight}", float(np.mean(areas))


def _voices(
    found: Sequence[Example],
    changes: Mapping[str, Sequence[float]],
    shares: tuple[float, float],
    rng: np.random.Generator,
) -> list[float]:
    angry, others = shares
    return [
        float(rng.choice(changes["anger" if rng.random() < share else "neutral"]))
        for one in found
        for share in [angry if (one.score or 0.0) <= ANGRY_TO else others]
    ]


def _negative(
    found: Sequence[Example], logits: NDArray[np.float32], voices: Sequence[float], weight: float
) -> list[float]:
    """How negative each is scored."""
    calibration = replace(load_calibration(FOLDER), arousal=weight)
    score = ANSWERS.index("score")
    return [
        -score_sentiment(
            [float(one) for one in row[: len(SENTIMENTS)]],
            float(row[score]),
            word_feeling(plain(example.text))[0],
            calibration,
            voice if weight else None,
        ).score
        for example, row, voice in zip(found, logits, voices, strict=True)
    ]
