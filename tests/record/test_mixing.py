"""The mix: who is on which channel, when, and in which part; made by its own process."""

from __future__ import annotations

import io
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests.record.test_recordings import tone, until
from voicewatch.core.events import Role
from voicewatch.processes.problem import Problem
from voicewatch.record import archive as archives
from voicewatch.record.archive import Archive
from voicewatch.record.mixing import WAV_HEADER_BYTES, wav_size
from voicewatch.record.recording_file import OggOpusWriter, Place
from voicewatch.record.sealed_file import SealedWriter
from voicewatch.record.sealing import KeyRing

Stereo = np.ndarray[Any, np.dtype[np.float64]]
LOW, HIGH = tone(100, frequency_hz=300), tone(100, 48_000, frequency_hz=1_200)
CUSTOMER_FROM_MS, CUSTOMER_BURST_MS = 240, 3_000
AI_FROM_MS, AGENT_FROM_MS = 1_240, 6_000
END_MS = 8_500


def record(
    data: Path, key: bytes, place: Place, role: Role, start_ms: int, *bursts_ms: int, end: bool
) -> None:
    """A recording that begins at `start_ms`, with half a second of tone from there and from each burst."""
    (data / "recordings" / place.call_id).mkdir(parents=True, exist_ok=True)
    file = SealedWriter(data / "recordings" / place.path, key, place.path)
    writer = OggOpusWriter(file, start_ms, role)
    packets = LOW if role is Role.CUSTOMER else HIGH
    for burst_ms in (start_ms, *bursts_ms):
        for number, packet in enumerate(packets[:25]):
            writer.add(burst_ms + 20 * number, packet)
    writer.close() if end else writer.abandon()


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    (tmp_path / "journal").mkdir()
    ring = KeyRing(tmp_path / "journal" / "keys.db")
    key = ring.find_or_make("call1")
    record(
        tmp_path, key, Place("call1", "c", 1), Role.CUSTOMER, CUSTOMER_FROM_MS, CUSTOMER_BURST_MS, end=True
    )
    record(tmp_path, key, Place("call1", "ai", 1), Role.AI, AI_FROM_MS, end=True)
    record(tmp_path, key, Place("call1", "agent", 1), Role.AGENT, AGENT_FROM_MS, end=True)
    yield Archive(tmp_path / "recordings", tmp_path / "journal" / "keys.db")
    ring.close()


async def taken(archive: Archive, form: Any, **wanted: Any) -> bytes:
    mix = await archive.mix("call1", form, **wanted)
    assert mix is not None
    return b"".join([part async for part in mix.parts()])


def from_wav(data: bytes) -> Stereo:
    with wave.open(io.BytesIO(data)) as file:
        assert (file.getnchannels(), file.getframerate(), file.getsampwidth()) == (2, 16_000, 2)
        raw = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    return raw.reshape(-1, 2).T / 32_768


def from_ogg(data: bytes) -> Stereo:
    """At 16 kHz."""
    with av.open(io.BytesIO(data)) as container:
        parts = [frame.to_ndarray() for frame in container.decode(audio=0)]
    return np.concatenate(parts, axis=1)[:, ::3].astype(np.float64)


def bursts(channel: np.ndarray[Any, Any]) -> list[tuple[float, float]]:
    """(start, end) in ms of what sounds, by the loudness of each 5 ms."""
    windows = channel[: len(channel) // 80 * 80].reshape(-1, 80)
    loud = np.sqrt((windows**2).mean(axis=1)) > 0.1
    edges = np.flatnonzero(np.diff(np.concatenate([[0], loud.astype(int), [0]])))
    return [(float(a * 5), float(b * 5)) for a, b in edges.reshape(-1, 2)] if len(edges) else []


def assert_heard(mix: Stereo, shift_ms: int = 0) -> None:
    """Everybody's bursts on his channel, within 20 ms of the call's clock."""
    expected = [[CUSTOMER_FROM_MS, CUSTOMER_BURST_MS], [AI_FROM_MS, AGENT_FROM_MS]]
    for channel, starts in zip(mix, expected, strict=True):
        found = bursts(channel)
        wanted = [start - shift_ms for start in starts if start >= shift_ms]
        assert [start for start, _ in found] == pytest.approx(wanted, abs=20)
        assert [end - start for start, end in found] == pytest.approx([500] * len(wanted), abs=25)


async def test_channels_and_times_are_those_of_the_call(archive: Archive) -> None:
    wav = await taken(archive, "wav", until_ms=END_MS)
    assert len(wav) == wav_size(END_MS)
    assert_heard(from_wav(wav))
    ogg = from_ogg(await taken(archive, "ogg", until_ms=END_MS))
    assert ogg.shape[1] / 16 == pytest.approx(END_MS, abs=1)
    assert_heard(ogg)
    assert_heard(from_ogg(await taken(archive, "ogg", from_ms=1_001, until_ms=END_MS)), 1_001)


async def test_parts_of_the_wav_file_are_parts_of_it(archive: Archive) -> None:
    whole = await taken(archive, "wav", until_ms=END_MS)
    within_a_tone = (WAV_HEADER_BYTES + 64 * 3_100 + 2, WAV_HEADER_BYTES + 64 * 3_300)
    for first, end in ((0, 10), (20, 2_002), within_a_tone):
        part = await taken(archive, "wav", until_ms=END_MS, first_byte=first, end_byte=end)
        assert len(part) == end - first
        given, wanted = (np.frombuffer(data, "<i2").astype(float) for data in (part, whole[first:end]))
        # A decoder that began shortly before differs a little from one that began with the call.
        assert np.abs(given - wanted).mean() <= 0.05 * np.abs(wanted).mean()


async def test_a_call_that_goes_on_is_mixed_as_far_as_it_is_written(archive: Archive, tmp_path: Path) -> None:
    key = archive._key("call1")
    assert key is not None
    record(tmp_path, key, Place("call1", "c", 2), Role.CUSTOMER, 7_000, 7_500, 8_000, end=False)
    mix = await archive.mix("call1", "wav")
    assert mix is not None
    assert 8_000 <= mix.duration_ms <= 8_500
    assert mix.size == wav_size(mix.duration_ms)
    found = bursts(from_wav(b"".join([part async for part in mix.parts()]))[0])
    assert found[-1][0] == pytest.approx(7_000, abs=20)


async def test_what_is_erased_or_never_was_cannot_be_mixed(archive: Archive, tmp_path: Path) -> None:
    assert await archive.mix("call2", "wav") is None
    assert await archive.mix("../call1", "wav") is None
    assert archive.open("call1", "call1/c-1.opus.sealed") is not None
    assert archive.open("call1", "../journal/keys.db") is None
    archive.erase("call1")
    assert await archive.mix("call1", "wav") is None
    assert not (tmp_path / "recordings" / "call1").exists()


async def test_mixes_are_few_and_a_listener_who_takes_nothing_is_let_go(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "STALLED_S", 4.0)
    hour_ms = 3_600_000
    mixes = [await archive.mix("call1", "wav", until_ms=hour_ms) for _ in range(archives.MIXES_AT_ONCE)]
    with pytest.raises(Problem, match="being made"):
        await archive.mix("call1", "wav")
    await until(lambda: not archive.mixing, 20)
    assert [mix._worker.wait() for mix in mixes if mix and mix._worker] == [-9, -9]
    assert len(await taken(archive, "wav", until_ms=END_MS)) == wav_size(END_MS)
