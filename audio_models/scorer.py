"""The scorer: what the network reads and what word patterns find, as calibrated scores with evidence.

English only; what cannot be scored is None with the reason, never a neutral value.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audio_models.api import EscalationNeed, ScoreRequest, Scores, Span, UncertaintyScore
from audio_models.calibration import Line, load_calibration
from audio_models.cues import Cue, find_cues
from audio_models.escalation import TurnSigns, judge
from audio_models.evidence import carried_by
from audio_models.feeling import WordFeeling, word_feeling
from audio_models.foreign import foreign_language
from audio_models.reader import ANSWERS, SENTIMENTS
from audio_models.reading import FOLDER, Answered, ReadTurn, TurnReader, shared_reader
from audio_models.sentiment import score_sentiment
from audio_models.text import Plain, plain
from audio_models.uncertainty import hesitation, repeats, score_dialogue, score_recognition, total_doubt

CUE_OF_ANSWER = {
    "customer": {
        "wants_human": "wants_human",
        "complaint": "complaint",
        "cancel": "cancel",
        "refund": "refund",
        "legal": "legal",
        "vulnerable": "vulnerable",
        "angry": "anger",
        "uncertain": "hedging",
        "confused": "confusion",
        "consent_unclear": "ambiguous_consent",
        "dissatisfied": "dissatisfied",
        "needs_person": "needs_person",
    },
    "ai": {
        "ai_uncertain": "ai_uncertain",
        "ai_hedge": "hedging",
        "ai_non_answer": "non_answer",
        "ai_loop": "loop",
        "ai_contradiction": "contradiction",
        "ai_promise": "unbacked_promise",
        "ai_denies": "denies_ai",
    },
    "agent": {"uncertain": "hedging", "confused": "confusion"},
}
"""What the network answers about each side, by the name of the cue; supervisors are heard as agents are."""
CONTEXT_ANSWERS = frozenset({"ai_non_answer", "ai_loop", "ai_contradiction"})
"""Answers that are about the turns before: without any there is nothing to be judged."""
IN_ITS_WORDS = frozenset(
    {"angry", "wants_human", "complaint", "cancel", "refund", "legal", "vulnerable", "needs_person"}
)
"""Answers that a turn gives by itself: what was said before must not talk it out of them."""
SHOWN_FROM = 0.15
"""Cues below are as good as absent, and left out."""
EVIDENCE_FROM = 0.5
WEIGHTS = {"recognition": 0.4, "speaker": 0.9, "dialogue": 0.8}
"""How much each part says of the whole (noisy or): misheard words alone are no reason to act."""
AI_WEIGHTS = {"recognition": 0.4, "speaker": 0.3, "dialogue": 0.3}
"""Of an AI the network says as a whole whether its turn should stand; the parts say why."""
_AT = {name: place for place, name in enumerate(ANSWERS)}
_OWN_CUES = {
    side: [(_AT[answer], cue) for answer, cue in cues.items() if answer not in CONTEXT_ANSWERS]
    for side, cues in CUE_OF_ANSWER.items()
}
"""Places of the answers that a turn gives by its own words, and their cues."""


@dataclass(frozen=True)
class _Judged:
    """A request with what was found in it."""

    reader: TurnReader
    request: ScoreRequest
    said: Plain
    cues: dict[str, float]
    patterns: Sequence[Cue]
    answered: Answered

    @functools.cached_property
    def parts(self) -> NDArray[np.float32]:
        """How much each piece carries of each answer [pieces, answers]."""
        return self.reader.parts(self.answered.turn)

    def carried(self, parts: NDArray[np.float32], kind: str) -> list[Span]:
        """The words that carry what `parts` tells of each piece."""
        return carried_by(self.said, self.answered.turn.words, parts, kind)


class ReadingScorer:
    """See `Scorer`. May be used from several threads."""

    sentiment_name = "VoiceWatch turn reader, English"
    uncertainty_name = "VoiceWatch turn reader, recogniser probabilities and repeats, English"

    def __init__(self, folder: Path = FOLDER, *, with_words: bool = True) -> None:
        """`with_words` False leaves every word list and pattern out (to measure what they add).

        Raises MissingModel.
        """
        self._reader = shared_reader() if folder == FOLDER else TurnReader(folder)
        self._calibration = load_calibration(folder)
        self.escalation_model = self._calibration.escalation
        self._with_words = with_words
        lines = [self._calibration.answers.get(name, Line()) for name in ANSWERS]
        self._slopes = np.array([line.slope for line in lines], np.float32)
        self._offsets = np.array([line.offset for line in lines], np.float32)

    def score(self, request: ScoreRequest) -> Scores:
        """Sentiment, uncertainty, cues and need of a person, each or the reason why not."""
        return self.score_batch([request])[0]

    def score_batch(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        """The same for several at once, of any calls: read together, they cost less."""
        reasons = [_refusal(request) for request in requests]
        scored = [request for request, reason in zip(requests, reasons, strict=True) if not reason]
        answers = iter(self._answered(scored))
        return [
            self._refused(request, reason) if reason else self._scored(request, next(answers))
            for request, reason in zip(requests, reasons, strict=True)
        ]

    def _answered(self, requests: Sequence[ScoreRequest]) -> list[Answered | str]:
        """What the network answers; if it fails, each request by itself: one cannot spoil the others."""
        try:
            return list(self._reader.answer([_turn(request) for request in requests]))
        except (RuntimeError, MemoryError) as error:
            if len(requests) == 1:
                return [f"the scorer failed ({type(error).__name__})"]
            return [one for request in requests for one in self._answered([request])]

    # ------------------------------------------------------------ one request

    def _refused(self, request: ScoreRequest, reason: str) -> Scores:
        recognition, why = score_recognition(request.recognition, request.text, self._calibration.recognition)
        parts = ("sentiment", "speaker", "dialogue", "cues", "escalation")
        uncertainty = _total(recognition, None, None) if recognition is not None else None
        unheard = {"recognition": why} if why else {}
        return Scores(uncertainty=uncertainty, not_scored=unheard | dict.fromkeys(parts, reason))

    def _scored(self, request: ScoreRequest, answered: Answered | str) -> Scores:
        if isinstance(answered, str):
            return self._refused(request, answered)
        judged = self._judged(request, answered)
        said, cues, role = judged.said, judged.cues, _side(request.role)
        feeling, feeling_spans = word_feeling(said) if self._with_words else (WordFeeling(), [])
        arousal = request.arousal_change if request.role == "customer" else None
        logits = [float(answered.logits[_AT[name]]) for name in SENTIMENTS]
        sentiment = score_sentiment(
            logits, float(answered.logits[_AT["score"]]), feeling, self._calibration, arousal
        )
        recognition, unheard = score_recognition(
            request.recognition, request.text, self._calibration.recognition
        )
        hesitating, hesitation_spans = hesitation(said)
        speaker = round(
            total_doubt([max(cues.get("hedging", 0.0), cues.get("confusion", 0.0)), hesitating]), 3
        )
        dialogue, dialogue_spans, no_dialogue = score_dialogue(said, role, cues, request)
        escalation = self._need(judged, sentiment.score) if role == "customer" else None
        if escalation is not None:
            cues["needs_person"] = escalation.score
        return Scores(
            sentiment,
            _total(recognition, speaker, dialogue, *_weighing(role, cues)),
            {name: round(value, 2) for name, value in cues.items() if value >= SHOWN_FROM},
            _why(recognition=unheard, dialogue=no_dialogue),
            _distinct(
                [
                    *self._sentiment_spans(judged, sentiment.label, feeling_spans),
                    *self._speaker_spans(judged),
                    *(hesitation_spans if hesitating >= 0.1 else []),
                    *dialogue_spans,
                    *self._cue_spans(judged),
                ]
            ),
            escalation,
        )

    def _judged(self, request: ScoreRequest, answered: Answered) -> _Judged:
        said = plain(request.text)
        patterns = find_cues(said, request.role) if self._with_words else []
        cues = self._cues(request, said, patterns, answered)
        return _Judged(self._reader, request, said, cues, patterns, answered)

    def _cues(
        self, request: ScoreRequest, said: Plain, patterns: Sequence[Cue], answered: Answered
    ) -> dict[str, float]:
        role = _side(request.role)
        by_pattern = {cue.name: cue.value for cue in patterns}
        found = {}
        for answer, cue in CUE_OF_ANSWER[role].items():
            if answer in CONTEXT_ANSWERS and not request.context:
                continue
            line = self._calibration.answers[answer]
            logits = answered.turn.own if answer in IN_ITS_WORDS else answered.logits
            found[cue] = line.probability(float(logits[_AT[answer]]), by_pattern.pop(cue, 0.0))
        same = self._calibration.likeness.probability(answered.likeness) if request.context else 0.0
        repeat = repeats(said, same)
        found["repeat"] = max(repeat, by_pattern.pop("repeat", 0.0) if role == "customer" else 0.0)
        return found | by_pattern

    def _need(self, judged: _Judged, score: float) -> EscalationNeed:
        return judge(self._conversation(judged, score), self._calibration.escalation, judged.request)

    def signs(self, request: ScoreRequest) -> list[TurnSigns]:
        """What the need of a person is judged by, turn by turn; empty where nothing can be scored."""
        if _refusal(request):
            return []
        answered = self._reader.answer([_turn(request)])[0]
        judged = self._judged(request, answered)
        return self._conversation(judged, 5 * math.tanh(float(answered.logits[_AT["score"]])))

    def _conversation(self, judged: _Judged, score: float) -> list[TurnSigns]:
        now = TurnSigns("customer", score, judged.cues["repeat"], judged.cues)
        return [*self._before(judged.answered.earlier), now]

    def _before(self, earlier: Sequence[tuple[str, ReadTurn]]) -> Iterator[TurnSigns]:
        """Earlier turns are judged by their own words, as they were read."""
        if not earlier:
            return
        own = np.stack([read.own for _, read in earlier])
        meanings = np.stack([read.meaning for _, read in earlier])
        chances = (0.5 + 0.5 * np.tanh(0.5 * (own * self._slopes + self._offsets))).tolist()
        cosines = (meanings @ meanings.T).tolist()
        for at, (role, read) in enumerate(earlier):
            side = _side(role)
            nearest = max((cosines[at][one] for one in range(at) if earlier[one][0] == role), default=0.0)
            yield TurnSigns(
                side,
                5 * math.tanh(own[at, _AT["score"]]) if side == "customer" else 0.0,
                repeats(read.said, self._calibration.likeness.probability(nearest)),
                {cue: chances[at][place] for place, cue in _OWN_CUES[side]},
            )

    # ------------------------------------------------------------ evidence

    def _sentiment_spans(self, judged: _Judged, label: str, by_lists: Sequence[Span]) -> list[Span]:
        if label == "neutral":
            return []
        sign = -1 if label == "negative" else 1
        lean = judged.parts[:, _AT[label]] - judged.parts[:, _AT["neutral"]]
        found = judged.carried(lean, "sentiment")
        listed = [span for span in by_lists if span.value * sign > 0]
        return [*(replace(span, value=sign * span.value) for span in found), *listed]

    def _speaker_spans(self, judged: _Judged) -> list[Span]:
        shown = [name for name in ("hedging", "confusion", "ambiguous_consent") if name in judged.cues]
        return [
            replace(span, kind="uncertainty", note=name)
            for name in shown
            if judged.cues[name] >= EVIDENCE_FROM
            for span in self._spans_of(judged, name)
        ]

    def _cue_spans(self, judged: _Judged) -> list[Span]:
        shown_elsewhere = (
            "hedging",
            "confusion",
            "ambiguous_consent",
            "repeat",
            "needs_person",
            "dissatisfied",
        )
        return [
            span
            for name, value in judged.cues.items()
            if value >= EVIDENCE_FROM and name not in (*shown_elsewhere, "ai_uncertain", *_WHOLE_TURN)
            for span in self._spans_of(judged, name)
        ]

    def _spans_of(self, judged: _Judged, name: str) -> list[Span]:
        """The phrases that a pattern found, where one did: they read better than single words."""
        by_pattern = [span for cue in judged.patterns if cue.name == name for span in cue.spans]
        answer = _answer_of(_side(judged.request.role), name)
        if by_pattern or answer is None:
            return by_pattern
        found = judged.carried(judged.parts[:, _AT[answer]], name)
        return [replace(span, value=round(judged.cues[name], 2)) for span in found]


_WHOLE_TURN = frozenset({"non_answer", "loop", "contradiction"})
"""They are told of the whole turn, as part of the dialogue's uncertainty."""


def _answer_of(role: str, cue: str) -> str | None:
    return next((answer for answer, name in CUE_OF_ANSWER[role].items() if name == cue), None)


def _side(role: str) -> str:
    return role if role in CUE_OF_ANSWER else "agent"


def _turn(request: ScoreRequest) -> tuple[str, str, list[tuple[str, str]]]:
    earlier = [(turn.role, turn.text) for turn in request.context if not _refusal_of_words(turn.text)]
    return request.text, request.role, earlier


def _refusal(request: ScoreRequest) -> str:
    if request.language.split("-")[0].lower() != "en":
        return f"unsupported_language: {request.language!r}; the scorer knows English only"
    return _refusal_of_words(request.text)


@functools.lru_cache(maxsize=4_096)
def _refusal_of_words(text: str) -> str:
    if not any(sign.isalpha() for sign in text):
        return "no words"
    language = foreign_language(plain(text))
    return f"unsupported_language: the words seem to be {language}, not English" if language else ""


def _total(
    recognition: float | None,
    speaker: float | None,
    dialogue: float | None,
    weights: Mapping[str, float] = WEIGHTS,
    answered: float = 0.0,
) -> UncertaintyScore:
    parts = {"recognition": recognition, "speaker": speaker, "dialogue": dialogue}
    doubts = [weights[name] * (part or 0.0) for name, part in parts.items()]
    return UncertaintyScore(round(total_doubt([*doubts, answered]), 3), recognition, speaker, dialogue)


def _weighing(role: str, cues: Mapping[str, float]) -> tuple[Mapping[str, float], float]:
    return (AI_WEIGHTS, cues["ai_uncertain"]) if role == "ai" else (WEIGHTS, 0.0)


def _why(**reasons: str) -> Mapping[str, str]:
    return {part: reason for part, reason in reasons.items() if reason}


def _distinct(spans: Sequence[Span]) -> list[Span]:
    return list({(span.kind, span.start, span.end, span.note): span for span in spans}.values())
