"""CallView (docs/API.md): what a dashboard row and a call page need, JSON-ready, from one CallState.

Personal data is masked unless revealed; the character spans of evidence then are those of the masked text.
Evidence of alerts and briefings are masked where they are made.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from voicewatch.core.events import Evidence, HandoffState, LabelSet, Role, Severity, UtteranceFinal
from voicewatch.core.quoting import masked_place, quote
from voicewatch.core.redaction import label, masked

if TYPE_CHECKING:
    from voicewatch.core.call import CallState, Seat, Utterance

SERIES_POINTS = 240
"""Points of the curves in a full view; a row of the dashboard gets the newest ROW_POINTS."""
ROW_POINTS = 40
URGENCY = {severity: rank for rank, severity in enumerate(Severity)}
LOCATES = ("number", "phone", "caller", "account")
"""Attributes whose last four digits name a call on a dashboard."""


def call_view(call: CallState, full: bool, reveal: bool) -> dict[str, Any]:
    """CallView; without `utterances` and with short curves unless `full`."""
    spoken = call.spoken()
    voice = call.voice()
    severity, headline = trouble(call)
    view = {
        "call_id": call.call_id,
        "label": _label(call),
        "title": _title(call),
        "state": _state(call),
        "started_at": call.started_at.isoformat() if call.started_at else None,
        "duration_ms": call.ended.duration_ms or call.ended.at_ms if call.ended else call.at_ms,
        "attributes": dict(call.attributes),
        "customer_name": call.customer_name if reveal or not call.customer_name else label("name"),
        "voice": voice.role.value if voice else "nobody",
        "voice_name": voice.name if voice else "",
        "on_hold": call.on_hold,
        "severity": severity.value,
        "headline": headline,
        "sentiment": customer_sentiment(spoken),
        "uncertainty": call_uncertainty(spoken),
        "series": _series(spoken)[-(SERIES_POINTS if full else ROW_POINTS) :],
        "last": _last(spoken, reveal),
        "seats": [_seat(seat) for seat in call.open_seats()],
        "hears": {
            listener: sorted(speakers)
            for listener, speakers in (call.table() if call.in_force is None else call.in_force).items()
        },
        "alerts": [_alert(one) for one in call.alerts.values()],
        "escalation": _escalation(call),
        "handoff": _handoff(call),
        "offers": [_offer(one) for one in call.offers.values()],
        "briefing": _briefing(call),
        "gaps": [
            {"seat_id": gap.seat_id, "start_ms": gap.start_ms, "end_ms": gap.end_ms, "reason": gap.reason}
            for gap in call.gaps
        ],
        "nobody_free": bool(call.active_escalation and call.active_escalation.nobody_free),
        "queue": _queue(call),
        "callback": _callback(call, reveal),
        "disposition": _disposition(call, reveal),
        "labels": [_label_set(one, reveal) for one in call.labels.values()],
        "recordings": len(call.recordings),
        "recording": call.recording,
        "engine": call.engine,
        "last_seq": call.last_seq,
    }
    if full:
        view["utterances"] = [_utterance(one, reveal) for one in spoken]
    return view


def trouble(call: CallState) -> tuple[Severity, str]:
    """The worst open matter and its reason in words; calm and empty if there is none.

    An escalation that a human has answered weighs no more than `watch`: it is being looked after.
    """
    if not call.is_live:
        return Severity.CALM, ""
    matters = [
        (one.raised.severity, one.raised.headline) for one in call.alerts.values() if one.state == "open"
    ]
    escalation = call.active_escalation
    if escalation is not None:
        severity = escalation.raised.severity
        if escalation.handoff == HandoffState.BRIDGED:
            severity = max(severity, Severity.WATCH, key=URGENCY.__getitem__)
        matters.insert(0, (severity, escalation.raised.headline))
    return min(matters, key=lambda matter: URGENCY[matter[0]], default=(Severity.CALM, ""))


def customer_sentiment(spoken: Sequence[Utterance]) -> dict[str, Any] | None:
    """The customer's mood now (newer utterances weigh more) and where it is going."""
    scored = [
        one.scored.sentiment
        for one in spoken
        if one.scored and one.scored.role == Role.CUSTOMER and one.scored.sentiment
    ]
    if not scored:
        return None
    recent = [one.score for one in scored[-3:]]
    return {
        "score": round(_fading_mean(recent), 2),
        "label": scored[-1].label,
        "confidence": round(scored[-1].confidence, 3),
        "trend": _trend([one.score for one in scored]),
    }


def call_uncertainty(spoken: Sequence[Utterance]) -> dict[str, Any] | None:
    """Doubt of the last utterances of customer and AI, each part from those in which it was scored."""
    scored = [
        one.scored.uncertainty
        for one in spoken
        if one.scored and one.scored.uncertainty and one.scored.role in (Role.CUSTOMER, Role.AI)
    ][-3:]
    if not scored:
        return None
    view: dict[str, Any] = {}
    for part in ("score", "recognition", "speaker", "dialogue"):
        values = [value for one in scored if (value := getattr(one, part)) is not None]
        view[part] = round(_fading_mean(values), 3) if values else None
    return view


def _fading_mean(values: Sequence[float]) -> float:
    weights = [2.0**place for place in range(len(values))]
    return sum(value * weight for value, weight in zip(values, weights, strict=True)) / sum(weights)


def _trend(scores: Sequence[float]) -> str:
    if len(scores) < 3:
        return "steady"
    newest, before = scores[-2:], scores[-5:-2]
    change = sum(newest) / len(newest) - sum(before) / len(before)
    if abs(change) < 0.75:
        return "steady"
    return "rising" if change > 0 else "falling"


def _label(call: CallState) -> str:
    for key in LOCATES:
        digits = "".join(letter for letter in call.attributes.get(key, "") if letter.isdigit())
        if digits:
            return f"··{digits[-4:]}"
    return f"··{call.call_id[-4:]}"


def _title(call: CallState) -> str:
    said = call.attributes.get("title") or call.attributes.get("topic") or ""
    words = said.replace("_", " ").strip()
    return words[:1].upper() + words[1:] if words else "Call"


def _state(call: CallState) -> str:
    if call.ended is None:
        return "live"
    return "interrupted" if call.ended.reason == "interrupted" else "ended"


def _series(spoken: Sequence[Utterance]) -> list[dict[str, Any]]:
    return [
        {
            "at_ms": one.final.end_ms,
            "role": one.final.role.value,
            "sentiment": one.scored.sentiment.score if one.scored.sentiment else None,
            "uncertainty": one.scored.uncertainty.score if one.scored.uncertainty else None,
        }
        for one in spoken[-SERIES_POINTS:]
        if one.final and one.scored
    ]


def _last(spoken: Sequence[Utterance], reveal: bool) -> dict[str, Any] | None:
    final = spoken[-1].final if spoken else None
    if final is None:
        return None
    return {
        "role": final.role.value,
        "text": final.text if reveal else quote(final),
    }


def _seat(seat: Seat) -> dict[str, Any]:
    return {
        "seat_id": seat.seat_id,
        "role": seat.role.value,
        "who": seat.who,
        "name": seat.name,
        "mode": seat.mode.value if seat.mode else None,
        "leg": seat.leg,
        "kept_until_ms": seat.kept_until_ms,
        "muted": seat.is_muted,
    }


def _alert(alert: Any) -> dict[str, Any]:
    raised = alert.raised
    return {
        "alert_id": raised.alert_id,
        "rule": raised.rule,
        "severity": raised.severity.value,
        "reasons": list(raised.reasons),
        "headline": raised.headline,
        "at_ms": raised.at_ms,
        "utterance_ids": list(raised.utterance_ids),
        "evidence": [one.model_dump(mode="json") for one in raised.evidence],
        "state": alert.state,
    }


def _escalation(call: CallState) -> dict[str, Any] | None:
    escalation = call.active_escalation
    if escalation is None:
        return None
    raised = escalation.raised
    return {
        "escalation_id": raised.escalation_id,
        "severity": raised.severity.value,
        "reasons": list(raised.reasons),
        "headline": raised.headline,
        "at_ms": escalation.since_ms,
    }


def _handoff(call: CallState) -> dict[str, Any] | None:
    escalation = call.escalation
    if escalation is None or escalation.handoff is None:
        return None
    return {
        "handoff_id": escalation.raised.escalation_id,
        "state": escalation.handoff.value,
        "reason": escalation.handoff_reason,
        "agent_id": escalation.agent_id,
    }


def _queue(call: CallState) -> dict[str, Any] | None:
    """Where an escalation that nobody has answered waits, and how long it may take."""
    escalation = call.active_escalation
    if escalation is None or not escalation.is_waiting:
        return None
    told = escalation.nobody_free
    return {
        "name": escalation.queue,
        "since_ms": escalation.since_ms,
        "why": told.why if told else None,
        "position": told.position if told else None,
        "expected_wait_s": told.expected_wait_s if told else None,
        "opens_at": told.opens_at.isoformat() if told and told.opens_at else None,
    }


def _callback(call: CallState, reveal: bool) -> dict[str, Any] | None:
    if call.callback is None:
        return None
    shown = call.callback if reveal else masked(call.callback)
    return shown.model_dump(mode="json", include={"by", "number", "when", "note", "at_ms"})


def _label_set(label_set: LabelSet, reveal: bool) -> dict[str, Any]:
    shown = label_set if reveal else masked(label_set)
    return shown.model_dump(mode="json", include={"by", "about", "target", "value", "text", "note", "at_ms"})


def _disposition(call: CallState, reveal: bool) -> dict[str, Any] | None:
    if call.disposition is None:
        return None
    shown = call.disposition if reveal else masked(call.disposition)
    return shown.model_dump(mode="json", include={"agent_id", "code", "note"})


def _offer(offer: Any) -> dict[str, Any]:
    made = offer.made
    return {
        "offer_id": made.offer_id,
        "escalation_id": made.escalation_id,
        "agent_id": made.agent_id,
        "agent_name": made.agent_name,
        "state": offer.state.value,
        "expires_at_ms": made.expires_at_ms,
        "at_ms": made.at_ms,
    }


def _briefing(call: CallState) -> dict[str, Any] | None:
    escalation = call.escalation
    if escalation is None or escalation.briefing is None:
        return None
    return escalation.briefing.model_dump(mode="json")


def _utterance(one: Utterance, reveal: bool) -> dict[str, Any]:
    final, scored = one.final, one.scored
    assert final is not None  # `spoken` gives none without
    shown = final if reveal else one.masked(final)
    evidence = scored.evidence if scored else []
    return {
        "utterance_id": final.utterance_id,
        "seat_id": final.seat_id,
        "role": final.role.value,
        "start_ms": final.start_ms,
        "end_ms": final.end_ms,
        "text": shown.text,
        "words": [
            {
                "text": word.text,
                "start_ms": word.start_ms,
                "end_ms": word.end_ms,
                "probability": word.probability,
            }
            for word in shown.words
        ],
        "language": final.language,
        "source": final.source,
        "suspect": final.suspect,
        "low_fidelity": final.low_fidelity,
        "sentiment": scored.sentiment.model_dump(mode="json") if scored and scored.sentiment else None,
        "uncertainty": scored.uncertainty.model_dump(mode="json") if scored and scored.uncertainty else None,
        "evidence": [
            (piece if reveal else _masked_evidence(piece, final)).model_dump(mode="json")
            for piece in evidence
        ],
    }


def _masked_evidence(piece: Evidence, final: UtteranceFinal) -> Evidence:
    if not final.mask or piece.start is None or piece.end is None:
        return piece
    return piece.model_copy(
        update={
            "quote": quote(final, piece.start, piece.end),
            "start": masked_place(piece.start, final.mask),
            "end": masked_place(piece.end, final.mask),
        }
    )
