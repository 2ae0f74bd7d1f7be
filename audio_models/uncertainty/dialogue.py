"""Whether the conversation is getting anywhere: repeats by meaning, answers that miss, contradictions, loops,
and silence where an answer was due."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from audio_models.api import Span, Turn
from audio_models.text import Plain, content_words, plain
from audio_models.uncertainty.recognition import total_doubt

REPEAT_AT = 0.5
LONG_SILENCE_MS = 3_000
"""After a question, somebody who knows the answer has begun by then."""
SILENCE_WEIGHT = 0.35
WEIGHTS = {
    "customer": {"repeat": 0.75, "dissatisfied": 0.75, "confusion": 0.6, "refusal": 0.3},
    "ai": {
        "repeat": 0.8,
        "non_answer": 0.8,
        "loop": 0.85,
        "contradiction": 0.85,
        "unbacked_promise": 0.7,
        "denies_ai": 0.8,
        "refusal": 0.3,
    },
}
"""How much each cue says that the conversation is stuck (noisy or)."""


def repeats(said: Plain, likeness: float) -> float:
    """The probability that an earlier turn is said again; of a word or two it cannot be told."""
    return likeness if len(content_words([token.word for token in said.tokens])) >= 2 else 0.0


def score_dialogue(
    said: Plain, role: str, cues: Mapping[str, float], context: Sequence[Turn], silence_before_ms: int | None
) -> tuple[float | None, list[Span], str]:
    """(score, evidence, why it was not scored)."""
    if not context:
        return None, [], "first turn of the conversation"
    weights = WEIGHTS.get(role, WEIGHTS["customer"])
    end = said.tokens[-1].end if said.tokens else 0
    spans = [
        Span("uncertainty", 0, end, round(cues[name], 2), name.replace("_", " "))
        for name in weights
        if name != "refusal" and cues.get(name, 0.0) >= REPEAT_AT
    ]
    parts = [weight * cues.get(name, 0.0) for name, weight in weights.items()]
    if (silence_before_ms or 0) >= LONG_SILENCE_MS and context[-1].role != role and asks(context[-1].text):
        parts.append(SILENCE_WEIGHT)
        spans.append(Span("uncertainty", 0, end, SILENCE_WEIGHT, "silence after a question"))
    return round(total_doubt(parts), 3), spans, ""


def asks(text: str) -> bool:
    """Whether this is a question, by its words: recognised text has no question mark."""
    words = [token.word for token in plain(text).tokens]
    return bool(words) and ("?" in text or words[0] in _ASKING or any(word in _MID for word in words[1:]))


_ASKING = frozenset(
    "what when where who why how which can could do does did is are will would shall may should have".split()  # noqa: SIM905
)
_MID = frozenset({"when", "why", "how", "which"})
