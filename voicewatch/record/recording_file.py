"""One recording: an Ogg Opus file of one seat, on the call's timeline, sealed a page at a time.

Its plain content is an ordinary Ogg Opus file. A page, which is a second, is one sealed piece.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from voicewatch.core.events import Role
from voicewatch.record import ogg
from voicewatch.record.sealed_file import SealedReader, SealedWriter
from voicewatch.record.sealing import SealBroken

PAGE_MS = 1_000
"""What a killed recorder loses at most of a file."""
AHEAD_MS = 240
"""A file may run so far ahead of the clock: when media takes out delay, two packets come in the time of one.
The next gap takes it back."""
INPUT_RATE_HZ = 16_000
SUFFIX = ".opus.sealed"
_HEAD_PAGES = 2
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class BadId(ValueError):
    """A call or seat id that may not become part of a path."""


def check_id(name: str, value: str) -> None:
    """Raises BadId."""
    if not _ID.fullmatch(value):
        raise BadId(f"{name} {value!r} is not 1 to 64 letters, digits, '-' or '_'")


@dataclass(frozen=True)
class Place:
    """Which recording; the only maker of paths from ids."""

    call_id: str
    seat_id: str
    number: int

    def __post_init__(self) -> None:
        check_id("call_id", self.call_id)
        check_id("seat_id", self.seat_id)

    @property
    def path(self) -> str:
        """Relative to the recordings folder; also what the file is sealed for."""
        return f"{self.call_id}/{self.seat_id}-{self.number}{SUFFIX}"

    @property
    def marker(self) -> str:
        return f"{self.call_id}.{self.seat_id}.{self.number}"

    @classmethod
    def of_marker(cls, name: str) -> Place:
        """ValueError for a file that is none."""
        call_id, seat_id, number = name.split(".")
        return cls(call_id, seat_id, int(number))


class OggOpusWriter:
    """Writes one file, from its first packet on. Raises OSError where the disk does; it stays readable."""

    def __init__(self, file: SealedWriter, start_ms: int, role: Role) -> None:
        """`file` is closed with this one, also if beginning it fails."""
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
        self._serial = int.from_bytes(os.urandom(4), "big")
        self._file = file
        try:
            self._write_page(ogg.FIRST_PAGE, 0, [ogg.opus_head(INPUT_RATE_HZ)])
            self._write_page(0, 0, [ogg.opus_tags({"START_MS": str(start_ms), "ROLE": role.value})])
        except OSError:
            self.abandon()
            raise

    @property
    def end_ms(self) -> int:
        """On the call's clock: where the next packet goes."""
        return self.start_ms + self._granule // ogg.GRANULES_PER_MS

    @property
    def length(self) -> int:
        """Bytes in the file."""
        return self._file.length

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

    def descriptor(self) -> int:
        """A descriptor of the file for somebody else to sync and close."""
        return self._file.descriptor()

    def close(self) -> None:
        """Ends the stream properly; the file is closed whether or not that can be written."""
        try:
            self._flush(ogg.LAST_PAGE)
        finally:
            self._file.close()

    def abandon(self) -> None:
        """Closes the file as it is: readable, without its end."""
        self._file.close()

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
        page = ogg.page(flags, granule, self._serial, self._page_number, packets)
        self._file.append(page, last=bool(flags & ogg.LAST_PAGE))
        self._page_number += 1


class RecordingReader:
    """A recording being read, perhaps while it is written.

    Raises OSError, and SealBroken for what is no recording of this call and place.
    """

    def __init__(self, path: Path, call_key: bytes, place: str) -> None:
        self.file = SealedReader(path, call_key, place)
        try:
            self.start_ms, self.role = self._read_head(place)
        except BaseException:
            self.file.close()
            raise

    def close(self) -> None:
        self.file.close()

    def pages(self, from_ms: int = 0) -> Iterator[ogg.Page]:
        """Whole pages of audio in order, from the one that holds `from_ms` of the call's clock (or earlier).

        Ends quietly at what is damaged.
        """
        for number in range(self._first_page(from_ms), len(self.file)):
            page = self._page(number)
            if page is None:
                return
            yield page

    def end_ms(self) -> int:
        """On the call's clock: where what can be read ends."""
        for number in range(len(self.file) - 1, _HEAD_PAGES - 1, -1):
            page = self._page(number)
            if page is not None:
                return self.start_ms + page.granule // ogg.GRANULES_PER_MS
        return self.start_ms

    def _first_page(self, from_ms: int) -> int:
        """By halving: granules rise."""
        granule = (from_ms - self.start_ms) * ogg.GRANULES_PER_MS
        low, high = _HEAD_PAGES, len(self.file)
        while low < high:
            middle = (low + high) // 2
            page = self._page(middle)
            if page is not None and page.granule <= granule:
                low = middle + 1
            else:
                high = middle
        return low

    def _page(self, number: int) -> ogg.Page | None:
        try:
            return next(ogg.pages(self.file.piece(number)), None)
        except SealBroken:
            return None

    def _read_head(self, place: str) -> tuple[int, Role]:
        if len(self.file) < _HEAD_PAGES:
            raise SealBroken(f"{place} holds nothing")
        page = next(ogg.pages(self.file.piece(1)), None)
        try:
            tags = ogg.read_tags(page.packets[0] if page and page.packets else b"")
            return int(tags["START_MS"]), Role(tags["ROLE"])
        except (ValueError, KeyError):
            raise SealBroken(f"{place} says neither when it began nor whose it is") from None


@dataclass(frozen=True)
class Found:
    """What a file holds."""

    start_ms: int
    role: Role
    duration_ms: int
    packets: int
    closed: bool


def recovered(path: Path, call_key: bytes, place: str) -> Found | None:
    """Reads a recording back and cuts off what is not whole. None if it holds no audio or is none of ours."""
    try:
        reader = RecordingReader(path, call_key, place)
    except (SealBroken, FileNotFoundError):
        return None
    try:
        whole = list(reader.pages())
        if not whole or whole[-1].granule <= 0:
            return None
        os.truncate(path, reader.file.end_of(_HEAD_PAGES + len(whole)))
    finally:
        reader.close()
    last = whole[-1]
    return Found(
        reader.start_ms,
        reader.role,
        last.granule // ogg.GRANULES_PER_MS,
        sum(packet != ogg.SILENCE for page in whole for packet in page.packets),
        closed=bool(last.flags & ogg.LAST_PAGE),
    )
