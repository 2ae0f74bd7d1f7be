"""What a person may say of the system's work, and which calls are drawn to be looked at. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from voicewatch.core.call import CallState
from voicewatch.core.events import LabelSet
from voicewatch.core.refused import Refused

VALUES: Mapping[str, tuple[str, ...]] = {
    "call": ("needed_person", "fine"),
    "escalation": ("right", "late", "unneeded"),
    "alert": ("right", "wrong"),
    "transcript": (),
    "sentiment": ("negative", "neutral", "positive", "mixed"),
    "uncertainty": ("certain", "uncertain"),
}
"""What a label is about -> what it may say; a transcript's says the text instead."""

DOUBTFUL_FROM = 0.6
"""Highest uncertainty (0..1) of the customer's utterances from which a call without alerts is doubtful."""
SHARES: Mapping[str, float] = {"escalated": 0.25, "alerted": 0.5, "doubtful": 0.25, "calm": 0.05}
"""Stratum -> share of its ended calls drawn for review: misses hide where nothing was raised, false alarms
where something was, so all strata are looked at, the rare ones more."""


def label_set(
    call: CallState, by: str, about: str, target: str, value: str, text: str, note: str
) -> LabelSet:
    """The label as a fact. Refused if the call has no such thing, or it cannot be said of it."""
    if about not in VALUES:
        raise Refused(422, "Unknown label", f"about is one of {', '.join(VALUES)}, not {about!r}.")
    if target not in _targets(call)[about]:
        raise Refused(404, "Nothing to label", f"This call has no such {_NOUN.get(about, about)}.")
    if about == "transcript":
        if not text.strip():
            raise Refused(422, "Text is missing", "text must say what was really said.")
    elif value not in VALUES[about]:
        raise Refused(
            422, "Unknown value", f"value of {about} is one of {', '.join(VALUES[about])}, not {value!r}."
        )
    return LabelSet.model_validate(
        {
            "call_id": call.call_id,
            "at_ms": call.at_ms,
            "by": by,
            "about": about,
            "target": target,
            "value": value,
            "text": text,
            "note": note,
        }
    )


_NOUN = {"transcript": "utterance", "sentiment": "utterance", "uncertainty": "utterance"}


def _targets(call: CallState) -> dict[str, Any]:
    return {
        "call": {call.call_id},
        "escalation": call.escalations,
        "alert": call.alerts,
        **dict.fromkeys(_NOUN, call.utterances),
    }


def stratum(call: CallState) -> str:
    """How risky a call was: escalated, alerted, doubtful or calm."""
    if call.escalations:
        return "escalated"
    if call.alerts:
        return "alerted"
    doubts = [one.scored.uncertainty.score for one in call.spoken() if one.scored and one.scored.uncertainty]
    return "doubtful" if call.gaps or max(doubts, default=0.0) >= DOUBTFUL_FROM else "calm"


def is_drawn(call: CallState, shares: Mapping[str, float] = SHARES) -> bool:
    """Whether an ended call is to be reviewed: the same answer whenever it is asked, at any node."""
    return _lot(call.call_id) < shares[stratum(call)]


def is_reviewed(call: CallState) -> bool:
    return any(about == "call" for about, _, _ in call.labels)


def _lot(call_id: str) -> float:
    """0..1, evenly, from the id alone: nobody can choose what is looked at."""
    return int.from_bytes(sha256(f"review {call_id}".encode()).digest()[:8]) / 2**64
