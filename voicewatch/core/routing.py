"""Who could take a call: agents, what they are doing, and the choice of one.

What an agent says of himself (available, away, connected) is told by `say`; ringing, on_call and wrap_up
are derived from the facts of calls, so that they cannot disagree with the journal. Times here are
milliseconds of one clock common to all calls (see `Director`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Any, Literal

from voicewatch.core.events import (
    DispositionSet,
    Fact,
    Mode,
    ModeChanged,
    OfferChanged,
    OfferMade,
    OfferState,
    Role,
    SeatClosed,
    SeatOpened,
)
from voicewatch.core.routing_plan import Policy, RoutingPlan

Presence = Literal["available", "ringing", "on_call", "wrap_up", "away", "offline"]

REFUSAL_PAUSE_MS = 30_000
"""An agent who declined, missed or lost a call is asked about it again only after so long, and only if
there is nobody else."""


FIRST_HANDLE_MS = 240_000
"""What a call is thought to take a human before any has been seen."""
HANDLE_WEIGHT = 0.2
"""Of the newest call in the mean of handle times (exponential smoothing)."""


@dataclass
class Agent:
    agent_id: str
    name: str = ""
    skills: Mapping[str, int] = field(default_factory=dict)
    """Skill -> how good at it, 1 to 5."""
    languages: frozenset[str] = frozenset()
    tiers: frozenset[str] = frozenset()
    """Customer tiers he is meant for; none: all."""
    capacity: int = 1
    """Calls he may have at once; an offer and a wrap-up count like a call."""
    said: Literal["available", "away"] = "away"
    connected: bool = False
    offers: dict[str, None] = field(default_factory=dict)
    """Offers ringing at him, the oldest first."""
    calls: dict[str, int] = field(default_factory=dict)
    """The calls he sits in -> since when."""
    wrap_ups: dict[str, int] = field(default_factory=dict)
    """Calls he does the after-call work of -> when that is over at the latest."""
    handled: int = 0
    """Calls he has spoken in since this roster began."""
    since_ms: int = 0
    """When `state` last changed: the longest idle is asked first."""

    @property
    def state(self) -> Presence:
        if self.calls:
            return "on_call"
        if not self.connected:
            return "offline"
        if self.wrap_ups:
            return "wrap_up"
        if self.said == "away":
            return "away"
        return "ringing" if self.offers else "available"

    @property
    def load(self) -> int:
        return len(self.calls) + len(self.offers) + len(self.wrap_ups)

    @property
    def has_room(self) -> bool:
        """He may be asked to take a call."""
        return self.connected and self.said == "available" and self.load < self.capacity

    @property
    def call_id(self) -> str | None:
        """The call he is shown with: he sits in it, or still works on it."""
        return next(iter({**self.calls, **self.wrap_ups}), None)


@dataclass
class Roster:
    """All agents ever heard of. `wrap_up_ms` is the after-call work an agent is granted."""

    wrap_up_ms: int = 60_000
    plan: RoutingPlan = field(default_factory=RoutingPlan)
    agents: dict[str, Agent] = field(default_factory=dict)
    handle_ms: float = FIRST_HANDLE_MS
    """Mean time from a human's sitting down in a call to the end of his wrap-up."""
    _seats: dict[str, str] = field(default_factory=dict)
    _spoke: set[str] = field(default_factory=set)
    _outcomes: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    """(agent, reason) -> (calls that went well, all)."""

    def say(
        self,
        agent_id: str,
        name: str,
        state: Literal["available", "away"],
        connected: bool,
        now_ms: int,
        skills: Iterable[str] | None = None,
        languages: Iterable[str] | None = None,
    ) -> Agent:
        """What the agent (or his connection) says of himself; the plan's word of him stands above it."""
        agent = self._agent(agent_id)
        before = agent.state
        agent.name = name or agent.name
        agent.said, agent.connected = state, connected
        planned = self.plan.agent(agent_id, agent.name)
        if planned is not None:
            agent.skills, agent.languages = planned.skills, frozenset(planned.languages)
            agent.tiers, agent.capacity = frozenset(planned.tiers), planned.capacity
        else:
            agent.skills = agent.skills if skills is None else dict.fromkeys(skills, 1)
            agent.languages = agent.languages if languages is None else frozenset(languages)
        self._stamp(agent, before, now_ms)
        return agent

    def apply(self, fact: Fact, now_ms: int) -> None:
        """Takes from a call's facts what they say of agents."""
        match fact:
            case OfferMade():
                self._ring(fact, now_ms)
            case OfferChanged():
                self._stop_ringing(fact, now_ms)
            case SeatOpened(role=Role.AGENT):
                self._sit(fact, now_ms)
            case ModeChanged(mode=Mode.TAKEOVER | Mode.BARGE) if fact.seat_id in self._seats:
                self._spoke.add(fact.seat_id)
            case SeatClosed() if fact.seat_id in self._seats:
                self._stand_up(fact, now_ms)
            case DispositionSet():
                self._end_wrap_up(self._agent(fact.agent_id), fact.call_id, now_ms)

    def tick(self, now_ms: int) -> None:
        """Ends wrap-ups whose time is over."""
        for agent in self.agents.values():
            for call_id in [one for one, until_ms in agent.wrap_ups.items() if now_ms >= until_ms]:
                self._end_wrap_up(agent, call_id, now_ms)

    def forget_call(self, call_id: str) -> None:
        """Frees whoever still sits in a call that is gone (its end was never seen)."""
        for agent in self.agents.values():
            agent.calls.pop(call_id, None)

    def learn(self, agent_id: str, reasons: Iterable[str], went_well: bool) -> None:
        """How a call that was escalated for these reasons ended with this agent."""
        for reason in reasons:
            well, all_of_them = self._outcomes.get((agent_id, reason), (0, 0))
            self._outcomes[agent_id, reason] = (well + went_well, all_of_them + 1)

    def success(self, agent_id: str, reasons: Iterable[str]) -> float:
        """Share of this kind of trouble that this agent resolved, 0..1; one half before anything is known.

        Laplace's rule of succession, so that one lucky call does not outweigh fifty.
        """
        known = [self._outcomes.get((agent_id, reason), (0, 0)) for reason in reasons]
        return (sum(well for well, _ in known) + 1) / (sum(count for _, count in known) + 2)

    def expected_wait_s(self, position: int) -> int | None:
        """About how long the call at this place in the queue (1: next) waits; None if nobody works."""
        working = [agent for agent in self.agents.values() if agent.state not in ("away", "offline")]
        seats = sum(agent.capacity for agent in working)
        return ceil(position * self.handle_ms / seats / 1_000) if seats else None

    def view(self) -> list[dict[str, Any]]:
        """The `agents` list of the feed; `since` in milliseconds of the roster's clock."""
        return [
            {
                "agent_id": agent.agent_id,
                "name": agent.name,
                "state": agent.state,
                "call_id": agent.call_id,
                "since": agent.since_ms,
            }
            for agent in sorted(self.agents.values(), key=lambda one: one.agent_id)
        ]

    def _agent(self, agent_id: str) -> Agent:
        return self.agents.setdefault(agent_id, Agent(agent_id))

    def _ring(self, fact: OfferMade, now_ms: int) -> None:
        agent = self._agent(fact.agent_id)
        before = agent.state
        agent.name = agent.name or fact.agent_name
        agent.offers[fact.offer_id] = None
        self._stamp(agent, before, now_ms)

    def _stop_ringing(self, fact: OfferChanged, now_ms: int) -> None:
        agent = self._agent(fact.agent_id)
        if fact.offer_id not in agent.offers or fact.state == OfferState.PENDING:
            return
        before = agent.state
        del agent.offers[fact.offer_id]
        if fact.state == OfferState.ACCEPTED:
            agent.calls[fact.call_id] = now_ms
        self._stamp(agent, before, now_ms)

    def _sit(self, fact: SeatOpened, now_ms: int) -> None:
        agent = self._agent(fact.who)
        before = agent.state
        agent.calls.setdefault(fact.call_id, now_ms)
        agent.name = agent.name or fact.name
        self._seats[fact.seat_id] = fact.who
        self._stamp(agent, before, now_ms)

    def _stand_up(self, fact: SeatClosed, now_ms: int) -> None:
        agent = self._agent(self._seats.pop(fact.seat_id))
        before = agent.state
        since_ms = agent.calls.pop(fact.call_id, now_ms)
        if fact.seat_id in self._spoke:
            agent.handled += 1
            took_ms = now_ms - since_ms + self.wrap_up_ms
            self.handle_ms += HANDLE_WEIGHT * (took_ms - self.handle_ms)
            if self.wrap_up_ms > 0:
                agent.wrap_ups[fact.call_id] = now_ms + self.wrap_up_ms
        self._spoke.discard(fact.seat_id)
        self._stamp(agent, before, now_ms)

    def _end_wrap_up(self, agent: Agent, call_id: str, now_ms: int) -> None:
        before = agent.state
        agent.wrap_ups.pop(call_id, None)
        self._stamp(agent, before, now_ms)

    def _stamp(self, agent: Agent, before: Presence, now_ms: int) -> None:
        if agent.state != before or agent.since_ms == 0:
            agent.since_ms = now_ms


@dataclass(frozen=True)
class Need:
    """What a call needs of an agent; `at_ms` and `refusals` (agent -> his last no) on the call's clock."""

    at_ms: int
    skill: str = ""
    is_strict: bool = False
    """Only agents with the skill."""
    language: str = ""
    tier: str = ""
    calming: str = ""
    """The skill that is preferred because feelings run high; empty: no matter."""
    reasons: tuple[str, ...] = ()
    refusals: Mapping[str, int] = field(default_factory=dict)
    prefer: str = ""
    """The agent asked for by name: he wins if he has room."""
    policy: Policy = Policy.LONGEST_IDLE


def choose(
    agents: Iterable[Agent], need: Need, success: Callable[[str], float] = lambda _: 0.5
) -> Agent | None:
    """The agent to be asked next, or None.

    Those with the skill come first, then the language, the tier, the calming skill, then the policy decides,
    and last who is idle longest. An agent who said no comes only when there is nobody else, after
    REFUSAL_PAUSE_MS. `success` is agent -> his share of such calls that went well.
    """
    free = [agent for agent in agents if agent.has_room]
    for agent in free:
        if agent.agent_id == need.prefer:
            return agent
    if need.is_strict:
        free = [agent for agent in free if need.skill in agent.skills]
    fresh = [agent for agent in free if agent.agent_id not in need.refusals]
    rested = [
        agent
        for agent in free
        if agent.agent_id in need.refusals and need.at_ms - need.refusals[agent.agent_id] >= REFUSAL_PAUSE_MS
    ]
    return min(fresh or rested, key=lambda agent: _rank(agent, need, success), default=None)


def _rank(agent: Agent, need: Need, success: Callable[[str], float]) -> tuple[bool | float | str, ...]:
    return (
        bool(need.skill) and need.skill not in agent.skills,
        bool(need.language) and need.language not in agent.languages,
        bool(need.tier and agent.tiers) and need.tier not in agent.tiers,
        bool(need.calming) and need.calming not in agent.skills,
        *_PREFERENCES[need.policy](agent, need, success),
        agent.since_ms,
        agent.agent_id,
    )


_PREFERENCES: dict[Policy, Callable[[Agent, Need, Callable[[str], float]], tuple[float, ...]]] = {
    Policy.LONGEST_IDLE: lambda agent, need, success: (),
    Policy.LEAST_LOADED: lambda agent, need, success: (agent.load, agent.handled),
    Policy.SKILL_BEST: lambda agent, need, success: (-agent.skills.get(need.skill, 0),),
    Policy.PROVEN_SUCCESS: lambda agent, need, success: (-round(success(agent.agent_id), 3),),
}
