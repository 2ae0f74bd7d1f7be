"""How sure one can be of an utterance, in three parts: that it was heard right, that its speaker is sure
of it, and that the conversation is getting somewhere."""

from __future__ import annotations

import math
from collections.abc import Sequence

from audio_models.api import Recognition, Span, Turn, UncertaintyScore
from audio_models.cues import Cue
from audio_models.text import Plain, content_words, plain

FILLERS = frozenset({"um", "uh", "uhm", "er", "erm", "hmm", "mm"})
FILLER_WEIGHT = 0.18
WEIGHTS = {"recognition": 0.5, "speaker": 0.85, "dialogue": 0.8}
"""How much each part says of the whole (noisy or): misheard words alone are no reason to act."""
SAME = 0.6
"""Share of common meaning-bearing words from which two turns say the same."""
REMEMBERED_TURNS = 8


def score_recognition(heard: Recognition | None) -> tuple[float | None, str]:
    """Estimated share of doubt in the words, or None and why."""
    if heard is None:
        return None, "the text was reported, not recognised"
    if heard.suspect:
        return 0.9, ""
    if not heard.word_probabilities and heard.avg_logprob is None:
        return None, "the recogniser gives no probabilities"
    parts = []
    if heard.word_probabilities:
        doubts = [1 - probability for probability in heard.word_probabilities]
        parts.append(sum(doubts) / len(doubts) * 0.6 + max(doubts) * 0.4)
    if heard.avg_logprob is not None:
        parts.append(1 - math.exp(heard.avg_logprob))
    doubt = sum(parts) / len(parts)
    if heard.no_speech_prob is not None:
        doubt = max(doubt, heard.no_speech_prob * 0.8)
    return round(min(1.0, doubt), 3), ""


def score_speaker(said: Plain, cues: Sequence[Cue]) -> tuple[float, list[Span]]:
    """Hedging, confusion and hesitation in the words themselves."""
    sure = 1.0
    spans: list[Span] = []
    for cue in cues:
        if cue.name in ("hedging", "confusion", "ambiguous_consent"):
            sure *= 1 - cue.value * 0.85
            spans += [Span("uncertainty", one.start, one.end, one.value, cue.name) for one in cue.spans]
    for before, token in zip((None, *said.tokens), said.tokens, strict=False):
        if token.word in FILLERS or (before is not None and before.word == token.word):
            sure *= 1 - FILLER_WEIGHT
            spans.append(Span("uncertainty", token.start, token.end, FILLER_WEIGHT, "hesitation"))
    return round(1 - sure, 3), spans


def score_dialogue(
    said: Plain, role: str, cues: Sequence[Cue], context: Sequence[Turn]
) -> tuple[float | None, float, list[Span], str]:
    """(score, how much this repeats an earlier turn of its speaker, evidence, why not scored).

    Repeats by meaning-bearing words, questions answered by none of their words, and what people say when
    a conversation turns in circles.
    """
    if not context:
        return None, 0.0, [], "first turn of the conversation"
    recent = list(context)[-REMEMBERED_TURNS:]
    repeat = max((_overlap(said, turn.text) for turn in recent if turn.role == role), default=0.0)
    named = {cue.name: cue for cue in cues}
    whole = Span(
        "uncertainty", 0, said.tokens[-1].end if said.tokens else 0, round(repeat, 2), "repeats itself"
    )
    spans = [whole] if repeat >= SAME else []
    sure = 1 - (repeat if repeat >= SAME else 0.0) * 0.8
    for name, weight in (("repeat", 0.75), ("confusion", 0.5), ("refusal", 0.35)):
        if name in named:
            sure *= 1 - named[name].value * weight
            spans += [Span("uncertainty", one.start, one.end, one.value, name) for one in named[name].spans]
    if _is_non_answer(role, recent, named):
        sure *= 0.5
        spans.append(Span("uncertainty", 0, whole.end, 0.5, "no answer to the question"))
    return round(1 - sure, 3), repeat, spans, ""


def total(recognition: float | None, speaker: float | None, dialogue: float | None) -> UncertaintyScore:
    """The parts and their sum; parts that are None do not count."""
    sure = 1.0
    for name, part in (("recognition", recognition), ("speaker", speaker), ("dialogue", dialogue)):
        sure *= 1 - WEIGHTS[name] * (part or 0.0)
    return UncertaintyScore(round(1 - sure, 3), recognition, speaker, dialogue)


def _overlap(said: Plain, earlier: str) -> float:
    """Jaccard overlap of meaning-bearing words; short turns never count as repeats."""
    ours = content_words([token.word for token in said.tokens])
    theirs = content_words([token.word for token in plain(earlier).tokens])
    if len(ours) < 2 or len(theirs) < 2:
        return 0.0
    return len(ours & theirs) / len(ours | theirs)


def _is_non_answer(role: str, recent: Sequence[Turn], cues: dict[str, Cue]) -> bool:
    """An AI that was just asked something and neither knows nor can."""
    asked = recent[-1].role == "customer" and _asks(plain(recent[-1].text).joined)
    return role == "ai" and asked and ("hedging" in cues or "refusal" in cues)


def _asks(joined: str) -> bool:
    first = joined.split(" ", 1)[0]
    return first in _QUESTION_WORDS or any(f" {word} " in f" {joined} " for word in ("when", "why", "how"))


_QUESTION_WORDS = frozenset(
    ("what", "when", "where", "who", "why", "how", "which", "can", "could", "do", "does", "is", "are", "will")
)
