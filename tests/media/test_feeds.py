"""Chunks to the model and packets to the recorder, through pipes that fill and processes that die."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from tests.media.conftest import Pipe
from voicewatch.core.events import Fact, Role, TranscriptGap
from voicewatch.media.feeds import CATCH_UP_CHUNKS, VOICED, Feeds, Stream
from voicewatch.media.opus import CHUNK_SAMPLES
from voicewatch.processes.messages import Audio, CloseStream, OpenStream, Packets

PCM = np.array([[0], [7]], np.int16).repeat(CHUNK_SAMPLES, axis=1)


class Setting:
    def __init__(self, ring_s: int = 15) -> None:
        self.model, self.recorder = Pipe(), Pipe()
        self.facts: list[Fact] = []
        self.feeds = Feeds(self.model, self.recorder, self.facts.append, ring_s)
        self.stream = self.open()
        self.at_ms = 0

    def open(self, to_model: bool = True) -> Stream:
        return self.feeds.open("call", "customer", Role.CUSTOMER, 0, to_model=to_model, to_recorder=True)

    def ticks(self, count: int, flags: int = VOICED) -> None:
        for _ in range(count):
            self.feeds.chunk(self.stream, self.at_ms, flags, -30.4, 1)
            self.feeds.flush(PCM)
            self.at_ms += 20

    def took(self) -> list[int]:
        """at_ms of each chunk the model took, in order."""
        return [
            struct.unpack_from("!HIBb", payload, start)[1]
            for message, payload in self.model.told
            if isinstance(message, Audio)
            for start in range(0, len(payload), 648)
        ]


@pytest.fixture
def setting() -> Setting:
    return Setting()


def test_one_message_a_tick_after_the_stream_is_named(setting: Setting) -> None:
    setting.ticks(3)
    assert [type(message) for message, _ in setting.model.told] == [OpenStream, Audio, Audio, Audio]
    payload = setting.model.told[1][1]
    assert struct.unpack_from("!HIBb", payload) == (setting.stream.number, 0, VOICED, -30)
    assert payload[8:] == PCM[1].tobytes()


def test_a_full_pipe_delays_but_loses_nothing(setting: Setting) -> None:
    setting.ticks(10)
    setting.model.full = True
    setting.ticks(200)
    setting.model.full = False
    setting.ticks(10)
    assert setting.took() == list(range(0, setting.at_ms, 20))
    largest = max(message.count for message, _ in setting.model.told if isinstance(message, Audio))
    assert largest == CATCH_UP_CHUNKS
    assert setting.facts == []


def test_a_new_model_gets_all_that_is_not_durable(setting: Setting) -> None:
    setting.ticks(100)
    setting.feeds.heard(setting.stream.number, 1_000)
    setting.model.connected = False
    setting.ticks(50)
    setting.model.connected = True
    setting.model.told.clear()
    setting.feeds.model_came()
    setting.ticks(10)
    opening = setting.model.told[0][0]
    assert isinstance(opening, OpenStream)
    assert opening.replay_from_ms == 1_000
    assert setting.took() == list(range(1_000, setting.at_ms, 20))
    assert setting.facts == []


def test_what_the_ring_could_not_hold_is_told_as_a_gap() -> None:
    setting = Setting(ring_s=5)
    setting.ticks(10)
    setting.feeds.heard(setting.stream.number, 200)
    setting.model.connected = False
    setting.ticks(350)
    setting.model.connected = True
    setting.feeds.model_came()
    setting.model.told.clear()
    setting.ticks(20)
    took = setting.took()
    (gap,) = setting.facts
    assert isinstance(gap, TranscriptGap)
    assert (gap.start_ms, gap.end_ms) == (200, took[0])
    assert took == list(range(took[0], setting.at_ms, 20))


def test_silence_that_left_the_ring_is_no_gap() -> None:
    setting = Setting(ring_s=5)
    setting.ticks(600, flags=0)
    setting.feeds.model_came()
    setting.ticks(20)
    assert setting.facts == []


def test_a_seat_without_transcript_is_only_recorded(setting: Setting) -> None:
    silent = setting.open(to_model=False)
    setting.feeds.chunk(silent, 0, VOICED, -20, 0)
    setting.feeds.packet(silent, 0, b"opus")
    setting.feeds.flush(PCM)
    assert setting.model.told == []
    opening, packets = setting.recorder.told
    assert isinstance(opening[0], OpenStream)
    assert isinstance(packets[0], Packets)
    assert packets[1] == struct.pack("!HIH", silent.number, 0, 4) + b"opus"


def test_packets_nobody_takes_are_dropped_and_counted(setting: Setting) -> None:
    setting.feeds.packet(setting.stream, 0, b"a")
    setting.feeds.flush(PCM)
    setting.recorder.full = True
    for at_ms in (20, 40):
        setting.feeds.packet(setting.stream, at_ms, b"b")
        setting.feeds.flush(PCM)
    assert setting.feeds.packets_dropped == 2
    setting.recorder.full = False
    setting.feeds.recorder_came()
    setting.feeds.packet(setting.stream, 60, b"c")
    setting.feeds.flush(PCM)
    assert [type(message) for message, _ in setting.recorder.told[-2:]] == [OpenStream, Packets]


def test_closing_tells_both_and_the_gap_if_the_model_never_came(setting: Setting) -> None:
    setting.ticks(5)
    setting.feeds.packet(setting.stream, 100, b"a")
    setting.feeds.close(setting.stream, 100, "hangup")
    assert isinstance(setting.model.told[-1][0], CloseStream)
    assert isinstance(setting.recorder.told[-1][0], CloseStream)
    setting.model.connected = False
    setting.stream = setting.open()
    setting.ticks(5)
    setting.feeds.close(setting.stream, 200, "hangup")
    (gap,) = setting.facts
    assert isinstance(gap, TranscriptGap)
    assert (gap.start_ms, gap.end_ms) == (100, 200)


def test_one_who_comes_while_all_is_well_is_named_first_and_delays_nobody(setting: Setting) -> None:
    setting.ticks(3)
    second = setting.open()
    for at_ms in (60, 80):
        setting.feeds.chunk(setting.stream, at_ms, 0, -40, 1)
        setting.feeds.chunk(second, at_ms, 0, -40, 0)
        setting.feeds.flush(PCM)
    kinds = [type(message) for message, _ in setting.model.told]
    assert kinds == [OpenStream, Audio, Audio, Audio, OpenStream, Audio, Audio]
    assert sorted(setting.took()) == [0, 20, 40, 60, 60, 80, 80]
