"""What a model process that has just come must be told: the last turns of the calls that are live."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from voicewatch.core.call import CallState
from voicewatch.processes.messages import RememberCalls, SpokenTurn

TURNS = 12
"""Of each call; the model process keeps no more."""
CALLS_A_MESSAGE = 100
"""Some 100 KB of text."""


def recalled(calls: Iterable[CallState]) -> Iterator[RememberCalls]:
    """Messages to be sent in this order; the last one says so, and there is always one."""
    turns = {call.call_id: last_turns(call) for call in calls}
    names = list(turns)
    for first in range(0, max(1, len(names)), CALLS_A_MESSAGE):
        some = names[first : first + CALLS_A_MESSAGE]
        yield RememberCalls(
            calls={call_id: turns[call_id] for call_id in some}, more=first + CALLS_A_MESSAGE < len(names)
        )


def last_turns(call: CallState) -> list[SpokenTurn]:
    """What was said last in the call, oldest first."""
    finals = [one.final for one in call.utterances.values() if one.final is not None]
    finals.sort(key=lambda final: final.start_ms)
    return [
        SpokenTurn(utterance_id=final.utterance_id, role=final.role, text=final.text)
        for final in finals[-TURNS:]
    ]
