"""What a media process says of itself, and what hard work makes it do."""

from __future__ import annotations

import numpy as np
import pytest

from tests.media.conftest import Stage
from tests.media.test_room import Wire, arrives
from tests.support.peers import until
from voicewatch.core.events import MediaStatus
from voicewatch.media import rtp
from voicewatch.media.engine import Engine
from voicewatch.media.opus import CHUNK_SAMPLES, Encoder, OpusLibrary
from voicewatch.processes.problem import Problem


def new_engine() -> Engine:
    return Engine(bitrate_bps=24_000, complexity=4, vad_mode=2, max_legs=4, backdrop_dbfs=-65)


def test_the_counts_of_legs_that_left_stay_in_the_sum() -> None:
    engine = new_engine()
    encoder = Encoder(OpusLibrary(), 24_000, 4)
    packet = encoder.encode(np.zeros(CHUNK_SAMPLES, np.int16).ctypes.data)
    for name in "ab":
        leg = engine.add_leg(name, Wire(), [])
        room = engine.new_room()
        room.set_hears({leg: frozenset()})
        for n in range(20):
            if n != 10:
                arrives(leg, rtp.build(111, n, n * 960, 5, packet), n * 20.0)
            engine.tick += 1
            engine.run_tick(n * 20_000_000)
        room.set_hears({})
        engine.remove_leg(leg)
    status = engine.status("media-0", calls=0)
    assert (status.legs, status.packets_in, status.packets_out) == (0, 38, 40)
    assert (status.lost, status.concealed, status.ticks, status.complexity) == (2, 2, 40, 4)
    assert status.mix_ms > 0


def test_encoders_already_at_work_become_cheaper_too() -> None:
    engine = new_engine()
    leg = engine.add_leg("a", Wire(), [])
    room = engine.new_room()
    room.set_hears({leg: frozenset()})
    for n in range(130):
        engine._strain(19.0, n * 20.0)
    assert engine.strain.complexity == 2
    (rendition,) = room.renditions
    assert rendition._encoder.complexity == engine._new_encoder().complexity == 2


async def test_it_tells_front_each_second(stage: Stage) -> None:
    def told() -> list[MediaStatus]:
        return [signal for signal in stage.signals if isinstance(signal, MediaStatus)]

    stage.open()
    await until(lambda: len(told()) >= 2, "two statuses")
    assert (told()[-1].process, told()[-1].calls, told()[-1].admits) == ("media-0", 1, True)
    assert told()[-1].key == ":media-0:media_status"


async def test_new_calls_are_refused_while_it_works_as_hard_as_it_can(stage: Stage) -> None:
    stage.open("before")
    stage.engine.strain.admits = False
    with pytest.raises(Problem) as refused:
        stage.open("after")
    assert (refused.value.status, refused.value.retry_after_s) == (503, 5)
    stage.open("before")  # known: the same answer
