"""Who hears whom, over every mixture of people."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from voicewatch.core.audibility import (
    HOLD,
    Occupant,
    audibility,
    fallbacks,
    without_coaches_alone,
)
from voicewatch.core.events import Mode, Role

STAFF = st.sampled_from([Role.AGENT, Role.SUPERVISOR])
MODES = st.sampled_from([None, *Mode])


@st.composite
def people(draw: st.DrawFn) -> list[Occupant]:
    staff = draw(st.lists(st.tuples(STAFF, MODES), max_size=5))
    ai = [Occupant("ai", Role.AI)] if draw(st.booleans()) else []
    return [
        Occupant("customer", Role.CUSTOMER),
        *ai,
        *(Occupant(f"{role}-{place}", role, mode) for place, (role, mode) in enumerate(staff)),
    ]


@given(people(), st.booleans())
def test_nobody_hears_himself_and_everybody_has_a_row(crowd: list[Occupant], on_hold: bool) -> None:
    table = audibility(crowd, on_hold)
    assert set(table) == {one.seat_id for one in crowd}
    assert all(listener not in heard for listener, heard in table.items())
    assert all(heard <= {*table, HOLD} for heard in table.values())


@given(people(), st.booleans())
def test_coaches_and_monitors_reach_neither_customer_nor_ai(crowd: list[Occupant], on_hold: bool) -> None:
    table = audibility(crowd, on_hold)
    hidden = {one.seat_id for one in crowd if one.mode in (Mode.COACH, Mode.MONITOR)}
    for listener in crowd:
        if listener.role in (Role.CUSTOMER, Role.AI):
            assert not table[listener.seat_id] & hidden
    monitors = {one.seat_id for one in crowd if one.mode == Mode.MONITOR}
    assert not any(heard & monitors for heard in table.values())


@given(people())
def test_the_customer_hears_the_ai_unless_a_human_has_taken_over(crowd: list[Occupant]) -> None:
    taken_over = any(one.mode == Mode.TAKEOVER for one in crowd)
    has_ai = any(one.role == Role.AI for one in crowd)
    assert ("ai" in audibility(crowd)["customer"]) == (has_ai and not taken_over)
    speaks = {one.seat_id for one in crowd if one.mode in (Mode.TAKEOVER, Mode.BARGE)}
    assert audibility(crowd)["customer"] - {"ai"} == speaks


@given(people())
def test_everybody_but_himself_hears_the_customer(crowd: list[Occupant]) -> None:
    table = audibility(crowd)
    assert all("customer" in table[one.seat_id] for one in crowd if one.role != Role.CUSTOMER)
    on_hold = audibility(crowd, on_hold=True)
    assert on_hold["customer"] == {HOLD}
    assert not any("customer" in heard for heard in on_hold.values())


@given(people())
def test_a_fallback_is_the_table_without_the_lost_one(crowd: list[Occupant]) -> None:
    for lost, table in fallbacks(crowd).items():
        assert table == audibility([one for one in crowd if one.seat_id != lost])
        assert lost not in table
        assert not any(lost in heard for heard in table.values())


@given(people(), st.data())
def test_hold_lasts_only_while_somebody_is_there_to_end_it(
    crowd: list[Occupant], data: st.DataObject
) -> None:
    speakers = {one.seat_id for one in crowd if one.mode in (Mode.TAKEOVER, Mode.BARGE)}
    for lost, table in fallbacks(crowd, on_hold=True).items():
        assert lost == "customer" or (table["customer"] == {HOLD}) == bool(speakers - {lost})
    muted = data.draw(st.sampled_from(crowd))
    quieter = [replace(one, is_muted=True) if one is muted else one for one in crowd]
    assert not any(muted.seat_id in heard for heard in audibility(quieter).values())


@given(people())
def test_without_an_agent_a_coach_only_listens(crowd: list[Occupant]) -> None:
    settled = without_coaches_alone(crowd)
    assert [one.seat_id for one in settled] == [one.seat_id for one in crowd]
    agents = any(one.role == Role.AGENT for one in crowd)
    assert agents or not any(one.mode == Mode.COACH for one in settled)


def test_a_mode_nobody_knows_fails_closed() -> None:
    stranger = Occupant("x", Role.SUPERVISOR, "hologram")  # type: ignore[arg-type]
    table = audibility([Occupant("customer", Role.CUSTOMER), Occupant("ai", Role.AI), stranger])
    assert table["x"] == frozenset()
    assert not any("x" in heard for heard in table.values())
