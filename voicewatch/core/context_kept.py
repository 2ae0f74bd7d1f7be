"""Did a human ask again for what had been given? `context_retention_rate` of TERMS, from words alone.

Something counts as given when the customer said it before the human came: a span that is masked as such, or
as anything where it was asked for or named. It is asked again when the human then asks for it.
English words; in another language nothing is found, and the call counts for neither side.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from voicewatch.core.call import CallState
from voicewatch.core.events import Role, UtteranceFinal

_NUMBER = r"(?:number|id|code|no\.?)"
THINGS: dict[str, tuple[re.Pattern[str], frozenset[str]]] = {
    "account number": (
        re.compile(rf"\b(?:account|order|customer|policy|reference|ticket|booking|tracking) {_NUMBER}(?!\w)"),
        frozenset({"account_number", "number"}),
    ),
    "card number": (re.compile(rf"\bcard {_NUMBER}(?!\w)"), frozenset({"card_number"})),
    "phone number": (
        re.compile(rf"\b(?:phone|telephone|mobile|contact|callback) {_NUMBER}(?!\w)"),
        frozenset({"phone_number"}),
    ),
    "email": (re.compile(r"\be-?mail(?: address)?\b"), frozenset({"email"})),
    "date of birth": (re.compile(r"\bdate of birth\b|\bbirthday\b"), frozenset({"date_of_birth"})),
    "matter": (
        re.compile(
            r"\bwhat (?:is|was) (?:this|it|your call|the call) about\b"
            r"|\bwhat(?:'s| is| seems to be) the (?:problem|issue|matter|trouble)\b"
            r"|\bwhat happened\b|\bwhy (?:are|were) you calling\b|\bhow (?:can|may) i help\b"
        ),
        frozenset(),
    ),
}
"""What can be asked for -> (how a question names it, kinds of mask spans that are an answer to it)."""

_ASKS = re.compile(
    r"\?|^\W*(?:what|which|who|can|could|may|would|please|give me|tell me|i need|i'll need)\b", re.IGNORECASE
)
MIN_MATTER_WORDS = 5
"""A customer's sentence of so many words has told the matter."""


def asked_again(call: CallState) -> list[tuple[str, UtteranceFinal]]:
    """(thing, the human's question) for all that a human asked for though the AI had been given it."""
    came_ms = next((start for start, _ in call.pauses), None)
    if came_ms is None:
        return []
    spoken = [one.final for one in call.spoken() if one.final is not None]
    given = set(_given([final for final in spoken if final.start_ms < came_ms]))
    return [
        (thing, final)
        for final in spoken
        if final.role == Role.AGENT and final.start_ms >= came_ms
        for thing in _asked(final.text)
        if thing in given
    ]


def is_measurable(call: CallState) -> bool:
    """A human came and something was said before and by him, in a language this knows."""
    came_ms = next((start for start, _ in call.pauses), None)
    if came_ms is None:
        return False
    spoken = [one.final for one in call.spoken() if one.final is not None]
    before = [final for final in spoken if final.role == Role.CUSTOMER and final.start_ms < came_ms]
    human = [final for final in spoken if final.role == Role.AGENT and final.language.startswith("en")]
    return bool(before and human)


def _asked(text: str) -> Iterator[str]:
    lowered = text.lower()
    if _ASKS.search(lowered):
        for thing, (named, _) in THINGS.items():
            if named.search(lowered):
                yield thing


def _given(before: list[UtteranceFinal]) -> Iterator[str]:
    asked: list[str] = []
    for final in before:
        if final.role == Role.AI:
            asked = list(_asked(final.text))
            continue
        kinds = {span.type for span in final.mask}
        for thing, (named, answers) in THINGS.items():
            if kinds and (kinds & answers or thing in asked or named.search(final.text.lower())):
                yield thing
        if len(final.text.split()) >= MIN_MATTER_WORDS:
            yield "matter"
