"""What was said, and how it was meant."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from voicewatch.core.call_parts import Utterance
from voicewatch.core.events import Fact, TranscriptGap, UtteranceFinal, UtteranceScored

if TYPE_CHECKING:
    from voicewatch.core.call import CallState


def _utterance(call: CallState, utterance_id: str) -> Utterance:
    known = call.utterances.get(utterance_id)
    if known is None:
        known = Utterance(utterance_id, with_human=call.ai_paused is not None)
        call.utterances[utterance_id] = known
    return known


def _final(call: CallState, fact: UtteranceFinal) -> None:
    _utterance(call, fact.utterance_id).hear(fact)
    if fact.source == "asr" and fact.engine:
        call.engine = fact.engine


def _scored(call: CallState, fact: UtteranceScored) -> None:
    _utterance(call, fact.utterance_id).scored = fact


def _gap(call: CallState, fact: TranscriptGap) -> None:
    call.gaps.append(fact)


FOLDS: dict[type[Fact], Callable[[CallState, Any], None]] = {
    UtteranceFinal: _final,
    UtteranceScored: _scored,
    TranscriptGap: _gap,
}
