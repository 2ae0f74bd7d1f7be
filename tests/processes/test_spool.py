"""The spool against a plain model of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from voicewatch.core.events import CallEnded
from voicewatch.processes.spool import Spool

CAPACITY = 5


@given(st.lists(st.one_of(st.just("add"), st.integers(-1, 60)), max_size=60))
def test_it_holds_the_newest_unacknowledged_in_order(steps: list[str | int]) -> None:
    spool, held, given_out, dropped, acknowledged = Spool(CAPACITY), [], 0, 0, 0
    for step in steps:
        if isinstance(step, str):
            given_out += 1
            assert spool.add(CallEnded(call_id="c", at_ms=given_out, reason="x")) == given_out
            held.append(given_out)
            dropped += max(0, len(held) - CAPACITY)
            held = held[-CAPACITY:]
        else:
            spool.acknowledge(step)
            if acknowledged < step <= given_out:
                acknowledged = step
                held = [seq for seq in held if seq > step]
        first_seq, events = spool.pending()
        assert [event["at_ms"] for event in events] == held
        assert not held or first_seq == held[0]
        assert (spool.dropped, spool.acknowledged, len(spool)) == (dropped, acknowledged, len(held))


def test_a_batch_starts_with_the_oldest() -> None:
    spool = Spool()
    for at_ms in range(1, 8):
        spool.add(CallEnded(call_id="c", at_ms=at_ms, reason="x"))
    spool.acknowledge(2)
    first_seq, events = spool.pending(limit=3)
    assert (first_seq, [event["at_ms"] for event in events]) == (3, [3, 4, 5])
