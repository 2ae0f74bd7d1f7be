"""Recordings: on the timeline, readable whatever happens, told once."""

from __future__ import annotations

import asyncio
import contextlib
import io
import itertools
import random
import resource
import stat
import struct
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from voicewatch.core.events import Event, Fact, RecordingGap, RecordingSegment, Role
from voicewatch.processes.link import Link, LinkServer
from voicewatch.processes.messages import CloseStream, ForgetCall, OpenStream, Packets
from voicewatch.processes.sockets import Sockets
from voicewatch.record import ogg, process
from voicewatch.record.recording_file import OggOpusWriter
from voicewatch.record.recordings import BadId, Recorder
from voicewatch.record.sealed_file import SealedReader, SealedWriter
from voicewatch.record.sealing import KeyRing
from voicewatch.settings import Settings

Samples = np.ndarray[Any, np.dtype[np.float64]]


def tone(count: int, rate_hz: int = 16_000, frequency_hz: int = 440) -> list[bytes]:
    """Opus packets of 20 ms of a tone at half of full scale, mono."""
    codec = av.CodecContext.create("libopus", "w")
    codec.sample_rate, codec.layout, codec.format = rate_hz, "mono", "s16"
    samples = 0.5 * np.sin(2 * np.pi * frequency_hz * np.arange(count * rate_hz // 50) / rate_hz)
    frame = av.AudioFrame.from_ndarray((samples * 32767).astype(np.int16)[None, :], "s16", "mono")
    frame.sample_rate = rate_hz
    fifo = av.AudioFifo()
    fifo.write(frame)
    found: list[bytes] = []
    while (piece := fifo.read(rate_hz // 50)) is not None:
        found += [bytes(packet) for packet in codec.encode(piece)]
    return (found + [bytes(packet) for packet in codec.encode(None)])[:count]


TONE = tone(150)
KEY = bytes(range(32))


def plain(path: Path, key: bytes = KEY) -> bytes:
    """The Ogg file in a recording."""
    reader = SealedReader(path, key, f"{path.parent.name}/{path.name}")
    try:
        return reader.read(0, reader.size)
    finally:
        reader.close()


def decoded(path: Path, key: bytes = KEY) -> Samples:
    """All samples at 48 kHz, -1..1."""
    with av.open(io.BytesIO(plain(path, key))) as container:
        parts = [frame.to_ndarray().ravel() for frame in container.decode(audio=0)]
    return np.concatenate(parts).astype(np.float64)


def loudness(samples: Samples, start_ms: int, end_ms: int) -> float:
    part = samples[start_ms * 48 : end_ms * 48]
    return float(np.sqrt(np.mean(part**2)))


def file_in(folder: Path) -> Path:
    return folder / "a.opus.sealed"


@pytest.fixture
def writer(tmp_path: Path) -> OggOpusWriter:
    sealed = SealedWriter(file_in(tmp_path), KEY, f"{tmp_path.name}/a.opus.sealed")
    return OggOpusWriter(sealed, 1000, Role.CUSTOMER)


def write(writer: OggOpusWriter, *starts_ms: int) -> None:
    """Half a second of tone from each of the times."""
    for start_ms in starts_ms:
        for number in range(25):
            writer.add(start_ms + number * 20, TONE[number])


def test_a_file_is_heard_as_it_was_written(writer: OggOpusWriter, tmp_path: Path) -> None:
    for number, packet in enumerate(TONE):
        writer.add(1000 + number * 20, packet)
    writer.close()
    samples = decoded(file_in(tmp_path))
    assert len(samples) / 48 == pytest.approx(3000, abs=20)
    assert loudness(samples, 100, 2900) == pytest.approx(0.5 / np.sqrt(2), rel=0.05)
    spectrum = np.abs(np.fft.rfft(samples[4800 : 4800 + 48_000]))
    assert int(np.argmax(spectrum)) == 440
    assert (writer.packets, writer.end_ms) == (150, 4000)
    pages = list(ogg.pages(plain(file_in(tmp_path))))
    assert [page.flags for page in pages] == [ogg.FIRST_PAGE, 0, 0, 0, ogg.LAST_PAGE]
    assert pages[-1].end == len(plain(file_in(tmp_path)))
    assert pages[2].granule == 48_000


def test_a_gap_is_silent_and_the_time_stays(writer: OggOpusWriter, tmp_path: Path) -> None:
    write(writer, 1000, 2500)
    writer.add(1200, TONE[0])  # too late
    writer.close()
    samples = decoded(file_in(tmp_path))
    assert len(samples) / 48 == pytest.approx(2000, abs=20)
    assert loudness(samples, 100, 450) > 0.3
    assert loudness(samples, 560, 1480) < 1e-4
    assert loudness(samples, 1600, 1950) > 0.3
    assert (writer.packets, writer.late) == (50, 1)


def test_two_packets_in_the_time_of_one_are_both_kept_and_the_next_gap_takes_it_back(
    writer: OggOpusWriter, tmp_path: Path
) -> None:
    for at_ms in (1000, 1020, 1020, 1040):
        writer.add(at_ms, TONE[0])
    assert (writer.packets, writer.late, writer.end_ms) == (4, 0, 1080)
    writer.add(1100, TONE[0])
    writer.close()
    assert writer.end_ms == 1120


def test_the_silence_packet_is_silent_and_as_long_as_it_says() -> None:
    codec = av.CodecContext.create("libopus", "r")
    codec.sample_rate, codec.layout = 48_000, "mono"
    frames = [frame for _ in range(20) for frame in codec.decode(av.Packet(ogg.SILENCE))]
    assert sum(frame.samples for frame in frames) * 1000 // frames[0].sample_rate == 400
    assert max(float(np.abs(frame.to_ndarray()).max()) for frame in frames) == 0
    assert ogg.packet_granules(ogg.SILENCE) == ogg.SILENCE_MS * ogg.GRANULES_PER_MS


def test_times_that_are_not_whole_chunks_do_not_add_up(writer: OggOpusWriter) -> None:
    for number in range(50):
        writer.add(1000 + number * 33, TONE[number])
    assert abs(writer.end_ms - (1000 + 49 * 33 + 20)) < 20
    writer.close()


def test_big_packets_share_pages_as_they_can(writer: OggOpusWriter, tmp_path: Path) -> None:
    big = TONE[0][:1] + bytes(12_000)
    for number in range(20):
        writer.add(1000 + number * 20, big)
    with pytest.raises(ValueError, match="bytes"):
        writer.add(1400, TONE[0][:1] + bytes(70_000))
    writer.close()
    pages = list(ogg.pages(plain(file_in(tmp_path))))
    assert [packet for page in pages[2:] for packet in page.packets] == [big] * 20


@pytest.mark.parametrize("size", [0, 1, 254, 255, 256, 510])
def test_lacing(size: int) -> None:
    (page,) = ogg.pages(ogg.page(0, 5, 1, 2, [b"x" * size, b"y"]))
    assert page.packets == [b"x" * size, b"y"]


@given(st.binary(max_size=300))
def test_checksum_is_that_of_the_standard(data: bytes) -> None:
    expected = 0
    for byte in data:
        expected ^= byte << 24
        for _ in range(8):
            expected = (expected << 1 ^ (0x04C11DB7 if expected >> 31 else 0)) & 0xFFFFFFFF
    assert ogg.checksum(data) == expected


@given(st.binary(max_size=20))
def test_any_bytes_have_a_length_or_are_refused(packet: bytes) -> None:
    assert not ogg.is_opus(packet) or 0 < ogg.packet_granules(packet) <= 5760


@given(st.integers(0, 60_000), st.integers(0, 255))
def test_damage_ends_the_reading_and_nothing_else(at: int, value: int) -> None:
    data = bytearray(b"".join(ogg.page(0, n, 1, n, [bytes(200)]) for n in range(5)))
    data[at % len(data)] = value
    assert all(page.packets == [bytes(200)] for page in ogg.pages(bytes(data)))


# ---------------------------------------------------------------- the recorder


class Told:
    """What a recorder reported."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []

    def __call__(self, fact: Fact) -> int:
        self.facts.append(fact)
        return len(self.facts)

    @property
    def segments(self) -> list[RecordingSegment]:
        return [fact for fact in self.facts if isinstance(fact, RecordingSegment)]

    @property
    def gaps(self) -> list[RecordingGap]:
        return [fact for fact in self.facts if isinstance(fact, RecordingGap)]


MEDIA = object()


def recorder_in(folder: Path, told: Told) -> Recorder:
    return Recorder(folder, told, lambda call_id: KEY)


def opening(stream: int = 1, call: str = "call1", seat: str = "seat1") -> OpenStream:
    return OpenStream(stream=stream, call_id=call, seat_id=seat, role=Role.CUSTOMER, zero_mono_ns=0)


def tick(stream: int, at_ms: int, packet: bytes) -> bytes:
    return struct.pack("!HIH", stream, at_ms, len(packet)) + packet


def feed(recorder: Recorder, start_ms: int, count: int = 50, stream: int = 1) -> None:
    for number in range(count):
        recorder.packets(MEDIA, 1, tick(stream, start_ms + number * 20, TONE[number % 150]))


def test_a_stream_becomes_a_file_and_a_fact(tmp_path: Path) -> None:
    told = Told()
    recorder = recorder_in(tmp_path / "recordings", told)
    recorder.open(MEDIA, opening())
    feed(recorder, 500)
    recorder.packets(MEDIA, 2, tick(9, 0, TONE[0]) + tick(1, 1500, b"\x03"))  # unknown stream; no Opus
    recorder.close(MEDIA, 1)
    expected = RecordingSegment(
        call_id="call1",
        at_ms=1500,
        seat_id="seat1",
        role=Role.CUSTOMER,
        path="call1/seat1-1.opus.sealed",
        start_ms=500,
        duration_ms=1000,
        packets=50,
        dropped=1,
    )
    assert told.facts == [expected]
    file = tmp_path / "recordings" / "call1" / "seat1-1.opus.sealed"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    # Told again by the next recorder until it is durable, and then no more.
    again = Told()
    later = recorder_in(tmp_path / "recordings", again)
    later.report_earlier()
    assert again.facts == [expected.model_copy(update={"dropped": 0})]
    later.acknowledged(1)
    recorder_in(tmp_path / "recordings", again).report_earlier()
    assert len(again.facts) == 1


def test_a_silent_stream_leaves_nothing(tmp_path: Path) -> None:
    told = Told()
    recorder = recorder_in(tmp_path, told)
    recorder.open(MEDIA, opening())
    recorder.close_source(MEDIA)
    assert (told.facts, [path.name for path in tmp_path.glob("*/*")]) == ([], [])


def test_the_end_of_a_call_or_of_media_ends_its_files(tmp_path: Path) -> None:
    told = Told()
    recorder = recorder_in(tmp_path, told)
    for number, call in enumerate(["call1", "call2", "call3"]):
        recorder.open(MEDIA, opening(number, call))
        feed(recorder, 0, stream=number)
    recorder.forget("call2")
    assert [segment.call_id for segment in told.segments] == ["call2"]
    recorder.close_source(MEDIA)
    assert [segment.call_id for segment in told.segments] == ["call2", "call1", "call3"]


def test_a_very_long_gap_begins_another_file(tmp_path: Path) -> None:
    told = Told()
    recorder = recorder_in(tmp_path, told)
    recorder.open(MEDIA, opening())
    feed(recorder, 0)
    feed(recorder, 4_000_000_000)
    recorder.close_all()
    assert [(s.path, s.start_ms) for s in told.segments] == [
        ("call1/seat1-1.opus.sealed", 0),
        ("call1/seat1-2.opus.sealed", 4_000_000_000),
    ]


@pytest.mark.parametrize("bad", ["../x", "", "a/b", "a.b", "x" * 65, "a\0"])
def test_ids_from_outside_make_no_paths(tmp_path: Path, bad: str) -> None:
    recorder = recorder_in(tmp_path, Told())
    with pytest.raises(BadId, match="call_id"):
        recorder.open(MEDIA, opening(call=bad))
    with pytest.raises(BadId, match="seat_id"):
        recorder.open(MEDIA, opening(seat=bad))


def test_a_pause_is_silent_and_the_time_stays(tmp_path: Path) -> None:
    told = Told()
    recorder = recorder_in(tmp_path, told)
    recorder.open(MEDIA, opening())
    feed(recorder, 0)
    recorder.pause("call1", 1000)
    feed(recorder, 1000)
    recorder.resume("call1", 2000)
    feed(recorder, 1500, count=25)  # on its way since before
    feed(recorder, 2000)
    recorder.pause("call1", 3000)
    assert recorder.paused_calls() == ["call1"]
    assert recorder_in(tmp_path, told).paused_calls() == ["call1"]
    feed(recorder, 3000)
    recorder.forget("call1")
    assert recorder_in(tmp_path, told).paused_calls() == []
    (segment,) = told.segments
    assert (segment.start_ms, segment.duration_ms, segment.packets, told.gaps) == (0, 3000, 100, [])
    samples = decoded(tmp_path / segment.path)
    assert loudness(samples, 100, 950) > 0.3
    assert loudness(samples, 1050, 1980) == 0
    assert loudness(samples, 2200, 2950) > 0.3
    with pytest.raises(BadId):
        recorder.pause("../x", 0)


def test_without_its_key_a_call_is_not_recorded_and_that_is_told(tmp_path: Path) -> None:
    told = Told()
    keys: list[bytes | None] = [None, KEY]
    recorder = Recorder(tmp_path, told, lambda call_id: keys.pop(0))
    recorder.open(MEDIA, opening())
    feed(recorder, 0, count=300)
    recorder.close_all()
    (gap,), (segment,) = told.gaps, told.segments
    assert (gap.start_ms, gap.end_ms, gap.reason, segment.start_ms) == (0, 5000, "no_key", 5000)
    assert recorder.status(0).failures == 1


def test_malformed_ticks_are_refused(tmp_path: Path) -> None:
    recorder = recorder_in(tmp_path, Told())
    with pytest.raises(ValueError, match="count"):
        recorder.packets(MEDIA, 2, tick(1, 0, b"abc"))
    with pytest.raises(ValueError, match="longer"):
        recorder.packets(MEDIA, 1, struct.pack("!HIH", 1, 0, 9) + b"abc")


def test_a_full_disk_leaves_what_there_is_and_it_goes_on_later(tmp_path: Path) -> None:
    told = Told()
    recorder = recorder_in(tmp_path, told)
    recorder.open(MEDIA, opening())
    feed(recorder, 0, count=120)
    size = (tmp_path / "call1" / "seat1-1.opus.sealed").stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 1000, hard))
    try:
        feed(recorder, 2400, count=150)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    feed(recorder, 9000)
    recorder.close_all()
    first, second = told.segments
    (gap,) = told.gaps
    assert (first.closed, second.closed, second.start_ms) == (False, True, 9000)
    assert (gap.start_ms, gap.end_ms, gap.reason) == (first.duration_ms, 9000, "disk")
    assert len(decoded(tmp_path / first.path)) / 48 == pytest.approx(first.duration_ms, abs=20)


@pytest.mark.parametrize("is_freed", [True, False])
def test_a_call_that_a_full_disk_never_recorded_leaves_its_gap_and_no_litter(
    tmp_path: Path, is_freed: bool
) -> None:
    told = Told()
    recorder = recorder_in(tmp_path, told)
    recorder.open(MEDIA, opening())
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with capture_logs() as lines:
            feed(recorder, 0, count=1_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [line["event"] for line in lines] == ["recording_failed"] * 4  # every five seconds
    assert recorder.status(0).failing == 1
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    if is_freed:
        feed(recorder, 20_000)
        assert recorder.status(0).failing == 0
    recorder.close_all()
    (gap,) = told.gaps
    assert (gap.start_ms, gap.end_ms, gap.reason) == (0, 20_000 if is_freed else 19_980, "disk")
    assert [segment.start_ms for segment in told.segments] == [20_000] * is_freed


def test_what_a_dead_recorder_left_is_found(tmp_path: Path) -> None:
    recorder = recorder_in(tmp_path, Told())
    recorder.open(MEDIA, opening())
    feed(recorder, 200, count=150)
    file = tmp_path / "call1" / "seat1-1.opus.sealed"
    with file.open("ab") as cut:
        cut.write(struct.pack("!I", 300) + bytes(96))  # killed within a write
    whole = file.stat().st_size - 100
    told = Told()
    later = recorder_in(tmp_path, told)
    later.report_earlier()
    (segment,) = told.segments
    assert (segment.closed, segment.start_ms, segment.duration_ms, segment.packets) == (False, 200, 2000, 100)
    assert file.stat().st_size == whole
    later.open(MEDIA, opening())
    feed(later, 5000)
    (gap,) = told.gaps
    assert (gap.start_ms, gap.end_ms, gap.reason) == (2200, 5000, "recorder_died")
    later.close_all()
    assert told.segments[1].path == "call1/seat1-2.opus.sealed"


# ---------------------------------------------------------------- the process


async def until(true: Callable[[], Any], within_s: float = 30) -> None:
    """Another process changed something: there is nothing to wait on but the sight of it."""
    for _ in range(int(within_s * 100)):
        if true():
            return
        await asyncio.sleep(0.01)
    raise TimeoutError


@contextlib.asynccontextmanager
async def front(sockets: Sockets) -> AsyncIterator[tuple[Told, LinkServer]]:
    told = Told()

    async def take(peer: object, epoch: str, first_seq: int, events: list[Event]) -> None:
        told.facts += [event for event in events if isinstance(event, Fact)]

    server = LinkServer(
        on_hello=lambda *_: None, on_gone=lambda *_: None, on_message=lambda *_: None, on_report=take
    )
    serving = asyncio.create_task(server.serve(sockets.listener("front")))
    yield told, server
    await ended(serving)


@contextlib.asynccontextmanager
async def media(sockets: Sockets) -> AsyncIterator[Link]:
    link = Link(sockets.path("recorder"), "media-0", "e1")
    running = asyncio.create_task(link.run())
    yield link
    await ended(running)


async def ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


@pytest.fixture
def sockets() -> Iterator[Sockets]:
    with tempfile.TemporaryDirectory() as folder:
        made = Sockets(Path(folder))
        yield made
        made.close()


async def test_the_process_records_and_tells_front(tmp_path: Path, sockets: Sockets) -> None:
    _, key, _ = keys_in(tmp_path, "call1", "call2", "call7")
    running = asyncio.create_task(process.run(Settings(data=tmp_path), sockets, "recorder"))
    async with front(sockets) as (told, server), media(sockets) as link:
        await until(lambda: link.connected and "recorder" in server.peers)
        for number, call in ((1, "call1"), (2, "call2"), (3, "../../etc")):
            link.tell(opening(number, call))
        for number in range(50):
            at_ms = number * 20
            payload = b"".join(tick(stream, at_ms, TONE[number]) for stream in (1, 2, 3))
            link.tell(Packets(count=3), payload)
        link.tell(CloseStream(stream=1, at_ms=1000))
        await until(lambda: told.segments)
        await server.peers["recorder"].ask(ForgetCall(call_id="call2"))
        await until(lambda: len(told.segments) == 2)
        link.tell(opening(7, "call7"))
        link.tell(Packets(count=1), tick(7, 0, TONE[0]))
        folder = tmp_path / "recordings"
        await until((folder / "call7" / "seat1-1.opus.sealed").exists)
        await ended(running)  # its last words
        assert [segment.call_id for segment in told.segments] == ["call1", "call2", "call7"]
        assert len(decoded(folder / "call2" / "seat1-1.opus.sealed", key)) / 48 == pytest.approx(1000, abs=20)
        await until(lambda: not names(folder / "unreported"))
    assert names(folder) == ["call1", "call2", "call7", "paused", "unreported"]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def has_pages(file: Path, key: bytes, count: int) -> bool:
    return file.exists() and file.stat().st_size > 40 and len(list(ogg.pages(plain(file, key)))) >= count


def keys_in(data: Path, *call_ids: str) -> list[bytes]:
    """The keys that front makes as a call is journalled."""
    (data / "journal").mkdir()
    ring = KeyRing(data / "journal" / "keys.db")
    try:
        return [ring.find_or_make(call_id) for call_id in call_ids]
    finally:
        ring.close()


@contextlib.contextmanager
def recorder_process(sockets: Sockets, data: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Killed at the end."""
    sockets.path("recorder").unlink(missing_ok=True)
    command = [sys.executable, "-m", "tests.record.recorder_child", str(sockets.run_dir), str(data)]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2]) as started:
        try:
            yield started
        finally:
            started.kill()


async def test_kill_9_leaves_a_readable_file_and_a_marked_gap(tmp_path: Path, sockets: Sockets) -> None:
    (key,) = keys_in(tmp_path, "call1")
    folder = tmp_path / "recordings" / "call1"
    choice = random.Random(5)
    times = itertools.count(0, 20)
    async with front(sockets) as (told, _), media(sockets) as link:
        for life in (1, 2):
            file = folder / f"seat1-{life}.opus.sealed"
            with recorder_process(sockets, tmp_path):
                await until(lambda: link.connected)
                link.tell(opening())
                for _ in range(150 + choice.randrange(50)):
                    link.tell(Packets(count=1), tick(1, next(times), choice.choice(TONE)))
                await until(partial(has_pages, file, key, 5))
            await until(lambda: not link.connected)
            assert len(decoded(file, key)) / 48 >= 3000 - 1100
            for _ in range(50):
                next(times)
        with recorder_process(sockets, tmp_path):
            await until(lambda: len({segment.path for segment in told.segments}) == 2 and told.gaps)
    first, second = told.segments[0], told.segments[-1]
    assert (first.closed, second.closed) == (False, False)
    assert told.gaps[0].start_ms == first.start_ms + first.duration_ms
    assert told.gaps[0].end_ms == second.start_ms
