"""Under load first the encoders become cheaper, then no new calls are taken; both are taken back slowly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicewatch.media.strain import LADDER, Strain, ladder


def run(strain: Strain, load: float, seconds: float, from_ms: float = 0.0) -> float:
    """Ticks at that load; the time after them."""
    for _ in range(int(seconds * 50)):
        strain.tick(load * 20, from_ms)
        from_ms += 20
    return from_ms


@pytest.mark.parametrize(
    ("top", "rungs"), [(10, [10, 4, 2, 0]), (4, [4, 2, 0]), (7, [7, 4, 2, 0]), (1, [1, 0]), (0, [0])]
)
def test_the_ladder_begins_at_what_is_set(top: int, rungs: list[int]) -> None:
    assert [rung.complexity for rung in ladder(top)] == rungs


def test_steps_down_one_by_one_and_up_again_much_later() -> None:
    strain = Strain(4)
    now_ms = run(strain, 0.9, 3)
    assert strain.complexity == 2
    now_ms = run(strain, 0.9, 2, now_ms)
    assert strain.complexity == 0
    now_ms = run(strain, 0.5, 60, now_ms)
    assert strain.complexity == 0  # the load it has with cheap encoders says nothing for dear ones
    now_ms = run(strain, 0.3, 10, now_ms)
    assert strain.complexity == 0
    now_ms = run(strain, 0.3, 3, now_ms)
    assert strain.complexity == 2
    run(strain, 0.2, 12, now_ms)
    assert strain.complexity == 4


def test_one_stall_changes_nothing() -> None:
    strain = Strain(4)
    now_ms = run(strain, 0.4, 5)
    assert not strain.tick(400, now_ms)
    run(strain, 0.4, 1, now_ms)
    assert (strain.complexity, strain.admits) == (4, True)


def test_refuses_near_its_budget_and_admits_again_when_there_is_room() -> None:
    strain = Strain(4)
    now_ms = run(strain, 1.0, 6)
    assert not strain.admits
    now_ms = run(strain, 0.75, 20, now_ms)
    assert not strain.admits
    run(strain, 0.6, 8, now_ms)
    assert strain.admits


def test_those_who_are_connecting_are_counted_in() -> None:
    strain = Strain(0)
    run(strain, 0.6, 3)
    assert strain.has_room_for(expected=120, legs=100)
    assert not strain.has_room_for(expected=160, legs=100)
    run(strain, 0.3, 3)
    assert strain.has_room_for(expected=20, legs=2)  # two legs say little of twenty
    for other in (Strain(4), Strain(4, adapts=False)):
        run(other, 0.6, 3)
        assert other.has_room_for(expected=160, legs=100)


@given(st.integers(0, 10), st.lists(st.floats(0, 3), max_size=400))
def test_complexity_is_always_one_of_its_rungs_and_changes_are_told(top: int, loads: list[float]) -> None:
    strain = Strain(top)
    known = {rung.complexity for rung in LADDER} | {top}
    for second, load in enumerate(loads):
        before = strain.complexity
        told = strain.tick(load * 20, second * 1_000)
        assert told == (strain.complexity != before)
        assert strain.complexity in known
        assert strain.complexity <= top
