"""Renditions: shared while listeners hear the same, parted and joined without a seam."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from tests.support.peers import level_at
from voicewatch.media import rtp
from voicewatch.media.backdrop import Backdrop
from voicewatch.media.leg import Leg
from voicewatch.media.mixer import Past
from voicewatch.media.opus import CHUNK_SAMPLES, Decoder, Encoder, OpusLibrary
from voicewatch.media.room import WARM_CHUNKS, Room
from voicewatch.media.srtp import Slot
from voicewatch.media.voice import VoiceDetector

SLOT = Slot()


class Wire:
    """A path that keeps what is sent."""

    ssrc, payload_type, cname = 1, 111, b"test"
    digits_type = 110

    def __init__(self) -> None:
        self.sent: list[rtp.RtpPacket] = []

    def follow_nomination(self) -> None: ...
    def heard(self, ago_ms: float) -> None: ...

    def unprotect(self, slot: Slot, size: int) -> int:
        return size

    unprotect_rtcp = unprotect

    def seal(self, slot: Slot, size: int) -> bytes:
        sealed: bytes = slot.bytes[:size]
        return sealed

    def send(self, sealed: bytes) -> bool:
        parsed = rtp.parse(sealed)
        assert parsed is not None
        self.sent.append(parsed)
        return True

    def send_rtcp(self, packet: bytes) -> bool:
        return True


def arrives(leg: Leg, packet: bytes, now_ms: float) -> None:
    """It comes in on his socket."""
    size = leg.unseal(SLOT, SLOT.put(packet), now_ms)
    if size:
        leg.receive(SLOT, size, now_ms)


class House:
    def __init__(self) -> None:
        self.library = OpusLibrary()
        self.encoders = 0
        self.room = Room(self._encoder, Backdrop(Encoder(self.library, 24_000, 4), -65))
        self.wires: dict[Leg, Wire] = {}
        self.tones: dict[Leg, float] = {}
        self.tick = 0

    def _encoder(self) -> Encoder:
        self.encoders += 1
        return Encoder(self.library, 24_000, 4)

    def leg(self, hz: float = 0) -> Leg:
        wire = Wire()
        pcm = np.zeros(CHUNK_SAMPLES, np.int16)
        leg = Leg(
            f"leg{len(self.wires)}", wire, Decoder(self.library), VoiceDetector(2), 0, pcm, Past(1, 3), 0.0
        )
        self.wires[leg], self.tones[leg] = wire, hz
        return leg

    def ticks(self, count: int) -> None:
        for _ in range(count):
            self.tick += 1
            at = (np.arange(CHUNK_SAMPLES) + self.tick * CHUNK_SAMPLES + 7) / 16_000
            for leg, hz in self.tones.items():
                leg.sounding = hz > 0
                leg.pcm[:] = (8_000 * np.sin(2 * np.pi * hz * at)).astype(np.int16)
            outgoing: list[tuple[Leg, bytes]] = []
            self.room.render(self.tick, outgoing)
            for leg, payload in outgoing:
                leg.send(leg.seal(SLOT, self.tick, payload))

    def heard(self, leg: Leg) -> np.ndarray:
        decoder = Decoder(self.library)
        chunk = np.zeros(CHUNK_SAMPLES, np.int16)
        whole = []
        for packet in self.wires[leg].sent:
            decoder.decode(packet.payload, chunk.ctypes.data, CHUNK_SAMPLES)
            whole.append(chunk.copy())
        return np.concatenate(whole)


@pytest.fixture
def house() -> House:
    return House()


def test_listeners_of_one_mix_share_one_encoder(house: House) -> None:
    customer, ai, boss, trainee = house.leg(400), house.leg(700), house.leg(), house.leg()
    both = frozenset({customer, ai})
    house.room.set_hears({customer: frozenset({ai}), ai: frozenset({customer}), boss: both, trainee: both})
    house.ticks(50)
    assert house.encoders == len(house.room.renditions) == 3
    assert [p.payload for p in house.wires[boss].sent] == [p.payload for p in house.wires[trainee].sent]
    assert level_at(house.heard(boss)[8_000:], 400) > -20
    assert level_at(house.heard(boss)[8_000:], 700) > -20


def test_a_switch_makes_no_click_and_no_new_encoder(house: House) -> None:
    customer, ai, agent = house.leg(), house.leg(300), house.leg(450)
    for leg in (ai, agent):
        house.room.set_hears({customer: frozenset({leg}), ai: frozenset(), agent: frozenset()})
        house.ticks(50)
    house.room.set_hears({customer: frozenset(), ai: frozenset(), agent: frozenset()})
    house.ticks(50)
    pcm = house.heard(customer).astype(np.int32)
    steps = np.abs(np.diff(pcm))
    steady = steps[8_000:15_000].max() + steps[24_000:31_000].max()
    assert steps[15_500:17_000].max() < 1.3 * steady
    assert steps[31_500:33_000].max() < 1.3 * steady
    assert -70 < 10 * np.log10(np.mean((pcm[-8_000:] / 32_768) ** 2)) < -60  # not dead, hardly there
    assert steps[33_000:].max() < 150
    assert house.encoders == 2  # the customer's, and one for the two who hear nobody


def test_listeners_who_part_both_go_on_without_a_seam(house: House) -> None:
    one, other, ai, agent = house.leg(), house.leg(), house.leg(300), house.leg(450)
    nobody: frozenset[Leg] = frozenset()
    house.room.set_hears({one: frozenset({ai}), other: frozenset({ai}), ai: nobody, agent: nobody})
    house.ticks(50)
    house.room.set_hears({one: frozenset({agent}), other: frozenset({ai}), ai: nobody, agent: nobody})
    house.ticks(50)
    steps = np.abs(np.diff(house.heard(other).astype(np.int32)))
    assert steps[15_000:18_000].max() <= steps[8_000:15_000].max() * 1.1
    assert level_at(house.heard(one)[-8_000:], 450) > -16
    assert level_at(house.heard(one)[-8_000:], 300) < -55


def test_equal_mixes_are_joined_when_both_encoders_are_warm(house: House) -> None:
    one, other, ai, agent = house.leg(), house.leg(), house.leg(300), house.leg(450)
    house.room.set_hears({one: frozenset({ai}), other: frozenset({agent})})
    house.ticks(10)
    house.room.set_hears({one: frozenset({ai}), other: frozenset({ai})})
    assert len(house.room.renditions) == 2
    house.ticks(3 * WARM_CHUNKS)
    assert len(house.room.renditions) == 1
    for listener in (one, other):
        steps = np.abs(np.diff(house.heard(listener).astype(np.int32)))
        assert steps[8_000:].max() < 1.3 * steps[12_000:14_000].max()


def test_every_tick_sends_one_packet_with_one_clock(house: House) -> None:
    customer, ai = house.leg(), house.leg(300)
    house.room.set_hears({customer: frozenset()})
    house.ticks(10)
    house.room.set_hears({customer: frozenset({ai})})
    house.ticks(10)
    house.tick += 7  # the engine skipped after a stall
    house.ticks(10)
    sent = house.wires[customer].sent
    assert len(sent) == 30
    assert all((b.sequence - a.sequence) & 0xFFFF == 1 for a, b in pairwise(sent))
    jumps = [((b.timestamp - a.timestamp) & 0xFFFFFFFF) // 960 for a, b in pairwise(sent)]
    assert jumps == [1] * 19 + [8] + [1] * 9
