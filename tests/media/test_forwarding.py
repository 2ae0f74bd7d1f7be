"""One voice alone is passed on as it came; the seams to mixing and back are not heard, and nobody is lost.

Real encoders speak to a real engine; what a listener got is decoded by a decoder of its own.
"""

from __future__ import annotations

import ctypes
from itertools import pairwise

import numpy as np
import pytest

from tests.media.test_room import Wire, arrives
from tests.support.peers import level_at
from voicewatch.demo.scenarios import clip_samples, list_scenarios, load_scenario
from voicewatch.media import rtp
from voicewatch.media.engine import Engine
from voicewatch.media.leg import MAX_HOLES, Leg
from voicewatch.media.loudness import Match, Speaker
from voicewatch.media.opus import CHUNK_SAMPLES, MAX_PACKET_BYTES, Decoder, Encoder, OpusLibrary
from voicewatch.media.room import ALONE_CHUNKS, Hears, Room

LIBRARY = OpusLibrary()
SILENCE = np.zeros(CHUNK_SAMPLES, np.int16)
LATENCY = 2
"""Ticks from a packet in to its packet out: what waits in the receive buffer, less one."""


def tone(hz: float, tick: int, amplitude: int = 6_000) -> np.ndarray:
    at = (np.arange(CHUNK_SAMPLES) + tick * CHUNK_SAMPLES) / 16_000
    return (amplitude * np.sin(2 * np.pi * hz * at)).astype(np.int16)


def speech() -> np.ndarray:
    lines = load_scenario(list_scenarios()[0]).lines
    samples = np.concatenate([clip_samples(line) for line in lines])
    return samples[: len(samples) // CHUNK_SAMPLES * CHUNK_SAMPLES].reshape(-1, CHUNK_SAMPLES)


class Peer:
    """Somebody with a microphone and a wire."""

    def __init__(self, leg: Leg, wire: Wire, bitrate_bps: int = 32_000) -> None:
        self.leg, self.wire = leg, wire
        self.said: list[bytes] = []
        self._encoder = Encoder(LIBRARY, bitrate_bps, 5)

    def say(self, chunk: np.ndarray, *, lost: bool = False) -> None:
        number = len(self.said)
        self.said.append(self._encoder.encode(np.ascontiguousarray(chunk).ctypes.data))
        if not lost:
            arrives(self.leg, rtp.build(111, number, number * 960, 7, self.said[-1]), number * 20.0)

    @property
    def got(self) -> list[bytes]:
        return [packet.payload for packet in self.wire.sent]

    def heard(self) -> np.ndarray:
        decoder, chunk = Decoder(LIBRARY), np.zeros(CHUNK_SAMPLES, np.int16)
        whole = []
        for payload in self.got:
            assert decoder.decode(payload, chunk.ctypes.data, CHUNK_SAMPLES) == CHUNK_SAMPLES
            whole.append(chunk.copy())
        return np.concatenate(whole)

    def forwarded(self, speaker: Peer) -> list[bool]:
        """For each packet he got, whether it is one the speaker sent."""
        said = set(speaker.said)
        return [payload in said for payload in self.got]


class Line:
    """An engine whose ticks are made by hand."""

    def __init__(self, *, forwards: bool = True) -> None:
        self.engine = Engine(
            bitrate_bps=24_000, complexity=4, vad_mode=2, max_legs=8, backdrop_dbfs=-65, forwards=forwards
        )
        self.room: Room = self.engine.new_room()

    def peer(self) -> Peer:
        wire = Wire()
        return Peer(self.engine.add_leg(f"leg{len(self.engine.legs)}", wire, []), wire)

    def hears(self, table: dict[Peer, set[Peer]]) -> None:
        rows: dict[Leg, Hears] = {
            listener.leg: frozenset(one.leg for one in heard) for listener, heard in table.items()
        }
        self.room.set_hears(rows)

    def tick(self, said: dict[Peer, np.ndarray], lost: frozenset[Peer] = frozenset()) -> None:
        for peer, chunk in said.items():
            peer.say(chunk, lost=peer in lost)
        self.engine.tick += 1
        self.engine.run_tick(self.engine.tick * 20_000_000)


@pytest.fixture
def line() -> Line:
    return Line()


def one_clock(peer: Peer) -> None:
    """One packet a tick, no number missing."""
    sent = peer.wire.sent
    assert all((b.sequence - a.sequence) & 0xFFFF == 1 for a, b in pairwise(sent))
    assert all((b.timestamp - a.timestamp) & 0xFFFFFFFF == 960 for a, b in pairwise(sent))
    assert len({packet.ssrc for packet in sent}) == 1


def test_one_voice_is_passed_on_after_a_while_and_byte_by_byte(line: Line) -> None:
    customer, ai = line.peer(), line.peer()
    line.hears({customer: {ai}, ai: {customer}})
    for n in range(150):
        line.tick({ai: tone(300, n), customer: SILENCE})
    forwarded = customer.forwarded(ai)
    began = forwarded.index(True)
    assert ALONE_CHUNKS <= began <= ALONE_CHUNKS + 10
    assert all(forwarded[began:])
    assert customer.got[began:] == ai.said[began - LATENCY + 1 : 150 - LATENCY + 1]
    one_clock(customer)
    assert level_at(customer.heard()[-16_000:], 300) == pytest.approx(-14.7, abs=1.5)


def test_a_second_voice_is_heard_in_the_tick_in_which_it_begins(line: Line) -> None:
    boss, customer, ai = line.peer(), line.peer(), line.peer()
    line.hears({boss: {customer, ai}})
    begins, ends = 120, 160
    for n in range(260):
        speaks = begins <= n < ends
        line.tick({ai: tone(300, n), customer: tone(1_100, n) if speaks else SILENCE, boss: SILENCE})
    forwarded = boss.forwarded(ai)
    assert all(forwarded[begins - 30 : begins + LATENCY - 1])
    assert not any(forwarded[begins + LATENCY - 1 : ends + ALONE_CHUNKS])
    assert all(forwarded[-30:])
    changes = sum(a != b for a, b in pairwise(forwarded))
    assert changes == 3  # mixed at first, forwarded, mixed, forwarded: nothing flaps
    heard = boss.heard().reshape(-1, CHUNK_SAMPLES)
    first = begins + LATENCY  # the codec's own delay puts the first of it at the end of the chunk before
    assert level_at(heard[first], 1_100) > -25
    one_clock(boss)


def clicks(pcm: np.ndarray, at: list[int], others: list[np.ndarray]) -> int:
    """Chunks where the signal bends more sharply than it does without the change, or anywhere near.

    Two encodings of the same speech differ by 1.39 at most (1,109 chunks); a cold encoder makes 2.2.
    """
    bends = [np.abs(np.diff(one.astype(np.float64), 2)) for one in (pcm, *others)]

    def sharpest(which: int, start: int, end: int) -> float:
        return float(bends[which][max(0, start) * CHUNK_SAMPLES : end * CHUNK_SAMPLES].max())

    found = 0
    for n in at:
        usual = max(sharpest(which, n - 1, n + 3) for which in range(1, len(bends)))
        near = max(sharpest(0, n - 12, n - 1), sharpest(0, n + 3, n + 12))
        found += sharpest(0, n, n + 2) > 1.5 * max(usual, 0.7 * near)
    return found


def test_the_changes_make_no_click_in_speech() -> None:
    """A second party makes a short, faint sound now and then: forwarding ends at once, and begins anew."""
    said = speech()[:900]
    runs = []
    for forwards in (True, False):
        line = Line(forwards=forwards)
        boss, customer, ai = line.peer(), line.peer(), line.peer()
        line.hears({boss: {customer, ai}})
        for n, chunk in enumerate(said):
            faint = tone(150, n, 400) if n % 75 == 70 else SILENCE
            line.tick({ai: chunk, customer: faint, boss: SILENCE})
        runs.append((boss.heard(), boss.forwarded(ai)))
    (heard, forwarded), (mixed, never) = runs
    assert sum(forwarded) > 0.3 * len(said)
    assert not any(never)
    changes = [n + 1 for n, (a, b) in enumerate(pairwise(forwarded)) if a != b]
    assert len(changes) > 15
    assert clicks(heard, changes, [mixed]) == 0


def test_a_voice_with_a_gain_is_never_passed_on(line: Line) -> None:
    customer, agent = line.peer(), line.peer()
    line.hears({customer: {agent}})
    model, speaker = Speaker(), Speaker()
    for _ in range(200):
        model.hear(10 ** (-20 / 10))
        speaker.hear(10 ** (-30 / 10))
    match = Match(speaker, model)
    line.engine.match(agent.leg, match)
    for n in range(200):
        line.tick({agent: tone(300, n, 1_500), customer: SILENCE})
    assert match.gain_db > 2
    assert not any(customer.forwarded(agent)[-120:])
    one_clock(customer)


def test_lost_packets_are_concealed_by_the_listener_and_long_gaps_here(line: Line) -> None:
    customer, ai = line.peer(), line.peer()
    line.hears({customer: {ai}})
    gaps = {100: 1, 130: 2, 160: MAX_HOLES + 2}
    missing = {at + n for at, count in gaps.items() for n in range(count)}
    for n in range(260):
        line.tick({ai: tone(300, n), customer: SILENCE}, frozenset({ai} if n in missing else ()))
    assert len(customer.got) == 260
    one_clock(customer)
    holes = [n for n, payload in enumerate(customer.got) if len(payload) == 1]
    assert len(holes) == 1 + 2 + MAX_HOLES
    assert customer.forwarded(ai)[100 + LATENCY + 2]
    assert not customer.forwarded(ai)[160 + LATENCY + MAX_HOLES + 3]
    assert customer.forwarded(ai)[-1]
    heard = customer.heard().reshape(-1, CHUNK_SAMPLES)
    assert min(level_at(heard[n], 300) for n in (*range(106, 131), *range(138, 160))) > -20


@pytest.mark.parametrize("lasts_ms", [10, 40, 60])
def test_packets_of_another_length_are_mixed(line: Line, lasts_ms: int) -> None:
    customer, ai = line.peer(), line.peer()
    line.hears({customer: {ai}})
    encoder, out = Encoder(LIBRARY, 24_000, 4), ctypes.create_string_buffer(MAX_PACKET_BYTES)
    samples = 16 * lasts_ms
    sent = []
    for n in range(2_400 // lasts_ms):
        at = (np.arange(samples) + n * samples) / 16_000
        pcm = (6_000 * np.sin(2 * np.pi * 300 * at)).astype(np.int16)
        size = LIBRARY.encode(encoder._state_at, pcm.ctypes.data, samples, out, MAX_PACKET_BYTES)
        sent.append(out.raw[:size])
        arrives(ai.leg, rtp.build(111, n, n * 48 * lasts_ms, 7, sent[-1]), n * lasts_ms * 1.0)
        while line.engine.tick * 20 < n * lasts_ms:
            line.tick({})
    assert not set(customer.got) & set(sent)
    one_clock(customer)
    assert level_at(customer.heard()[-12_000:], 300) > -18


def test_nobody_gets_packets_of_one_he_does_not_hear(line: Line) -> None:
    """The coach alone speaks: the agent gets his packets, the customer none of them."""
    customer, ai, agent, coach = (line.peer() for _ in range(4))
    line.hears({customer: {agent}, agent: {customer, coach}, coach: {customer, agent}, ai: set()})
    for n in range(150):
        line.tick({coach: tone(500, n), customer: SILENCE, agent: SILENCE, ai: SILENCE})
    line.hears({customer: {agent, coach}, agent: {customer, coach}, coach: {customer, agent}, ai: set()})
    for n in range(150, 300):
        line.tick({coach: tone(500, n), customer: SILENCE, agent: SILENCE, ai: SILENCE})
    line.hears({customer: {agent}, agent: {customer, coach}, coach: {customer, agent}, ai: set()})
    for n in range(300, 400):
        line.tick({coach: tone(500, n), customer: SILENCE, agent: SILENCE, ai: SILENCE})
    assert all(agent.forwarded(coach)[-300:])
    forwarded = customer.forwarded(coach)
    assert not any(forwarded[:150])
    assert all(forwarded[280:300])  # a barge is passed on, once he has been heard alone for a while
    assert not any(forwarded[300:])
    heard = customer.heard()
    assert level_at(heard[: 150 * 320], 500) < -60
    assert level_at(heard[302 * 320 :], 500) < -60
    one_clock(customer)


def test_muted_for_long_gives_way_to_the_backdrop(line: Line) -> None:
    customer, ai = line.peer(), line.peer()
    line.hears({customer: {ai}})
    for n in range(300):
        line.tick({ai: tone(300, n) if n < 100 else SILENCE, customer: SILENCE})
    heard = customer.heard()
    assert customer.forwarded(ai)[90]
    level_dbfs = 10 * np.log10(np.mean((heard[-16_000:] / 32_768) ** 2))
    assert -70 < level_dbfs < -60
    assert np.abs(np.diff(heard[110 * 320 :].astype(np.int32))).max() < 150


def test_what_is_kept_is_the_same_with_and_without() -> None:
    kept = []
    for forwards in (True, False):
        line = Line(forwards=forwards)
        customer, ai = line.peer(), line.peer()
        line.hears({customer: {ai}, ai: {customer}})
        packets: list[bytes] = []
        chunks: list[bytes] = []
        for chunk in speech()[:200]:
            line.tick({ai: chunk, customer: SILENCE})
            packets += ai.leg.packets
            chunks.append(ai.leg.pcm.tobytes())
        kept.append((packets, chunks))
    assert kept[0] == kept[1]
