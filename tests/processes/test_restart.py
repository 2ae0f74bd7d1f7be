"""How patient the keeper is."""

from __future__ import annotations

from voicewatch.processes.restart import HEALTHY_S, RestartPolicy


def test_at_once_then_ever_later_up_to_five_seconds() -> None:
    policy = RestartPolicy()
    delays = []
    for now_s in range(9):
        policy.started(now_s)
        delays.append(policy.died(now_s + 0.5))
    assert delays == [0.0, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]


def test_five_deaths_in_a_row_are_trouble_and_a_healthy_life_ends_it() -> None:
    policy = RestartPolicy()
    for expected in (False, False, False, False, True, True):
        policy.started(0)
        policy.died(1)
        assert policy.troubled is expected
    policy.started(100)
    assert policy.died(100 + HEALTHY_S) == 0.0
    assert not policy.troubled
