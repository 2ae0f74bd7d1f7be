"""What was heard and scored, as facts: the one place where model values become events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from audio_models.api import Scorer, Scores, cues_of_phrase
from voicewatch.core.endpointing import Ended
from voicewatch.core.events import (
    Arousal,
    Evidence,
    Interim,
    Revision,
    Role,
    Sentiment,
    SpottedPhrase,
    TranscriptGap,
    Uncertainty,
    UtteranceFinal,
    UtteranceScored,
    Word,
)
from voicewatch.core.redaction import find_spans
from voicewatch.speech.conversations import Conversations
from voicewatch.speech.pipeline import Heard, Revised, Shown, Stream
from voicewatch.speech.voices import Spoken, score_spoken


class Understanding(Conversations):
    """Conversations with a scorer at hand, for recordings and written dialogues: scores come at once."""

    def __init__(self, scorer: Scorer) -> None:
        super().__init__()
        self._scorer = scorer

    def scored(self, final: UtteranceFinal, spoken: Spoken | None = None) -> UtteranceScored:
        """Scores of an utterance that was recognised; with `spoken`, of the voice too."""
        [scores] = score_spoken(self._scorer, [(self.heard(final), spoken)])
        return scored_fact(final, final.text, scores)

    def scored_text(self, utterance: UtteranceScored, text: str, language: str) -> UtteranceScored:
        """Scores of an utterance whose speaker gave the text; `utterance` says whose it is."""
        return scored_fact(utterance, text, self._scorer.score(self.reported(utterance, text, language)))


def scored_fact(utterance: UtteranceFinal | UtteranceScored, text: str, scores: Scores) -> UtteranceScored:
    """What the scorer said of this utterance, as a fact, and what was spotted in it."""
    spotted = utterance.spotted if isinstance(utterance, UtteranceFinal) else []
    return UtteranceScored(
        call_id=utterance.call_id,
        at_ms=utterance.at_ms,
        utterance_id=utterance.utterance_id,
        seat_id=utterance.seat_id,
        role=utterance.role,
        sentiment=sentiment_of(scores),
        uncertainty=uncertainty_of(scores),
        cues=_with_spotted(scores.cues, spotted, utterance.role),
        meanings=dict(scores.meanings),
        escalation=scores.escalation.score if scores.escalation else None,
        arousal=arousal_of(scores),
        not_scored=dict(scores.not_scored),
        evidence=[
            *evidence_of(scores, text, utterance.utterance_id),
            *(
                Evidence(
                    kind="urgent", utterance_id=utterance.utterance_id, value=one.confidence, note=one.phrase
                )
                for one in spotted
            ),
        ],
    )


def _with_spotted(
    cues: Mapping[str, float], spotted: Sequence[SpottedPhrase], role: Role
) -> dict[str, float]:
    """A phrase speaks for what its words would, as surely as it was heard."""
    found = dict(cues)
    for one in spotted:
        for cue, value in cues_of_phrase(one.phrase, role.value).items():
            found[cue] = max(found.get(cue, 0.0), round(value * one.confidence, 2))
    return found


def sentiment_of(scores: Scores) -> Sentiment | None:
    found = scores.sentiment
    if found is None:
        return None
    return Sentiment(score=found.score, label=found.label, confidence=found.confidence)


def uncertainty_of(scores: Scores) -> Uncertainty | None:
    found = scores.uncertainty
    if found is None:
        return None
    return Uncertainty(
        score=found.score,
        recognition=found.recognition,
        speaker=found.speaker,
        dialogue=found.dialogue,
    )


def arousal_of(scores: Scores) -> Arousal | None:
    found = scores.arousal
    return Arousal(change=found.change, confidence=found.confidence) if found else None


def evidence_of(scores: Scores, text: str, utterance_id: str | None) -> list[Evidence]:
    """What the words say, then what the voice does."""
    of_words = [
        Evidence(
            kind=span.kind,
            quote=text[span.start : span.end],
            utterance_id=utterance_id,
            start=span.start,
            end=span.end,
            value=span.value,
            note=span.note,
        )
        for span in scores.evidence
    ]
    heard = scores.arousal
    if heard is None:
        return of_words
    moved = ", ".join(heard.evidence)
    return [*of_words, Evidence(kind="voice", utterance_id=utterance_id, value=heard.change, note=moved)]


def final_fact(
    heard: Heard,
    at_ms: int,
    latency_ms: dict[str, int],
    context: Sequence[tuple[str, str]],
) -> UtteranceFinal:
    """The utterance, with word times on the call's clock and what is private in it marked."""
    stream, span, transcript, engine = heard.stream, heard.span, heard.transcript, heard.engine
    assert engine is not None
    return UtteranceFinal(
        call_id=stream.call_id,
        at_ms=at_ms,
        utterance_id=heard.utterance_id,
        seat_id=stream.seat_id,
        role=stream.role,
        start_ms=span.onset_ms,
        end_ms=span.speech_end_ms,
        text=transcript.text,
        words=[
            Word(
                text=word.text,
                start_ms=span.start_ms + word.start_ms,
                end_ms=span.start_ms + word.end_ms,
                probability=None if word.probability is None else round(word.probability, 3),
            )
            for word in transcript.words
        ],
        mask=find_spans(transcript.text, context),
        spotted=[
            SpottedPhrase(
                phrase=one.phrase,
                start_ms=span.start_ms + one.start_ms,
                end_ms=span.start_ms + one.end_ms,
                confidence=one.confidence,
            )
            for one in transcript.spotted
            if stream.role is Role.CUSTOMER
        ],
        language=heard.language,
        engine=f"{engine.name} {Path(engine.model).name}",
        low_fidelity=engine.low_fidelity,
        suspect=transcript.suspect,
        guards=list(transcript.flags),
        degraded=list(heard.degraded),
        revised_words=heard.revised_words,
        avg_logprob=_rounded(transcript.avg_logprob),
        no_speech_prob=_rounded(transcript.no_speech_prob),
        latency_ms=latency_ms,
    )


def latency_parts(heard: Heard, now_ms: int, now_s: float, first_partial_ms: int | None) -> dict[str, int]:
    """From the true end of speech to now (`now_ms` on the call's clock): parts that add up to the total."""
    total = max(0, now_ms - heard.span.speech_end_ms)
    hangover = min(total, heard.ended_ms - heard.span.speech_end_ms)
    decoding = 0 if heard.taken_s is None else round((now_s - heard.taken_s) * 1000)
    compute = min(decoding, total - hangover)
    parts = {
        "hangover": hangover,
        "queue": total - hangover - compute,
        "compute": compute,
        "total": total,
    }
    return parts if first_partial_ms is None else parts | {"first_partial": first_partial_ms}


def interim_signal(shown: Shown, at_ms: int) -> Interim:
    return Interim(
        call_id=shown.stream.call_id,
        at_ms=at_ms,
        utterance_id=shown.utterance_id,
        seat_id=shown.stream.seat_id,
        role=shown.stream.role,
        start_ms=shown.onset_ms,
        committed=shown.committed,
        tail=shown.tail,
        first_partial_ms=at_ms - shown.onset_ms if shown.first else None,
        heard_ms=shown.heard_ms,
    )


def revision_signal(revised: Revised, at_ms: int) -> Revision:
    return Revision(
        call_id=revised.stream.call_id,
        at_ms=at_ms,
        utterance_id=revised.utterance_id,
        seat_id=revised.stream.seat_id,
        role=revised.stream.role,
        committed=revised.committed,
        text=revised.text,
        changed=revised.changed,
    )


def gap_fact(stream: Stream, span: Ended, at_ms: int, reason: str) -> TranscriptGap:
    return TranscriptGap(
        call_id=stream.call_id,
        at_ms=at_ms,
        seat_id=stream.seat_id,
        start_ms=span.onset_ms,
        end_ms=span.speech_end_ms,
        reason=reason,
    )


def roles_of(roles: Sequence[str]) -> list[Role]:
    """Roles by name; ValueError names the wrong one and those there are."""
    known = {role.value: role for role in Role}
    for name in roles:
        if name not in known:
            raise ValueError(f"unknown role {name!r}; known: {', '.join(known)}")
    return [known[name] for name in roles]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
