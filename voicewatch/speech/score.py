"""Scores of single utterances given as text: what `voicewatch score` prints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from audio_models.api import Scorer, ScoreRequest, Scores, Turn, load_scorer
from voicewatch.speech.facts import evidence_of, sentiment_of, uncertainty_of

REASON_OF_CUE = {
    "wants_human": "asks_human",
    "confusion": "confused",
    "ambiguous_consent": "ambiguous_consent",
    "repeat": "repeated_failure",
    "legal": "high_stakes",
}
NEEDS_A_PERSON = {"wants_human": 0.95, "legal": 0.6, "repeat": 0.4, "complaint": 0.35, "confusion": 0.25}
"""How much a cue says that a person is needed (noisy or): chosen by hand, no model has learned it yet."""
CUE_AT = 0.5
ANGRY_BELOW = -3.0
ANGRY_WEIGHT = 0.4


def score_lines(items: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """One result for each `{"id"?, "text", "role"?, "language"?, "context"?: [{"role", "text"}], "audio"?}`.

    A part that cannot be scored is None, with its reason in `not_scored`. ValueError without a text.
    """
    scorer = load_scorer()
    for item in items:
        yield _scored(item, scorer)


def _scored(item: Mapping[str, Any], scorer: Scorer) -> dict[str, Any]:
    text = item.get("text")
    if not isinstance(text, str):
        raise ValueError('each item needs a "text"')
    role = str(item.get("role") or "customer")
    context = tuple(Turn(str(turn["role"]), str(turn["text"])) for turn in item.get("context") or ())
    scores = scorer.score(ScoreRequest(text, role, str(item.get("language") or "en"), context))
    not_scored = dict(scores.not_scored)
    escalation = _escalation(scores, role)
    if escalation is None:
        not_scored["escalation"] = "only what a customer says in English is judged"
    if item.get("audio"):
        not_scored["arousal_change"] = "the voice is not scored in this version"
    sentiment, uncertainty = sentiment_of(scores), uncertainty_of(scores)
    result: dict[str, Any] = {
        "id": item.get("id"),
        "sentiment": sentiment and sentiment.model_dump(),
        "uncertainty": uncertainty and uncertainty.model_dump(),
        "escalation": escalation,
        "evidence": [one.model_dump(exclude={"utterance_id"}) for one in evidence_of(scores, text, None)],
    }
    return result | ({"not_scored": not_scored} if not_scored else {})


def _escalation(scores: Scores, role: str) -> dict[str, Any] | None:
    """Need of a person by cues alone."""
    if role != "customer" or scores.sentiment is None:
        return None
    calm = 1.0
    for cue, weight in NEEDS_A_PERSON.items():
        calm *= 1 - weight * scores.cues.get(cue, 0.0)
    reasons = [reason for cue, reason in REASON_OF_CUE.items() if scores.cues.get(cue, 0.0) >= CUE_AT]
    if scores.sentiment.score <= ANGRY_BELOW:
        calm *= 1 - ANGRY_WEIGHT
        reasons.append("angry")
    return {
        "score": round(1 - calm, 3),
        "wants_human": scores.cues.get("wants_human", 0.0),
        "reasons": reasons,
    }
