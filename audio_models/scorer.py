"""The first scorer: words only, English only, every score with the words that made it."""

from __future__ import annotations

from collections.abc import Sequence

from audio_models.api import ScoreRequest, Scores, Span
from audio_models.cues import Cue, find_cues
from audio_models.sentiment import score_sentiment
from audio_models.text import plain
from audio_models.uncertainty import SAME, score_dialogue, score_recognition, score_speaker, total


class WordScorer:
    """See `Scorer`. Without state; about 0.3 ms an utterance."""

    sentiment_name = "word list and rules, English"
    uncertainty_name = "word list, recogniser probabilities and repeats, English"

    def score(self, request: ScoreRequest) -> Scores:
        """Sentiment, uncertainty and cues; what cannot be scored is None with the reason."""
        recognition, why_not_heard = score_recognition(request.recognition)
        not_scored = {"recognition": why_not_heard} if why_not_heard else {}
        refused = _refusal(request)
        if refused:
            unsure = total(recognition, None, None) if recognition is not None else None
            reasons = dict.fromkeys(("sentiment", "speaker", "dialogue"), refused)
            return Scores(uncertainty=unsure, not_scored=not_scored | reasons)
        said = plain(request.text)
        cues = find_cues(said, request.role)
        sentiment, spans = score_sentiment(said)
        speaker, speaker_spans = score_speaker(said, cues)
        dialogue, repeat, dialogue_spans, why_no_dialogue = score_dialogue(
            said, request.role, cues, request.context
        )
        if why_no_dialogue:
            not_scored["dialogue"] = why_no_dialogue
        return Scores(
            sentiment,
            total(recognition, speaker, dialogue),
            _cue_values(cues, repeat),
            not_scored,
            (*spans, *_distinct([*speaker_spans, *dialogue_spans]), *_cue_spans(cues)),
        )

    def score_batch(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        return [self.score(request) for request in requests]


def _refusal(request: ScoreRequest) -> str:
    if request.language.split("-")[0].lower() != "en":
        return f"unsupported language {request.language!r}: the scorer knows English only"
    if not any(sign.isalpha() for sign in request.text):
        return "no words"
    return ""


def _cue_values(cues: list[Cue], repeat: float) -> dict[str, float]:
    values = {cue.name: cue.value for cue in cues}
    if repeat >= SAME:
        values["repeat"] = max(values.get("repeat", 0.0), round(repeat, 2))
    return values


def _cue_spans(cues: list[Cue]) -> list[Span]:
    shown = ("hedging", "confusion", "ambiguous_consent", "repeat", "refusal")
    return [span for cue in cues if cue.name not in shown for span in cue.spans]


def _distinct(spans: list[Span]) -> list[Span]:
    return list({(span.start, span.end, span.note): span for span in spans}.values())
