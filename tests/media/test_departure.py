"""Packets leave evenly however the work before them varies."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from voicewatch.media.departure import LONGEST_NS, Departure

TICK_NS = 20_000_000
WORK_NS = st.integers(0, 12_000_000)


@given(st.lists(WORK_NS, min_size=1, max_size=300))
def test_nothing_leaves_before_it_is_ready_or_later_than_is_worth_it(works_ns: list[int]) -> None:
    departure = Departure()
    for tick, work_ns in enumerate(works_ns):
        due_ns, ready_ns = tick * TICK_NS, tick * TICK_NS + work_ns
        leaves_ns = max(ready_ns, departure.of(due_ns, ready_ns))
        assert ready_ns <= leaves_ns <= due_ns + max(work_ns, LONGEST_NS)


def test_work_that_varies_is_no_jitter() -> None:
    departure = Departure()
    works_ns = [3_000_000 if tick % 40 else 4_500_000 for tick in range(1_000)]
    left_ns = [
        max(tick * TICK_NS + work_ns, departure.of(tick * TICK_NS, tick * TICK_NS + work_ns))
        for tick, work_ns in enumerate(works_ns)
    ]
    gaps_ns = [later - earlier for earlier, later in pairwise(left_ns)]
    assert max(gaps_ns) < TICK_NS + 700_000
