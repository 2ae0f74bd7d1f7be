"""Overload by a clock that the test turns."""

from hypothesis import given
from hypothesis import strategies as st

from voicewatch.speech.ladder import DOWN_AFTER_S, UP_AFTER_S, Ladder, Load, Step


def run(ladder: Ladder, from_s: float, seconds: float, load: float, age_s: float = 0.0) -> list[Step]:
    """Steps taken while the load stays the same, looked at twice a second."""
    ticks = range(int(seconds * 2) + 1)
    return [ladder.step for tick in ticks if ladder.observe(from_s + tick / 2, load, age_s)]


def test_a_peak_changes_nothing() -> None:
    assert run(Ladder(), 0, UP_AFTER_S - 0.5, 0.99, 9.0) == []


def test_the_step_is_that_of_the_load_or_of_what_waits() -> None:
    for load, age_s, step in (
        (0.62, 0.0, Step.SLOWER_PARTIALS),
        (0.80, 0.0, Step.NO_PARTIALS),
        (0.90, 0.0, Step.LIGHT_FINALS),
        (1.00, 0.0, Step.OTHER_MODEL),
        (0.10, 1.2, Step.NO_PARTIALS),
        (0.99, 3.5, Step.LATE_FINALS),
    ):
        assert run(Ladder(has_other_model=True), 0, 3, load, age_s) == [step]


def test_without_another_model_that_step_is_left_out_both_ways() -> None:
    ladder = Ladder()
    assert run(ladder, 0, 3, 1.0) == [Step.LIGHT_FINALS]
    assert run(ladder, 4, 3, 1.0, 5.0) == [Step.LATE_FINALS]
    assert run(ladder, 8, DOWN_AFTER_S, 0.0) == [Step.LIGHT_FINALS]


def test_steps_are_taken_back_one_by_one_and_only_well_below() -> None:
    ladder = Ladder()
    run(ladder, 0, 3, 0.90)
    assert run(ladder, 4, 100, 0.80) == [], "light finals saved this much; back up it would be too much"
    assert run(ladder, 105, 4 * DOWN_AFTER_S, 0.2) == [
        Step.NO_PARTIALS,
        Step.SLOWER_PARTIALS,
        Step.NORMAL,
    ]


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 10)), max_size=200))
def test_steps_are_never_taken_faster_than_their_time(seen: list[tuple[float, float]]) -> None:
    ladder, changes, step = Ladder(), [-100.0], Step.NORMAL
    for tick, (load, age_s) in enumerate(seen):
        if ladder.observe(tick / 2, load, age_s):
            up = ladder.step > step
            assert tick / 2 - changes[-1] >= (UP_AFTER_S if up else DOWN_AFTER_S)
            changes.append(tick / 2)
            step = ladder.step


def test_load_is_the_share_of_the_threads_time_in_the_last_five_seconds() -> None:
    load = Load(2)
    assert load.share(0.0) == 0.0
    load.changed(10.0, 2)
    load.changed(11.0, 1)
    load.changed(12.0, 0)
    assert load.share(12.0) == 0.3
    assert load.share(16.5) == 0.05
    assert load.share(17.5) == 0.0
    load.changed(20.0, 1)
    assert load.share(60.0) == 0.5
