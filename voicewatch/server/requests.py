"""What clients send, typed: bodies of routes and messages of WebSockets. Unknown fields are refused."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from voicewatch.core.events import Mode
from voicewatch.processes.problem import Problem

LONGEST_CALL_MS = 7 * 24 * 3_600_000

Id = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)]
Note = Annotated[str, StringConstraints(max_length=2_000)]
Key = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Milliseconds = Annotated[int, Field(ge=0, le=LONGEST_CALL_MS)]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NewCode(Body):
    role: Literal["customer", "agent", "supervisor", "admin"]
    name: Annotated[str, StringConstraints(max_length=80)] = ""
    path: Annotated[str, StringConstraints(pattern=r"^/[a-z/]{0,60}$")] = ""
    """Page the link opens; empty: that of the role."""
    grants: Annotated[list[Literal["unmask", "recordings"]], Field(max_length=2)] = []


class SignIn(Body):
    code: Annotated[str, StringConstraints(min_length=1, max_length=200)]


class NewCall(Body):
    attributes: Annotated[
        dict[Key, Annotated[str, StringConstraints(max_length=200)]], Field(max_length=20)
    ] = {}
    customer_name: Annotated[str, StringConstraints(max_length=120)] = ""
    recording_consent: bool = True


class NewPresence(Body):
    state: Literal["available", "away"]


class Decline(Body):
    reason: Note = ""


class Supervise(Body):
    mode: Mode


class Mute(Body):
    muted: bool


class PressKeys(Body):
    digits: Annotated[str, StringConstraints(pattern=r"^[0-9*#A-D]{1,32}$")]
    to: Literal["customer", "ai"] = "customer"


class NewRecording(Body):
    state: Literal["paused", "recording"]
    reason: Annotated[str, StringConstraints(max_length=200)] = ""


class Erase(Body):
    """One of the two."""

    call_id: Id | None = None
    customer_id: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    reason: Annotated[str, StringConstraints(max_length=200)] = ""

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.call_id is None) == (self.customer_id is None):
            raise ValueError("give call_id or customer_id, one of them")
        return self


class HandBack(Body):
    note: Note = ""


class Escalate(Body):
    reason: Annotated[str, StringConstraints(max_length=200)] = ""
    agent_id: Annotated[str, StringConstraints(max_length=120)] | None = None


class Nudge(Body):
    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1_000)]


class Dismiss(Body):
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class Release(Body):
    reason: Annotated[str, StringConstraints(max_length=200)] = ""


class NewCallback(Body):
    """What was agreed with the customer; without a number, the one he calls from."""

    number: Annotated[str, StringConstraints(max_length=40)] = ""
    when: Annotated[str, StringConstraints(max_length=80)] = ""
    note: Annotated[str, StringConstraints(max_length=500)] = ""


class CalledBack(Body):
    outcome: Literal["reached", "not_reached", "withdrawn"]
    note: Annotated[str, StringConstraints(max_length=500)] = ""


class NewLabel(Body):
    about: Literal["call", "escalation", "alert", "transcript", "sentiment", "uncertainty"]
    target: Annotated[str, StringConstraints(max_length=120)] = ""
    """Id of what it is about; empty: the call."""
    value: Annotated[str, StringConstraints(max_length=40)] = ""
    text: Annotated[str, StringConstraints(max_length=500)] = ""
    note: Annotated[str, StringConstraints(max_length=500)] = ""


class Disposition(Body):
    code: Annotated[str, StringConstraints(min_length=1, max_length=40)]
    note: Note = ""


# ---------------------------------------------------------------- WebSockets


class FeedHello(Body):
    type: Literal["hello"]
    after: Annotated[str, StringConstraints(max_length=64)] | None = None
    token: Annotated[str, StringConstraints(max_length=8_192)] | None = None
    presence: Literal["available", "away"] | None = None
    """Agents: what to be from now on, so that a reconnection after a restart needs no further request."""


class AIHello(Body):
    type: Literal["hello"]
    token: Annotated[str, StringConstraints(max_length=8_192)] | None = None
    name: Name
    capacity: Annotated[int, Field(ge=1, le=10_000)]
    supplies_text: bool


class InCall(Body):
    type: str
    call_id: Id


class Said(InCall):
    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4_000)]
    start_ms: Milliseconds | None = None
    end_ms: Milliseconds | None = None
    duration_ms: Milliseconds | None = None


class Tool(InCall):
    name: Name
    ok: bool
    detail: Note = ""


class Callback(InCall):
    """The AI has agreed with the customer that he is called back (see NewCallback)."""

    number: Annotated[str, StringConstraints(max_length=40)] = ""
    when: Annotated[str, StringConstraints(max_length=80)] = ""
    note: Annotated[str, StringConstraints(max_length=500)] = ""


class Confidence(InCall):
    value: Annotated[float, Field(ge=0, le=1)]


SAID = {
    "extra_forbidden": "This field is not known here; leave it out.",
    "model_attributes_type": "Send a JSON object, as application/json.",
}
"""Words of our own for what pydantic says in its own terms."""


def first_problem(error: ValidationError) -> Problem:
    """The first thing wrong, naming its field; what was sent is not repeated."""
    return problem_of(error.errors(include_url=False, include_input=False, include_context=False))


def problem_of(errors: Any) -> Problem:
    """Of a list of pydantic error details: Problem 400 that names the first field to blame."""
    first = errors[0]
    field = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path"))
    detail = SAID.get(first["type"], first["msg"].removeprefix("Value error, "))
    return Problem(400, "Bad request", f"{field}: {detail}" if field else detail, field=field)
