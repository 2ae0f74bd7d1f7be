"""Scores of single utterances given as text: what `voicewatch score` prints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from audio_models.api import Scorer, ScoreRequest, Scores, Turn, VoiceNotJudged, load_scorer
from voicewatch.speech.facts import evidence_of, sentiment_of, uncertainty_of
from voicewatch.speech.voice_files import VoiceFiles
from voicewatch.speech.voices import Spoken, score_spoken

MAX_CONTEXT = 64
"""Turns of context looked at, the last ones; who sends more does not make us slower."""


def score_lines(
    items: Iterable[Mapping[str, Any]], sentiment_model: str = "", voice_model: str = ""
) -> Iterator[dict[str, Any]]:
    """One result for each `{"id"?, "text", "role"?, "language"?, "context"?: [{"role", "text"}], ...}`.

    `"audio"?` is a file with the customer's voice; lines of one `"call"?`, in order, have one baseline.
    A part that cannot be scored is None, with its reason in `not_scored`. ValueError names what is wrong.
    The models name others than our own (`hf:...`); MissingModel where they are not there.
    """
    scorer, files = load_scorer(sentiment_model), VoiceFiles(voice_model)
    for item in items:
        yield _scored(item, scorer, files)


def _scored(item: Mapping[str, Any], scorer: Scorer, files: VoiceFiles) -> dict[str, Any]:
    text = item.get("text")
    if not isinstance(text, str):
        raise ValueError('each item needs a "text"')
    role = str(item.get("role") or "customer")
    request = ScoreRequest(text, role, str(item.get("language") or "en"), _context(item))
    spoken, unheard = _spoken(item, role, files)
    [scores] = score_spoken(scorer, [(request, spoken)])
    not_scored = dict(scores.not_scored)
    if scores.escalation is None:
        not_scored.setdefault("escalation", "the need of a person is judged when a customer speaks")
    if unheard := unheard or not_scored.pop("arousal", ""):
        not_scored["arousal_change"] = unheard
    sentiment, uncertainty = sentiment_of(scores), uncertainty_of(scores)
    result: dict[str, Any] = {
        "id": item.get("id"),
        "sentiment": sentiment and sentiment.model_dump(),
        "uncertainty": uncertainty and uncertainty.model_dump(),
        "escalation": _escalation(scores),
        "cues": dict(scores.cues),
        "evidence": [one.model_dump(exclude={"utterance_id"}) for one in evidence_of(scores, text, None)],
    }
    if item.get("audio"):
        heard = scores.arousal
        result["arousal_change"] = heard and heard.change
        result["arousal_confidence"] = heard and heard.confidence
    return result | ({"not_scored": not_scored} if not_scored else {})


def _spoken(item: Mapping[str, Any], role: str, files: VoiceFiles) -> tuple[Spoken | None, str]:
    """The voice to be judged, or why there is none."""
    if not item.get("audio"):
        return None, ""
    try:
        return files.spoken(Path(str(item["audio"])), role, str(item.get("call") or "")), ""
    except VoiceNotJudged as error:
        return None, str(error)


def _context(item: Mapping[str, Any]) -> tuple[Turn, ...]:
    turns = item.get("context") or ()
    try:
        return tuple(Turn(str(turn["role"]), str(turn["text"])) for turn in turns[-MAX_CONTEXT:])
    except (TypeError, KeyError):
        raise ValueError('"context" is a list of {"role", "text"}, oldest first') from None


def _escalation(scores: Scores) -> dict[str, Any] | None:
    need = scores.escalation
    if need is None:
        return None
    return {
        "score": need.score,
        "wants_human": scores.cues.get("wants_human", 0.0),
        "reasons": list(need.reasons),
    }
