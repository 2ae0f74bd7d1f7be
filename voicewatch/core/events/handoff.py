"""A human is sought, briefed and joined to the call; the AI yields and has it again."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import Field

from voicewatch.core.events.base import Fact, Value


class OfferState(StrEnum):
    """States of an offer (reservation) of one agent; all but pending are final for the ringing.

    An accepted one goes on to wrapping (the agent has left the call and does after-call work) and completed.
    """

    PENDING = "pending"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    TIMEOUT = "timeout"
    CANCELED = "canceled"
    RESCINDED = "rescinded"
    WRAPPING = "wrapping"
    COMPLETED = "completed"


class HandoffState(StrEnum):
    """States of one handoff, monotonic; the last four are final (completed also ends a bridged one)."""

    REQUESTED = "requested"
    BRIEFING = "briefing"
    RINGING = "ringing"
    ACCEPTED = "accepted"
    BRIDGED = "bridged"
    REJECTED = "rejected"
    FAILED = "failed"
    CANCELED = "canceled"
    COMPLETED = "completed"


class Briefing(Value):
    """What the human reads before speaking. Every line is text for a person."""

    why_now: str
    wants: str = ""
    known: list[str] = Field(default_factory=list)
    tried: list[str] = Field(default_factory=list)
    do_not_ask: list[str] = Field(default_factory=list)
    commitments: list[str] = Field(default_factory=list)
    next_steps: list[str] = Field(default_factory=list)
    opening: str = ""
    """A way to begin."""
    mood: list[tuple[int, float]] = Field(default_factory=list)
    """(at_ms, sentiment) of the customer's scored utterances."""
    doubt: list[tuple[int, float]] = Field(default_factory=list)
    last_turns: list[tuple[str, str]] = Field(default_factory=list)
    """(role, text) of the last few utterances."""
    notes: list[str] = Field(default_factory=list)
    phrases: list[str] = Field(default_factory=list)
    """Sentences that calm, for this kind of trouble."""
    history: list[str] = Field(default_factory=list)
    """Earlier calls of this customer, newest first."""
    recording: str = ""
    """Whether the call is recorded now, and whether the customer agreed."""
    summary: str = ""
    """The matter in a few sentences by a language model, if one is set up and answered in time."""


class PastCall(Value):
    """An earlier call of the same customer, without anybody's words."""

    call_id: str
    started_at: datetime
    topic: str = ""
    reasons: list[str] = Field(default_factory=list)
    """Why it was escalated; empty: it was not."""
    disposition: str = ""
    with_human: bool = False


class HistoryFound(Fact):
    """Earlier calls of this customer, newest first."""

    type: Literal["history_found"] = "history_found"
    calls: list[PastCall]


class BriefingReady(Fact):
    type: Literal["briefing_ready"] = "briefing_ready"
    SEALED = frozenset({"briefing"})
    escalation_id: str
    briefing: Briefing


class OfferMade(Fact):
    type: Literal["offer_made"] = "offer_made"
    offer_id: str
    escalation_id: str
    agent_id: str
    agent_name: str = ""
    expires_at_ms: int


class OfferChanged(Fact):
    type: Literal["offer_changed"] = "offer_changed"
    SEALED = frozenset({"reason"})
    offer_id: str
    agent_id: str
    state: OfferState
    reason: str = ""


class QueueChanged(Fact):
    """The queue that an escalation waits in, where the routing plan has queues."""

    type: Literal["queue_changed"] = "queue_changed"
    escalation_id: str
    queue: str
    why: Literal["matched", "overflow", "closed"] = "matched"
    """overflow: it waited too long in the one before; closed: that one is not open now."""


class NobodyFree(Fact):
    """No agent could be offered the escalation; tried again when somebody becomes available."""

    type: Literal["nobody_free"] = "nobody_free"
    escalation_id: str
    why: Literal["no_agents", "busy", "closed"] = "busy"
    """no_agents: nobody works now; closed: outside the queue's hours."""
    position: int = 1
    """Place in the queue; 1 is next."""
    expected_wait_s: int | None = None
    """An estimate from the mean handle time; None where nobody works."""
    opens_at: datetime | None = None
    """When a closed queue opens next (UTC)."""
    callback: bool = True
    """Whether the customer may be offered to be called back."""


class CallbackRequested(Fact):
    """The customer is to be called back instead of waiting; the escalation ends with it."""

    type: Literal["callback_requested"] = "callback_requested"
    SEALED = frozenset({"number", "note"})
    by: str
    """Account of the AI worker, agent or supervisor who took it down."""
    number: str = ""
    """Empty: the number the customer calls from."""
    when: str = ""
    """What was agreed: as soon as possible, or an instant (ISO 8601)."""
    note: str = ""


class CallbackClosed(Fact):
    """Somebody called back, or will not."""

    type: Literal["callback_closed"] = "callback_closed"
    SEALED = frozenset({"note"})
    by: str
    outcome: Literal["reached", "not_reached", "withdrawn"]
    note: str = ""


class HandoffChanged(Fact):
    type: Literal["handoff_changed"] = "handoff_changed"
    handoff_id: str
    """The escalation_id it serves."""
    state: HandoffState
    reason: str = ""
    agent_id: str = ""


class AIPaused(Fact):
    type: Literal["ai_paused"] = "ai_paused"
    why: str


class AIResumed(Fact):
    type: Literal["ai_resumed"] = "ai_resumed"
    why: str


class HandedBack(Fact):
    """The AI has the call again."""

    type: Literal["handed_back"] = "handed_back"
    SEALED = frozenset({"note"})
    by: str
    note: str = ""


class Nudged(Fact):
    type: Literal["nudged"] = "nudged"
    SEALED = frozenset({"text"})
    by: str
    text: str


class AIReported(Fact):
    """Something the AI said of itself: tool, confidence, mark."""

    type: Literal["ai_reported"] = "ai_reported"
    SEALED = frozenset({"data"})
    kind: Literal["tool", "confidence", "mark"]
    data: dict[str, Any] = Field(default_factory=dict)


class DispositionSet(Fact):
    type: Literal["disposition_set"] = "disposition_set"
    SEALED = frozenset({"note"})
    agent_id: str
    code: str
    note: str = ""
