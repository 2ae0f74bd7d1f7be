"""Labelled data out of a journal: one call a line, masked, in the form that `backtest --jsonl` reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from voicewatch.core.call import CallState
from voicewatch.core.events import AlertCleared, EscalationRaised, Fact, HandedBack, LabelSet, UtteranceFinal
from voicewatch.core.redaction import find_spans, mask, masked
from voicewatch.core.replay import Case, Labels

CONTEXT_TURNS = 6
"""Earlier turns that tell what is private in the next one."""
KEPT_ATTRIBUTES = ("tier", "language", "topic")
"""Attributes that name no person; all others stay at home."""


def exported(cases: Iterable[Case], *, only_labelled: bool = False) -> Iterator[dict[str, Any]]:
    """JSON-ready lines: turns with their scores, what people did and said of the call, and labels if any.

    Every text is masked, whoever asks: exports leave the house.
    """
    for case in cases:
        call = CallState(case.call_id)
        for fact in case.facts:
            call.apply(fact)
        overrides = [found for fact in case.facts if (found := _override(fact)) is not None]
        if only_labelled and case.labels is None and not overrides:
            continue
        yield {
            "id": case.call_id,
            "tier": call.attributes.get("tier", ""),
            "language": call.attributes.get("language", ""),
            "attributes": {
                name: call.attributes[name] for name in KEPT_ATTRIBUTES if name in call.attributes
            },
            "turns": list(_turns(call)),
            **({"labels": _labels(case.labels)} if case.labels else {}),
            "overrides": overrides,
        }


def _turns(call: CallState) -> Iterator[dict[str, Any]]:
    corrected = {target: label for (about, target, _), label in call.labels.items() if about == "transcript"}
    before: list[tuple[str, str]] = []
    for one in call.spoken():
        final = one.final
        assert final is not None  # `spoken` gives none without
        context = before[-CONTEXT_TURNS:]
        before.append((final.role.value, final.text))
        turn: dict[str, Any] = {
            "id": final.utterance_id,
            "role": final.role.value,
            "text": _text(final, context),
            "start_ms": final.start_ms,
            "end_ms": final.end_ms,
            "language": final.language,
        }
        if one.scored is not None:
            scored = one.scored
            turn["sentiment"] = scored.sentiment.model_dump() if scored.sentiment else None
            turn["uncertainty"] = scored.uncertainty.model_dump() if scored.uncertainty else None
            turn["cues"] = dict(scored.cues)
        if final.utterance_id in corrected:
            said = corrected[final.utterance_id].text
            turn["corrected"] = mask(said, find_spans(said, context))
        yield turn


def _text(final: UtteranceFinal, context: list[tuple[str, str]]) -> str:
    return masked(final, context).text


def _labels(labels: Labels) -> dict[str, Any]:
    told: dict[str, Any] = {"should_escalate": labels.should_escalate, "reasons": list(labels.reasons)}
    for name in ("turn", "latest_turn"):
        if (value := getattr(labels, name)) is not None:
            told[name] = value
    return told


def _override(fact: Fact) -> dict[str, Any] | None:
    """What a person did against, or said of, the system's own decision."""
    match fact:
        case EscalationRaised() if fact.by:
            return {"kind": "escalated_by_hand", "at_ms": fact.at_ms, "target": fact.escalation_id}
        case AlertCleared() if fact.by:
            why = masked(fact).why
            return {"kind": "alert_dismissed", "at_ms": fact.at_ms, "target": fact.alert_id, "why": why}
        case HandedBack():
            return {"kind": "handed_back", "at_ms": fact.at_ms, "target": fact.call_id}
        case LabelSet():
            hidden = masked(fact)
            told = {"kind": f"label_{fact.about}", "at_ms": fact.at_ms, "target": fact.target}
            return {**told, "value": fact.value, "text": hidden.text, "note": hidden.note}
    return None
