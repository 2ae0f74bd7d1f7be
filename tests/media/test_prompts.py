"""Notices, hold and keys on the real bridge with real peers; a silent microphone is not yielded to."""

from __future__ import annotations

import asyncio
import struct
import wave
from pathlib import Path

import numpy as np
import pytest

from tests.media.conftest import Stage
from tests.support.handoffs import levels
from tests.support.peers import level_at, tone, until
from voicewatch.core.audibility import Occupant, audibility, fallbacks
from voicewatch.core.events import Mode, Role
from voicewatch.media.dtmf import DigitReader, DigitWriter
from voicewatch.media.opus import CHUNK_SAMPLES, SAMPLE_RATE_HZ
from voicewatch.media.prompt import HOLD_DBFS, BadClip, Prompt, Prompts, key_tones, read_clip
from voicewatch.processes.messages import Packets, SetAudibility
from voicewatch.processes.problem import Problem

CUSTOMER_HZ, AI_HZ, AGENT_HZ = 400, 250, 1_600
CUSTOMER, AI = Occupant("customer", Role.CUSTOMER), Occupant("ai", Role.AI)
AGENT = Occupant("agent", Role.AGENT, Mode.TAKEOVER)


def command(version: int, people: list[Occupant], *, on_hold: bool = False, **more: str) -> SetAudibility:
    def plain(table: dict[str, frozenset[str]]) -> dict[str, list[str]]:
        return {listener: sorted(heard) for listener, heard in table.items()}

    tables = fallbacks(people, on_hold)
    return SetAudibility(
        call_id="call",
        version=version,
        hears=plain(audibility(people, on_hold)),
        fallbacks={seat: plain(table) for seat, table in tables.items()},
        **more,
    )


async def test_a_notice_comes_between_the_voices_and_hold_silences_all(stage: Stage) -> None:
    stage.open()
    customer = await stage.attach("customer", Role.CUSTOMER, tone(CUSTOMER_HZ))
    await stage.attach("ai", Role.AI, tone(AI_HZ))
    agent = await stage.attach("agent", Role.AGENT, tone(AGENT_HZ))
    stage.bridge.set_audibility(command(1, [CUSTOMER, AI]))
    await stage.happens("leg_live", seat_id="agent")
    await asyncio.sleep(0.5)
    stage.bridge.set_audibility(command(2, [CUSTOMER, AI, AGENT], needs_live="agent", notice="tone"))
    await until(lambda: len(stage.told("audibility_changed", version=2)) == 2, "notice, then the agent")
    noticed, bridged = stage.told("audibility_changed", version=2)
    assert noticed.hears["customer"] == ["notice"]
    assert bridged.at_ms - noticed.at_ms == 320
    await asyncio.sleep(0.7)
    heard = customer.pcm(last_s=2.0)
    ai, first_note, new = (levels(heard, hz) > -40 for hz in (AI_HZ, 660, AGENT_HZ))
    assert first_note.any()
    assert not (ai & new).any()  # the notice lies between them
    assert np.flatnonzero(ai)[-1] < np.flatnonzero(new)[0]

    recorded_before = _packets(stage)
    stage.bridge.set_audibility(command(3, [CUSTOMER, AI, AGENT], on_hold=True))
    await stage.happens("audibility_changed", version=3)
    await asyncio.sleep(0.3)
    recorded_at_hold = _packets(stage)
    await asyncio.sleep(1.5)
    assert _packets(stage) == recorded_at_hold
    assert recorded_before > 100
    held = customer.pcm(last_s=1.0)
    assert level_at(held, AGENT_HZ) < -60
    assert -50 < 20 * np.log10(np.sqrt(np.mean((held / 32_768) ** 2))) < HOLD_DBFS + 6
    assert level_at(agent.pcm(last_s=1.0), CUSTOMER_HZ) < -60
    assert stage.told("silence_began") == []  # hold is no dead air
    stage.bridge.set_audibility(command(4, [CUSTOMER, AI, AGENT]))
    await stage.happens("audibility_changed", version=4)
    await asyncio.sleep(0.8)
    assert level_at(customer.pcm(last_s=0.5), AGENT_HZ) > -22  # his loudness is being matched
    assert level_at(agent.pcm(last_s=0.5), CUSTOMER_HZ) > -16
    assert customer.breaks() == (0, 0, 0)


async def test_the_ai_does_not_yield_to_a_silent_microphone(stage: Stage) -> None:
    stage.open()
    customer = await stage.attach("customer", Role.CUSTOMER, tone(CUSTOMER_HZ))
    await stage.attach("ai", Role.AI, tone(AI_HZ))
    agent = await stage.attach("agent", Role.AGENT, np.zeros(48_000, np.int16))
    stage.bridge.set_audibility(command(1, [CUSTOMER, AI]))
    await stage.happens("leg_live", seat_id="agent")
    stage.bridge.set_audibility(command(2, [CUSTOMER, AI, AGENT], needs_live="agent"))
    await stage.happens("microphone_silent", seat_id="agent", timeout_s=4)
    assert not stage.told("audibility_changed", version=2)
    assert level_at(customer.pcm(last_s=0.5), AI_HZ) > -16
    agent.speech.pcm = tone(AGENT_HZ, 1.0)
    await stage.happens("audibility_changed", version=2, timeout_s=1)
    assert len(stage.told("microphone_silent")) == 1


async def test_keys_are_tones_for_who_takes_no_events_and_only_for_him(stage: Stage) -> None:
    stage.open()
    customer = await stage.attach("customer", Role.CUSTOMER, tone(CUSTOMER_HZ))
    ai = await stage.attach("ai", Role.AI, tone(AI_HZ))
    stage.bridge.set_audibility(command(1, [CUSTOMER, AI]))
    await stage.happens("leg_live", seat_id="ai")
    await asyncio.sleep(0.3)
    assert stage.bridge.send_digits("call", "ai", "5") == {"as": "tones"}
    with pytest.raises(Problem, match="wait until"):
        stage.bridge.send_digits("call", "ai", "5")
    await asyncio.sleep(0.8)
    both = [levels(ai.pcm(last_s=1.2), hz) for hz in (770, 1_336)]
    assert all((level > -30).sum() * 5 >= 80 for level in both)
    assert all(levels(customer.pcm(last_s=1.2), hz).max() < -40 for hz in (770, 1_336))
    for digits in ("", "x", "1" * 33):
        with pytest.raises(Problem, match="1 to 32"):
            stage.bridge.send_digits("call", "ai", digits)
    assert ai.breaks() == (0, 0, 0)


def test_keys_as_events_are_read_once_each_and_the_voice_goes_on() -> None:
    writer, reader, read = DigitWriter(110), DigitReader(), []
    writer.write("1#D")
    sent = []
    for number in range(60):
        voice = struct.pack("!BBHII", 0x80, 111, number, number * 960, 7) + b"voice"
        sent.append(writer.instead_of(voice))
    for number, packet in enumerate(sent):
        first, kind, sequence, timestamp, ssrc = struct.unpack_from("!BBHII", packet)
        assert (first, sequence, ssrc) == (0x80, number, 7)
        if kind & 0x7F == 110:
            read.append(reader.take(packet[12:], timestamp, number * 20.0))
    assert [digit for digit in read if digit] == ["1", "#", "D"]
    assert not writer.is_busy
    assert [packet[1] & 0x80 for packet in sent].count(0x80) == 3  # a marker where each begins
    ends = [packet for packet in sent if packet[1] & 0x7F == 110 and packet[13] & 0x80]
    assert len(ends) == 9
    assert struct.unpack("!H", ends[0][14:16]) == (6 * 960,)


def test_prompts_begin_play_and_end() -> None:
    once, loop = Prompt(key_tones("1")), Prompt(Prompts().hold, loops=True)
    assert once.heard.any()
    for _ in range(10):
        once.advance()
    assert once.is_over
    assert not once.heard.any()
    for _ in range(len(Prompts().hold)):
        loop.advance()
    assert loop.sounding
    seam = np.concatenate([Prompts().hold[-1], Prompts().hold[0]]).astype(int)
    assert np.abs(np.diff(seam)).max() < 300


@pytest.mark.parametrize(
    ("rate_hz", "samples", "said"), [(8_000, 8_000, "8000 Hz"), (16_000, 10, "at least|must last")]
)
def test_a_clip_that_cannot_be_used_is_explained(
    tmp_path: Path, rate_hz: int, samples: int, said: str
) -> None:
    path = tmp_path / "clip.wav"
    with wave.open(str(path), "wb") as clip:
        clip.setnchannels(1)
        clip.setsampwidth(2)
        clip.setframerate(rate_hz)
        clip.writeframes(bytes(2 * samples))
    with pytest.raises(BadClip, match=said):
        read_clip(path)
    with pytest.raises(BadClip, match="cannot be read"):
        read_clip(tmp_path / "none.wav")
    for given, setting in (
        ({"spoken_clip": str(path)}, "handoff_notice_clip"),
        (
            {"hold_clip": str(path)},
            "hold_audio_clip",
        ),
    ):
        with pytest.raises(BadClip, match=rf"media\.{setting}: .*{said}"):
            Prompts(**given)
    assert len(Prompts().notices["spoken"]) * CHUNK_SAMPLES / SAMPLE_RATE_HZ < 3


def _packets(stage: Stage) -> int:
    return sum(message.count for message, _ in stage.recorder.told if isinstance(message, Packets))
