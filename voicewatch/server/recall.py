"""What a model process that has just come must be told: the last turns of the calls that are live, and what
their AIs reported of themselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from voicewatch.core.call import CallState
from voicewatch.core.events import AIReported
from voicewatch.processes.messages import AIReport, RememberCalls, SpokenTurn

TURNS = 12
"""Of each call; the model process keeps no more."""
CALLS_A_MESSAGE = 100
"""Some 100 KB of text."""


def recalled(calls: Iterable[CallState]) -> Iterator[RememberCalls]:
    """Messages to be sent in this order; the last one says so, and there is always one."""
    known = {call.call_id: call for call in calls}
    names = list(known)
    for first in range(0, max(1, len(names)), CALLS_A_MESSAGE):
        some = names[first : first + CALLS_A_MESSAGE]
        yield RememberCalls(
            calls={call_id: last_turns(known[call_id]) for call_id in some},
            ai_reports=[
                report
                for call_id in some
                for fact in known[call_id].ai_reports
                if (report := report_of(fact)) is not None
            ],
            more=first + CALLS_A_MESSAGE < len(names),
        )


def report_of(fact: AIReported) -> AIReport | None:
    """What matters to scores of it; None for what does not."""
    if fact.kind == "mark":
        return None
    value = fact.data.get("value")
    return AIReport(
        call_id=fact.call_id,
        at_ms=fact.at_ms,
        kind=fact.kind,
        name=str(fact.data.get("name", "")),
        ok=fact.data.get("ok") is not False,
        value=float(value) if isinstance(value, int | float) else None,
    )


def last_turns(call: CallState) -> list[SpokenTurn]:
    """What was said last in the call, oldest first."""
    finals = [one.final for one in call.utterances.values() if one.final is not None]
    finals.sort(key=lambda final: final.start_ms)
    return [
        SpokenTurn(
            utterance_id=final.utterance_id,
            role=final.role,
            text=final.text,
            start_ms=final.start_ms,
            end_ms=final.end_ms,
        )
        for final in finals[-TURNS:]
    ]
