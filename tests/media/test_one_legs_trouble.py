"""What goes wrong with one leg's packets is that leg's trouble: the others get theirs, tick for tick."""

from __future__ import annotations

import pytest

from tests.media.test_room import Wire
from voicewatch.media.engine import Engine
from voicewatch.media.leg import Leg
from voicewatch.media.srtp import Slot


class Broken(Wire):
    """A path that fails at one thing."""

    def __init__(self, at: str) -> None:
        super().__init__()
        self.at = at

    def _may(self, what: str) -> None:
        if what == self.at:
            raise TypeError(f"cannot {what}")

    def seal(self, slot: Slot, size: int) -> bytes:
        self._may("seal")
        return super().seal(slot, size)

    def send(self, sealed: bytes) -> bool:
        self._may("send")
        return super().send(sealed)

    def send_rtcp(self, packet: bytes) -> bool:
        self._may("report")
        return True


@pytest.mark.parametrize("at", ["seal", "send", "report"])
def test_a_leg_that_cannot_be_sent_to_is_given_up_and_the_others_go_on(at: str) -> None:
    engine = Engine(bitrate_bps=24_000, complexity=0, vad_mode=2, max_legs=4, backdrop_dbfs=-65)
    broken, whole = Broken(at), Wire()
    legs = [engine.add_leg(name, path, []) for name, path in (("broken", broken), ("whole", whole))]
    room = engine.new_room()
    room.set_hears(dict.fromkeys(legs, frozenset()))
    given_up: list[Leg] = []

    def give_up(leg: Leg) -> None:
        given_up.append(leg)
        engine.remove_leg(leg)
        room.set_hears({legs[1]: frozenset()})

    engine.on_failed = give_up
    ticks = 120  # a report is due every 50
    for engine.tick in range(1, ticks + 1):
        engine.run_tick(engine.tick * 20_000_000)
    assert given_up == [legs[0]]
    assert engine.counters.failed_legs == 1
    assert len(whole.sent) == ticks
