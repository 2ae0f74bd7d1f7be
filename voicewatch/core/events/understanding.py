"""What was said, how it was meant, and what could not be heard."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from voicewatch.core.events.base import Evidence, Fact, Role, Value


class Word(Value):
    """One recognised word; times on the call's clock, probability 0..1 (None where the engine gives none)."""

    text: str
    start_ms: int
    end_ms: int
    probability: float | None = None


class SpottedPhrase(Value):
    """An urgent phrase heard by a search of its own, of low fidelity; confidence 0..1."""

    phrase: str
    start_ms: int
    end_ms: int
    confidence: float


class Sentiment(Value):
    """-5 (most negative) .. +5, Contact Lens' scale; confidence 0..1."""

    score: float
    label: Literal["negative", "neutral", "positive", "mixed"]
    confidence: float


class Uncertainty(Value):
    """0..1, total and parts; a part that could not be scored is None."""

    score: float
    recognition: float | None = None
    speaker: float | None = None
    dialogue: float | None = None


class Arousal(Value):
    """A customer's voice against his own beginning: -1 calmer .. 1 more excited; confidence 0..1.

    No emotion: anger and joy both raise it. Never there for anybody but a customer.
    """

    change: float
    confidence: float


class MaskSpan(Value):
    """Characters [start, end) of a text that are masked by default, and what they are."""

    start: int
    end: int
    type: str


class UtteranceFinal(Fact):
    """Speech between two endpoints, settled. `source` is asr, or reported (the AI supplied its own text)."""

    type: Literal["utterance_final"] = "utterance_final"
    SEALED = frozenset({"text", "words", "spotted"})
    utterance_id: str
    """Deterministic: `<seat_id>-<start_ms>`, so that a replay after a crash is recognised."""
    seat_id: str
    role: Role
    start_ms: int
    end_ms: int
    text: str
    words: list[Word] = Field(default_factory=list)
    mask: list[MaskSpan] = Field(default_factory=list)
    language: str = "en"
    source: Literal["asr", "reported"] = "asr"
    engine: str = ""
    low_fidelity: bool = False
    suspect: bool = False
    """A hallucination guard fired: shown, never enough to escalate alone."""
    guards: list[str] = Field(default_factory=list)
    """Which ones: loop, budget, low_logprob, low_probability, too_fast."""
    degraded: list[str] = Field(default_factory=list)
    """What overload took from it: light (one decode, smallest beam), other_model, late."""
    revised_words: int = 0
    """Words shown as settled before that it does not bear out; a `revision` tells them."""
    spotted: list[SpottedPhrase] = Field(default_factory=list)
    """Whatever the text says; the scores' cue `urgent`, and the cues of its words, tell rules of them."""
    avg_logprob: float | None = None
    no_speech_prob: float | None = None
    latency_ms: dict[str, int] = Field(default_factory=dict)
    """Parts: hangover, queue, compute, total (true speech end to final), first_partial if there was one."""


class UtteranceScored(Fact):
    """Scores of an utterance. A part that cannot be scored is None, with the reason in `not_scored`."""

    type: Literal["utterance_scored"] = "utterance_scored"
    SEALED = frozenset({"evidence"})
    utterance_id: str
    seat_id: str
    role: Role
    sentiment: Sentiment | None = None
    uncertainty: Uncertainty | None = None
    cues: dict[str, float] = Field(default_factory=dict)
    """0..1 by cue: wants_human, complaint, confusion, hedging, repeat, refusal, ...; rules read them."""
    meanings: dict[str, float] = Field(default_factory=dict)
    """0..1 by name of the rule file's `[meanings]`: how near the utterance comes to its examples."""
    escalation: float | None = None
    """0..1: the model's probability that a person is needed soon."""
    arousal: Arousal | None = None
    not_scored: dict[str, str] = Field(default_factory=dict)
    evidence: list[Evidence] = Field(default_factory=list)


class TranscriptGap(Fact):
    """Speech here was not transcribed, and why (model_died, overload, leg_lost)."""

    type: Literal["transcript_gap"] = "transcript_gap"
    seat_id: str
    start_ms: int
    end_ms: int
    reason: str
