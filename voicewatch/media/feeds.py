"""What media hands on: chunks to the model, packets to the recorder, one message of each per tick.

The last seconds of each seat's chunks are kept; the place where the model stands in them moves on only when
a message was taken. So a full pipe, a slow model and a dead one are the same thing here: the model falls
behind, is fed at up to `CATCH_UP_CHUNKS` a tick when it can take more, and what it could not get in time
is told as a transcript gap. Packets are not kept: what the recorder's pipe does not take is told as a gap of
the recording. Of what it misses while it is dead the recorder tells itself.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from voicewatch.core.events import Fact, RecordingGap, Role, TranscriptGap
from voicewatch.media.opus import CHUNK_MS, CHUNK_SAMPLES
from voicewatch.processes.messages import Audio, CloseStream, Message, OpenStream, Packets

VOICED, CONCEALED = 1, 2
CATCH_UP_CHUNKS = 50
"""Chunks of one seat in one tick at most: a second of the past in 20 ms."""
MESSAGE_CHUNKS = 400
"""Chunks of all seats in one message at most, 260 KB; the others wait for the next tick."""
_CHUNK = struct.Struct("!HIBb")
_FLAGS_AT = 6
_PACKET = struct.Struct("!HIH")
SILENCE = bytes(2 * CHUNK_SAMPLES)


class Pipe(Protocol):
    """The sending side of a link: False means not taken, and is counted there."""

    @property
    def connected(self) -> bool: ...
    def tell(self, message: Message, payload: bytes = b"") -> bool: ...


@dataclass(slots=True)
class Stream:
    """One seat's way to model and recorder."""

    number: int
    call_id: str
    seat_id: str
    role: Role
    zero_mono_ns: int
    to_model: bool
    to_recorder: bool
    ring: deque[tuple[int, bytes]]
    """(at_ms, chunk as sent), oldest first; when full the oldest goes."""
    waiting: deque[tuple[int, bytes]]
    """Chunks that the model's pipe has not taken; when full the oldest goes."""
    heard_ms: int | None = None
    """Durable up to here: the model said so."""
    missed_from_ms: int | None = None
    """First chunk dropped from `waiting` since one was last taken."""
    missed_why: str = ""
    voice_gone_ms: int | None = None
    """First voiced chunk that left the ring before it was known to be durable."""
    unrecorded_from_ms: int | None = None
    """First packet that a recorder who does not read was not given; until one is taken again."""
    known_to_model: bool = False
    known_to_recorder: bool = False


class Feeds:
    """All streams of this process."""

    def __init__(self, model: Pipe, recorder: Pipe, report: Callable[[Fact], object], ring_s: int) -> None:
        self.packets_dropped = 0
        self.chunks_missed = 0
        self._model, self._recorder, self._report = model, recorder, report
        self._ring_chunks = ring_s * 1000 // CHUNK_MS
        self._streams: dict[int, Stream] = {}
        self._next_number = 0
        self._packets: list[bytes] = []
        self._sent: list[tuple[Stream, int]] = []
        """(stream, at_ms) of each of `_packets`."""

    # -------------------------------------------------------------- streams

    def open(
        self, call_id: str, seat_id: str, role: Role, zero_mono_ns: int, *, to_model: bool, to_recorder: bool
    ) -> Stream:
        stream = Stream(
            self._free_number(), call_id, seat_id, role, zero_mono_ns, to_model, to_recorder,
            deque(maxlen=self._ring_chunks), deque(maxlen=self._ring_chunks + CATCH_UP_CHUNKS),
        )  # fmt: skip
        self._streams[stream.number] = stream
        return stream

    def close(self, stream: Stream, at_ms: int, reason: str) -> None:
        if self._streams.pop(stream.number, None) is None:
            return
        closing = CloseStream(stream=stream.number, at_ms=at_ms, reason=reason)
        if stream.known_to_model:
            self._model.tell(closing)
        if stream.known_to_recorder:
            self._recorder.tell(closing)
        if stream.unrecorded_from_ms is not None:
            self._tell_unrecorded(stream, stream.unrecorded_from_ms, at_ms)
        if stream.waiting:
            if stream.missed_from_ms is None:
                self._miss(stream)
            self._tell_missed(stream, stream.waiting[-1][0] + CHUNK_MS)

    def heard(self, number: int, upto_ms: int) -> None:
        """The model's finals up to there are durable: a replay starts after."""
        stream = self._streams.get(number)
        if stream is None:
            return
        stream.heard_ms = max(stream.heard_ms or 0, upto_ms)
        if stream.voice_gone_ms is not None and stream.voice_gone_ms < upto_ms:
            stream.voice_gone_ms = None
        while stream.ring and stream.ring[0][0] < upto_ms:
            stream.ring.popleft()

    def model_came(self) -> None:
        """Another connection, perhaps another process: it knows nothing, give it all that is not durable."""
        for stream in self._streams.values():
            stream.known_to_model = False
            stream.waiting = deque(stream.ring, maxlen=self._ring_chunks + CATCH_UP_CHUNKS)
            if stream.voice_gone_ms is not None and stream.missed_from_ms is None:
                stream.missed_from_ms, stream.missed_why = stream.voice_gone_ms, "model_died"
            stream.voice_gone_ms = None

    def recorder_came(self) -> None:
        for stream in self._streams.values():
            stream.known_to_recorder = False
            stream.unrecorded_from_ms = None

    # -------------------------------------------------------------- each tick

    def chunk(self, stream: Stream, at_ms: int, flags: int, level_dbfs: float, pcm: bytes | None) -> None:
        if not stream.to_model:
            return
        level = max(-96, min(0, round(level_dbfs)))
        entry = (at_ms, _CHUNK.pack(stream.number, at_ms, flags, level) + (pcm or SILENCE))
        if len(stream.ring) == self._ring_chunks:
            gone_ms, gone = stream.ring[0]
            if stream.voice_gone_ms is None and gone[_FLAGS_AT] & VOICED:
                stream.voice_gone_ms = gone_ms
        stream.ring.append(entry)
        if len(stream.waiting) == stream.waiting.maxlen:
            self.chunks_missed += 1
            if stream.missed_from_ms is None:
                self._miss(stream)
        stream.waiting.append(entry)

    def packet(self, stream: Stream, at_ms: int, packet: bytes) -> None:
        if stream.to_recorder:
            if not stream.known_to_recorder:
                stream.known_to_recorder = self._recorder.connected and self._recorder.tell(_opening(stream))
            if stream.known_to_recorder:
                self._packets.append(_PACKET.pack(stream.number, at_ms, len(packet)) + packet)
                self._sent.append((stream, at_ms))
            else:
                self.packets_dropped += 1
                if self._recorder.connected:
                    self._note_recorded(stream, at_ms, False)

    def flush(self) -> None:
        """Send this tick's messages."""
        if self._packets:
            taken = self._recorder.tell(Packets(count=len(self._packets)), b"".join(self._packets))
            if not taken:
                self.packets_dropped += len(self._packets)
            for stream, at_ms in self._sent:
                self._note_recorded(stream, at_ms, taken)
            self._packets.clear()
            self._sent.clear()
        if self._model.connected:
            self._feed_model()

    def _feed_model(self) -> None:
        taken: list[tuple[Stream, int]] = []
        parts: list[bytes] = []
        for stream in self._streams.values():
            if not stream.waiting or len(parts) >= MESSAGE_CHUNKS:
                continue
            if not stream.known_to_model:
                stream.known_to_model = self._model.tell(_opening(stream))
                if not stream.known_to_model:
                    return
            count = len(stream.waiting)
            if count == 1:
                parts.append(stream.waiting[0][1])
            else:
                count = min(count, CATCH_UP_CHUNKS, MESSAGE_CHUNKS - len(parts))
                parts += [stream.waiting[index][1] for index in range(count)]
            taken.append((stream, count))
        if not parts or not self._model.tell(Audio(count=len(parts)), b"".join(parts)):
            return
        for stream, count in taken:
            if stream.missed_from_ms is not None:
                self._tell_missed(stream, stream.waiting[0][0])
            for _ in range(count):
                stream.waiting.popleft()

    def _note_recorded(self, stream: Stream, at_ms: int, taken: bool) -> None:
        since_ms = stream.unrecorded_from_ms
        if not taken:
            stream.unrecorded_from_ms = at_ms if since_ms is None else since_ms
        elif since_ms is not None:
            stream.unrecorded_from_ms = None
            self._tell_unrecorded(stream, since_ms, at_ms)

    def _tell_unrecorded(self, stream: Stream, start_ms: int, end_ms: int) -> None:
        self._report(
            RecordingGap(
                call_id=stream.call_id,
                at_ms=end_ms,
                seat_id=stream.seat_id,
                start_ms=start_ms,
                end_ms=end_ms,
                reason="overload",
            )
        )

    def _miss(self, stream: Stream) -> None:
        stream.missed_from_ms = stream.waiting[0][0]
        stream.missed_why = "overload" if self._model.connected else "model_died"

    def _tell_missed(self, stream: Stream, end_ms: int) -> None:
        start_ms, stream.missed_from_ms = stream.missed_from_ms, None
        if start_ms is not None and end_ms > start_ms:
            self._report(
                TranscriptGap(
                    call_id=stream.call_id,
                    at_ms=end_ms,
                    seat_id=stream.seat_id,
                    start_ms=start_ms,
                    end_ms=end_ms,
                    reason=stream.missed_why,
                )
            )

    def _free_number(self) -> int:
        for _ in range(1 << 16):
            number = self._next_number
            self._next_number = (number + 1) & 0xFFFF
            if number not in self._streams:
                return number
        raise OverflowError("65536 streams are open")


def _opening(stream: Stream) -> OpenStream:
    return OpenStream(
        stream=stream.number,
        call_id=stream.call_id,
        seat_id=stream.seat_id,
        role=stream.role,
        zero_mono_ns=stream.zero_mono_ns,
        replay_from_ms=stream.heard_ms,
    )
