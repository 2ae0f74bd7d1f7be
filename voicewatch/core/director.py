"""All judgement over all calls: facts and commands in, further facts out.

Nothing here waits. A command of a person changes the state by facts, or is `Refused`. What follows from a
state (an offer to the next agent, the AI paused, a coach without an agent) is not remembered anywhere: after
every fact `_settle` asks `consequences.py` what the state still lacks, until it lacks nothing.
So a restarted director folds the journal and goes on, and whatever was cut off is made up for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

from voicewatch.core.call import SPEAKS, CallState, Offer
from voicewatch.core.call_view import URGENCY
from voicewatch.core.consequences import (
    call_off,
    hand_back,
    handoff_moved,
    next_facts,
    wind_up,
)
from voicewatch.core.events import (
    AlertCleared,
    CallbackClosed,
    CallStarted,
    DispositionSet,
    EscalationRaised,
    Evidence,
    Fact,
    HandoffState,
    HistoryFound,
    HoldBegan,
    HoldEnded,
    Mode,
    ModeChanged,
    Nudged,
    OfferChanged,
    OfferState,
    PastCall,
    Role,
    SeatClosed,
    SeatMuted,
    SeatOpened,
    Severity,
)
from voicewatch.core.labels import label_set
from voicewatch.core.offering import (
    Means,
    callback_agreed,
    need_rank,
    offer_made,
    offer_moved,
    withdrawn,
)
from voicewatch.core.refused import Refused
from voicewatch.core.routing import Roster
from voicewatch.core.routing_plan import RoutingPlan
from voicewatch.core.rules import Judge, RuleBook
from voicewatch.core.wanted import Wanted, wanted

__all__ = ["Director", "Refused", "Wanted"]

MAX_STEPS = 200
"""A state needs a handful of steps to settle; more is a fault of `consequences.py`, not a loop to sit in."""
MAX_TEXT = 500
"""Characters of a nudge, note or reason."""
WENT_WELL = ("resolved", "refund")
"""Dispositions of a call that the human could settle: what `proven_success` routing learns from."""
CALLED_BACK = ("reached", "not_reached", "withdrawn")
SUPERVISES = (Mode.MONITOR, Mode.COACH, Mode.BARGE, Mode.TAKEOVER)
END_REASONS = (
    "customer_hangup", "customer_lost", "ended_by_agent", "ended_by_supervisor", "ai_ended", "interrupted",
)  # fmt: skip


class Director:
    """See the module. Times are the calls' own `at_ms`; ids come from `new_id`."""

    def __init__(
        self,
        rulebook: RuleBook,
        *,
        offer_timeout_ms: int,
        wrap_up_ms: int,
        customer_grace_ms: int,
        new_id: Callable[[], str],
        plan: RoutingPlan | None = None,
        utc_offset_ms: int = 0,
    ) -> None:
        self.rulebook = rulebook
        self.calls: dict[str, CallState] = {}
        self.roster = Roster(wrap_up_ms, plan or RoutingPlan())
        self._new_id = new_id
        self._means = Means(
            self.roster, offer_timeout_ms, customer_grace_ms, new_id, utc_offset_ms, self._waiting_before
        )
        self._judges: dict[str, Judge] = {}
        self._now_ms = 0
        """Newest instant seen, on the clock common to all calls (zero_mono_ns + at_ms)."""

    # ------------------------------------------------------------ facts and time

    def restore(self, facts: Sequence[Fact]) -> None:
        """Folds one call's journal: state only. `tick` then makes up for what was cut off."""
        for fact in facts:
            self._apply(fact, learn=True)

    def push(self, fact: Fact) -> list[Fact]:
        """Applies a fact from a process; returns the further facts that it causes, applied, in order."""
        if fact.call_id not in self.calls and not isinstance(fact, CallStarted):
            return []
        return self._tell(fact)[1:]

    def tick(self, now: Mapping[str, int]) -> list[Fact]:
        """Lets time pass: call_id -> at_ms of calls live, and of ended ones while somebody wraps up."""
        said: list[Fact] = []
        for call_id, at_ms in now.items():
            call = self.calls.get(call_id)
            if call is None:
                continue
            self._see_time(call, at_ms)
            if call.is_live:
                for judgement in self._judges[call_id].tick(at_ms):
                    said += self._judged(call, judgement)
        self.roster.tick(self._now_ms)
        return said + self._settle_all()

    def forget(self, call_id: str) -> None:
        """Drops an ended call from memory."""
        self.calls.pop(call_id, None)
        self._judges.pop(call_id, None)
        self.roster.forget_call(call_id)

    def use_rules(self, rulebook: RuleBook, journals: Mapping[str, Sequence[Fact]]) -> list[Fact]:
        """Judges all calls by other rules from now on; `journals` has the facts so far of each live call.

        What the new rules would have said of the past is not said; alerts of rules that are gone are cleared.
        """
        self.rulebook = rulebook
        said: list[Fact] = []
        for call_id, facts in journals.items():
            call = self.calls.get(call_id)
            if call is None or not call.is_live:
                continue
            judge = self._judges[call_id] = Judge(rulebook, call_id, self._new_id)
            for fact in facts:
                judge.learn(fact)
            open_ones = [alert.raised for alert in call.alerts.values() if alert.state == "open"]
            for cleared in judge.withdraw(open_ones, call.at_ms):
                said += self._told(cleared)
        return said

    def not_evaluated(self, call_id: str) -> dict[str, str]:
        """Rule -> why it could not be evaluated in this call, for inspection."""
        return self._judges[call_id].not_evaluated if call_id in self._judges else {}

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
        call = self._known(call_id)
        if not call.is_live:
            return []
        if reason not in END_REASONS:
            raise Refused(
                422, "Unknown reason", f"reason is one of {', '.join(END_REASONS)}, not {reason!r}."
            )
        self._see_time(call, at_ms)
        return self._tell(*wind_up(call, reason))

    def nudge(self, call_id: str, at_ms: int, by: str, text: str) -> list[Fact]:
        """A text for the AI to read."""
        call = self._live(call_id, at_ms)
        if not call.open_seats(Role.AI):
            raise Refused(409, "No AI", "There is no AI in this call to nudge.")
        return self._tell(Nudged(call_id=call_id, at_ms=at_ms, by=by, text=_text("text", text, needed=True)))

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
        escalation = call.escalations[offer.made.escalation_id]
        return self._tell(
            offer_moved(call, offer, OfferState.ACCEPTED),
            *withdrawn(call, "accepted_by_another", but=offer),
            handoff_moved(call, escalation, HandoffState.ACCEPTED, agent_id=agent_id),
            SeatOpened(
                call_id=call.call_id,
                at_ms=at_ms,
                seat_id=seat_id,
                role=Role.AGENT,
                who=agent_id,
                name=offer.made.agent_name,
            ),
        )

    def decline(self, offer_id: str, agent_id: str, at_ms: int, reason: str = "") -> list[Fact]:
        """The agent says no; the next one is asked."""
        call, offer = self._offer(offer_id, agent_id)
        self._live(call.call_id, at_ms)
        said_why = _text("reason", reason) or "declined"
        return self._tell(offer_moved(call, offer, OfferState.REJECTED, said_why))

    def hand_back(self, call_id: str, at_ms: int, by: str, note: str = "") -> list[Fact]:
        """The AI has the call again: agents leave, supervisors who speak go on listening."""
        call = self._live(call_id, at_ms)
        humans = [seat for seat in call.open_seats(Role.AGENT, Role.SUPERVISOR) if seat.mode in SPEAKS]
        if by in self.roster.agents and call.seat_of(by, Role.AGENT) is None:
            raise Refused(403, "Not in the call", "Only an agent in this call can hand it back.")
        if not humans:
            raise Refused(409, "Nothing to hand back", "No human has this call: the AI speaks already.")
        if not any(seat.leg != "lost" for seat in call.open_seats(Role.AI)):
            raise Refused(409, "No AI", "There is no AI in this call to hand it back to.")
        return self._tell(*hand_back(call, by, _text("note", note)))

    def hold(self, call_id: str, at_ms: int, by: str) -> list[Fact]:
        """The customer hears hold audio until somebody ends it; only while a human speaks with him."""
        call = self._live(call_id, at_ms)
        if call.on_hold:
            return []
        if call.human_voice() is None:
            raise Refused(
                409, "Nobody to wait for", "Only a human who speaks with the customer can hold him."
            )
        return self._tell(HoldBegan(call_id=call_id, at_ms=at_ms, by=by))

    def unhold(self, call_id: str, at_ms: int, by: str) -> list[Fact]:
        """Hold ends: all is as it was."""
        call = self._live(call_id, at_ms)
        return self._tell(HoldEnded(call_id=call_id, at_ms=at_ms, by=by)) if call.on_hold else []

    def mute(self, call_id: str, at_ms: int, who: str, muted: bool) -> list[Fact]:
        """An agent or supervisor silences himself, or speaks again."""
        call = self._live(call_id, at_ms)
        seat = call.seat_of(who, Role.AGENT, Role.SUPERVISOR)
        if seat is None:
            raise Refused(404, "Not in the call", "You are not in this call.")
        if seat.is_muted == muted:
            return []
        return self._tell(SeatMuted(call_id=call_id, at_ms=at_ms, seat_id=seat.seat_id, muted=muted))

    def dispose(self, call_id: str, at_ms: int, agent_id: str, code: str, note: str = "") -> list[Fact]:
        """The agent's outcome of the call; ends his wrap-up."""
        call = self._known(call_id)
        self._see_time(call, at_ms)
        codes = self.roster.plan.dispositions
        if code not in codes:
            raise Refused(422, "Unknown code", f"code is one of {', '.join(codes)}, not {code!r}.")
        if not any(seat.who == agent_id and seat.role == Role.AGENT for seat in call.seats.values()):
            raise Refused(403, "Not your call", "Only an agent who was in this call can set its disposition.")
        said = self._tell(
            DispositionSet(
                call_id=call_id, at_ms=at_ms, agent_id=agent_id, code=code, note=_text("note", note)
            )
        )
        return said + self._settle_all()

    def claim(self, call_id: str, at_ms: int, agent_id: str, seat_id: str) -> list[Fact]:
        """An agent takes a waiting call out of the queue by himself; whoever else rings is let go."""
        call = self._live(call_id, at_ms)
        escalation, agent = call.active_escalation, self.roster.agents.get(agent_id)
        if escalation is None or escalation.handoff not in (HandoffState.BRIEFING, HandoffState.RINGING):
            raise Refused(409, "Nobody is sought", "No escalation of this call waits for a person.")
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

    def call_back(
        self, call_id: str, at_ms: int, by: str, number: str = "", when: str = "", note: str = ""
    ) -> list[Fact]:
        """The customer prefers to be called back: nobody is sought any more."""
        call = self._live(call_id, at_ms)
        escalation = call.active_escalation
        if escalation is not None and not escalation.is_waiting:
            raise Refused(409, "A person has the call", "A human has this call or is joining it.")
        queue = self.roster.plan.queue(escalation.queue) if escalation is not None else None
        if queue is not None and not queue.callback:
            raise Refused(409, "No callbacks", f"The queue {queue.name} offers none: callback = false.")
        agreed = callback_agreed(call, by, _text("number", number), _text("when", when), _text("note", note))
        return self._tell(agreed, *(call_off(call, escalation, "callback") if escalation else []))

    def called_back(self, call_id: str, at_ms: int, by: str, outcome: str, note: str = "") -> list[Fact]:
        """What became of a callback; one not reached stays on the list."""
        call = self._known(call_id)
        if call.callback is None:
            raise Refused(409, "No callback", "No callback of this call is open.")
        if outcome not in CALLED_BACK:
            known = ", ".join(CALLED_BACK)
            raise Refused(422, "Unknown outcome", f"outcome is one of {known}, not {outcome!r}.")
        self._see_time(call, at_ms)
        closed = CallbackClosed(
            call_id=call_id, at_ms=at_ms, by=by, outcome=outcome, note=_text("note", note)
        )
        return self._tell(closed)

    # ------------------------------------------------------------ commands: supervisors

    def supervise(self, call_id: str, at_ms: int, who: str, name: str, mode: str, seat_id: str) -> list[Fact]:
        """Lets a supervisor in, or changes the mode of the seat he has (`seat_id` is then not used)."""
        call = self._live(call_id, at_ms)
        if mode not in SUPERVISES:
            raise Refused(422, "Unknown mode", f"mode is one of {', '.join(SUPERVISES)}, not {mode!r}.")
        wanted = Mode(mode)
        if wanted == Mode.COACH and not call.open_seats(Role.AGENT):
            raise Refused(
                409,
                "Nobody to coach",
                "There is no human agent in this call to coach. Monitor, barge or take over instead; "
                "the AI is nudged by text.",
            )
        seat = call.seat_of(who, Role.SUPERVISOR)
        if seat is None:
            return self._tell(
                SeatOpened(
                    call_id=call_id,
                    at_ms=at_ms,
                    seat_id=seat_id,
                    role=Role.SUPERVISOR,
                    who=who,
                    name=name,
                    mode=wanted,
                )
            )
        if seat.mode == wanted:
            return []
        return self._tell(
            ModeChanged(call_id=call_id, at_ms=at_ms, seat_id=seat.seat_id, mode=wanted, by=who)
        )

    def leave(self, call_id: str, at_ms: int, who: str) -> list[Fact]:
        """A supervisor leaves; the customer never notices more than his voice being gone."""
        call = self._live(call_id, at_ms)
        seat = call.seat_of(who, Role.SUPERVISOR)
        if seat is None:
            raise Refused(404, "Not in the call", "You are not in this call.")
        return self._tell(SeatClosed(call_id=call_id, at_ms=at_ms, seat_id=seat.seat_id, reason="left"))

    def escalate(
        self, call_id: str, at_ms: int, by: str, reason: str = "", agent_id: str | None = None
    ) -> list[Fact]:
        """A supervisor calls a person, or turns the ringing to an agent by name."""
        call = self._live(call_id, at_ms)
        agent = self.roster.agents.get(agent_id or "")
        if agent_id and (agent is None or agent.state not in ("available", "ringing")):
            state = agent.state.replace("_", " ") if agent else "unknown"
            raise Refused(409, "Agent not free", f"{agent.name if agent else agent_id} is not free: {state}.")
        active = call.active_escalation
        if call.human_voice() is not None or (active is not None and not active.is_waiting):
            raise Refused(409, "A person has the call", "A human has this call or is joining it.")
        evidence = [Evidence(kind="by_hand", note=_text("reason", reason))] if reason else []
        raised = EscalationRaised(
            call_id=call_id,
            at_ms=at_ms,
            escalation_id=active.raised.escalation_id if active else self._new_id(),
            severity=Severity.HIGH,
            reasons=["by_hand"],
            headline="A supervisor asks for a person",
            by=by,
            agent_id=agent_id or "",
            evidence=evidence,
        )
        if active is None:
            return self._tell(raised)
        if not agent_id:
            raise Refused(
                409, "Escalated already", f"A person has been called already: {active.raised.headline}."
            )
        merged = active.raised.model_copy(update={"at_ms": at_ms, "agent_id": agent_id, "by": by})
        return self._tell(merged, *withdrawn(call, "assigned_by_name"))

    def dismiss(self, call_id: str, at_ms: int, by: str, alert_id: str, reason: str) -> list[Fact]:
        """A supervisor says that an alert was wrong; the escalation it raised is called off."""
        call = self._live(call_id, at_ms)
        alert = call.alerts.get(alert_id)
        if alert is None:
            raise Refused(404, "No such alert", f"This call has no alert {alert_id}.")
        if alert.state != "open":
            raise Refused(409, "Alert is closed", f"This alert is {alert.state} already.")
        why = _text("reason", reason, needed=True)
        facts: list[Fact] = [AlertCleared(call_id=call_id, at_ms=at_ms, alert_id=alert_id, why=why, by=by)]
        escalation = call.active_escalation
        if escalation is not None and escalation.is_waiting and escalation.raised.alert_id == alert_id:
            facts += call_off(call, escalation, "dismissed")
        return self._tell(*facts)

    def release(self, call_id: str, at_ms: int, by: str, reason: str = "") -> list[Fact]:
        """A supervisor takes an escalation that waits off the queue: the AI goes on alone."""
        call = self._live(call_id, at_ms)
        escalation = call.active_escalation
        if escalation is None or not escalation.is_waiting:
            raise Refused(409, "Nothing to release", "No escalation of this call waits for a person.")
        return self._tell(*call_off(call, escalation, _text("reason", reason) or "released"))

    def label(
        self, call_id: str, at_ms: int, by: str, about: str, target: str, value: str, text: str, note: str
    ) -> list[Fact]:
        """A person's word on what the system made of the call, during it or after."""
        call = self._known(call_id)
        fact = label_set(call, by, about, target, value, _text("text", text), _text("note", note))
        self._see_time(call, at_ms)
        return self._tell(fact.model_copy(update={"at_ms": at_ms}))

    # ------------------------------------------------------------ what should be in force

    def wanted(self, call_id: str) -> Wanted:
        """See `Wanted`. An unknown or ended call wants nothing."""
        call = self.calls.get(call_id)
        return wanted(call) if call is not None else Wanted({}, {}, None, None, None)

    # ------------------------------------------------------------ inside

    def _known(self, call_id: str) -> CallState:
        call = self.calls.get(call_id)
        if call is None:
            raise Refused(404, "No such call", f"There is no call {call_id}.")
        return call

    def _live(self, call_id: str, at_ms: int) -> CallState:
        call = self._known(call_id)
        if not call.is_live:
            raise Refused(409, "Call has ended", "This call has ended.")
        self._see_time(call, at_ms)
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

    def _see_time(self, call: CallState, at_ms: int) -> None:
        call.at_ms = max(call.at_ms, at_ms)
        self._now_ms = max(self._now_ms, call.zero_mono_ns // 1_000_000 + at_ms)

    def _apply(self, fact: Fact, learn: bool = False) -> list[Fact]:
        """Applies one fact everywhere; returns what the rules say to it, not yet applied."""
        call = self.calls.get(fact.call_id)
        if call is None:
            if not isinstance(fact, CallStarted):
                return []
            call = self.calls[fact.call_id] = CallState(fact.call_id)
            self._judges[fact.call_id] = Judge(self.rulebook, fact.call_id, self._new_id)
        call.apply(fact)
        self._see_time(call, fact.at_ms)
        self.roster.apply(fact, self._now_ms)
        if isinstance(fact, DispositionSet) and call.escalation is not None:
            self.roster.learn(fact.agent_id, call.escalation.raised.reasons, fact.code in WENT_WELL)
        judge = self._judges[fact.call_id]
        if learn or not call.is_live:
            judge.learn(fact)
            return []
        return list(judge.push(fact))

    def _tell(self, *facts: Fact) -> list[Fact]:
        """Applies facts of one call and everything that follows, anywhere; returns all of them in order."""
        said: list[Fact] = []
        for fact in facts:
            said += self._told(fact)
        call = self.calls[facts[0].call_id]
        said += self._settle(call)
        if any(isinstance(fact, OfferChanged | SeatClosed) for fact in said):
            said += self._settle_all()  # an agent may have become free for another call
        return said

    def _told(self, fact: Fact) -> list[Fact]:
        """Applies one fact and what the rules say to it."""
        said = [fact]
        for judgement in self._apply(fact):
            said += self._judged(self.calls[fact.call_id], judgement)
        return said

    def _judged(self, call: CallState, judgement: Fact) -> list[Fact]:
        """A rule's word becomes a fact; a second escalation only makes the first one worse."""
        if isinstance(judgement, EscalationRaised):
            merged = _one_at_a_time(call, judgement)
            return self._told(merged) if merged is not None else []
        return self._told(judgement)

    def _settle(self, call: CallState) -> list[Fact]:
        """Applies what the state lacks until it lacks nothing."""
        said: list[Fact] = []
        for _ in range(MAX_STEPS):
            lacking = next_facts(self._means, call)
            if not lacking:
                return said
            for fact in lacking:
                said += self._told(fact)
        raise AssertionError(f"call {call.call_id} does not settle: {[fact.type for fact in said[-6:]]}")

    def _settle_all(self) -> list[Fact]:
        """Settles every call that is not over, the most urgent and oldest escalation first."""
        waiting = [call for call in self.calls.values() if call.is_live or call.open_reservations]
        for call in waiting:
            if call.zero_mono_ns:
                call.at_ms = max(call.at_ms, self._now_ms - call.zero_mono_ns // 1_000_000)
        ordered = sorted(waiting, key=lambda call: need_rank(self.roster.plan, call))
        return [fact for call in ordered for fact in self._settle(call)]

    def _waiting_before(self, call: CallState) -> int:
        """How many other calls are looked after before this one."""
        mine = need_rank(self.roster.plan, call)
        return sum(
            other is not call
            and other.is_live
            and other.active_escalation is not None
            and other.active_escalation.is_waiting
            and need_rank(self.roster.plan, other) < mine
            for other in self.calls.values()
        )


def _one_at_a_time(call: CallState, raised: EscalationRaised) -> EscalationRaised | None:
    """The escalation to tell: none while a human has the call or is joining it; while one rings already,
    that one, made worse or richer by the new one, or none if it adds nothing."""
    active = call.active_escalation
    if active is None:
        return None if call.human_voice() is not None else raised
    if not active.is_waiting:
        return None
    known = active.raised
    reasons = [*known.reasons, *(code for code in raised.reasons if code not in known.reasons)]
    leads = URGENCY[raised.severity] < URGENCY[known.severity] or raised.alert_id == known.alert_id
    if not leads and reasons == known.reasons:
        return None
    leading = raised if leads else known
    return known.model_copy(
        update={
            "at_ms": raised.at_ms,
            "severity": leading.severity,
            "headline": leading.headline,
            "rule": leading.rule,
            "alert_id": leading.alert_id,
            "evidence": leading.evidence,
            "reasons": reasons,
            "skill": known.skill or raised.skill,
            "queue": known.queue or raised.queue,
            "agent_id": known.agent_id or raised.agent_id,
        }
    )


def _text(name: str, text: str, needed: bool = False) -> str:
    """A person's text, trimmed; Refused if it is too long, or empty when it is needed."""
    trimmed = text.strip()
    if needed and not trimmed:
        raise Refused(422, "Text is missing", f"{name} must not be empty.")
    if len(trimmed) > MAX_TEXT:
        raise Refused(422, "Text is too long", f"{name} has {len(trimmed)} characters; at most {MAX_TEXT}.")
    return trimmed
