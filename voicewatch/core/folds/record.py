"""Recordings, and people's word on the call."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from voicewatch.core.events import Fact, LabelSet, RecordingChanged, RecordingSegment
from voicewatch.core.spans import begin, finish

if TYPE_CHECKING:
    from voicewatch.core.call import CallState


def _segment(call: CallState, fact: RecordingSegment) -> None:
    call.recordings.add(fact.path)


def _recording_changed(call: CallState, fact: RecordingChanged) -> None:
    (begin if fact.state == "paused" else finish)(call.recording_pauses, fact.at_ms)


def _labelled(call: CallState, fact: LabelSet) -> None:
    call.labels[fact.about, fact.target, fact.by] = fact


FOLDS: dict[type[Fact], Callable[[CallState, Any], None]] = {
    LabelSet: _labelled,
    RecordingChanged: _recording_changed,
    RecordingSegment: _segment,
}
