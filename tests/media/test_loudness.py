"""Loudness as BS.1770 weighs it, and the gain that makes people as loud as the AI was."""

from __future__ import annotations

from math import log10

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import freqz

from tests.media.test_room import Wire, arrives
from tests.support.peers import level_at
from voicewatch.media import rtp
from voicewatch.media.engine import Engine
from voicewatch.media.loudness import MAX_GAIN_DB, Match, Speaker, amplify, powers
from voicewatch.media.opus import CHUNK_SAMPLES, Decoder, Encoder, OpusLibrary
from voicewatch.media.voice import VoiceDetector

SHELF = [1.53512485958697, -2.69169618940638, 1.19839281085285], [1, -1.69065929318241, 0.73248077421585]
HIGH_PASS = [1.0, -2.0, 1.0], [1.0, -1.99004745483398, 0.99007225036621]
"""BS.1770-5, tables 1 and 2, for 48 kHz."""


class AllIsVoice(VoiceDetector):
    def hear(self, chunk: bytes | None) -> None:
        self.voiced = chunk is not None


def sine(hz: float, level: float) -> np.ndarray:
    at = np.arange(CHUNK_SAMPLES) / 16_000
    return (level * 32_767 * np.sin(2 * np.pi * hz * at)).astype(np.int16)


@pytest.mark.parametrize("hz", [100, 300, 1_000, 2_000, 4_000])
def test_the_weighting_is_that_of_the_standard(hz: int) -> None:
    response = [abs(freqz(b, a, [hz], fs=48_000)[1][0]) for b, a in (SHELF, HIGH_PASS)]
    expected_db = 20 * log10(response[0] * response[1] * 0.25 / np.sqrt(2))
    (power,) = powers(sine(hz, 0.25)[None, :])
    assert 10 * log10(power) == pytest.approx(expected_db, abs=0.3)


def spoke(level_db: float, chunks: int = 200) -> Speaker:
    speaker = Speaker()
    for _ in range(chunks):
        speaker.hear(10 ** ((level_db + 0.691) / 10))
    return speaker


def test_a_level_is_believed_after_half_a_second_of_voice() -> None:
    assert spoke(-20, 24).level_db is None
    assert spoke(-20, 25).level_db == pytest.approx(-20)


@given(st.floats(-60, 0), st.floats(-60, 0))
def test_the_gain_goes_slowly_to_the_difference_and_never_beyond_its_bounds(
    own_db: float, model_db: float
) -> None:
    match = Match(spoke(own_db), spoke(model_db))
    last = 1.0
    for _ in range(400):
        first, then = match.step()
        assert first == last
        assert abs(20 * log10(then / first)) <= 0.0601
        last = then
    assert abs(match.gain_db) <= MAX_GAIN_DB
    assert match.gain_db == pytest.approx(max(-9, min(9, model_db - own_db)), abs=1.07)


def test_nothing_is_changed_before_both_have_spoken() -> None:
    assert Match(Speaker(), spoke(-20)).step() == Match(spoke(-20), Speaker()).step() == (1.0, 1.0)


def test_many_at_once_each_with_his_gain_and_none_beyond_full_scale() -> None:
    rows = np.stack([sine(500, 0.1), sine(500, 0.9)])
    quiet, loud = amplify(rows, [(1.0, 2.0), (2.8, 2.8)])
    assert np.abs(quiet[160:] - 2 * rows[0][160:].astype(int)).max() <= 1
    assert abs(int(quiet[1]) - int(rows[0][1])) <= 40
    assert np.abs(loud.astype(int)).max() <= 32_767
    assert (np.sign(loud) == np.sign(rows[1])).all()


def test_listeners_hear_the_agent_as_loud_as_the_ai_and_what_is_kept_is_untouched() -> None:
    engine = Engine(bitrate_bps=24_000, complexity=4, vad_mode=2, max_legs=3, backdrop_dbfs=-96)
    library = OpusLibrary()
    wires = [Wire(), Wire(), Wire()]
    customer, ai, agent = [engine.add_leg(name, wire, []) for name, wire in zip("abc", wires, strict=True)]
    model = Speaker()
    engine.measure(ai, model)
    engine.match(agent, Match(Speaker(), model))
    room = engine.new_room()
    room.set_hears({customer: frozenset({agent})})
    speaking = {
        ai: (700, 0.25, Encoder(library, 24_000, 9)),
        agent: (1_000, 0.125, Encoder(library, 24_000, 9)),
    }
    for leg in speaking:
        leg.voice = AllIsVoice(2)
    for n in range(200):
        for leg, (hz, level, encoder) in speaking.items():
            packet = encoder.encode(sine(hz, level).ctypes.data)
            arrives(leg, rtp.build(111, n, n * 960, 5, packet), n * 20.0)
        engine.tick += 1
        engine.run_tick(n * 20_000_000)
    heard = np.zeros((50, CHUNK_SAMPLES), np.int16)
    decoder = Decoder(library)
    for chunk, packet in zip(heard, wires[0].sent[-50:], strict=True):
        decoder.decode(packet.payload, chunk.ctypes.data, CHUNK_SAMPLES)
    assert level_at(heard[10:].ravel(), 1_000) == pytest.approx(20 * log10(0.25), abs=1.5)
    assert level_at(agent.pcm, 1_000) == pytest.approx(20 * log10(0.125), abs=1)
