"""Heavier engines in the place of our own, behind the same protocols: what they cannot do is not scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from audio_models.api import (
    Arousal,
    NotACustomer,
    Samples,
    Scorer,
    ScoreRequest,
    Scores,
    SentimentScore,
    VoiceNotJudged,
)
from audio_models.hugging_face import ArousalClassifier, SentimentClassifier
from audio_models.prosody import measure

BASELINE_S = 12.0
"""Seconds of speech that make a caller's baseline."""
KNOWN_AFTER_S, UNKNOWN_CALLER = 4.0, 0.3
"""Confidence of a caller of whom nothing was heard before, and after how much speech it is whole."""
FEWEST_S = 0.5


class HeavierSentiment:
    """Our scorer, with the sentiment of another model: uncertainty, cues and evidence stay as they are.

    The turn is read by itself, and the voice has no say: the other model was made for neither.
    """

    def __init__(self, scorer: Scorer, model: SentimentClassifier) -> None:
        self._scorer, self._model = scorer, model
        self.sentiment_name = model.description
        self.uncertainty_name = scorer.uncertainty_name

    def score(self, request: ScoreRequest) -> Scores:
        """See `Scorer`."""
        return self.score_batch([request])[0]

    def score_batch(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        """See `Scorer`; what our own scorer refuses (another language, no words) stays refused."""
        scores = self._scorer.score_batch(requests)
        asked = [at for at, one in enumerate(scores) if one.sentiment is not None]
        for at, found in zip(asked, self._model.judge([requests[at].text for at in asked]), strict=True):
            scores[at] = _with(scores[at], found)
        return scores


def _with(scores: Scores, found: SentimentScore | str) -> Scores:
    """Words that carried our sentiment are no evidence for another model's."""
    evidence = [span for span in scores.evidence if span.kind != "sentiment"]
    if isinstance(found, str):
        reasons = {**scores.not_scored, "sentiment": found}
        return replace(scores, sentiment=None, not_scored=reasons, evidence=evidence)
    return replace(scores, sentiment=found, evidence=evidence)


class HeavierVoice:
    """One customer's voice by another model: its arousal against that of his first seconds.

    `measured` may be given to `judge` where several callers' utterances were measured together.
    """

    def __init__(self, role: str, model: ArousalClassifier) -> None:
        """Raises NotACustomer for every role but a customer's."""
        if role != "customer":
            raise NotACustomer(f"the voice of a call's {role} is never judged, a customer's only")
        self.model = model
        self._usual = 0.0
        self._heard_s = 0.0

    def judge(self, samples: Samples) -> Arousal:
        """See `CallerVoice`."""
        return self.judge_measured(samples, self.model.measure([samples])[0])

    def judge_measured(self, samples: Samples, measured: float | str) -> Arousal:
        """Raises VoiceNotJudged with the reason."""
        if isinstance(measured, str):
            raise VoiceNotJudged(measured)
        prosody = measure(samples)
        if prosody is None or not prosody.judgeable or prosody.speech_s < FEWEST_S:
            raise VoiceNotJudged("too little voice in it")
        known = min(1.0, self._heard_s / KNOWN_AFTER_S)
        change = max(-1.0, min(1.0, measured - self._usual)) if self._heard_s else 0.0
        if self._heard_s < BASELINE_S:
            share = prosody.speech_s / (self._heard_s + prosody.speech_s)
            self._usual += share * (measured - self._usual)
            self._heard_s += prosody.speech_s
        confidence = UNKNOWN_CALLER + (1 - UNKNOWN_CALLER) * known
        return Arousal(
            round(change, 4), round(confidence, 2), (f"arousal {measured:+.2f} by {self.model.name}",)
        )
