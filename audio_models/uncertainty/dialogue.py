"""Whether the conversation is getting anywhere: repeats by meaning, answers that miss, contradictions, loops,
silence where an answer was due, and what the AI reports of itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from audio_models.api import ScoreRequest, Span
from audio_models.text import Plain, plain
from audio_models.uncertainty.recognition import total_doubt

REPEAT_AT = 0.5
LONG_SILENCE_MS = 3_000
"""After a question, somebody who knows the answer has begun by then."""
SILENCE_WEIGHT = 0.35
FAILED_TOOL_WEIGHT = 0.35
"""Of each tool that the AI reported as failed lately: what was tried has not been done."""
AI_DOUBT_WEIGHT = 0.8
"""Of the doubt that the AI reports of itself, in its own turns."""
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
    return likeness if len(said.content) >= 2 else 0.0


def score_dialogue(
    said: Plain, role: str, cues: Mapping[str, float], request: ScoreRequest
) -> tuple[float | None, list[Span], str]:
    """(score, evidence, why it was not scored)."""
    if not request.context:
        return None, [], "first turn of the conversation"
    weights = WEIGHTS.get(role, WEIGHTS["customer"])
    end = said.tokens[-1].end if said.tokens else 0
    spans = [
        Span("uncertainty", 0, end, round(cues[name], 2), name.replace("_", " "))
        for name in weights
        if name != "refusal" and cues.get(name, 0.0) >= REPEAT_AT
    ]
    parts = [weight * cues.get(name, 0.0) for name, weight in weights.items()]
    for value, note in _beside_words(role, request):
        parts.append(value)
        spans.append(Span("uncertainty", 0, end, round(value, 2), note))
    return round(total_doubt(parts), 3), spans, ""


def _beside_words(role: str, request: ScoreRequest) -> Iterator[tuple[float, str]]:
    """What says that it is stuck though nobody has said so."""
    if is_silent_answer(request):
        yield SILENCE_WEIGHT, "silence after a question"
    if request.tools_failed:
        failed = total_doubt([FAILED_TOOL_WEIGHT] * request.tools_failed)
        yield failed, "a tool of the AI failed"
    if role == "ai" and request.ai_confidence is not None:
        yield (
            AI_DOUBT_WEIGHT * (1 - request.ai_confidence),
            f"the AI reports {request.ai_confidence:.0%} confidence",
        )


def is_silent_answer(request: ScoreRequest) -> bool:
    """Whether nobody spoke for long after the other side's question."""
    if not request.context or (request.silence_before_ms or 0) < LONG_SILENCE_MS:
        return False
    before = request.context[-1]
    return before.role != request.role and asks(before.text)


def asks(text: str) -> bool:
    """Whether this is a question, by its words: recognised text has no question mark."""
    words = plain(text).words
    return bool(words) and ("?" in text or words[0] in _ASKING or any(word in _MID for word in words[1:]))


_ASKING = frozenset(
    "what when where who why how which can could do does did is are will would shall may should have".split()  # noqa: SIM905
)
_MID = frozenset({"when", "why", "how", "which"})
