"""Recordings: one Ogg Opus file per seat and stretch, of the packets as they came, on the call's timeline.

Files are `<call_id>/<seat_id>-<n>.opus` in the recordings folder, mode 0600 in folders of mode 0700. They are
not sealed. A page is handed to the system every second, so that a recorder that is killed leaves a
file which is readable up to then. `unreported/` holds one empty file for each recording whose fact is not
known to be durable; a new recorder begins with those.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog

from voicewatch.core.events import Fact, RecordingGap, RecordingSegment, Role
from voicewatch.processes.messages import OpenStream
from voicewatch.record import ogg

log = structlog.get_logger()

PAGE_MS = 1_000
"""What a killed recorder loses at most of a file."""
FILLED_GAP_MS = 600_000
"""A longer gap is not filled with silence but begins another file."""
DISK_AGAIN_MS = 5_000
"""After a failed write a seat is recorded again so much later, in another file."""
AHEAD_MS = 240
"""A file may run so far ahead of the clock: when media takes out delay, two packets come in the time of one.
The next gap takes it back."""
INPUT_RATE_HZ = 16_000
_UNREPORTED = "unreported"
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_PACKET = struct.Struct("!HIH")


class BadId(ValueError):
    """A call or seat id that may not become part of a path."""


@dataclass(frozen=True)
class Place:
    """Which recording; the only maker of paths from ids."""

    call_id: str
    seat_id: str
    number: int

    def __post_init__(self) -> None:
        for name, value in (("call_id", self.call_id), ("seat_id", self.seat_id)):
            if not _ID.fullmatch(value):
                raise BadId(f"{name} {value!r} is not 1 to 64 letters, digits, '-' or '_'")

    @property
    def path(self) -> str:
        """Relative to the recordings folder."""
        return f"{self.call_id}/{self.seat_id}-{self.number}.opus"

    @property
    def marker(self) -> str:
        return f"{_UNREPORTED}/{self.call_id}.{self.seat_id}.{self.number}"

    @classmethod
    def of_marker(cls, name: str) -> Place:
        """ValueError for a file that is none."""
        call_id, seat_id, number = name.split(".")
        return cls(call_id, seat_id, int(number))


class OggOpusWriter:
    """One file, from its first packet on. Raises OSError where the disk does; the file stays readable."""

    def __init__(self, path: Path, start_ms: int, role: Role) -> None:
        """FileExistsError if `path` is there already."""
        self.start_ms = start_ms
        self.role = role
        self.packets = 0
        """Written, without those of silence."""
        self.late = 0
        """Not written, since their time was over."""
        self._granule = 0
        self._waiting: list[bytes] = []
        """At most a second and a packet, and at most what fits into one page. Not empty after the first
        packet, so that the last page holds something."""
        self._waiting_segments = 0
        self._page_number = 0
        self._page_start = 0
        self._length = 0
        self._serial = int.from_bytes(os.urandom(4), "big")
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            self._write_page(ogg.FIRST_PAGE, 0, [ogg.opus_head(INPUT_RATE_HZ)])
            self._write_page(0, 0, [ogg.opus_tags({"START_MS": str(start_ms), "ROLE": role.value})])
        except OSError:
            os.close(self._file)
            raise

    @property
    def end_ms(self) -> int:
        """On the call's clock: where the next packet goes."""
        return self.start_ms + self._granule // ogg.GRANULES_PER_MS

    def add(self, at_ms: int, packet: bytes) -> None:
        """A packet whose first sample is at `at_ms`; what is missing before it becomes silence.

        ValueError if it is no Opus packet.
        """
        granules = ogg.packet_granules(packet)
        missing_ms = at_ms - self.end_ms
        if missing_ms < -AHEAD_MS:
            self.late += 1
            return
        for _ in range(missing_ms // ogg.SILENCE_MS):
            self._put(ogg.SILENCE, ogg.SILENCE_MS * ogg.GRANULES_PER_MS)
        self._put(packet, granules)
        self.packets += 1

    def close(self) -> None:
        """Ends the stream properly; the file is closed whether or not that can be written."""
        try:
            self._flush(ogg.LAST_PAGE)
        finally:
            os.close(self._file)

    def abandon(self) -> None:
        """Closes the file as it is: readable, without its end."""
        os.close(self._file)

    def _put(self, packet: bytes, granules: int) -> None:
        size = ogg.segments(packet)
        lasts = self._granule - self._page_start
        if lasts >= PAGE_MS * ogg.GRANULES_PER_MS or self._waiting_segments + size > ogg.SEGMENTS_MAX:
            self._flush()
        self._waiting.append(packet)
        self._waiting_segments += size
        self._granule += granules

    def _flush(self, flags: int = 0) -> None:
        waiting, self._waiting, self._waiting_segments = self._waiting, [], 0
        self._page_start = self._granule
        self._write_page(flags, self._granule, waiting)

    def _write_page(self, flags: int, granule: int, packets: list[bytes]) -> None:
        data = ogg.page(flags, granule, self._serial, self._page_number, packets)
        try:
            written = os.write(self._file, data)
            if written < len(data):  # the disk has just become full
                os.write(self._file, data[written:])
        except OSError:
            os.ftruncate(self._file, self._length)
            raise
        self._length += len(data)
        self._page_number += 1


@dataclass(frozen=True)
class Found:
    """What a file holds."""

    start_ms: int
    role: Role
    duration_ms: int
    packets: int
    closed: bool


def recovered(path: Path) -> Found | None:
    """Reads a recording back and cuts off what is not whole. None if it holds no audio or is none of ours."""
    whole = list(ogg.pages(path.read_bytes()))
    if len(whole) < 3 or not whole[1].packets or whole[-1].granule <= 0:
        return None
    try:
        tags = ogg.read_tags(whole[1].packets[0])
        start_ms, role = int(tags["START_MS"]), Role(tags["ROLE"])
    except (ValueError, KeyError):
        return None
    packets = sum(packet != ogg.SILENCE for page in whole[2:] for packet in page.packets)
    last = whole[-1]
    os.truncate(path, last.end)
    duration_ms = last.granule // ogg.GRANULES_PER_MS
    return Found(start_ms, role, duration_ms, packets, closed=bool(last.flags & ogg.LAST_PAGE))


@dataclass
class _Stream:
    opened: OpenStream
    writer: OggOpusWriter | None = None
    place: Place | None = None
    malformed: int = 0
    closed_until_ms: int = 0
    """No file before: the disk failed."""

    def take_file(self) -> tuple[OggOpusWriter, Place, int] | None:
        """The file it writes, which it then has no more, and how many packets did not get into it."""
        if self.writer is None or self.place is None:
            return None
        taken = self.writer, self.place, self.writer.late + self.malformed
        self.writer, self.place, self.malformed = None, None, 0
        return taken


class Recorder:
    """All streams of all media processes. `report` takes over the delivery of a fact and gives its number."""

    def __init__(self, folder: Path, report: Callable[[Fact], int]) -> None:
        """OSError if the folder cannot be made."""
        self._folder = folder
        self._report_fact = report
        self._streams: dict[tuple[object, int], _Stream] = {}
        """By the connection it came on and its number there, which has 16 bits."""
        self._cut: dict[tuple[str, str], tuple[int, str]] = {}
        """(call, seat) whose recording broke off -> where, and why; until it goes on or its call is over."""
        self._to_confirm: list[tuple[int, Place]] = []
        """(report number, place) not yet durable: as many as there are segments in the spool."""
        for needed in (folder, folder / _UNREPORTED):
            needed.mkdir(mode=0o700, parents=True, exist_ok=True)

    # ------------------------------------------------------------ what media tells

    def open(self, source: object, opened: OpenStream) -> None:
        """`source` is the connection. Raises BadId."""
        Place(opened.call_id, opened.seat_id, 0)
        self.close(source, opened.stream)
        self._streams[source, opened.stream] = _Stream(opened)

    def packets(self, source: object, count: int, payload: bytes) -> None:
        """One tick of packets; those of unknown streams are left out. ValueError if it is not well formed."""
        for number, at_ms, packet in _unpacked(count, payload):
            stream = self._streams.get((source, number))
            if stream is not None:
                self._add(stream, at_ms, packet)

    def close(self, source: object, number: int) -> None:
        stream = self._streams.pop((source, number), None)
        if stream is not None:
            self._end_file(stream)

    def close_source(self, source: object) -> None:
        """The connection is gone."""
        for key in [key for key in self._streams if key[0] is source]:
            self.close(*key)

    def forget(self, call_id: str) -> None:
        """The call is over."""
        for key in [key for key, stream in self._streams.items() if stream.opened.call_id == call_id]:
            self.close(*key)
        for cut in [cut for cut in self._cut if cut[0] == call_id]:
            del self._cut[cut]

    def close_all(self) -> None:
        for key in list(self._streams):
            self.close(*key)

    # ------------------------------------------------------------ files

    def _add(self, stream: _Stream, at_ms: int, packet: bytes) -> None:
        if at_ms < stream.closed_until_ms:
            return
        if not ogg.is_opus(packet):
            stream.malformed += 1
            return
        try:
            if stream.writer is not None and at_ms - stream.writer.end_ms > FILLED_GAP_MS:
                self._end_file(stream)
            writer = stream.writer or self._begin_file(stream, at_ms)
            writer.add(at_ms, packet)
        except OSError as error:
            log.error("recording_failed", call_id=stream.opened.call_id, reason=error.strerror)
            self._break_off(stream, at_ms)

    def _begin_file(self, stream: _Stream, at_ms: int) -> OggOpusWriter:
        call_id, seat_id = stream.opened.call_id, stream.opened.seat_id
        (self._folder / call_id).mkdir(mode=0o700, exist_ok=True)
        place = self._free_place(call_id, seat_id)
        (self._folder / place.marker).touch(mode=0o600)
        writer = OggOpusWriter(self._folder / place.path, at_ms, stream.opened.role)
        stream.writer, stream.place = writer, place
        since_ms, reason = self._cut.pop((call_id, seat_id), (at_ms, ""))
        if since_ms < at_ms:
            self._report_fact(
                RecordingGap(
                    call_id=call_id,
                    at_ms=at_ms,
                    seat_id=seat_id,
                    start_ms=since_ms,
                    end_ms=at_ms,
                    reason=reason,
                )
            )
        return writer

    def _free_place(self, call_id: str, seat_id: str) -> Place:
        number = 1
        while (self._folder / Place(call_id, seat_id, number).path).exists():
            number += 1
        return Place(call_id, seat_id, number)

    def _end_file(self, stream: _Stream) -> None:
        taken = stream.take_file()
        if taken is None:
            return
        writer, place, dropped = taken
        try:
            writer.close()
        except OSError as error:
            log.error("recording_not_ended", call_id=place.call_id, reason=error.strerror)
            self._report_recovered(place, dropped)
        else:
            duration_ms = writer.end_ms - writer.start_ms
            self._report(
                place, Found(writer.start_ms, writer.role, duration_ms, writer.packets, closed=True), dropped
            )

    def _break_off(self, stream: _Stream, at_ms: int) -> None:
        """The disk failed: what there is of the file stays, and the seat has a gap from there."""
        stream.closed_until_ms = at_ms + DISK_AGAIN_MS
        end_ms = None
        taken = stream.take_file()
        if taken is not None:
            writer, place, dropped = taken
            writer.abandon()
            end_ms = self._report_recovered(place, dropped)
        self._cut.setdefault((stream.opened.call_id, stream.opened.seat_id), (end_ms or at_ms, "disk"))

    # ------------------------------------------------------------ facts

    def report_earlier(self) -> None:
        """Recordings of earlier lives whose facts may not have arrived; told before any of this life."""
        for marker in sorted((self._folder / _UNREPORTED).iterdir()):
            try:
                place = Place.of_marker(marker.name)
            except ValueError:
                continue
            end_ms = self._report_recovered(place, 0)
            if end_ms is not None:
                self._cut[place.call_id, place.seat_id] = (end_ms, "recorder_died")

    def _report_recovered(self, place: Place, dropped: int) -> int | None:
        """Tells what is really in the file; where it ends on the call's clock, None if it holds nothing."""
        path = self._folder / place.path
        found = recovered(path) if path.exists() else None
        if found is None:
            path.unlink(missing_ok=True)
            self._unmark(place)
            return None
        self._report(place, found, dropped)
        return found.start_ms + found.duration_ms

    def _report(self, place: Place, found: Found, dropped: int) -> None:
        segment = RecordingSegment(
            call_id=place.call_id,
            at_ms=found.start_ms + found.duration_ms,
            seat_id=place.seat_id,
            role=found.role,
            path=place.path,
            start_ms=found.start_ms,
            duration_ms=found.duration_ms,
            packets=found.packets,
            dropped=dropped,
            closed=found.closed,
        )
        self._to_confirm.append((self._report_fact(segment), place))

    def acknowledged(self, number: int) -> None:
        """All reports up to `number` are durable."""
        for reported, place in self._to_confirm:
            if reported <= number:
                self._unmark(place)
        self._to_confirm = [waiting for waiting in self._to_confirm if waiting[0] > number]

    def _unmark(self, place: Place) -> None:
        (self._folder / place.marker).unlink(missing_ok=True)


def _unpacked(count: int, payload: bytes) -> Iterator[tuple[int, int, bytes]]:
    at = 0
    for _ in range(count):
        if at + _PACKET.size > len(payload):
            raise ValueError("packets: the payload is shorter than its count says")
        number, at_ms, length = _PACKET.unpack_from(payload, at)
        at += _PACKET.size + length
        if at > len(payload):
            raise ValueError("packets: a packet is longer than the payload")
        yield number, at_ms, payload[at - length : at]
