"""What the rules, or people, made of it: alerts, actions, escalations."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from voicewatch.core.events.base import Evidence, Fact, Severity


class AlertRaised(Fact):
    """A rule fired. `headline` is one sentence for a person without the customer's words (see `evidence`).

    Raised again under the same id, it has grown: the newer statement replaces the older.
    """

    type: Literal["alert_raised"] = "alert_raised"
    SEALED = frozenset({"evidence"})
    alert_id: str
    rule: str
    severity: Severity
    reasons: list[str]
    headline: str
    utterance_ids: list[str] = Field(default_factory=list)
    evidence: list[Evidence] = Field(default_factory=list)


class AlertCleared(Fact):
    type: Literal["alert_cleared"] = "alert_cleared"
    SEALED = frozenset({"why"})
    alert_id: str
    why: str = ""
    by: str = ""


class ShadowRaised(Fact):
    """A rule on trial fired: counted, and nothing follows. `escalates`: it would have called a person."""

    type: Literal["shadow_raised"] = "shadow_raised"
    SEALED = frozenset({"evidence"})
    alert_id: str
    rule: str
    severity: Severity
    reasons: list[str]
    escalates: bool = False
    utterance_ids: list[str] = Field(default_factory=list)
    evidence: list[Evidence] = Field(default_factory=list)


class ActionAsked(Fact):
    """What a rule asks for beside its alert: `value` is the webhook's URL, or the tag."""

    type: Literal["action_asked"] = "action_asked"
    alert_id: str
    rule: str
    action: Literal["webhook", "pause_recording", "resume_recording", "tag"]
    value: str = ""


class ActionDone(Fact):
    """What became of an action; `detail` is free of anybody's words."""

    type: Literal["action_done"] = "action_done"
    alert_id: str
    rule: str
    action: Literal["webhook", "pause_recording", "resume_recording"]
    ok: bool
    detail: str = ""


class EscalationRaised(Fact):
    """A person is needed: by a rule (alert_id) or by hand (by). The same id again: it got worse."""

    type: Literal["escalation_raised"] = "escalation_raised"
    SEALED = frozenset({"evidence"})
    escalation_id: str
    severity: Severity
    reasons: list[str]
    headline: str
    alert_id: str | None = None
    rule: str | None = None
    by: str = ""
    skill: str = ""
    queue: str = ""
    """The queue it is for, if a rule or person named one."""
    agent_id: str = ""
    """The agent asked for by name, by a supervisor or a rule; he is offered first."""
    evidence: list[Evidence] = Field(default_factory=list)
