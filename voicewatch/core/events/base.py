"""What all events are made of: the base classes, who and how bad, and the values that several share."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from pydantic import BaseModel, ConfigDict


class Role(StrEnum):
    """Who someone is in a call. `agent` is always a human; the bot is `ai`."""

    CUSTOMER = "customer"
    AI = "ai"
    AGENT = "agent"
    SUPERVISOR = "supervisor"


class Mode(StrEnum):
    """How an agent or supervisor takes part (TERMS: modes)."""

    MONITOR = "monitor"
    COACH = "coach"
    BARGE = "barge"
    TAKEOVER = "takeover"


class Severity(StrEnum):
    """How bad, for sorting and sound; order of the members is order of urgency."""

    CRITICAL = "critical"
    HIGH = "high"
    WATCH = "watch"
    CALM = "calm"


class Value(BaseModel):
    """A frozen piece of an event."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Evidence(Value):
    """Why something was scored or raised: the words (character span of the utterance) and what they did."""

    kind: str
    """What it speaks for: sentiment, uncertainty, rule, voice, ..."""
    quote: str = ""
    utterance_id: str | None = None
    start: int | None = None
    end: int | None = None
    value: float | None = None
    note: str = ""


class Event(BaseModel):
    """What all events have."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    SEALED: ClassVar[frozenset[str]] = frozenset()

    type: str
    v: int = 1
    call_id: str
    at_ms: int = 0
    at: datetime | None = None
    seq: int = 0


class Fact(Event):
    """A journalled event."""


class Signal(Event):
    """A latest-wins event; `key` names what it replaces."""

    @property
    def key(self) -> str:
        return f"{self.call_id}:{self.type}"
