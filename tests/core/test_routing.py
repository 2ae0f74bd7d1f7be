from datetime import UTC, datetime, timedelta

import pytest

from voicewatch.core.events import (
    Mode,
    ModeChanged,
    OfferChanged,
    OfferMade,
    OfferState,
    Role,
    SeatClosed,
    SeatOpened,
)
from voicewatch.core.routing import REFUSAL_PAUSE_MS, Agent, Need, Roster, choose
from voicewatch.core.routing_plan import BadPlan, Policy, RoutingPlan


def agent(name: str, since_ms: int = 0, skills: str = "", languages: str = "", **more: object) -> Agent:
    return Agent(
        name,
        said="available",
        connected=True,
        since_ms=since_ms,
        skills=dict.fromkeys(skills.split(), 1),
        languages=frozenset(languages.split()),
        **more,  # type: ignore[arg-type]
    )


def chosen(agents: list[Agent], **more: object) -> str | None:
    found = choose(agents, Need(at_ms=100_000, **more))  # type: ignore[arg-type]
    return found.agent_id if found else None


def test_skill_comes_before_language_and_both_before_idle_time() -> None:
    idle, skilled = agent("idle", 1), agent("skilled", 9, skills="billing")
    german = agent("german", 5, languages="de")
    assert chosen([idle, german, skilled], skill="billing", language="de") == "skilled"
    assert chosen([idle, german], skill="billing", language="de") == "german"
    assert chosen([german, idle], skill="billing") == "idle"
    assert chosen([]) is None


def test_who_is_not_available_is_not_asked() -> None:
    assert (
        chosen([agent("a", offers={"o": None}), agent("b", calls={"c": 0}), agent("w", wrap_ups={"c": 1})])
        is None
    )
    away, gone = agent("x"), agent("y")
    away.said, gone.connected = "away", False
    assert [one.state for one in (away, gone)] == ["away", "offline"]
    assert chosen([away, gone]) is None


def test_who_refused_is_asked_again_only_after_a_pause_and_if_nobody_else_is_there() -> None:
    peter, lisa = agent("peter", 1), agent("lisa", 2)
    just, long_ago = {"peter": 99_000}, {"peter": 100_000 - REFUSAL_PAUSE_MS}
    assert chosen([peter, lisa], refusals=just) == "lisa"
    assert chosen([peter], refusals=just) is None
    assert chosen([peter], refusals=long_ago) == "peter"
    assert chosen([peter, lisa], refusals=just, prefer="peter") == "peter"


def test_presence_follows_the_facts_of_calls() -> None:
    roster = Roster(wrap_up_ms=60_000)
    peter = roster.say("peter", "Peter", "available", True, 0)
    made = OfferMade(call_id="c", offer_id="o", escalation_id="e", agent_id="peter", expires_at_ms=1)
    roster.apply(made, 1)
    assert peter.state == "ringing"
    roster.apply(OfferChanged(call_id="c", offer_id="o", agent_id="peter", state=OfferState.ACCEPTED), 2)
    roster.apply(SeatOpened(call_id="c", seat_id="s", role=Role.AGENT, who="peter"), 2)
    roster.say("peter", "", "available", False, 3)
    assert peter.state == "on_call"
    roster.say("peter", "", "available", True, 4)
    roster.apply(ModeChanged(call_id="c", seat_id="s", mode=Mode.TAKEOVER), 5)
    roster.apply(SeatClosed(call_id="c", seat_id="s"), 1_000)
    assert roster.view() == [
        {"agent_id": "peter", "name": "Peter", "state": "wrap_up", "call_id": "c", "since": 1_000}
    ]
    roster.tick(60_999)
    assert peter.state == "wrap_up"
    roster.tick(61_000)
    assert (peter.state, peter.since_ms) == ("available", 61_000)


def test_who_never_spoke_has_nothing_to_wrap_up() -> None:
    roster = Roster()
    peter = roster.say("peter", "Peter", "available", True, 0)
    roster.apply(SeatOpened(call_id="c", seat_id="s", role=Role.AGENT, who="peter"), 1)
    roster.apply(SeatClosed(call_id="c", seat_id="s"), 2)
    assert peter.state == "available"


def test_the_policy_decides_among_agents_who_fit_equally() -> None:
    idle, expert, calm = agent("idle", 1), agent("expert", 9), agent("calm", 9)
    for one, level in ((idle, 2), (expert, 5), (calm, 3)):
        one.skills = {"billing": level}
    calm.skills = {"billing": 3, "de_escalation": 1}
    everybody = [idle, expert, calm]
    assert chosen(everybody, skill="billing") == "idle"
    assert chosen(everybody, skill="billing", policy=Policy.SKILL_BEST) == "expert"
    assert chosen(everybody, skill="billing", calming="de_escalation") == "calm"
    idle.handled, expert.handled = 4, 1
    assert chosen([idle, expert], policy=Policy.LEAST_LOADED) == "expert"
    assert chosen([idle], skill="sales", is_strict=True) is None


def test_who_resolved_such_trouble_before_is_asked_first_but_one_lucky_call_is_not_proof() -> None:
    roster = Roster()
    for _ in range(9):
        roster.learn("veteran", ["angry"], True)
    roster.learn("veteran", ["angry"], False)
    roster.learn("lucky", ["angry"], True)
    roster.learn("lucky", ["confused"], False)
    need = Need(at_ms=0, policy=Policy.PROVEN_SUCCESS, reasons=("angry",))
    found = choose(
        [agent("lucky", 1), agent("veteran", 2)], need, lambda one: roster.success(one, need.reasons)
    )
    assert found is not None
    assert found.agent_id == "veteran"
    assert roster.success("nobody_knows", ["angry"]) == 0.5


def test_an_agent_with_room_for_two_is_asked_while_he_has_one() -> None:
    busy = agent("busy", calls={"c": 0}, capacity=2)
    assert busy.state == "on_call"
    assert chosen([busy]) == "busy"
    busy.offers["o"] = None
    assert chosen([busy]) is None


def test_the_wait_is_reckoned_from_what_calls_take_and_who_works() -> None:
    roster = Roster(wrap_up_ms=60_000)
    assert roster.expected_wait_s(1) is None
    roster.say("peter", "Peter", "available", True, 0)
    assert (roster.expected_wait_s(1), roster.expected_wait_s(3)) == (240, 720)
    roster.say("lisa", "Lisa", "available", True, 0)
    assert roster.expected_wait_s(1) == 120


PLAN = """
policy = "least_loaded"
timezone = "Europe/Berlin"
[[agents]]
name = "Peter"
skills = { billing = 4 }
languages = ["de"]
capacity = 2
[[queues]]
name = "billing"
hours = [{ days = ["mon", "sun"], from = "22:00:00", until = "02:00:00" }]
overflow = "default"
[[queues]]
name = "default"
"""


def test_a_plan_knows_agents_queues_and_hours_over_midnight() -> None:
    plan = RoutingPlan.parse(PLAN)
    roster = Roster(plan=plan)
    peter = roster.say("01J", "Peter", "available", True, 0, skills=["ignored"])
    assert (peter.skills, peter.languages, peter.capacity) == ({"billing": 4}, {"de"}, 2)
    billing = plan.queue_for("", "billing")
    assert billing is not None
    assert plan.queue_for("sales") == plan.queue("default")
    monday_night = datetime(2023, 11, 20, 21, 30, tzinfo=UTC)  # 22:30 in Berlin
    assert plan.is_open(billing, monday_night)
    assert plan.is_open(billing, monday_night + timedelta(hours=3))  # 01:30 on Tuesday
    closed = monday_night + timedelta(hours=4)
    assert not plan.is_open(billing, closed)
    assert plan.opens_at(billing, closed) == datetime(2023, 11, 26, 21, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('policy = "longest"', "policy: "),
        ("offers_at_onec = 2", "offers_at_onec: unknown field; did you mean offers_at_once?"),
        ('[[agents]]\nnme = "x"', "agents.0.nme: unknown field; did you mean name?"),
        ("[[agents]]\ncapacity = 2", "agents.0: needs an id (account) or a name"),
        ('[[queues]]\nname = "a"\noverflow = "b"', "queues.a.overflow: no queue 'b'"),
        ('[[queues]]\nname = "a"\nhours = [{ days = ["mo"] }]', "queues.0.hours.0.days: unknown day 'mo'"),
        ('timezone = "Berlin"', "timezone: unknown time zone 'Berlin'"),
        ("policy =", "not valid TOML"),
    ],
)
def test_a_mistake_in_a_plan_names_the_field_and_the_remedy(text: str, says: str) -> None:
    with pytest.raises(BadPlan) as bad:
        RoutingPlan.parse(text)
    assert says in str(bad.value)
