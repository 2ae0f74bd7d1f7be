"""The recorder: one sealed Ogg Opus file per seat and stretch, of the packets as they came.

Files are `<call_id>/<seat_id>-<n>.opus.sealed` in the recordings folder, mode 0600 in folders of mode 0700. A
page is handed to the system every second, so that a recorder that is killed leaves a file which is readable
up to then; `take_unsynced` gives what a power failure would still lose. Two folders hold what a new recorder
begins with: `unreported/` an empty file for each recording whose fact is not known to be durable, `paused/`
one for each call that is not to be recorded now.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import structlog

from voicewatch.core.events import Fact, RecorderStatus, RecordingGap, RecordingSegment, Role
from voicewatch.processes.messages import OpenStream
from voicewatch.record import ogg
from voicewatch.record.recording_file import BadId, Found, OggOpusWriter, Place, check_id, recovered
from voicewatch.record.sealed_file import SealedWriter

__all__ = ["BadId", "Recorder"]

log = structlog.get_logger()

FILLED_GAP_MS = 600_000
"""A longer gap is not filled with silence but begins another file."""
AGAIN_MS = 5_000
"""After a failed write, or without the call's key, a seat is recorded again so much later, in a new file."""
UNSYNCED_LIMIT = 256
"""Ended files waiting to be synced. When full the oldest is left to the system's own time."""
PAUSES_KEPT = 16
"""Of a call: packets still on their way belong to the last of them."""
_UNREPORTED = "unreported"
_PAUSED = "paused"
_PACKET = struct.Struct("!HIH")

FindKey = Callable[[str], bytes | None]


@dataclass
class _Stream:
    opened: OpenStream
    writer: OggOpusWriter | None = None
    place: Place | None = None
    malformed: int = 0
    closed_until_ms: int = 0
    """No file before: the disk failed."""
    failing: bool = False
    """It is not recorded now, and should be."""
    missed_ms: int = 0
    """Where the newest packet was that it should have recorded while failing."""
    is_unsynced: bool = False

    def take_file(self) -> tuple[OggOpusWriter, Place, int] | None:
        """The file it writes, which it then has no more, and how many packets did not get into it."""
        if self.writer is None or self.place is None:
            return None
        taken = self.writer, self.place, self.writer.late + self.malformed
        self.writer, self.place, self.malformed = None, None, 0
        return taken


@dataclass
class _Pause:
    """On the call's clock; None: it goes on."""

    from_ms: int
    until_ms: int | None = None

    def holds(self, at_ms: int) -> bool:
        return self.from_ms <= at_ms and (self.until_ms is None or at_ms < self.until_ms)


@dataclass
class _Counters:
    """Since the process started."""

    packets: int = 0
    late: int = 0
    malformed: int = 0
    failures: int = 0


class Recorder:
    """All streams of all media processes. `report` takes over the delivery of a fact and gives its number;
    `find_key` gives the key of a call, None if it has none (any more), and raises OSError if it cannot tell.
    """

    def __init__(self, folder: Path, report: Callable[[Fact], int], find_key: FindKey) -> None:
        """OSError if the folder cannot be made."""
        self._folder = folder
        self._report_fact = report
        self._find_key = find_key
        self._streams: dict[tuple[object, int], _Stream] = {}
        """By the connection it came on and its number there, which has 16 bits."""
        self._cut: dict[tuple[str, str], tuple[int, str]] = {}
        """(call, seat) whose recording broke off -> where, and why; until it goes on or its call is over."""
        self._to_confirm: list[tuple[int, Place]] = []
        """(report number, place) not yet durable: as many as there are segments in the spool."""
        self._ended: list[int] = []
        """Descriptors of ended files not yet synced."""
        self._counted = _Counters()
        for needed in (folder, folder / _UNREPORTED, folder / _PAUSED):
            needed.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._pauses: dict[str, list[_Pause]] = {
            marker.name: [_Pause(0)] for marker in (folder / _PAUSED).iterdir()
        }
        """By call, the oldest first."""

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
            if stream.failing:
                self._end_gap(stream, stream.missed_ms)

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
        if self._pauses.pop(call_id, None) is not None:
            (self._folder / _PAUSED / call_id).unlink(missing_ok=True)

    def close_all(self) -> None:
        for key in list(self._streams):
            self.close(*key)

    def paused_calls(self) -> list[str]:
        return [call_id for call_id, pauses in self._pauses.items() if pauses[-1].until_ms is None]

    # ------------------------------------------------------------ pauses

    def pause(self, call_id: str, at_ms: int) -> None:
        """Nothing of the call from `at_ms` on is kept, until `resume`; a new recorder holds to it too.

        Raises BadId, and OSError if it cannot be made sure of.
        """
        check_id("call_id", call_id)
        pauses = self._pauses.get(call_id, [])
        if pauses and pauses[-1].until_ms is None:
            pauses[-1].from_ms = min(pauses[-1].from_ms, at_ms)
            return
        (self._folder / _PAUSED / call_id).touch(mode=0o600)
        self._pauses[call_id] = [*pauses, _Pause(at_ms)][-PAUSES_KEPT:]

    def resume(self, call_id: str, at_ms: int) -> None:
        """What is said from `at_ms` on is kept again, and what was said before it comes too late."""
        pauses = self._pauses.get(call_id)
        if pauses and pauses[-1].until_ms is None:
            pauses[-1].until_ms = at_ms
            (self._folder / _PAUSED / call_id).unlink(missing_ok=True)

    def _is_paused(self, call_id: str, at_ms: int) -> bool:
        return any(pause.holds(at_ms) for pause in self._pauses.get(call_id, ()))

    # ------------------------------------------------------------ files

    def _add(self, stream: _Stream, at_ms: int, packet: bytes) -> None:
        if self._is_paused(stream.opened.call_id, at_ms):
            return
        if stream.failing:
            stream.missed_ms = at_ms
        if at_ms < stream.closed_until_ms:
            return
        if not ogg.is_opus(packet):
            stream.malformed += 1
            self._counted.malformed += 1
            return
        try:
            if stream.writer is not None and at_ms - stream.writer.end_ms > FILLED_GAP_MS:
                self._end_file(stream)
            writer = stream.writer or self._begin_file(stream, at_ms)
            if writer is None:
                return
            length = writer.length
            writer.add(at_ms, packet)
            stream.is_unsynced = stream.is_unsynced or writer.length > length
        except OSError as error:
            log.error(
                "recording_failed", call_id=stream.opened.call_id, reason=error.strerror, again_in_ms=AGAIN_MS
            )
            self._counted.failures += 1
            self._break_off(stream, at_ms)
        else:
            self._counted.packets += 1

    def _begin_file(self, stream: _Stream, at_ms: int) -> OggOpusWriter | None:
        """None without the call's key: it was erased, or its table cannot be read."""
        call_id, seat_id = stream.opened.call_id, stream.opened.seat_id
        key = self._find_key(call_id)
        if key is None:
            log.error("recording_without_key", call_id=call_id)
            self._counted.failures += 1
            stream.closed_until_ms, stream.failing = at_ms + AGAIN_MS, True
            self._cut.setdefault((call_id, seat_id), (at_ms, "no_key"))
            return None
        (self._folder / call_id).mkdir(mode=0o700, exist_ok=True)
        place = self._free_place(call_id, seat_id)
        writer = self._new_file(place, key, at_ms, stream.opened.role)
        stream.writer, stream.place, stream.failing = writer, place, False
        self._end_gap(stream, at_ms)
        return writer

    def _new_file(self, place: Place, key: bytes, at_ms: int, role: Role) -> OggOpusWriter:
        """Nothing is left of one that cannot be begun: on a full disk it is tried again and again."""
        self._marker(place).touch(mode=0o600)
        try:
            return OggOpusWriter(SealedWriter(self._folder / place.path, key, place.path), at_ms, role)
        except OSError:
            (self._folder / place.path).unlink(missing_ok=True)
            self._unmark(place)
            raise

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
        self._sync_later(writer)
        try:
            writer.close()
        except OSError as error:
            log.error("recording_not_ended", call_id=place.call_id, reason=error.strerror)
            self._counted.failures += 1
            self._report_recovered(place, dropped)
        else:
            duration_ms = writer.end_ms - writer.start_ms
            self._report(
                place, Found(writer.start_ms, writer.role, duration_ms, writer.packets, closed=True), dropped
            )
        self._counted.late += writer.late

    def _break_off(self, stream: _Stream, at_ms: int) -> None:
        """The disk failed: what there is of the file stays, and the seat has a gap from there."""
        stream.closed_until_ms, stream.failing = at_ms + AGAIN_MS, True
        end_ms = None
        taken = stream.take_file()
        if taken is not None:
            writer, place, dropped = taken
            writer.abandon()
            end_ms = self._report_recovered(place, dropped)
        self._cut.setdefault((stream.opened.call_id, stream.opened.seat_id), (end_ms or at_ms, "disk"))

    # ------------------------------------------------------------ what a power failure would lose

    def take_unsynced(self) -> list[int]:
        """Descriptors of the files written to since this was last asked; the caller syncs and closes them."""
        taken, self._ended = self._ended, []
        for stream in self._streams.values():
            if stream.is_unsynced and stream.writer is not None:
                stream.is_unsynced = False
                try:
                    taken.append(stream.writer.descriptor())
                except OSError as error:  # no descriptor is free: the next time
                    log.warning("recording_not_synced", reason=error.strerror)
        return taken

    def _sync_later(self, writer: OggOpusWriter) -> None:
        try:
            self._ended.append(writer.descriptor())
        except OSError as error:
            log.warning("recording_not_synced", reason=error.strerror)
        while len(self._ended) > UNSYNCED_LIMIT:
            os.close(self._ended.pop(0))

    def status(self, sync_ms: float) -> RecorderStatus:
        """How it fares; `sync_ms` is how long the last sync took."""
        return RecorderStatus(
            call_id="",
            files=sum(stream.writer is not None for stream in self._streams.values()),
            paused=len(self.paused_calls()),
            failing=sum(stream.failing for stream in self._streams.values()),
            sync_ms=round(sync_ms, 1),
            **asdict(self._counted),
        )

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
        try:
            key = self._find_key(place.call_id)
            found = recovered(self._folder / place.path, key, place.path) if key is not None else None
        except OSError as error:  # still marked: the next recorder looks again
            log.error("recording_not_read", call_id=place.call_id, reason=error.strerror)
            return None
        if found is None:
            if key is not None:  # without it the file says nothing, but the key may be restored
                (self._folder / place.path).unlink(missing_ok=True)
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
        self._marker(place).unlink(missing_ok=True)

    def _marker(self, place: Place) -> Path:
        return self._folder / _UNREPORTED / place.marker

    def _end_gap(self, stream: _Stream, end_ms: int) -> None:
        """It is recorded again, or over."""
        cut = self._cut.pop((stream.opened.call_id, stream.opened.seat_id), None)
        if cut is None or cut[0] >= end_ms:
            return
        start_ms, reason = cut
        self._report_fact(
            RecordingGap(
                call_id=stream.opened.call_id,
                at_ms=end_ms,
                seat_id=stream.opened.seat_id,
                start_ms=start_ms,
                end_ms=end_ms,
                reason=reason,
            )
        )


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
