"""What stays when the call is over: recordings, and people's word on what the system made of it."""

from __future__ import annotations

from typing import Literal

from voicewatch.core.events.base import Fact, Role


class LabelSet(Fact):
    """A person's word on what the system made of a call: what training and back-tests learn from.

    Other corrections are facts of their own: an escalation by hand, a dismissed alert, a hand-back.
    """

    type: Literal["label_set"] = "label_set"
    SEALED = frozenset({"text", "note"})
    by: str
    about: Literal["call", "escalation", "alert", "transcript", "sentiment", "uncertainty"]
    target: str
    """Id of what it is about: call, escalation, alert or utterance. The same person's newer word replaces."""
    value: str = ""
    text: str = ""
    """What was really said (transcript)."""
    note: str = ""


class RecordingSegment(Fact):
    """A recording file of one seat was closed (or found readable after a crash)."""

    type: Literal["recording_segment"] = "recording_segment"
    seat_id: str
    role: Role
    path: str
    """Relative to the recordings folder."""
    start_ms: int
    duration_ms: int
    packets: int
    dropped: int = 0
    closed: bool = True


class RecordingGap(Fact):
    type: Literal["recording_gap"] = "recording_gap"
    seat_id: str
    start_ms: int
    end_ms: int
    reason: str


class RecordingChanged(Fact):
    """Recording was paused, or goes on; in between the recordings are silent.

    What `redaction.masked` hides of what is said in a pause is not written down at all.
    """

    type: Literal["recording_changed"] = "recording_changed"
    SEALED = frozenset({"reason"})
    state: Literal["paused", "recording"]
    by: str = ""
    """Account of the agent or supervisor."""
    reason: str = ""
