"""Who is asked first, from which queue and when: the deployment's routing plan, written in TOML.

Without a plan every agent may be asked for everything, the longest idle first, one at a time. A plan is read
once at start; a mistake in it is a `BadPlan` that names the field and the nearest valid word.
"""

from __future__ import annotations

import difflib
import tomllib
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DISPOSITIONS = ("resolved", "follow_up", "refund", "transferred", "no_help", "other")
LOOK_AHEAD_DAYS = 14
"""A queue that does not open within so long is not promised to open at all."""


class BadPlan(ValueError):
    """A routing plan cannot be used; the text names the field and the remedy."""


class Policy(StrEnum):
    """Of those agents who fit a call equally well, who is asked first."""

    LONGEST_IDLE = "longest_idle"
    LEAST_LOADED = "least_loaded"
    SKILL_BEST = "skill_best"
    PROVEN_SUCCESS = "proven_success"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AgentPlan(_Part):
    """One agent as the deployment knows him, found by his account or by his name."""

    id: str = ""
    name: str = ""
    skills: dict[str, Annotated[int, Field(ge=1, le=5)]] = Field(default_factory=dict)
    """Skill -> how good at it, 1 to 5."""
    languages: list[str] = Field(default_factory=list)
    tiers: list[str] = Field(default_factory=list)
    """Customer tiers he is meant for; none: all."""
    capacity: int = Field(1, ge=1, le=10)
    """Calls he may have at once."""

    @model_validator(mode="after")
    def _has_a_name(self) -> AgentPlan:
        if not self.id and not self.name:
            raise ValueError("needs an id (account) or a name")
        return self


class Hours(_Part):
    """Opening hours of some days, in the plan's time zone; `until` 00:00 is midnight at the day's end."""

    days: list[str] = list(DAYS)
    from_: time = Field(time(0, 0), alias="from")
    until: time = time(0, 0)

    @field_validator("days")
    @classmethod
    def _known_days(cls, days: list[str]) -> list[str]:
        for day in days:
            if day not in DAYS:
                raise ValueError(f"unknown day {day!r}{_nearest(day, DAYS)}")
        return days


class Queue(_Part):
    """Calls of one kind. A call belongs to the first queue whose name or skill it asks for."""

    name: str
    skill: str = ""
    """What an agent needs; empty: the queue's name."""
    strict: bool = False
    """Only agents with the skill are asked, until the call overflows."""
    hours: list[Hours] = Field(default_factory=list)
    """None: always open."""
    overflow: str = ""
    """The queue that takes over when nobody here was found for `overflow_after_s`, or this one is closed."""
    overflow_after_s: int = Field(60, ge=0)
    policy: Policy | None = None
    callback: bool = True
    """Whether the customer may be offered to be called back."""

    @property
    def asks_for(self) -> str:
        return self.skill or self.name


class RoutingPlan(_Part):
    version: int = Field(1, ge=1, le=1)
    policy: Policy = Policy.LONGEST_IDLE
    offers_at_once: int = Field(1, ge=1, le=10)
    """Agents an escalation rings at together; the first to accept wins."""
    deescalation_skill: str = "de_escalation"
    """Agents with this skill come first when the customer's feelings run high."""
    tiers: list[str] = Field(default_factory=list)
    """Customer tiers, the most important first; calls of one severity wait in this order."""
    severity_after_s: int = Field(180, ge=10)
    """A waiting call counts as one step more severe after so long, so that nobody waits for ever."""
    timezone: str = "UTC"
    dispositions: list[str] = Field(default_factory=lambda: list(DISPOSITIONS), min_length=1)
    """Codes an agent may end his wrap-up with."""
    agents: list[AgentPlan] = Field(default_factory=list)
    queues: list[Queue] = Field(default_factory=list)

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"unknown time zone {name!r}; such as Europe/Berlin") from None
        return name

    @model_validator(mode="after")
    def _queues_exist(self) -> RoutingPlan:
        names = [queue.name for queue in self.queues]
        for queue in self.queues:
            if names.count(queue.name) > 1:
                raise ValueError(f"queues: two are named {queue.name!r}")
            if queue.overflow and queue.overflow not in names:
                where = f"queues.{queue.name}.overflow"
                raise ValueError(f"{where}: no queue {queue.overflow!r}{_nearest(queue.overflow, names)}")
        return self

    @classmethod
    def parse(cls, text: str) -> RoutingPlan:
        """The plan written in TOML. BadPlan names what is wrong."""
        try:
            return cls.model_validate(tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            raise BadPlan(f"not valid TOML: {error}") from None
        except ValidationError as error:
            raise BadPlan(_first_mistake(error)) from None

    def agent(self, agent_id: str, name: str) -> AgentPlan | None:
        """What the plan says of an agent: by account, else by name."""
        by_id = next((one for one in self.agents if one.id and one.id == agent_id), None)
        return by_id or next((one for one in self.agents if one.name and one.name == name), None)

    def queue(self, name: str) -> Queue | None:
        return next((queue for queue in self.queues if queue.name == name), None)

    def queue_for(self, *wishes: str) -> Queue | None:
        """The queue of the first wish (a queue's name or skill) that there is one for; else `default`."""
        for wish in wishes:
            for queue in self.queues:
                if wish and wish in (queue.name, queue.skill):
                    return queue
        return self.queue("default")

    def is_open(self, queue: Queue, utc: datetime) -> bool:
        return not queue.hours or any(start <= utc < end for start, end in self._openings(queue, utc))

    def opens_at(self, queue: Queue, utc: datetime) -> datetime | None:
        """When the queue opens next; None if it is open, or not within two weeks."""
        if self.is_open(queue, utc):
            return None
        return min((start for start, _ in self._openings(queue, utc) if start > utc), default=None)

    def _openings(self, queue: Queue, utc: datetime) -> list[tuple[datetime, datetime]]:
        """(start, end) in UTC of openings from the day before on."""
        zone = ZoneInfo(self.timezone)
        today = utc.astimezone(zone).date()
        found = []
        for offset in range(-1, LOOK_AHEAD_DAYS):
            day = today + timedelta(days=offset)
            for hours in queue.hours:
                if DAYS[day.weekday()] not in hours.days:
                    continue
                last = day if hours.until > hours.from_ else day + timedelta(days=1)
                start = datetime.combine(day, hours.from_, zone).astimezone(UTC)
                found.append((start, datetime.combine(last, hours.until, zone).astimezone(UTC)))
        return found

    def tier_rank(self, tier: str) -> int:
        return self.tiers.index(tier) if tier in self.tiers else len(self.tiers)


_MODELS: dict[str, type[BaseModel]] = {"agents": AgentPlan, "queues": Queue, "hours": Hours}


def _first_mistake(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] != "extra_forbidden":
        text: str = first["msg"].removeprefix("Value error, ")
        return f"{where}: {text}" if where else text
    *path, word = first["loc"]
    holder = next(
        (_MODELS[part] for part in reversed(path) if isinstance(part, str) and part in _MODELS), None
    )
    known = [field.alias or name for name, field in (holder or RoutingPlan).model_fields.items()]
    return f"{where}: unknown field{_nearest(str(word), known)}"


def _nearest(word: str, known: Any) -> str:
    close = difflib.get_close_matches(word, sorted(known), n=1)
    return f"; did you mean {close[0]}?" if close else f"; known: {', '.join(known)}"
