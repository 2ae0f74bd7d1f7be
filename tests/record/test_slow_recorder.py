"""A recorder that is hung (SIGSTOP), killed (SIGKILL) or paused: media does not feel it, and what is missing
is told. The recorder is a real process, fed as media feeds it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from tests.record.test_recordings import (
    TONE,
    decoded,
    front,
    has_pages,
    keys_in,
    loudness,
    media,
    opening,
    recorder_process,
    sockets,
    tick,
    until,
)
from voicewatch.core.events import Fact, RecordingGap, Role
from voicewatch.media.feeds import Feeds
from voicewatch.processes.link import Link
from voicewatch.processes.messages import ForgetCall, Packets, SetRecording
from voicewatch.processes.sockets import Sockets

__all__ = ["sockets"]

STREAMS = 40
NO_PCM = np.zeros((0, 320), np.int16)
HUNG_TICKS = 3_000
"""A minute of calls."""
MEMORY_BYTES = 5_000_000


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def run_ticks(
    feeds: Feeds, streams: list[int], first: int, count: int, pause_s: float = 0.004
) -> float:
    """`count` ticks of a packet for each stream, five times as fast as in life; the longest of them in s."""
    longest_s = 0.0
    for number in range(first, first + count):
        began_s = time.perf_counter()
        for stream in streams:
            feeds.packet(feeds._streams[stream], number * 20, TONE[number % len(TONE)])
        feeds.flush(NO_PCM)
        longest_s = max(longest_s, time.perf_counter() - began_s)
        await asyncio.sleep(pause_s)
    return longest_s


async def test_a_hung_recorder_costs_media_nothing_and_its_gap_is_told(
    tmp_path: Path, sockets: Sockets
) -> None:
    calls = [f"call{number}" for number in range(STREAMS)]
    key, *_ = keys_in(tmp_path, *calls)
    told: list[Fact] = []
    model = Link(sockets.path("nobody"), "media-0", "e1")
    async with front(sockets) as (heard, _), media(sockets) as link:
        feeds = Feeds(model, link, told.append, ring_s=5)
        streams = [
            feeds.open(call, "seat1", Role.CUSTOMER, 0, to_model=False, to_recorder=True).number
            for call in calls
        ]
        with recorder_process(sockets, tmp_path) as process:
            file = tmp_path / "recordings" / "call0" / "seat1-1.opus.sealed"
            await until(lambda: link.connected)
            await run_ticks(feeds, streams, 0, 120)
            await until(lambda: has_pages(file, key, 3))
            os.kill(process.pid, signal.SIGSTOP)
            before = resident_bytes()
            longest_s = await run_ticks(feeds, streams, 120, HUNG_TICKS, pause_s=0)
            assert resident_bytes() - before <= MEMORY_BYTES
            assert longest_s < 0.25
            assert feeds.packets_dropped > STREAMS * HUNG_TICKS / 2
            assert not told
            os.kill(process.pid, signal.SIGCONT)
            back_at = 120 + HUNG_TICKS
            async with asyncio.timeout(20):
                while not told:
                    await run_ticks(feeds, streams, back_at, 1)
                    back_at += 1
            await run_ticks(feeds, streams, back_at, 100)
            for stream in streams:
                feeds.close(feeds._streams[stream], (back_at + 100) * 20, "test")
            await until(lambda: len(heard.segments) == STREAMS)
    gaps = [fact for fact in told if isinstance(fact, RecordingGap)]
    assert sorted(gap.call_id for gap in gaps) == sorted(calls)
    assert all(gap.reason == "overload" and gap.end_ms - gap.start_ms > HUNG_TICKS * 10 for gap in gaps)
    gap = next(gap for gap in gaps if gap.call_id == "call0")
    samples = decoded(file, key)
    assert len(samples) / 48 == pytest.approx((back_at + 100) * 20, abs=40)
    assert loudness(samples, 100, gap.start_ms - 100) > 0.3
    assert loudness(samples, gap.start_ms + 100, gap.end_ms - 100) == 0
    assert loudness(samples, gap.end_ms + 200, gap.end_ms + 1_500) > 0.3


async def test_what_is_said_in_a_pause_is_not_kept_though_the_recorder_is_killed_within_it(
    tmp_path: Path, sockets: Sockets
) -> None:
    (key,) = keys_in(tmp_path, "call1")
    folder = tmp_path / "recordings" / "call1"
    async with front(sockets) as (told, server), media(sockets) as link:

        def say(start_ms: int, end_ms: int) -> None:
            for at_ms in range(start_ms, end_ms, 20):
                link.tell(Packets(count=1), tick(1, at_ms, TONE[at_ms // 20 % 150]))

        async def set_recording(paused: bool, at_ms: int) -> None:
            await until(lambda: "recorder" in server.peers)
            await server.peers["recorder"].ask(SetRecording(call_id="call1", at_ms=at_ms, paused=paused))

        with recorder_process(sockets, tmp_path) as process:
            await until(lambda: link.connected)
            link.tell(opening())
            say(0, 3_000)
            await until(lambda: has_pages(folder / "seat1-1.opus.sealed", key, 4))
            await set_recording(True, 3_000)
            await set_recording(True, 3_100)
            say(3_000, 6_000)
            process.kill()
        await until(lambda: not link.connected and "recorder" not in server.peers)
        with recorder_process(sockets, tmp_path):
            await until(lambda: link.connected)
            link.tell(opening())
            say(6_000, 8_000)
            await set_recording(False, 8_000)
            say(7_000, 9_500)  # the first second of it was on its way since before
            await until(lambda: has_pages(folder / "seat1-2.opus.sealed", key, 3))
            await server.peers["recorder"].ask(ForgetCall(call_id="call1"))
            await until(lambda: len(told.segments) >= 2)
        assert not list((tmp_path / "recordings" / "paused").iterdir())
    first, second = told.segments[0], told.segments[-1]
    assert first.start_ms + first.duration_ms <= 3_000
    assert (second.start_ms, second.duration_ms) == (8_000, 1_500)
