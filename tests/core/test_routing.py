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
from voicewatch.core.routing import REFUSAL_PAUSE_MS, Agent, Roster, choose


def agent(name: str, since_ms: int = 0, skills: str = "", languages: str = "", **more: object) -> Agent:
    return Agent(
        name,
        said="available",
        connected=True,
        since_ms=since_ms,
        skills=frozenset(skills.split()),
        languages=frozenset(languages.split()),
        **more,  # type: ignore[arg-type]
    )


def chosen(agents: list[Agent], **more: object) -> str | None:
    found = choose(agents, at_ms=100_000, **more)  # type: ignore[arg-type]
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
        chosen([agent("a", offer_id="o"), agent("b", call_id="c"), agent("w", wrap_up_call_id="c")]) is None
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
