"""Figures of one call, with the field's definitions. Never a score of an agent's emotion."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from voicewatch.core.call import CallState, Escalation, Utterance
from voicewatch.core.events import HandoffState, OfferState, Role, UtteranceFinal
from voicewatch.core.spans import total_ms

INTERRUPTION_MS = 300
"""Speech over another for longer than this interrupts; shorter is backchannel or a stumble."""


def summary(call: CallState) -> dict[str, Any]:
    """JSON-ready; times in milliseconds, shares 0..1, None where there is nothing to measure."""
    spoken = call.spoken()
    duration_ms = call.ended.duration_ms or call.ended.at_ms if call.ended else call.at_ms
    return {
        "duration_ms": duration_ms,
        "utterances": len(spoken),
        "talk_share": talk_share(spoken),
        "non_talk_ms": _silent_ms(call),
        "interruptions": interruptions(spoken),
        "sentiment": customer_sentiment(spoken),
        "uncertainty": _mean([u.score for one in spoken if one.scored and (u := one.scored.uncertainty)]),
        "alerts": dict(Counter(one.raised.rule for one in call.alerts.values())),
        "dismissed_alerts": sum(one.state == "dismissed" for one in call.alerts.values()),
        "escalations": [_handoff(one) for one in call.escalations.values()],
        "offers": dict(Counter(offer.state.value for offer in call.offers.values())),
        "assigned": any(offer.state == OfferState.ACCEPTED for offer in call.offers.values()),
        "human_ms": total_ms(call.pauses, duration_ms),
        "hold_ms": total_ms(call.holds, duration_ms),
        "handbacks": call.handbacks,
        "contained": not call.pauses and call.is_live is False,
        "disposition": call.disposition.code if call.disposition else None,
        "transcript_gaps_ms": sum(gap.end_ms - gap.start_ms for gap in call.gaps),
    }


def talk_share(spoken: Sequence[Utterance]) -> dict[str, float]:
    """Share of all speaking time by role."""
    talk: Counter[str] = Counter()
    for one in spoken:
        if one.final is not None:
            talk[one.final.role.value] += max(0, one.final.end_ms - one.final.start_ms)
    total = sum(talk.values())
    return {role: round(ms / total, 3) for role, ms in talk.items()} if total else {}


def interruptions(spoken: Sequence[Utterance]) -> dict[str, int]:
    """How often each role began to speak while another was speaking, by longer than INTERRUPTION_MS."""
    found: Counter[str] = Counter()
    speaking: UtteranceFinal | None = None
    for one in spoken:
        final = one.final
        if final is None:
            continue
        if speaking is not None and final.seat_id != speaking.seat_id:
            overlap_ms = min(final.end_ms, speaking.end_ms) - final.start_ms
            if overlap_ms > INTERRUPTION_MS:
                found[final.role.value] += 1
        if speaking is None or final.end_ms > speaking.end_ms:
            speaking = final
    return dict(found)


def customer_sentiment(spoken: Sequence[Utterance]) -> dict[str, Any]:
    """The customer's score (-5..5): overall, with the AI and with a human apart, first, last, by quarter."""
    scored = [
        (one.final.start_ms, one.scored.sentiment.score, one.with_human)
        for one in spoken
        if one.final and one.final.role == Role.CUSTOMER and one.scored and one.scored.sentiment
    ]
    scores = [score for _, score, _ in scored]
    return {
        "overall": _mean(scores),
        "with_ai": _mean([score for _, score, with_human in scored if not with_human]),
        "with_human": _mean([score for _, score, with_human in scored if with_human]),
        "first": scores[0] if scores else None,
        "last": scores[-1] if scores else None,
        "lowest": min(scores, default=None),
        "quarters": _quarters([(at_ms, score) for at_ms, score, _ in scored], spoken),
    }


def _quarters(scored: Sequence[tuple[int, float]], spoken: Sequence[Utterance]) -> list[float | None]:
    end_ms = max((one.final.end_ms for one in spoken if one.final), default=0) or 1
    parts: list[list[float]] = [[], [], [], []]
    for at_ms, score in scored:
        parts[min(3, 4 * at_ms // end_ms)].append(score)
    return [_mean(part) for part in parts]


def _handoff(escalation: Escalation) -> dict[str, Any]:
    def after(at_ms: int | None) -> int | None:
        return None if at_ms is None else at_ms - escalation.since_ms

    return {
        "escalation_id": escalation.raised.escalation_id,
        "rule": escalation.raised.rule,
        "reasons": list(escalation.raised.reasons),
        "at_ms": escalation.since_ms,
        "state": escalation.handoff.value if escalation.handoff else HandoffState.REQUESTED.value,
        "reason": escalation.handoff_reason,
        "time_to_offer_ms": after(escalation.offered_at_ms),
        "time_to_accept_ms": after(escalation.accepted_at_ms),
        "time_to_voice_ms": after(escalation.bridged_at_ms),
    }


def _silent_ms(call: CallState) -> int:
    still = [] if call.silent_since_ms is None else [(call.silent_since_ms, call.at_ms)]
    return sum(end - start for start, end in [*call.silences, *still])


def _mean(values: Sequence[float]) -> float | None:
    return round(sum(values) / len(values), 3) if values else None
