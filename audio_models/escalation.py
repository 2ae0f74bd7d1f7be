"""How likely a person is needed soon: a small logistic regression over the conversation so far.

It knows nothing of a firm's rules. Its features are what any supervisor would look at, so it is of use
untrained for a deployment, and a deployment's own labels move their weights (scripts/train_scorers). What
no labelled dialogue tells of (silences, what the AI reports of itself) weighs as was believed beforehand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from audio_models.api import EscalationNeed, ScoreRequest
from audio_models.calibration import Weighted
from audio_models.uncertainty.dialogue import is_silent_answer

RECENT = 3
"""Turns of a side that count as "lately"."""
REASONS: dict[str, str] = {
    "asks_human": "asks_human",
    "angry": "angry",
    "low_mood": "angry",
    "confused": "confused",
    "consent_unclear": "ambiguous_consent",
    "repeats": "repeated_failure",
    "dissatisfied": "repeated_failure",
    "stakes": "high_stakes",
    "vulnerable": "vulnerable",
    "ai_doubtful": "ai_wrong",
    "ai_stuck": "repeated_failure",
    "need": "",
    "complaint": "",
    "length": "",
    "unanswered": "",
    "ai_unsure": "ai_wrong",
    "tools_failed": "repeated_failure",
}
"""The reason code that a feature speaks for; the other features have none of their own."""
ASKED_FROM = 0.5
MOST_FAILURES = 3
REASON_FROM = 0.8
"""A feature that adds this much to the logit is a reason."""


@dataclass(frozen=True)
class TurnSigns:
    """What was found in one turn, 0..1 each; `score` is -5..5 and only a customer has one."""

    role: str
    score: float = 0.0
    repeat: float = 0.0
    signs: Mapping[str, float] | None = None

    def sign(self, name: str) -> float:
        return (self.signs or {}).get(name, 0.0)


def features_of(turns: Sequence[TurnSigns], request: ScoreRequest | None = None) -> dict[str, float]:
    """The conversation as figures, judged at its last turn; `request` is what is known beside its words."""
    customer = [turn for turn in turns if turn.role == "customer"]
    ai = [turn for turn in turns if turn.role == "ai"]
    lately, ai_lately = customer[-RECENT:], ai[-RECENT:]

    def most(name: str, among: Sequence[TurnSigns]) -> float:
        return max((turn.sign(name) for turn in among), default=0.0)

    def mean(values: Sequence[float]) -> float:
        return sum(values) / len(values) if values else 0.0

    now = customer[-1] if customer else TurnSigns("customer")
    sure = request.ai_confidence if request is not None else None
    return {
        "asks_human": most("wants_human", lately),
        "angry": most("anger", lately),
        "low_mood": max(0.0, -mean([turn.score for turn in lately])) / 5,
        "confused": sum(max(turn.sign("confusion"), turn.sign("hedging")) for turn in lately) / RECENT,
        "consent_unclear": now.sign("ambiguous_consent"),
        "repeats": min(2.0, sum(turn.repeat for turn in customer)),
        "dissatisfied": sum(turn.sign("dissatisfied") for turn in lately) / RECENT,
        "stakes": max(most("legal", lately), 0.5 * most("refund", lately)),
        "vulnerable": most("vulnerable", customer),
        "ai_doubtful": most("ai_uncertain", ai_lately),
        "ai_stuck": min(2.0, sum(turn.repeat for turn in ai_lately)),
        "need": most("needs_person", lately),
        "complaint": most("complaint", lately),
        "length": min(1.0, len(turns) / 20),
        "unanswered": float(request is not None and is_silent_answer(request)),
        "ai_unsure": 0.0 if sure is None else 1 - sure,
        "tools_failed": min(MOST_FAILURES, request.tools_failed) if request is not None else 0.0,
    }


def judge(turns: Sequence[TurnSigns], model: Weighted, request: ScoreRequest | None = None) -> EscalationNeed:
    """The probability, with the reasons that carry it: strongest first.

    Who asks for a person needs one, whatever else the conversation was like.
    """
    features = features_of(turns, request)
    shares = model.shares(features)
    asked = turns[-1].sign("wants_human")
    reasons = [
        REASONS[name]
        for name, share in sorted(shares.items(), key=lambda pair: -pair[1])
        if share >= REASON_FROM and REASONS[name]
    ]
    if asked >= ASKED_FROM:
        reasons.insert(0, REASONS["asks_human"])
    return EscalationNeed(round(max(asked, model.probability(features)), 3), tuple(dict.fromkeys(reasons)))
