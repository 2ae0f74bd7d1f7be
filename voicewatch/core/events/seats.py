"""The call, its seats and their legs: who came, who hears whom, who went."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from voicewatch.core.events.base import Fact, Mode, Role


class CallStarted(Fact):
    """The customer was let in. `zero_mono_ns` is CLOCK_MONOTONIC at at_ms = 0, shared by all processes."""

    type: Literal["call_started"] = "call_started"
    SEALED = frozenset({"customer_name"})
    attributes: dict[str, str] = Field(default_factory=dict)
    customer_name: str = ""
    zero_mono_ns: int = 0
    recording_consent: bool = True
    disclosure: str = ""
    """Text of the notice given to the customer (AI disclosure and recording), empty if none."""
    customer_key: str = ""
    """Digest of who called (`ids.customer_key`), so that all calls of a customer can be found and erased."""


class ClockRebased(Fact):
    """A new media process took the call; audio between the last chunk and this moment was lost."""

    type: Literal["clock_rebased"] = "clock_rebased"
    media: str
    epoch: str
    why: str = ""


class SeatOpened(Fact):
    """A place in the call was given to somebody; `mode` for agents and supervisors."""

    type: Literal["seat_opened"] = "seat_opened"
    seat_id: str
    role: Role
    who: str = ""
    """Account id of the person, or name of the AI worker."""
    name: str = ""
    """Shown name of staff or AI; empty for customers."""
    mode: Mode | None = None


class SeatClosed(Fact):
    type: Literal["seat_closed"] = "seat_closed"
    seat_id: str
    reason: str = ""


class ModeChanged(Fact):
    type: Literal["mode_changed"] = "mode_changed"
    seat_id: str
    mode: Mode
    by: str = ""


class LegConnected(Fact):
    """ICE and DTLS are up for a leg in this seat; replaces the seat's earlier leg."""

    type: Literal["leg_connected"] = "leg_connected"
    seat_id: str
    leg_id: str


class LegLive(Fact):
    """The leg is proved: packets arrive and decode."""

    type: Literal["leg_live"] = "leg_live"
    seat_id: str
    leg_id: str


class LegStalled(Fact):
    type: Literal["leg_stalled"] = "leg_stalled"
    seat_id: str
    leg_id: str


class LegRecovered(Fact):
    type: Literal["leg_recovered"] = "leg_recovered"
    seat_id: str
    leg_id: str


class LegLost(Fact):
    """No packets for long, or the connection closed.

    `reason` is hangup, silent, closed, replaced or media_died.
    """

    type: Literal["leg_lost"] = "leg_lost"
    seat_id: str
    leg_id: str
    reason: str = ""


class SeatMuted(Fact):
    """The one in this seat muted himself, or speaks again: as his page told it, and as media enforces."""

    type: Literal["seat_muted"] = "seat_muted"
    seat_id: str
    muted: bool


class MicrophoneSilent(Fact):
    """The leg of a human who is to take over brings packets and no sound: the AI does not yield to it."""

    type: Literal["microphone_silent"] = "microphone_silent"
    seat_id: str
    leg_id: str


class HoldBegan(Fact):
    """The customer hears hold audio; nobody hears him, and nothing of him is kept, until hold ends."""

    type: Literal["hold_began"] = "hold_began"
    by: str


class HoldEnded(Fact):
    """`by` is empty when it ended by itself: nobody was left to end it."""

    type: Literal["hold_ended"] = "hold_ended"
    by: str = ""


class DtmfSent(Fact):
    """A key was pressed for the one in this seat to hear."""

    type: Literal["dtmf_sent"] = "dtmf_sent"
    SEALED = frozenset({"digit"})
    seat_id: str
    digit: str
    """0-9, *, #, A-D; masked: `[digit]`."""
    by: str = ""


class Dtmf(Fact):
    """A key was pressed on the telephone in this seat: often of an account or card, so it is sealed."""

    type: Literal["dtmf"] = "dtmf"
    SEALED = frozenset({"digit"})
    seat_id: str
    digit: str
    """0-9, *, #, A-D; masked: `[digit]`."""


class AudibilityChanged(Fact):
    """The table in force, as media applied it: listener seat -> seats heard."""

    type: Literal["audibility_changed"] = "audibility_changed"
    version: int
    hears: dict[str, list[str]]
    cause: Literal["command", "fallback"] = "command"
    why: str = ""


class SilenceBegan(Fact):
    """Nobody the customer hears, nor the customer, has spoken for 3 s; `since_ms` is when it began."""

    type: Literal["silence_began"] = "silence_began"
    since_ms: int


class SilenceEnded(Fact):
    type: Literal["silence_ended"] = "silence_ended"
    since_ms: int


class CallEnded(Fact):
    type: Literal["call_ended"] = "call_ended"
    reason: str
    """customer_hangup, customer_lost, ended_by_agent, ended_by_supervisor, ai_ended or interrupted."""
    duration_ms: int = 0


class RecordComplete(Fact):
    """Last fact of a call: everything is on disk."""

    type: Literal["record_complete"] = "record_complete"
    utterances: int
    recordings: int
    summary: dict[str, Any] = Field(default_factory=dict)
