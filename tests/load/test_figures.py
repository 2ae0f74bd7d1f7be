"""What a load generator makes of the packets it gets."""

from __future__ import annotations

import json

from voicewatch.load.figures import Stream, Tally
from voicewatch.load.leg import delays_ms
from voicewatch.load.talk import BURST_EVERY_CHUNKS, Ear, bursts

MS = 1_000_000


def stream(times_ms: list[float], lost: int = 0) -> Stream:
    found = Stream()
    for number, at_ms in enumerate(times_ms):
        found.add(65_530 + number + (lost if number > 5 else 0) & 0xFFFF, int(at_ms * MS))
    return found


def test_a_whole_stream_is_delivered_whole() -> None:
    tally = Tally()
    tally.add(stream([n * 20.0 for n in range(500)]), 0, 10_000 * MS)
    found = tally.summary()
    assert (found["delivered_percent"], found["sequence_breaks"]) == (100.0, 0)
    assert found["gap_ms"] == {"p50": 20.0, "p99": 20.0, "max": 20.0}
    assert found["delay_ms"] == {"p50": None, "p99": None, "max": None}


def test_what_is_missing_shows_as_gap_break_and_share_and_survives_the_way_between_processes() -> None:
    one, all_of_them = Tally(), Tally()
    times = [n * 20.0 for n in range(500) if not 100 <= n < 110]
    one.add(stream(times, lost=1), 0, 10_000 * MS)
    for _ in range(2):
        all_of_them.add_json(json.loads(json.dumps(one.to_json())))
    found = all_of_them.summary()
    assert (found["streams"], found["delivered_percent"], found["sequence_breaks"]) == (2, 98.2, 2)
    assert found["gap_ms"]["max"] == 220.0


def test_the_gap_around_a_change_of_mode() -> None:
    assert stream([0, 20, 40, 105, 125]).largest_gap_ms(0, 200 * MS) == 65.0
    assert Stream().largest_gap_ms(0, 200 * MS) == 200.0


def test_an_ear_hears_each_burst_where_it_begins() -> None:
    ear = Ear()
    loop = bursts()
    heard = [n for n in range(3 * BURST_EVERY_CHUNKS) if ear.begins(loop[n % BURST_EVERY_CHUNKS])]
    assert heard == [BURST_EVERY_CHUNKS, 2 * BURST_EVERY_CHUNKS]


def test_delay_is_counted_from_the_burst_before() -> None:
    sent = [1_000 * MS, 2_000 * MS, 3_000 * MS]
    assert delays_ms(sent, [900 * MS, 1_055 * MS, 2_700 * MS, 3_061 * MS]) == [55.0, 61.0]
