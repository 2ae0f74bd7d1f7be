"""What is written down of words said while recording is paused: only what may be shown to everybody."""

from __future__ import annotations

from voicewatch.core.call import CallState
from voicewatch.core.events import Fact, UtteranceFinal, UtteranceScored
from voicewatch.core.redaction import Context, masked


def as_kept(fact: Fact, call: CallState, context: Context = ()) -> Fact:
    """The fact, with everything masked for good if any of it was said in a pause of the recording."""
    if not call.recording_pauses or not fact.SEALED:
        return fact
    start_ms, end_ms = _said(fact, call)
    in_a_pause = any(
        start_ms <= (end_ms if until_ms is None else until_ms) and from_ms <= end_ms
        for from_ms, until_ms in call.recording_pauses
    )
    return masked(fact, context) if in_a_pause else fact


def _said(fact: Fact, call: CallState) -> tuple[int, int]:
    """When the words in it were said; a fact about an utterance comes later than that."""
    if isinstance(fact, UtteranceFinal):
        return fact.start_ms, fact.end_ms
    if isinstance(fact, UtteranceScored):
        known = call.utterances.get(fact.utterance_id)
        if known is not None and known.final is not None:
            return known.final.start_ms, known.final.end_ms
    return fact.at_ms, fact.at_ms
