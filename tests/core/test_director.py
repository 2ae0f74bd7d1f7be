"""What a director wants in force, and what it refuses. Whole courses are in tests/stories."""

from collections.abc import Callable

import pytest

from tests.stories.tell import play
from tests.support.stage import CALL, Stage
from voicewatch.core.audibility import HOLD
from voicewatch.core.director import Director, Refused
from voicewatch.core.events import (
    AudibilityChanged,
    HandoffChanged,
    LegConnected,
    LegLive,
    LegLost,
    MicrophoneSilent,
    OfferMade,
    Role,
)
from voicewatch.core.routing_plan import Queue, RoutingPlan

RINGING = "0 available peter\n0 start\n5 customer: Give me a human. [wants_human 1]\n"
BRIDGED = RINGING + "6 accept peter\n7 connect seat-peter\n"


def test_a_takeover_waits_for_the_human_and_for_the_ais_clause() -> None:
    stage = play(RINGING + "6 accept peter")
    director = stage.director
    assert director.wanted(CALL).hears["customer"] == {"ai"}
    before = director.wanted(CALL)
    director.push(LegConnected(call_id=CALL, at_ms=7_000, seat_id="seat-peter", leg_id="l"))
    director.push(LegLive(call_id=CALL, at_ms=7_100, seat_id="seat-peter", leg_id="l"))
    wanted = director.wanted(CALL)
    assert wanted.version_key != before.version_key
    assert wanted.hears["customer"] == {"seat-peter"}
    assert (wanted.after_clause_of, wanted.needs_live) == ("ai", "seat-peter")
    assert wanted.fallbacks["seat-peter"]["customer"] == {"ai"}
    assert wanted.ai_paused is None
    hears = {listener: sorted(heard) for listener, heard in wanted.hears.items()}
    said = director.push(AudibilityChanged(call_id=CALL, at_ms=8_000, version=9, hears=hears))
    assert [fact.type for fact in said] == ["handoff_changed", "alert_cleared", "ai_paused"]
    after = director.wanted(CALL)
    assert after.version_key == wanted.version_key
    assert (after.after_clause_of, after.needs_live, after.ai_paused) == (None, None, "agent_takeover")


def test_hours_go_by_the_clock_as_it_is_set_now() -> None:
    """The calls' own clock begins anywhere; UTC beyond it moves when the time is set, or a machine slept."""
    stage = play("0 start")
    for offset_ms, hour in ((0, 0), (5 * 3_600_000, 5)):
        stage.director.see_utc(offset_ms)
        assert stage.director._means.utc(stage.call).hour == hour


def test_a_supervisor_who_has_not_arrived_mutes_nobody() -> None:
    stage = play("0 start")
    stage.tell(stage.director.supervise(CALL, 1_000, "sue", "Sue", "takeover", "s"))
    assert stage.director.wanted(CALL).hears["customer"] == {"ai"}
    stage.connect("s")
    assert stage.director.wanted(CALL).hears["customer"] == {"s"}


def test_a_lost_ai_is_wanted_again_when_its_leg_is_back() -> None:
    stage = play("0 start\n5 lose ai silent")
    assert stage.director.wanted(CALL).hears["customer"] == frozenset()
    stage.connect("ai")
    assert stage.call.in_force["customer"] == {"ai"}


def test_hold_takes_the_voice_from_nobody_and_ends_with_the_last_human() -> None:
    stage = play("0 available peter\n0 start")
    with pytest.raises(Refused, match="human who speaks"):
        stage.director.hold(CALL, 1_000, "sue")
    stage = play(BRIDGED)
    stage.tell(stage.director.hold(CALL, 8_000, "peter"))
    assert stage.call.in_force["customer"] == {HOLD}
    assert stage.call.view(False)["voice"] == "agent"
    assert stage.director.wanted(CALL).ai_paused == "agent_takeover"
    stage.tell(stage.director.unhold(CALL, 9_000, "peter"))
    assert stage.call.in_force["customer"] == {"seat-peter"}
    stage.tell(stage.director.hold(CALL, 10_000, "peter"))
    stage.at_ms = 11_000
    stage.lose("seat-peter", "silent")
    assert stage.call.in_force["customer"] == {"ai"}
    assert [fact.by for fact in stage.journal if fact.type == "hold_ended"] == ["peter", ""]
    assert stage.director.wanted(CALL).ai_paused is None


def test_who_mutes_himself_keeps_the_voice_and_before_he_has_it_takes_none() -> None:
    stage = play(BRIDGED)
    stage.tell(stage.director.mute(CALL, 8_000, "peter", True))
    assert stage.call.in_force["customer"] == frozenset()
    assert stage.call.view(False)["voice"] == "agent"
    stage.tell(stage.director.mute(CALL, 9_000, "peter", False))
    assert stage.call.in_force["customer"] == {"seat-peter"}
    stage = play(RINGING + "6 accept peter")
    stage.tell(stage.director.mute(CALL, 6_500, "peter", True))
    stage.connect("seat-peter")
    assert stage.call.in_force["customer"] == {"ai"}
    with pytest.raises(Refused, match="not in this call"):
        stage.director.mute(CALL, 9_000, "nobody", True)


def test_an_agent_whose_microphone_stays_silent_is_not_waited_for() -> None:
    stage = play(RINGING + "6 accept peter")
    for kind in (LegConnected, LegLive, MicrophoneSilent):
        stage.director.push(kind(call_id=CALL, at_ms=7_000, seat_id="seat-peter", leg_id="l"))
    said = stage.director.tick({CALL: 22_500})
    assert "agent_not_heard" in [getattr(fact, "reason", "") for fact in said]
    assert "microphone was silent" in stage.call.active_escalation.raised.headline


def test_a_queue_without_callbacks_keeps_its_escalation_whatever_a_bot_agrees() -> None:
    plan = RoutingPlan(queues=[Queue(name="default", callback=False)])
    stage = play("0 start\n5 customer: Give me a human. [wants_human 1]", plan)
    with pytest.raises(Refused, match="offers none: callback = false"):
        stage.director.call_back(CALL, 6_000, "worker-1", "0301234567")
    assert stage.call.active_escalation is not None


def test_an_ended_or_unknown_call_wants_nothing() -> None:
    stage = play("0 start\n5 lose customer hangup")
    for call_id in (CALL, "nobody"):
        wanted = stage.director.wanted(call_id)
        assert (wanted.hears, wanted.fallbacks) == ({}, {})
    late = LegLost(call_id="nobody", seat_id="x", leg_id="x", reason="closed")
    assert stage.director.push(late) == []


def test_two_calls_never_ring_at_one_agent() -> None:
    stage = play("0 available peter\n0 start\n5 customer: Give me a human.")
    director = stage.director
    director.start_call("second", 0, seat_id="c2")
    director.seat_ai("second", 0, "ai2", "worker-2", "Bo")
    said = director.escalate("second", 100, "sue", "", None)
    assert [fact.type for fact in said][-1] == "nobody_free"
    (offer,) = stage.call.offers
    freed = director.decline(offer, "peter", 6_000)
    made = [fact for fact in freed if isinstance(fact, OfferMade)]
    assert [(fact.call_id, fact.agent_id) for fact in made] == [("second", "peter")]


def test_who_wraps_up_is_asked_when_he_is_done() -> None:
    stage = play(BRIDGED + "10 handback peter\n12 customer: No, a human! [wants_human 1]")
    assert stage.call.active_escalation.nobody_free
    stage.tell(stage.director.dispose(CALL, 13_000, "peter", "resolved"))
    assert stage.call.pending_offers[-1].made.agent_id == "peter"


Command = Callable[[Director], object]


@pytest.mark.parametrize(
    ("story", "command", "status", "says"),
    [
        ("0 start", lambda it: it.accept("o", "peter", 0, "s"), 404, "no offer o"),
        ("0 start", lambda it: it.end("nobody", 0, "ai_ended"), 404, "no call nobody"),
        ("0 start", lambda it: it.start_call(CALL), 409, "already"),
        ("0 start", lambda it: it.seat_ai(CALL, 0, "x", "w", "n"), 409, "AI in this call already"),
        ("0 start", lambda it: it.supervise(CALL, 0, "sue", "Sue", "coach", "s"), 409, "no human agent"),
        ("0 start", lambda it: it.supervise(CALL, 0, "sue", "Sue", "whisper", "s"), 422, "mode is one of"),
        ("0 start", lambda it: it.hand_back(CALL, 0, "sue", ""), 409, "AI speaks already"),
        ("0 start", lambda it: it.nudge(CALL, 0, "sue", " "), 422, "must not be empty"),
        ("0 start", lambda it: it.nudge(CALL, 0, "sue", "x" * 501), 422, "at most 500"),
        ("0 start", lambda it: it.dismiss(CALL, 0, "sue", "a", "no"), 404, "no alert a"),
        ("0 start", lambda it: it.dispose(CALL, 0, "peter", "resolved"), 403, "agent who was in this call"),
        ("0 start", lambda it: it.end(CALL, 0, "bored"), 422, "reason is one of"),
        ("0 start", lambda it: it.escalate(CALL, 0, "sue", "", "nobody"), 409, "not free: unknown"),
        (RINGING, lambda it: it.escalate(CALL, 0, "sue", ""), 409, "called already: Asked for a person"),
        (BRIDGED, lambda it: it.escalate(CALL, 0, "sue", ""), 409, "human has this call"),
        (BRIDGED + "9 available lisa", lambda it: it.hand_back(CALL, 0, "lisa", ""), 403, "Only an agent in"),
        (BRIDGED, lambda it: it.dispose(CALL, 0, "peter", "great"), 422, "code is one of"),
        (
            "0 start\n1 end ai_ended",
            lambda it: it.supervise(CALL, 0, "sue", "", "monitor", "s"),
            409,
            "has ended",
        ),
    ],
)
def test_what_cannot_be_done_is_refused_with_the_reason(
    story: str, command: Command, status: int, says: str
) -> None:
    with pytest.raises(Refused) as refused:
        command(play(story).director)
    assert refused.value.status == status
    assert says in refused.value.detail
    assert refused.value.title


def test_a_supervisor_may_turn_the_ringing_to_somebody() -> None:
    stage = play(RINGING + "6 available lisa")
    stage.tell(stage.director.escalate(CALL, 7_000, "sue", "", "lisa"))
    assert stage.call.pending_offers[-1].made.agent_id == "lisa"
    assert len(stage.call.escalations) == 1
    assert stage.director.roster.agents["peter"].state == "available"


def test_nudges_and_ends() -> None:
    stage = play("0 start")
    stage.tell(stage.director.nudge(CALL, 1_000, "sue", " Offer a credit. "))
    assert stage.journal[-1].text == "Offer a credit."  # type: ignore[attr-defined]
    stage.tell(stage.director.end(CALL, 2_000, "ended_by_supervisor"))
    assert stage.director.end(CALL, 3_000, "ended_by_supervisor") == []
    stage.director.forget(CALL)
    assert stage.director.calls == {}


def test_a_customer_who_never_connects_is_let_go() -> None:
    stage = Stage()
    stage.tell(stage.director.start_call(CALL, 0, seat_id="customer"))
    stage.pass_time(61_000)
    assert not stage.call.is_live
    assert stage.call.ended.reason == "customer_lost"


def handoffs(stage: Stage) -> list[tuple[str, str]]:
    return [(fact.state.value, fact.agent_id) for fact in stage.journal if isinstance(fact, HandoffChanged)]


def away(at_ms: int, play_on: str = BRIDGED) -> Stage:
    """Peter's leg has been lost at 11 s, and it is `at_ms` now."""
    stage = play(play_on)
    stage.pass_time(11_000)
    stage.lose("seat-peter", "silent")
    stage.pass_time(at_ms)
    return stage


def test_an_agent_whose_leg_was_lost_comes_back_into_his_seat() -> None:
    stage = away(15_000)
    assert stage.call.in_force["customer"] == {"ai"}
    assert stage.call.ai_paused is None
    assert stage.call.view(True)["seats"][-1]["kept_until_ms"] == 41_000
    before = handoffs(stage)
    stage.connect("seat-peter")
    assert stage.call.in_force["customer"] == {"seat-peter"}
    assert stage.call.ai_paused == "agent_takeover"
    assert stage.call.view(True)["seats"][-1]["kept_until_ms"] is None
    assert handoffs(stage) == before


def test_back_before_another_has_said_yes_what_was_asked_for_is_his() -> None:
    stage = away(20_000, BRIDGED + "8 available lisa\n")
    failed, *_, ringing = handoffs(stage)[-4:]
    assert (failed, ringing[0]) == (("failed", "peter"), "ringing")
    assert [offer.made.agent_id for offer in stage.call.pending_offers] == ["lisa"]
    stage.connect("seat-peter")
    assert handoffs(stage)[-2:] == [("accepted", "peter"), ("bridged", "peter")]
    assert stage.call.pending_offers == []
    assert stage.call.in_force["customer"] == {"seat-peter"}
    stage.lose("seat-peter", "silent")  # and once more, as if it were the first time
    stage.pass_time(29_000)
    assert [state for state, _ in handoffs(stage)][-4:] == ["failed", "requested", "briefing", "ringing"]


def test_his_seat_is_given_up_when_another_sits_down_and_after_half_a_minute() -> None:
    stage = away(20_000, BRIDGED + "8 available lisa\n")
    [offer] = stage.call.pending_offers
    stage.tell(stage.director.accept(offer.made.offer_id, "lisa", stage.at_ms, "seat-lisa"))
    assert [seat.who for seat in stage.call.open_seats(Role.AGENT)] == ["lisa"]
    stage = away(38_000)
    stage.push(LegConnected(call_id=CALL, at_ms=38_000, seat_id="seat-peter", leg_id="again"))
    stage.pass_time(40_000)
    assert stage.call.open_seats(Role.AGENT)
    stage.pass_time(42_000)  # a leg that never gets live gains no time
    assert not stage.call.open_seats(Role.AGENT)
