"""A recogniser that is slow, raises or hangs, in a process of its own; front and media are this test."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from tests.speech.test_process import Chunk, Front, Media, running
from voicewatch.core.events import SpeechStatus, SystemStatus, TranscriptGap, UtteranceFinal
from voicewatch.processes.sockets import Sockets

HOST = Path(__file__).parents[1] / "support" / "model_host.py"
REPOSITORY = Path(__file__).parents[2]
DEGRADED_WITHIN_S = 3.0


@contextlib.asynccontextmanager
async def a_model(sockets: Sockets, kind: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """On the socket that the test keeps, as the keeper does."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    listener = sockets.listener("model").fileno()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(HOST), str(sockets.run_dir), str(listener), kind),
        env=environment,
        pass_fds=[listener],
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@pytest.fixture
def sockets(tmp_path: Path) -> AsyncIterator[Sockets]:
    made = Sockets(tmp_path)
    yield made
    made.close()


async def say_again_and_again(media: Media, chunks: Sequence[Chunk], times: int) -> None:
    """The call's chunks, one round after the other on one clock, as fast as the pipe takes them."""
    length_ms = chunks[-1][0] + 20
    for turn in range(times):
        later = [(at_ms + length_ms * turn, pcm, voiced, dbfs) for at_ms, pcm, voiced, dbfs in chunks]
        for first in range(0, len(later), 10):
            while not media.offer(later[first : first + 10]):  # noqa: ASYNC110 (a pipe tells nobody)
                await asyncio.sleep(0.01)


def degraded(front: Front) -> list[str]:
    told = front.all_of(SystemStatus)
    return told[-1].degraded if told else []


async def until_degraded(front: Front, what: str) -> float:
    """Seconds until it was told."""
    began_s = time.monotonic()
    await front.until(lambda: what in degraded(front))
    return time.monotonic() - began_s


async def test_a_recogniser_ten_times_slower_loses_nothing_and_sheds_what_is_only_shown(
    sockets: Sockets, call_chunks: list[Chunk]
) -> None:
    front, media = Front(sockets), Media(sockets)
    async with running(front.run()), running(media.link.run()), a_model(sockets, "SLOW"):
        await front.up()
        await media.open(elapsed_s=60)
        await say_again_and_again(media, call_chunks, 4)  # eight utterances at once
        assert await until_degraded(front, "transcription is behind") <= DEGRADED_WITHIN_S
        await front.until(lambda: len(front.all_of(UtteranceFinal)) == 8, 30)
        assert not front.all_of(TranscriptGap)
        late = [final for final in front.all_of(UtteranceFinal) if "late" in final.degraded]
        assert len(late) >= 4, "those that came late say so"
        assert max(status.step for status in front.all_of(SpeechStatus)) >= 3
        await front.until(lambda: "transcription is behind" not in degraded(front))


async def test_a_recogniser_that_raises_is_told_and_every_utterance_becomes_a_gap(
    sockets: Sockets, call_chunks: list[Chunk]
) -> None:
    front, media = Front(sockets), Media(sockets)
    async with running(front.run()), running(media.link.run()), a_model(sockets, "RAISES"):
        await front.up()
        await media.open()
        media.say(call_chunks)
        assert await until_degraded(front, "the recogniser fails") <= DEGRADED_WITHIN_S
        await front.until(lambda: len(front.all_of(TranscriptGap)) == 2)
        await media.until_heard(call_chunks[-1][0] - 500)


async def test_a_recogniser_that_hangs_is_told_ends_its_process_and_the_next_one_makes_up_for_it(
    sockets: Sockets, call_chunks: list[Chunk]
) -> None:
    front, media = Front(sockets), Media(sockets)
    half = [chunk for chunk in call_chunks if chunk[0] < 5_640]
    async with running(front.run()), running(media.link.run()):
        async with a_model(sockets, "HANGS") as process:
            await front.up()
            await media.open()
            media.say(half)
            await front.until(lambda: len(front.all_of(UtteranceFinal)) == 1)
            media.say(call_chunks[len(half) :])
            assert await until_degraded(front, "transcription is behind") <= DEGRADED_WITHIN_S
            async with asyncio.timeout(100):  # twice what a decode may take: 20 times the usual
                assert await process.wait() == 1
        media.up.clear()
        async with a_model(sockets, "WORKS"):
            await media.open()
            media.say([chunk for chunk in call_chunks if chunk[0] >= media.heard_ms])
            await front.until(lambda: len({one.utterance_id for one in front.all_of(UtteranceFinal)}) == 2)
            await front.until(lambda: degraded(front) == [])


async def test_a_killed_model_process_is_made_up_for(sockets: Sockets, call_chunks: list[Chunk]) -> None:
    front, media = Front(sockets), Media(sockets)
    async with running(front.run()), running(media.link.run()):
        async with a_model(sockets, "SLOW") as process:
            await front.up()
            await media.open()
            media.say(call_chunks)
            await front.until(lambda: bool(front.all_of(SpeechStatus)))
            process.kill()
        media.up.clear()
        async with a_model(sockets, "WORKS"):
            await media.open()
            media.say([chunk for chunk in call_chunks if chunk[0] >= media.heard_ms])
            await front.until(lambda: len({one.utterance_id for one in front.all_of(UtteranceFinal)}) == 2)
