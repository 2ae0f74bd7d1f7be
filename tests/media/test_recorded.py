"""What the recordings hold of a call over real WebRTC: each on his channel, and the coach never."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np

from tests.media.conftest import Stage
from tests.support.peers import level_at, tone
from voicewatch.core.events import Fact, Role
from voicewatch.media.opus import OpusLibrary
from voicewatch.processes.messages import OpenStream, Packets
from voicewatch.record.mixing import blocks, open_tracks
from voicewatch.record.recordings import Recorder

CUSTOMER_HZ, AGENT_HZ, COACH_HZ = 400, 1_000, 1_500
KEY = bytes(range(32))
MEDIA = object()


async def test_a_coach_is_in_no_recording_until_the_customer_hears_him(stage: Stage, tmp_path: Path) -> None:
    stage.open()
    await stage.attach("customer", Role.CUSTOMER, tone(CUSTOMER_HZ))
    await stage.attach("agent", Role.AGENT, tone(AGENT_HZ))
    await stage.attach("coach", Role.SUPERVISOR, tone(COACH_HZ))
    coaching = {"customer": "agent", "agent": "customer coach", "coach": "customer agent"}
    for seat in ("customer", "agent", "coach"):
        await stage.happens("leg_live", seat_id=seat)
    since_ms = []
    for version, table in ((1, coaching), (2, coaching | {"customer": "agent coach"}), (3, coaching)):
        stage.hears(version, **table)
        since_ms.append((await stage.happens("audibility_changed", version=version)).at_ms)
        await asyncio.sleep(1.2)
    end_ms = max(since_ms) + 1_100

    mixed = mix_of(stage, tmp_path, end_ms)
    for (start_ms, stop_ms), coach_is_heard in zip(
        ((since_ms[0], since_ms[1]), (since_ms[1], since_ms[2]), (since_ms[2], end_ms)),
        (False, True, False),
        strict=True,
    ):
        left, right = mixed[(start_ms + 150) * 16 : (stop_ms - 50) * 16].T
        assert level_at(left, CUSTOMER_HZ) > -16
        assert level_at(right, AGENT_HZ) > -20
        assert level_at(left, AGENT_HZ) < -60
        assert level_at(left, COACH_HZ) < -60
        assert (level_at(right, COACH_HZ) > -20) == coach_is_heard
        assert coach_is_heard or level_at(right, COACH_HZ) < -60


def mix_of(stage: Stage, folder: Path, until_ms: int) -> np.ndarray:
    """What the recorder makes of what media told it, as (samples, 2)."""
    told: list[Fact] = []

    def report(fact: Fact) -> int:
        told.append(fact)
        return len(told)

    recorder = Recorder(folder, report, lambda call_id: KEY)
    for message, payload in stage.recorder.told:
        if isinstance(message, OpenStream):
            recorder.open(MEDIA, message)
        elif isinstance(message, Packets):
            recorder.packets(MEDIA, message.count, payload)
    recorder.close_all()
    tracks = open_tracks(folder, "call", KEY, OpusLibrary())
    return np.concatenate(list(blocks(tracks, 0, until_ms)))
