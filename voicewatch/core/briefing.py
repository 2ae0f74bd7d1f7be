"""The card a human reads before speaking, written from the call so far without any language model.

It quotes rather than paraphrases: a wrong summary costs more than a short one. All words in it are masked.
English patterns; in other languages the card has what needs no words (evidence, curves, last turns).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from voicewatch.core.briefing_phrases import NEXT_STEPS, OPENINGS, calming, language_note
from voicewatch.core.call import CallState
from voicewatch.core.events import (
    Briefing,
    EscalationRaised,
    Evidence,
    PastCall,
    Role,
    UtteranceFinal,
    UtteranceScored,
)
from voicewatch.core.quoting import quote
from voicewatch.core.redaction import find_spans, mask

LAST_TURNS = 6
MAX_LINES = 5
"""Lines of each part; a card is read in five seconds."""

GREETING = re.compile(
    r"^\W*(?:hi|hello|hey|good (?:morning|afternoon|evening)|yes|no|okay|ok|well|please)\b\W*", re.IGNORECASE
)
REQUEST = re.compile(
    r"\b(?:i (?:want|need|would like|have (?:a |an )?(?:question|problem)|was|am calling|am moving"
    r"|ordered|paid|cannot|can't)|i'(?:d like|m calling|m moving)|my \w+ (?:is|are|was|has|does|did)"
    r"|can you|could you|please|how (?:do|can|much|long)|where is|when will|why (?:is|was|did|do)"
    r"|is it possible|cancel|refund"
    r"|send me)\b",
    re.IGNORECASE,
)
WANTS_HUMAN = re.compile(
    r"\b(?:human|person|representative|operator|manager|supervisor|(?:to|an|a|live|real|human) agent"
    r"|somebody|someone)\b",
    re.IGNORECASE,
)
STEP = re.compile(
    r"\b(?:please (?:restart|check|try|go|open|press|click|turn|unplug|wait|enter|hold)|try"
    r"|i can (?:offer|see|find|do)|let me"
    r"|i(?: have|'ve)? (?:checked|found|looked|reset|changed|sent|updated|see)"
    r"|(?:could|can) you (?:check|try)|you (?:can|should|need to|have to|pay)|it might|it renews|perhaps"
    r"|maybe|your \w+ (?:is|was|has|runs))\b",
    re.IGNORECASE,
)
PROMISE = re.compile(
    r"\b(?:(?:i|we)(?:'ll| will| am going to| are going to)"
    r"|(?:i am|i'm|we are) (?:sending|booking|cancell?ing)"
    r"|you(?:'ll| will) (?:receive|get|have|be)|will (?:arrive|be (?:sent|refunded|called))"
    r"|is on its way|within \w+ (?:hours?|days?|minutes?))\b",
    re.IGNORECASE,
)
QUESTION = re.compile(
    r"\?\s*$|^\W*(?:what|which|when|where|who|how|is|are|do|does|did|can|could|would)\b", re.IGNORECASE
)
SMALL_TALK = re.compile(
    r"\b(?:(?:can|may) (?:i|we) help|help you|anything else|thank you for calling"
    r"|how are you|are you sure|is that correct)\b",
    re.IGNORECASE,
)
NUMBER_NAME = re.compile(r"\b((?:\w+ )?(?:number|code|card|id|pin))\b", re.IGNORECASE)


@dataclass(frozen=True)
class _Turn:
    """An utterance with its text masked."""

    final: UtteranceFinal
    text: str

    @property
    def role(self) -> Role:
        return self.final.role

    @property
    def words(self) -> int:
        return len(self.text.split())


def write_briefing(call: CallState, raised: EscalationRaised) -> Briefing:
    """The card for this escalation as the call stands now."""
    turns = [_Turn(one.final, quote(one.final)) for one in call.spoken() if one.final is not None]
    customer = [turn for turn in turns if turn.role == Role.CUSTOMER]
    ai = [turn for turn in turns if turn.role == Role.AI]
    others = [
        one.raised
        for one in call.alerts.values()
        if one.state == "open" and not set(one.raised.reasons) <= set(raised.reasons)
    ]
    codes = list(dict.fromkeys([*raised.reasons, *(code for one in others for code in one.reasons)]))
    return Briefing(
        why_now=_why_now(raised, [one.headline for one in others]),
        wants=_wants(customer),
        known=_known(call),
        tried=_said_once([turn for turn in ai if _is_step(turn)]),
        do_not_ask=[*_numbers_given(customer), *_answered(turns)][:MAX_LINES],
        commitments=_said_once([turn for turn in ai if PROMISE.search(turn.text)]),
        next_steps=[NEXT_STEPS[code] for code in codes if code in NEXT_STEPS],
        opening=_opening(call, codes),
        mood=_curve(call, lambda scored: scored.sentiment.score if scored.sentiment else None),
        doubt=_curve(call, lambda scored: scored.uncertainty.score if scored.uncertainty else None),
        last_turns=[(turn.role.value, turn.text) for turn in turns[-LAST_TURNS:]],
        notes=_notes(call, raised, turns),
        phrases=calming(codes),
        history=_history(call),
        recording=_recording(call),
    )


def _why_now(raised: EscalationRaised, others: Sequence[str]) -> str:
    quotes = list(dict.fromkeys(f"“{piece.quote}”" for piece in reversed(raised.evidence) if piece.quote))
    values = [_in_words(piece) for piece in raised.evidence if piece.value is not None]
    parts = [raised.headline + ".", " ".join(reversed(quotes[:3]))]
    worst = next((value for value in values if value), "")
    also = f"Also: {'; '.join(dict.fromkeys(others))}." if others else ""
    return " ".join(part for part in [*parts, worst, also] if part)


def _in_words(piece: Evidence) -> str:
    if piece.value is None:
        return ""
    if piece.kind == "sentiment":
        return f"Sentiment {piece.value:+.1f} of 5."
    return f"Doubt {piece.value:.0%}." if piece.kind == "uncertainty" else ""


def _wants(customer: Sequence[_Turn]) -> str:
    """The matter as first stated, and the last thing asked for if that is another."""
    asked = [
        turn
        for turn in customer
        if turn.words >= 4 and REQUEST.search(turn.text) and not WANTS_HUMAN.search(turn.text)
    ]
    if not asked:
        asked = [turn for turn in customer if turn.words >= 4][:1]
    if not asked:
        return ""
    first, last = asked[0], asked[-1]
    matter = f"“{_without_greeting(first.text)}”"
    return matter if last is first else f"{matter} Most recently: “{_without_greeting(last.text)}”"


def _known(call: CallState) -> list[str]:
    lines = []
    for name, value in call.attributes.items():
        shown = name.replace("_", " ")
        if value:
            lines.append(f"{shown[:1].upper()}{shown[1:]}: {mask(value, find_spans(value, [('', shown)]))}")
    if call.customer_name:
        lines.append("Name: on the call's record")
    return lines[: MAX_LINES * 2]


def _is_step(turn: _Turn) -> bool:
    return bool(STEP.search(turn.text)) and not SMALL_TALK.search(turn.text) and turn.words >= 4


def _said_once(turns: Iterable[_Turn]) -> list[str]:
    """Each thing once, in order, with how often it was said."""
    said: dict[frozenset[str], tuple[str, int]] = {}
    for turn in turns:
        words = frozenset(re.findall(r"\w+", turn.text.lower()))
        key = next((one for one in said if len(one & words) >= 0.75 * len(one | words)), words)
        text, times = said.get(key, (turn.text, 0))
        said[key] = (text, times + 1)
    return [text if times == 1 else f"{text} (said {times} times)" for text, times in said.values()][
        -MAX_LINES:
    ]


def _numbers_given(customer: Sequence[_Turn]) -> list[str]:
    given: dict[str, str] = {}
    for turn in customer:
        for span in turn.final.mask:
            named = NUMBER_NAME.search(turn.final.text[: span.start])
            kind = (
                named[1].lower().removeprefix("my ").removeprefix("the ")
                if named
                else span.type.replace("_", " ")
            )
            given[kind] = f"{kind[:1].upper()}{kind[1:]}: given at {_clock(turn.final.start_ms)}"
    return list(given.values())


def _answered(turns: Sequence[_Turn]) -> list[str]:
    """Questions of the AI that the customer has answered, with the answer."""
    lines = []
    for asked, answer in pairwise(turns):
        if asked.role != Role.AI or answer.role != Role.CUSTOMER or answer.final.mask:
            continue
        question = _last_sentence(asked.text)
        if not QUESTION.search(question) or SMALL_TALK.search(asked.text) or NUMBER_NAME.search(question):
            continue
        if answer.words >= 2 and not QUESTION.search(answer.text) and not WANTS_HUMAN.search(answer.text):
            lines.append(f"{question} “{answer.text}”")
    return lines[-MAX_LINES:]


def _opening(call: CallState, reasons: Sequence[str]) -> str:
    for code, line in OPENINGS:
        if code in reasons:
            return f"Hello. {line}"
    topic = call.attributes.get("topic", "").replace("_", " ")
    about = f" about {topic}" if topic else ""
    return f"Hello. I have read what you told us{about}, so you need not start again."


def _curve(call: CallState, value: Callable[[UtteranceScored], float | None]) -> list[tuple[int, float]]:
    points = []
    for one in call.spoken(Role.CUSTOMER):
        found = value(one.scored) if one.scored else None
        if found is not None and one.final is not None:
            points.append((one.final.end_ms, found))
    return points[-60:]


def _notes(call: CallState, raised: EscalationRaised, turns: Sequence[_Turn]) -> list[str]:
    notes = [
        f"A supervisor wrote: {piece.note}"
        for piece in raised.evidence
        if piece.kind == "by_hand" and piece.note
    ]
    if any(turn.final.low_fidelity for turn in turns):
        notes.append("The transcript is of low fidelity: ask rather than rely on single words.")
    spoken = {turn.final.language for turn in turns if turn.role == Role.CUSTOMER}
    asked_for = call.attributes.get("language", "")
    if languages := spoken - {"en"}:
        notes.append(f"The customer speaks {', '.join(sorted(languages))}.")
    notes += filter(None, dict.fromkeys(language_note(one) for one in sorted({*spoken, asked_for})))
    if call.gaps:
        notes.append(f"Parts of the call are missing from the transcript ({len(call.gaps)}).")
    if call.handbacks:
        notes.append("A person has had this call before.")
    if call.refusals:
        notes.append(f"Offered to {len(call.refusals)} before you: the customer has been waiting.")
    return notes


def _history(call: CallState) -> list[str]:
    return [_past(one) for one in call.history[:MAX_LINES]]


def _past(past: PastCall) -> str:
    about = past.topic.replace("_", " ") or "no topic known"
    why = f"escalated: {', '.join(past.reasons).replace('_', ' ')}" if past.reasons else "not escalated"
    end = past.disposition.replace("_", " ") or ("a person helped" if past.with_human else "the AI alone")
    return f"{past.started_at:%-d %B %Y}: {about}; {why}; {end}"


def _recording(call: CallState) -> str:
    if not call.recording_consent:
        return "Not recorded: the customer does not agree."
    if call.recording == "paused":
        return "Recording is paused."
    return "Recorded, with the customer told." if call.disclosure else "Recorded."


def _without_greeting(text: str) -> str:
    rest = GREETING.sub("", text).strip()
    return rest[:1].upper() + rest[1:] if len(rest.split()) >= 3 else text


def _last_sentence(text: str) -> str:
    return re.split(r"(?<=[.!?])\s+", text.strip())[-1]


def _clock(at_ms: int) -> str:
    return f"{at_ms // 60_000}:{at_ms // 1000 % 60:02d}"
