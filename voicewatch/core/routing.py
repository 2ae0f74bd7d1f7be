"""Who could take a call: agents, what they are doing, and the choice of one.

What an agent says of himself (available, away, connected) is told by `say`; ringing, on_call and wrap_up
are derived from the facts of calls, so that they cannot disagree with the journal. Times here are
milliseconds of one clock common to all calls (see `Director`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
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

Presence = Literal["available", "ringing", "on_call", "wrap_up", "away", "offline"]

REFUSAL_PAUSE_MS = 30_000
"""An agent who declined, missed or lost a call is asked about it again only after so long, and only if
there is nobody else."""


@dataclass
class Agent:
    agent_id: str
    name: str = ""
    skills: frozenset[str] = frozenset()
    languages: frozenset[str] = frozenset()
    said: Literal["available", "away"] = "away"
    connected: bool = False
    offer_id: str | None = None
    """The offer ringing at him."""
    call_id: str | None = None
    """The call he sits in."""
    wrap_up_call_id: str | None = None
    wrap_up_until_ms: int = 0
    since_ms: int = 0
    """When `state` last changed: the longest idle is asked first."""

    @property
    def state(self) -> Presence:
        if self.call_id is not None:
            return "on_call"
        if not self.connected:
            return "offline"
        if self.wrap_up_call_id is not None:
            return "wrap_up"
        if self.said == "away":
            return "away"
        return "ringing" if self.offer_id is not None else "available"


@dataclass
class Roster:
    """All agents ever heard of. `wrap_up_ms` is the after-call work an agent is granted."""

    wrap_up_ms: int = 60_000
    agents: dict[str, Agent] = field(default_factory=dict)
    _seats: dict[str, str] = field(default_factory=dict)
    _spoke: set[str] = field(default_factory=set)

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
        """What the agent (or his connection) says of himself."""
        agent = self._agent(agent_id)
        before = agent.state
        agent.name = name or agent.name
        agent.said, agent.connected = state, connected
        if skills is not None:
            agent.skills = frozenset(skills)
        if languages is not None:
            agent.languages = frozenset(languages)
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
                self._end_wrap_up(fact, now_ms)

    def tick(self, now_ms: int) -> None:
        """Ends wrap-ups whose time is over."""
        for agent in self.agents.values():
            if agent.wrap_up_call_id is not None and now_ms >= agent.wrap_up_until_ms:
                before = agent.state
                agent.wrap_up_call_id = None
                self._stamp(agent, before, now_ms)

    def forget_call(self, call_id: str) -> None:
        """Frees whoever still sits in a call that is gone (its end was never seen)."""
        for agent in self.agents.values():
            if agent.call_id == call_id:
                agent.call_id = None

    def view(self) -> list[dict[str, Any]]:
        """The `agents` list of the feed; `since` in milliseconds of the roster's clock."""
        return [
            {
                "agent_id": agent.agent_id,
                "name": agent.name,
                "state": agent.state,
                "call_id": agent.call_id or agent.wrap_up_call_id,
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
        agent.offer_id = fact.offer_id
        self._stamp(agent, before, now_ms)

    def _stop_ringing(self, fact: OfferChanged, now_ms: int) -> None:
        agent = self._agent(fact.agent_id)
        if agent.offer_id != fact.offer_id or fact.state == OfferState.PENDING:
            return
        before = agent.state
        agent.offer_id = None
        if fact.state == OfferState.ACCEPTED:
            agent.call_id = fact.call_id
        self._stamp(agent, before, now_ms)

    def _sit(self, fact: SeatOpened, now_ms: int) -> None:
        agent = self._agent(fact.who)
        before = agent.state
        agent.call_id = fact.call_id
        agent.name = agent.name or fact.name
        self._seats[fact.seat_id] = fact.who
        self._stamp(agent, before, now_ms)

    def _stand_up(self, fact: SeatClosed, now_ms: int) -> None:
        agent = self._agent(self._seats.pop(fact.seat_id))
        before = agent.state
        agent.call_id = None
        if fact.seat_id in self._spoke and self.wrap_up_ms > 0:
            agent.wrap_up_call_id = fact.call_id
            agent.wrap_up_until_ms = now_ms + self.wrap_up_ms
        self._spoke.discard(fact.seat_id)
        self._stamp(agent, before, now_ms)

    def _end_wrap_up(self, fact: DispositionSet, now_ms: int) -> None:
        agent = self._agent(fact.agent_id)
        if agent.wrap_up_call_id == fact.call_id:
            before = agent.state
            agent.wrap_up_call_id = None
            self._stamp(agent, before, now_ms)

    def _stamp(self, agent: Agent, before: Presence, now_ms: int) -> None:
        if agent.state != before or agent.since_ms == 0:
            agent.since_ms = now_ms


def choose(
    agents: Iterable[Agent],
    *,
    at_ms: int,
    skill: str = "",
    language: str = "",
    refusals: Mapping[str, int] | None = None,
    prefer: str | None = None,
) -> Agent | None:
    """The agent to be asked next, or None.

    `prefer` wins if available. Then those with the skill, those with the language, then the longest idle.
    `refusals` is agent -> `at_ms` (the call's clock) of his last no: such an agent comes only when
    there is nobody else, after REFUSAL_PAUSE_MS.
    """
    available = [agent for agent in agents if agent.state == "available"]
    for agent in available:
        if agent.agent_id == prefer:
            return agent
    refused = refusals or {}
    fresh = [agent for agent in available if agent.agent_id not in refused]
    rested = [
        agent
        for agent in available
        if agent.agent_id in refused and at_ms - refused[agent.agent_id] >= REFUSAL_PAUSE_MS
    ]
    return min(fresh or rested, key=lambda agent: _rank(agent, skill, language), default=None)


def _rank(agent: Agent, skill: str, language: str) -> tuple[bool, bool, int, str]:
    lacks_skill = bool(skill) and skill not in agent.skills
    lacks_language = bool(language) and language not in agent.languages
    return (lacks_skill, lacks_language, agent.since_ms, agent.agent_id)
