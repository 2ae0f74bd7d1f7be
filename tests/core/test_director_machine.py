"""Any sequence of commands, losses and waits leaves a call in good order."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.support.stage import CALL, Stage, director
from voicewatch.core.director import Refused
from voicewatch.core.events import (
    AlertRaised,
    CallEnded,
    Fact,
    HandoffChanged,
    HandoffState,
    Mode,
    OfferChanged,
    OfferMade,
    OfferState,
    Role,
    UtteranceFinal,
)
from voicewatch.core.handoff import is_final, move_handoff, move_offer
from voicewatch.core.routing_plan import AgentPlan, Queue, RoutingPlan

AGENTS = ("peter", "lisa", "tom")
SUPERVISORS = ("sue", "sam")
LOSSES = st.sampled_from(["silent", "closed", "hangup", "media_died"])


class Calls(RuleBasedStateMachine):
    @initialize(available=st.sets(st.sampled_from(AGENTS)), at_once=st.integers(1, 3))
    def begin(self, available: set[str], at_once: int) -> None:
        self.at_once = at_once
        self.stage = Stage(plan=self.plan)
        for agent in AGENTS:
            state = "available" if agent in available else "away"
            self.stage.tell(self.stage.director.presence(agent, agent.title(), state, True))
        self.stage.start(topic="billing")
        self.said = 0

    @property
    def plan(self) -> RoutingPlan:
        queues = [
            Queue(name="billing", strict=True, overflow="default", overflow_after_s=30),
            Queue(name="default"),
        ]
        lisa = AgentPlan(id="lisa", skills={"billing": 3, "de_escalation": 2})
        return RoutingPlan(offers_at_once=self.at_once, agents=[lisa], queues=queues)

    @property
    def live(self) -> bool:
        return self.stage.call.is_live

    def command(self, name: str, *arguments: object) -> None:
        """A command may be refused, and then nothing has changed."""
        before = self.stage.call.view(full=True)
        try:
            facts = getattr(self.stage.director, name)(*arguments)
        except Refused:
            after = self.stage.call.view(full=True)
            assert {**after, "duration_ms": 0} == {**before, "duration_ms": 0}
        else:
            self.stage.tell(facts)

    @rule(seconds=st.integers(1, 40))
    def wait(self, seconds: int) -> None:
        self.stage.pass_time(self.stage.at_ms + seconds * 1000)

    @rule(
        agent=st.sampled_from(AGENTS), state=st.sampled_from(["available", "away"]), connected=st.booleans()
    )
    def presence(self, agent: str, state: str, connected: bool) -> None:
        self.command("presence", agent, agent.title(), state, connected)

    @precondition(lambda self: self.live)
    @rule(text=st.sampled_from(["Let me speak to a human.", "Fine, thank you.", "I will call my lawyer."]))
    def customer_says(self, text: str) -> None:
        self.said += 1
        self.stage.push(
            UtteranceFinal(
                call_id=CALL,
                at_ms=self.stage.at_ms,
                utterance_id=f"u{self.said}",
                seat_id="customer",
                role=Role.CUSTOMER,
                start_ms=self.stage.at_ms,
                end_ms=self.stage.at_ms,
                text=text,
            )
        )

    @precondition(lambda self: self.stage.call.offers)
    @rule(agent=st.sampled_from(AGENTS), data=st.data(), accepts=st.booleans())
    def answer(self, agent: str, data: st.DataObject, accepts: bool) -> None:
        offer = data.draw(st.sampled_from(sorted(self.stage.call.offers)))
        if accepts:
            self.command("accept", offer, agent, self.stage.at_ms, self.stage.new_id())
        else:
            self.command("decline", offer, agent, self.stage.at_ms, "")

    @rule(agent=st.sampled_from(AGENTS))
    def claim(self, agent: str) -> None:
        self.command("claim", CALL, self.stage.at_ms, agent, self.stage.new_id())

    @rule(callback=st.booleans())
    def take_off_the_queue(self, callback: bool) -> None:
        if callback:
            self.command("call_back", CALL, self.stage.at_ms, "worker-1", "0301234567")
        else:
            self.command("release", CALL, self.stage.at_ms, "sue", "")

    @rule(agent=st.sampled_from(AGENTS))
    def dispose(self, agent: str) -> None:
        self.command("dispose", CALL, self.stage.at_ms, agent, "resolved")

    @rule(data=st.data())
    def connect(self, data: st.DataObject) -> None:
        seats = self.stage.call.open_seats()
        if seats:
            self.stage.connect(data.draw(st.sampled_from([seat.seat_id for seat in seats])))

    @rule(data=st.data(), reason=LOSSES)
    def lose(self, data: st.DataObject, reason: str) -> None:
        seats = [seat for seat in self.stage.call.open_seats() if seat.carries_audio]
        if seats:
            self.stage.lose(data.draw(st.sampled_from([seat.seat_id for seat in seats])), reason)

    @rule(who=st.sampled_from(SUPERVISORS), mode=st.sampled_from([*Mode]))
    def supervise(self, who: str, mode: Mode) -> None:
        self.command("supervise", CALL, self.stage.at_ms, who, who.title(), mode.value, self.stage.new_id())

    @rule(who=st.sampled_from(SUPERVISORS))
    def leave(self, who: str) -> None:
        self.command("leave", CALL, self.stage.at_ms, who)

    @rule(by=st.sampled_from(AGENTS + SUPERVISORS))
    def hand_back(self, by: str) -> None:
        self.command("hand_back", CALL, self.stage.at_ms, by, "")

    @rule(agent=st.sampled_from([None, *AGENTS]))
    def escalate(self, agent: str | None) -> None:
        self.command("escalate", CALL, self.stage.at_ms, "sue", "", agent)

    @precondition(lambda self: self.stage.call.alerts)
    @rule(data=st.data())
    def dismiss(self, data: st.DataObject) -> None:
        alert = data.draw(st.sampled_from(sorted(self.stage.call.alerts)))
        self.command("dismiss", CALL, self.stage.at_ms, "sue", alert, "no")

    @precondition(lambda self: self.said > 4)
    @rule()
    def end(self) -> None:
        self.command("end", CALL, self.stage.at_ms, "ended_by_supervisor")

    # ------------------------------------------------------------ what always holds

    @invariant()
    def at_most_one_agent_sits(self) -> None:
        assert len(self.stage.call.open_seats(Role.AGENT)) <= 1

    @invariant()
    def nobody_hears_what_is_not_for_him(self) -> None:
        wanted = self.stage.director.wanted(CALL)
        seats = self.stage.call.seats
        for table in (wanted.hears, *wanted.fallbacks.values()):
            for listener, heard in table.items():
                assert listener not in heard
                if seats[listener].role in (Role.CUSTOMER, Role.AI):
                    assert not any(seats[one].mode in (Mode.COACH, Mode.MONITOR) for one in heard)

    @invariant()
    def somebody_speaks_to_the_customer_or_is_sought(self) -> None:
        """Never is nobody responsible: a voice is heard, is joining, or a human is being called."""
        call = self.stage.call
        if not call.is_live or not any(seat.carries_audio for seat in call.open_seats(Role.CUSTOMER)):
            return
        waits = any(
            seat.leg in ("connecting", "none") or seat.lost_reason == "media_died"
            for seat in call.open_seats(Role.AI, Role.AGENT, Role.SUPERVISOR)
        )
        assert call.voice() is not None or call.active_escalation is not None or waits

    @invariant()
    def the_ai_is_paused_only_by_a_human(self) -> None:
        call = self.stage.call
        if call.is_live and call.ai_paused is not None:
            assert call.open_seats(Role.AGENT, Role.SUPERVISOR)

    @invariant()
    def every_offer_ends_once(self) -> None:
        made = [fact.offer_id for fact in self.stage.journal if isinstance(fact, OfferMade)]
        after_call = (OfferState.WRAPPING, OfferState.COMPLETED)
        ended = [
            fact.offer_id
            for fact in self.stage.journal
            if isinstance(fact, OfferChanged) and fact.state not in after_call
        ]
        assert len(set(made)) == len(made)
        assert len(set(ended)) == len(ended)
        assert 0 <= len(made) - len(ended) <= self.at_once
        if not self.live:
            assert len(made) == len(ended)

    @invariant()
    def every_reservation_moves_by_its_table(self) -> None:
        states = {
            fact.offer_id: OfferState.PENDING for fact in self.stage.journal if isinstance(fact, OfferMade)
        }
        for fact in self.stage.journal:
            if isinstance(fact, OfferChanged):
                states[fact.offer_id] = move_offer(states[fact.offer_id], fact.state)
        assert sum(state == OfferState.ACCEPTED for state in states.values()) <= 1

    @invariant()
    def every_handoff_moves_by_its_table(self) -> None:
        states: dict[str, HandoffState] = {}
        for fact in self.stage.journal:
            if isinstance(fact, HandoffChanged):
                if fact.handoff_id in states:
                    move_handoff(states[fact.handoff_id], fact.state)
                states[fact.handoff_id] = fact.state
        assert sum(not is_final(state) for state in states.values()) <= (1 if self.live else 0)

    @invariant()
    def an_ended_call_is_over(self) -> None:
        if self.live:
            return
        assert sum(isinstance(fact, CallEnded) for fact in self.stage.journal) == 1
        assert not self.stage.call.open_seats()
        roster = self.stage.director.roster.agents.values()
        assert not any(agent.state in ("on_call", "ringing") for agent in roster)

    @invariant()
    def the_journal_alone_gives_the_same_state(self) -> None:
        again = director(self.stage.new_id, plan=self.plan)
        again.restore(self.stage.journal)
        before, after = self.stage.call, again.calls[CALL]
        after.at_ms, after.last_seq = before.at_ms, before.last_seq
        assert after.view(full=True) == before.view(full=True)
        assert again.wanted(CALL) == self.stage.director.wanted(CALL)

    @invariant()
    def an_alert_says_why(self) -> None:
        raised: list[Fact] = [fact for fact in self.stage.journal if isinstance(fact, AlertRaised)]
        assert all(fact.evidence and all(piece.note for piece in fact.evidence) for fact in raised)  # type: ignore[attr-defined]


Calls.TestCase.settings = settings(
    max_examples=40,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestCalls = Calls.TestCase
