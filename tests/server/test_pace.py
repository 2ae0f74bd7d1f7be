from __future__ import annotations

import pytest

from voicewatch.server import pace
from voicewatch.server.pace import Pace


def test_a_burst_and_then_so_many_a_second() -> None:
    offers = Pace(3, 0.5)
    assert [offers.wait_s("a", 10.0) for _ in range(4)] == [0, 0, 0, 2.0]
    assert offers.wait_s("b", 10.0) == 0
    assert offers.wait_s("a", 11.0) == 1.0
    assert [offers.wait_s("a", 12.0), offers.wait_s("a", 12.0)] == [0, 2.0]
    assert [offers.wait_s("a", 1_000.0) for _ in range(4)] == [0, 0, 0, 2.0]


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "KNOWN_LIMIT", 2)
    once = Pace(1, 0.001)
    assert [once.wait_s(key, 0.0) for key in "abca"] == [0, 0, 0, 0]
    assert once.wait_s("c", 0.0) > 0
