"""All judgement over all calls: facts and commands in, further facts out.

What follows from facts is told in `reactions.py`. A command of a person changes the state by facts, or is
`Refused`; here the call is found and its time noted, what the command means is in `agent_commands.py` and
`supervisor_commands.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from voicewatch.core import agent_commands, supervisor_commands
from voicewatch.core.call import CallState, Offer
from voicewatch.core.consequences import handoff_moved, wind_up
from voicewatch.core.events import (
    CallStarted,
    Fact,
    HandoffState,
    HistoryFound,
    OfferState,
    PastCall,
    Role,
    SeatOpened,
)
from voicewatch.core.labels import label_set
from voicewatch.core.offering import offer_made, offer_moved
from voicewatch.core.reactions import Reactions
from voicewatch.core.refused import Refused, checked_text
from voicewatch.core.wanted import Wanted

__all__ = ["Director", "Refused", "Wanted"]

END_REASONS = (
    "customer_hangup", "customer_lost", "ended_by_agent", "ended_by_supervisor", "ai_ended", "interrupted",
)  # fmt: skip


class Director(Reactions):
    """See the module."""

    # ------------------------------------------------------------ commands: the call and the AI

    def start_call(
        self,
        call_id: str,
        at_ms: int = 0,
        *,
        attributes: Mapping[str, str] | None = None,
        customer_name: str = "",
        customer_key: str = "",
        history: Sequence[PastCall] = (),
        zero_mono_ns: int = 0,
        recording_consent: bool = True,
        disclosure: str = "",
        seat_id: str | None = None,
    ) -> list[Fact]:
        """Lets a customer in."""
        if call_id in self.calls:
            raise Refused(409, "Call exists", f"There is a call {call_id} already.")
        return self._tell(
            CallStarted(
                call_id=call_id,
                at_ms=at_ms,
                attributes=dict(attributes or {}),
                customer_name=customer_name,
                customer_key=customer_key,
                zero_mono_ns=zero_mono_ns,
                recording_consent=recording_consent,
                disclosure=disclosure,
            ),
            SeatOpened(
                call_id=call_id,
                at_ms=at_ms,
                seat_id=seat_id or self._new_id(),
                role=Role.CUSTOMER,
                who="customer",
            ),
            *([HistoryFound(call_id=call_id, at_ms=at_ms, calls=list(history))] if history else []),
        )

    def seat_ai(self, call_id: str, at_ms: int, seat_id: str, worker: str, name: str) -> list[Fact]:
        """Gives the AI its seat."""
        call = self._live(call_id, at_ms)
        if call.open_seats(Role.AI):
            raise Refused(409, "Seat taken", "There is an AI in this call already.")
        return self._tell(
            SeatOpened(call_id=call_id, at_ms=at_ms, seat_id=seat_id, role=Role.AI, who=worker, name=name)
        )

    def end(self, call_id: str, at_ms: int, reason: str) -> list[Fact]:
        """Ends a call; a call that has ended stays as it is."""
        call = self._known(call_id, at_ms)
        if not call.is_live:
            return []
        if reason not in END_REASONS:
            raise Refused(
                422, "Unknown reason", f"reason is one of {', '.join(END_REASONS)}, not {reason!r}."
            )
        return self._tell(*wind_up(call, reason))

    # ------------------------------------------------------------ commands: agents

    def presence(
        self,
        agent_id: str,
        name: str,
        state: Literal["available", "away"],
        connected: bool,
        *,
        mono_ms: int | None = None,
        skills: Iterable[str] | None = None,
        languages: Iterable[str] | None = None,
    ) -> list[Fact]:
        """What an agent says of himself; may cause offers, and withdraws his when he goes away."""
        if mono_ms is not None:
            self._now_ms = max(self._now_ms, mono_ms)
        self.roster.say(agent_id, name, state, connected, self._now_ms, skills, languages)
        said: list[Fact] = []
        if state == "away" or not connected:
            for call in self.calls.values():
                offer = next((one for one in call.pending_offers if one.made.agent_id == agent_id), None)
                if offer is not None:
                    reason = "agent_away" if connected else "agent_offline"
                    said += self._tell(offer_moved(call, offer, OfferState.RESCINDED, reason))
        return said + self._settle_all()

    def accept(self, offer_id: str, agent_id: str, at_ms: int, seat_id: str) -> list[Fact]:
        """The agent takes the call: he gets a seat, and speaks once his leg is live. One winner only."""
        call, offer = self._offer(offer_id, agent_id)
        self._live(call.call_id, at_ms)
        return self._tell(*agent_commands.accepted(call, offer, seat_id))

    def decline(self, offer_id: str, agent_id: str, at_ms: int, reason: str = "") -> list[Fact]:
        """The agent says no; the next one is asked."""
        call, offer = self._offer(offer_id, agent_id)
        self._live(call.call_id, at_ms)
        return self._tell(*agent_commands.declined(call, offer, reason))

    def claim(self, call_id: str, at_ms: int, agent_id: str, seat_id: str) -> list[Fact]:
        """An agent takes a waiting call out of the queue by himself; whoever else rings is let go."""
        call = self._live(call_id, at_ms)
        escalation, agent = agent_commands.claimable(call), self.roster.agents.get(agent_id)
        own = next((one for one in call.pending_offers if one.made.agent_id == agent_id), None)
        if own is not None:
            return self.accept(own.made.offer_id, agent_id, at_ms, seat_id)
        if agent is None or not agent.has_room:
            state = agent.state.replace("_", " ") if agent else "unknown"
            raise Refused(409, "Not free", f"Only an available agent can claim a call; you are {state}.")
        made = offer_made(self._means, call, escalation, agent)
        said = self._told(made)
        if escalation.handoff == HandoffState.BRIEFING:
            said += self._told(handoff_moved(call, escalation, HandoffState.RINGING, agent_id=agent_id))
        return said + self.accept(made.offer_id, agent_id, at_ms, seat_id)

    def hand_back(self, call_id: str, at_ms: int, by: str, note: str = "") -> list[Fact]:
        call = self._live(call_id, at_ms)
        return self._tell(*agent_commands.handed_back(call, self.roster, by, note))

    def hold(self, call_id: str, at_ms: int, by: str) -> list[Fact]:
        return self._tell(*agent_commands.held(self._live(call_id, at_ms), by))

    def unhold(self, call_id: str, at_ms: int, by: str) -> list[Fact]:
        return self._tell(*agent_commands.let_go(self._live(call_id, at_ms), by))

    def mute(self, call_id: str, at_ms: int, who: str, muted: bool) -> list[Fact]:
        return self._tell(*agent_commands.muted(self._live(call_id, at_ms), who, muted))

    def dispose(self, call_id: str, at_ms: int, agent_id: str, code: str, note: str = "") -> list[Fact]:
        """May come after the call's end: it ends the agent's wrap-up."""
        call = self._known(call_id, at_ms)
        codes = self.roster.plan.dispositions
        return self._tell(*agent_commands.disposed(call, codes, agent_id, code, note)) + self._settle_all()

    def call_back(
        self, call_id: str, at_ms: int, by: str, number: str = "", when: str = "", note: str = ""
    ) -> list[Fact]:
        call = self._live(call_id, at_ms)
        return self._tell(*agent_commands.callback_wanted(call, self.roster, by, number, when, note))

    def called_back(self, call_id: str, at_ms: int, by: str, outcome: str, note: str = "") -> list[Fact]:
        call = self._known(call_id, at_ms)
        return self._tell(*agent_commands.callback_made(call, by, outcome, note))

    # ------------------------------------------------------------ commands: supervisors

    def supervise(self, call_id: str, at_ms: int, who: str, name: str, mode: str, seat_id: str) -> list[Fact]:
        call = self._live(call_id, at_ms)
        return self._tell(*supervisor_commands.supervised(call, who, name, mode, seat_id))

    def leave(self, call_id: str, at_ms: int, who: str) -> list[Fact]:
        return self._tell(*supervisor_commands.left(self._live(call_id, at_ms), who))

    def escalate(
        self, call_id: str, at_ms: int, by: str, reason: str = "", agent_id: str | None = None
    ) -> list[Fact]:
        call = self._live(call_id, at_ms)
        asked = supervisor_commands.escalated(call, self.roster, by, reason, agent_id or "", self._new_id)
        return self._tell(*asked)

    def dismiss(self, call_id: str, at_ms: int, by: str, alert_id: str, reason: str) -> list[Fact]:
        return self._tell(*supervisor_commands.dismissed(self._live(call_id, at_ms), by, alert_id, reason))

    def release(self, call_id: str, at_ms: int, by: str, reason: str = "") -> list[Fact]:
        return self._tell(*supervisor_commands.released(self._live(call_id, at_ms), reason))

    def nudge(self, call_id: str, at_ms: int, by: str, text: str) -> list[Fact]:
        return self._tell(*supervisor_commands.nudged(self._live(call_id, at_ms), by, text))

    def label(
        self, call_id: str, at_ms: int, by: str, about: str, target: str, value: str, text: str, note: str
    ) -> list[Fact]:
        """A person's word on what the system made of the call, during it or after."""
        call = self._known(call_id, at_ms)
        said = (checked_text("text", text), checked_text("note", note))
        return self._tell(label_set(call, by, about, target, value, *said))

    # ------------------------------------------------------------ inside

    def _known(self, call_id: str, at_ms: int) -> CallState:
        call = self.calls.get(call_id)
        if call is None:
            raise Refused(404, "No such call", f"There is no call {call_id}.")
        self._see_time(call, at_ms)
        return call

    def _live(self, call_id: str, at_ms: int) -> CallState:
        call = self._known(call_id, at_ms)
        if not call.is_live:
            raise Refused(409, "Call has ended", "This call has ended.")
        return call

    def _offer(self, offer_id: str, agent_id: str) -> tuple[CallState, Offer]:
        """The offer, if it rings at this agent now."""
        for call in self.calls.values():
            offer = call.offers.get(offer_id)
            if offer is None:
                continue
            if offer.made.agent_id != agent_id:
                raise Refused(403, "Not your offer", "This offer was made to somebody else.")
            if offer.state != OfferState.PENDING:
                raise Refused(
                    409, "Offer is over", f"This offer is not pending any more: it is {offer.state}."
                )
            return call, offer
        raise Refused(404, "No such offer", f"There is no offer {offer_id}.")
