"""How a house does, over many calls, by the definitions of the field. Never a score of an agent's emotion.

A `Figures` is what one call adds; `insights` sums up any number of them. Shares are None where there is
nothing to divide by, and every share stands beside its count.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from voicewatch.core.call import CallState, Escalation
from voicewatch.core.context_kept import asked_again, is_measurable
from voicewatch.core.events import OfferState, Role
from voicewatch.core.metrics import summary

SHORT_CALL_MS = 10_000
"""A contained call shorter than this may be one that gave up: stated beside containment."""
RECONTACT = timedelta(days=7)


@dataclass(frozen=True)
class Figures:
    """One ended call. Times in milliseconds on its own clock."""

    call_id: str
    customer: str
    """Key of the customer, empty if nobody knows."""
    topic: str
    started_at: datetime | None
    ended_at: datetime | None
    duration_ms: int
    ai_took: bool
    contained: bool
    """The AI took it and no human ever had the voice."""
    escalated: bool
    assigned: bool
    reasons: tuple[str, ...]
    rules: tuple[str, ...]
    verdict: bool | None
    """Whether a person was needed, by people's word on it; None: nobody said."""
    detect_ms: int | None
    """First evidence to escalation."""
    offer_ms: int | None
    accept_ms: int | None
    voice_ms: int | None
    context_kept: bool | None
    human_ms: int
    hold_ms: int
    wrap_up_ms: int
    non_talk_ms: int
    interruptions: Mapping[str, int]
    mood_with_ai: float | None
    mood_with_human: float | None
    disposition: str | None
    dismissed: int = 0
    alerts: int = 0


def figures_of(call: CallState) -> Figures:
    """What an ended call adds, as it stands now (labels and wrap-ups may come later)."""
    told = summary(call)
    first = next(iter(call.escalations.values()), None)
    ai = any(seat.role == Role.AI for seat in call.seats.values())
    ended_at = call.started_at + timedelta(milliseconds=told["duration_ms"]) if call.started_at else None
    return Figures(
        call_id=call.call_id,
        customer=call.customer_key,
        topic=call.attributes.get("topic", ""),
        started_at=call.started_at,
        ended_at=ended_at,
        duration_ms=told["duration_ms"],
        ai_took=ai,
        contained=ai and told["contained"],
        escalated=bool(call.escalations),
        assigned=any(offer.state in _ASSIGNED for offer in call.offers.values()),
        reasons=tuple(sorted({code for one in call.escalations.values() for code in one.raised.reasons})),
        rules=tuple(sorted({one.raised.rule for one in call.escalations.values() if one.raised.rule})),
        verdict=verdict(call),
        detect_ms=_detect_ms(call, first),
        offer_ms=_after(first, lambda one: one.offered_at_ms),
        accept_ms=_after(first, lambda one: one.accepted_at_ms),
        voice_ms=_after(first, lambda one: one.bridged_at_ms),
        context_kept=not asked_again(call) if is_measurable(call) else None,
        human_ms=told["human_ms"],
        hold_ms=told["hold_ms"],
        wrap_up_ms=call.wrap_up_ms,
        non_talk_ms=told["non_talk_ms"],
        interruptions=told["interruptions"],
        mood_with_ai=told["sentiment"]["with_ai"],
        mood_with_human=told["sentiment"]["with_human"],
        disposition=told["disposition"],
        dismissed=told["dismissed_alerts"],
        alerts=len(call.alerts),
    )


_ASSIGNED = (OfferState.ACCEPTED, OfferState.WRAPPING, OfferState.COMPLETED)


def verdict(call: CallState) -> bool | None:
    """Whether a person was needed, as people said: by a label, a call by hand, or a dismissed alert.

    The newest label wins over what may be read from deeds.
    """
    said = [label for (about, _, _), label in call.labels.items() if about in ("call", "escalation")]
    if said:
        newest = max(said, key=lambda label: label.at_ms)
        return newest.value in ("needed_person", "right", "late")
    if any(one.raised.by for one in call.escalations.values()):
        return True
    called = [one.raised.alert_id for one in call.escalations.values()]
    states = [call.alerts[alert_id].state for alert_id in called if alert_id in call.alerts]
    return False if states and all(state == "dismissed" for state in states) else None


def _detect_ms(call: CallState, first: Escalation | None) -> int | None:
    alert = call.alerts.get(first.raised.alert_id or "") if first else None
    if first is None or alert is None:
        return None
    finals = [call.utterances[one].final for one in alert.raised.utterance_ids if one in call.utterances]
    starts = [final.start_ms for final in finals if final is not None]
    return max(0, first.since_ms - min(starts)) if starts else None


def _after(first: Escalation | None, when: Callable[[Escalation], int | None]) -> int | None:
    at_ms = when(first) if first else None
    return at_ms - first.since_ms if first and at_ms is not None else None


# ---------------------------------------------------------------- many calls


def insights(calls: Sequence[Figures]) -> dict[str, Any]:
    """JSON-ready figures of these calls."""
    by_ai = [call for call in calls if call.ai_took]
    contained = [call for call in by_ai if call.contained]
    escalated = [call for call in calls if call.escalated]
    judged = [call for call in calls if call.verdict is not None]
    kept = [call for call in calls if call.context_kept is not None]
    changed = [
        call.mood_with_human - call.mood_with_ai
        for call in calls
        if call.mood_with_human is not None and call.mood_with_ai is not None
    ]
    return {
        "monitored": len(calls),
        "escalated": len(escalated),
        "assigned": sum(call.assigned for call in escalated),
        "dropped": sum(not call.assigned for call in escalated),
        "containment_rate": _share(len(contained), len(by_ai)),
        "contained_short": sum(call.duration_ms < SHORT_CALL_MS for call in contained),
        "contained_called_again": _called_again(contained, calls),
        "judged": len(judged),
        "escalation_precision": _precision(judged),
        "escalation_recall": _recall(judged),
        "dismissed_alerts": _share(sum(call.dismissed for call in calls), sum(call.alerts for call in calls)),
        "time_to_detect_s": _times(call.detect_ms for call in calls),
        "time_to_offer_s": _times(call.offer_ms for call in calls),
        "time_to_accept_s": _times(call.accept_ms for call in calls),
        "time_to_voice_s": _times(call.voice_ms for call in calls),
        "context_retention_rate": _share(sum(bool(call.context_kept) for call in kept), len(kept)),
        "context_measured": len(kept),
        "sentiment": {
            "with_ai": _mean([call.mood_with_ai for call in calls if call.mood_with_ai is not None]),
            "with_human": _mean([call.mood_with_human for call in calls if call.mood_with_human is not None]),
            "change": _mean(changed),
        },
        "handle_time_s": _times(
            call.human_ms + call.hold_ms + call.wrap_up_ms for call in calls if call.human_ms
        ),
        "wrap_up_s": _times(call.wrap_up_ms for call in calls if call.wrap_up_ms),
        "non_talk_share": _share(
            sum(call.non_talk_ms for call in calls), sum(call.duration_ms for call in calls)
        ),
        "interruptions": dict(sum((Counter(call.interruptions) for call in calls), Counter())),
        "reasons": dict(Counter(code for call in calls for code in call.reasons).most_common()),
        "rules": dict(Counter(rule for call in calls for rule in call.rules).most_common()),
        "dispositions": dict(Counter(call.disposition for call in calls if call.disposition).most_common()),
    }


def _called_again(contained: Iterable[Figures], calls: Iterable[Figures]) -> int:
    """Contained calls whose customer called again within RECONTACT: perhaps not solved after all."""
    starts: dict[str, list[datetime]] = {}
    for call in calls:
        if call.customer and call.started_at is not None:
            starts.setdefault(call.customer, []).append(call.started_at)
    return sum(
        any(timedelta(0) < start - call.started_at <= RECONTACT for start in starts.get(call.customer, ()))
        for call in contained
        if call.started_at is not None
    )


def _precision(judged: Sequence[Figures]) -> float | None:
    raised = [call for call in judged if call.escalated]
    return _share(sum(bool(call.verdict) for call in raised), len(raised))


def _recall(judged: Sequence[Figures]) -> float | None:
    """Of the calls that needed a person, those that the system escalated before somebody did by hand."""
    needed = [call for call in judged if call.verdict]
    return _share(sum(bool(call.rules) for call in needed), len(needed))


def _times(values_ms: Iterable[int | None]) -> dict[str, float | int] | None:
    known = sorted(value / 1_000 for value in values_ms if value is not None)
    if not known:
        return None
    p95 = known[min(len(known) - 1, int(0.95 * len(known)))]
    return {"count": len(known), "p50": round(median(known), 3), "p95": round(p95, 3)}


def _share(part: float, whole: float) -> float | None:
    return round(part / whole, 4) if whole else None


def _mean(values: Sequence[float]) -> float | None:
    return round(sum(values) / len(values), 3) if values else None
