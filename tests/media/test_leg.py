"""One leg, fed by hand: each packet that comes is decoded once and handed on once, whatever its length."""

from __future__ import annotations

import ctypes
import time

import numpy as np
import pytest

from tests.media.test_room import Wire, arrives
from voicewatch.media import rtp
from voicewatch.media.leg import Leg
from voicewatch.media.mixer import Past
from voicewatch.media.opus import CHUNK_SAMPLES, MAX_PACKET_BYTES, Decoder, Encoder, OpusLibrary
from voicewatch.media.voice import VoiceDetector

LIBRARY = OpusLibrary()


def new_leg() -> Leg:
    pcm = np.zeros(CHUNK_SAMPLES, np.int16)
    return Leg("leg", Wire(), Decoder(LIBRARY), VoiceDetector(2), 0, pcm, Past(1, 3), 0.0)


def spoken(count: int, lasts_ms: int) -> list[bytes]:
    """Different Opus packets of a tone."""
    encoder = Encoder(LIBRARY, 24_000, 4)
    out = ctypes.create_string_buffer(MAX_PACKET_BYTES)
    samples = 16 * lasts_ms
    packets = []
    for n in range(count):
        at = (np.arange(samples) + n * samples) / 16_000
        pcm = (8_000 * np.sin(2 * np.pi * 300 * at)).astype(np.int16)
        size = LIBRARY.encode(encoder._state_at, pcm.ctypes.data, samples, out, MAX_PACKET_BYTES)
        packets.append(bytes([*out.raw[:size], n & 1]))  # never two alike in a row
    return packets


def wire(number: int, payload: bytes, lasts_ms: int) -> bytes:
    return rtp.build(111, number, number * 48 * lasts_ms, 7, payload)


def handed_on(leg: Leg, arrivals: list[tuple[float, bytes]], ticks: int) -> list[bytes]:
    """What the recorder would get; arrivals are (ms, datagram)."""
    due = sorted(arrivals, key=lambda one: one[0])
    got: list[bytes] = []
    for tick in range(ticks):
        while due and due[0][0] <= tick * 20:
            at_ms, data = due.pop(0)
            arrives(leg, data, at_ms)
        leg.advance()
        got += leg.packets
    return got


@pytest.mark.parametrize("lasts_ms", [10, 20, 40, 60])
def test_each_packet_is_handed_on_once_in_order(lasts_ms: int) -> None:
    packets = spoken(1_200 // lasts_ms, lasts_ms)
    leg = new_leg()
    arrivals = [(n * lasts_ms + 1.0, wire(n, packet, lasts_ms)) for n, packet in enumerate(packets)]
    got = handed_on(leg, arrivals, 90)
    assert got == packets
    assert leg.decoded == len(packets)


def test_the_recorder_gets_both_packets_when_delay_is_taken_out() -> None:
    packets = spoken(400, 20)
    late_ms = {n: 160.0 - 20 * (n - 50) for n in range(50, 58)}  # eight come at once, then all is well again
    arrivals = [(n * 20 + late_ms.get(n, 1.0), wire(n, packet, 20)) for n, packet in enumerate(packets)]
    leg = new_leg()
    leg.voice.voiced = False
    got = handed_on(leg, arrivals, 420)
    assert leg.buffer.concealed >= 3
    assert leg.buffer.delay_ms == 0
    assert got == packets


def test_a_clock_that_is_set_is_no_round_trip(monkeypatch: pytest.MonkeyPatch) -> None:
    leg, reports, peer = new_leg(), list[bytes](), rtp.Reception(ssrc=Wire.ssrc)
    monkeypatch.setattr(leg.path, "send_rtcp", reports.append)
    leg.send_report(0, 0.0)
    told = rtp.parse_rtcp(reports[0])
    assert told is not None
    peer.add(1, 0, 0.0)
    peer.sr_middle, peer.sr_at_ms = told.sr_middle or 0, 0.0
    an_hour_later_ns = time.time_ns() + 3_600_000_000_000
    monkeypatch.setattr("time.time_ns", lambda: an_hour_later_ns)
    arrives(leg, rtp.sender_report(7, 0, 0, 0, 0, [peer.block(0.0)], b"peer"), 1.0)
    assert leg.round_trip_ms is not None
    assert leg.round_trip_ms < 10_000
