"""What media hands on: chunks to the model, packets to the recorder, one message of each per tick.

The chunks of one tick lie in one block, as they are sent: while the model keeps up a tick is one copy,
however many seats there are. The blocks of the last seconds are kept; the place where the model stands in
them moves on only when a message was taken. So a full pipe, a slow model and a dead one are the same thing
here: streams fall behind, are fed at up to `CATCH_UP_CHUNKS` a tick when it can take more, and what could not
be given in time is told as a transcript gap. Packets are not kept: what the recorder's pipe does not take is
told as a gap of the recording. Of what it misses while it is dead the recorder tells itself.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from voicewatch.core.events import Fact, RecordingGap, Role, TranscriptGap
from voicewatch.media.mixer import Pcm
from voicewatch.media.opus import CHUNK_BYTES, CHUNK_MS
from voicewatch.processes.messages import Audio, CloseStream, LevelsSent, Message, OpenStream, Packets

VOICED, CONCEALED = 1, 2
CATCH_UP_CHUNKS = 50
"""Chunks of one seat in one tick at most: a second of the past in 20 ms."""
MESSAGE_CHUNKS = 400
"""Chunks of all seats in one message at most, 260 KB; the others wait for the next tick."""
_CHUNK = struct.Struct("!HIBb")
_HEAD_BYTES = _CHUNK.size
_NUMBER_AT, _AT_MS_AT, _FLAGS_AT = slice(0, 2), slice(2, 6), 6
_LEVEL = struct.Struct("!HIb")
_PACKET = struct.Struct("!HIH")
_NUMBERS = 1 << 16


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
    """Its chunks; else only their loudness, of an AI whose words are known."""
    to_recorder: bool
    levels: deque[bytes]
    """What was sent of those last, oldest first; when full the oldest goes."""
    heard_ms: int | None = None
    """Durable up to here: the model said so."""
    missed_from_ms: int | None = None
    """First chunk that was let go before the model's pipe took it, since one was last taken."""
    missed_why: str = ""
    unrecorded_from_ms: int | None = None
    """First packet that a recorder who does not read was not given; until one is taken again."""
    known_to_model: bool = False
    known_to_recorder: bool = False


class Block:
    """One tick's chunks as they are sent: a row for each seat, a head and 20 ms of PCM."""

    __slots__ = ("_rows", "chunks")

    def __init__(self, heads: list[bytes], rows: list[int], pcm: Pcm) -> None:
        """`rows` of `pcm` follow their `heads`."""
        self._rows: dict[int, int] | None = None
        self.chunks: NDArray[np.uint8] = np.empty((len(rows), _HEAD_BYTES + CHUNK_BYTES), np.uint8)
        self.chunks[:, :_HEAD_BYTES] = np.frombuffer(b"".join(heads), np.uint8).reshape(-1, _HEAD_BYTES)
        self.chunks[:, _HEAD_BYTES:] = pcm.view(np.uint8)[rows]

    def numbers(self) -> NDArray[np.uint16]:
        """The stream of each row."""
        found: NDArray[np.uint16] = self.chunks[:, _NUMBER_AT].copy().view(">u2")[:, 0]
        return found

    def times_ms(self) -> NDArray[np.uint32]:
        found: NDArray[np.uint32] = self.chunks[:, _AT_MS_AT].copy().view(">u4")[:, 0]
        return found

    def chunk(self, number: int) -> tuple[int, bytes] | None:
        """(at_ms, as sent) of one stream, if it has one here."""
        if self._rows is None:
            self._rows = {one: row for row, one in enumerate(self.numbers().tolist())}
        row = self._rows.get(number)
        if row is None:
            return None
        chunk = self.chunks[row].tobytes()
        return int.from_bytes(chunk[_AT_MS_AT], "big"), chunk


class Feeds:
    """All streams of this process."""

    def __init__(self, model: Pipe, recorder: Pipe, report: Callable[[Fact], object], ring_s: int) -> None:
        self.packets_dropped = 0
        self.chunks_missed = 0
        self._model, self._recorder, self._report = model, recorder, report
        self._streams: dict[int, Stream] = {}
        self._next_number = 0
        self._blocks: deque[Block] = deque()
        """The newest ones; when there are `_ring_chunks` and CATCH_UP_CHUNKS more, the oldest goes."""
        self._ring_chunks = ring_s * 1000 // CHUNK_MS
        self._oldest = 0
        """Number of the first of `_blocks`; they are counted through."""
        self._behind: dict[int, int] = {}
        """Streams that the model has not had to the end -> the first block it has not had of them."""
        self._heads: list[bytes] = []
        self._rows: list[int] = []
        self._durable_ms: NDArray[np.int64] = np.zeros(_NUMBERS, np.int64)
        self._voice_gone_ms: NDArray[np.int64] = np.full(_NUMBERS, -1, np.int64)
        """By stream: its first voiced chunk that was let go before it was known to be durable."""
        self._levels: list[bytes] = []
        """Of this tick. What the model's pipe does not take is lost: an echo may then pass for a customer."""
        self._packets: list[bytes] = []
        self._unrecorded: set[int] = set()
        """Streams with a gap in their recording that has not ended."""

    # -------------------------------------------------------------- streams

    def open(
        self, call_id: str, seat_id: str, role: Role, zero_mono_ns: int, *, to_model: bool, to_recorder: bool
    ) -> Stream:
        number = self._free_number()
        stream = Stream(
            number, call_id, seat_id, role, zero_mono_ns, to_model, to_recorder,
            deque(maxlen=self._ring_chunks),
        )  # fmt: skip
        self._streams[number] = stream
        self._durable_ms[number], self._voice_gone_ms[number] = 0, -1
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
            self._unrecorded.discard(stream.number)
            self._tell_unrecorded(stream, stream.unrecorded_from_ms, at_ms)
        waiting = [at for _, at, _ in self._waiting(stream)]
        if waiting:
            self._miss(stream, waiting[0])
            self._tell_missed(stream, waiting[-1] + CHUNK_MS)
        self._behind.pop(stream.number, None)

    def heard(self, number: int, upto_ms: int) -> None:
        """The model's finals up to there are durable: a replay starts after."""
        stream = self._streams.get(number)
        if stream is None:
            return
        stream.heard_ms = self._durable_ms[number] = max(stream.heard_ms or 0, upto_ms)
        if self._voice_gone_ms[number] < upto_ms:
            self._voice_gone_ms[number] = -1

    def model_came(self) -> None:
        """Another connection, perhaps another process: it knows nothing, give it all that is not durable."""
        self._let_go_beyond(self._ring_chunks)
        for number, stream in self._streams.items():
            stream.known_to_model = False
            if not stream.to_model:
                continue
            self._behind[number] = self._oldest
            gone_ms = int(self._voice_gone_ms[number])
            if gone_ms >= 0 and stream.missed_from_ms is None:
                stream.missed_from_ms, stream.missed_why = gone_ms, "model_died"
            self._voice_gone_ms[number] = -1

    def recorder_came(self) -> None:
        self._unrecorded.clear()
        for stream in self._streams.values():
            stream.known_to_recorder = False
            stream.unrecorded_from_ms = None

    # -------------------------------------------------------------- each tick

    def chunk(self, stream: Stream, at_ms: int, flags: int, level_dbfs: float, row: int) -> None:
        """This tick's chunk is `row` of what `flush` will be given; `level_dbfs` is -96 to 0."""
        if stream.to_model:
            self._heads.append(_CHUNK.pack(stream.number, at_ms, flags, round(level_dbfs)))
            self._rows.append(row)
            if not stream.known_to_model:
                self._behind.setdefault(stream.number, self._end)
        elif stream.role is Role.AI:
            self._level(stream, _LEVEL.pack(stream.number, at_ms, round(level_dbfs)))

    def _level(self, stream: Stream, level: bytes) -> None:
        stream.levels.append(level)
        if stream.known_to_model:
            self._levels.append(level)
        elif self._model.connected and self._model.tell(_opening(stream)):
            stream.known_to_model = True
            self._levels += stream.levels

    def packet(self, stream: Stream, at_ms: int, packet: bytes) -> None:
        if stream.to_recorder:
            if not stream.known_to_recorder:
                stream.known_to_recorder = self._recorder.connected and self._recorder.tell(_opening(stream))
            if stream.known_to_recorder:
                self._packets.append(_PACKET.pack(stream.number, at_ms, len(packet)) + packet)
            else:
                self.packets_dropped += 1
                if self._recorder.connected:
                    self._note_recorded(stream, at_ms, False)

    def flush(self, pcm: Pcm) -> None:
        """Send this tick's messages."""
        if self._packets:
            self._feed_recorder()
        if self._levels:
            self._model.tell(LevelsSent(count=len(self._levels)), b"".join(self._levels))
            self._levels.clear()
        if self._rows:
            block = Block(self._heads, self._rows, pcm)
            self._heads.clear()
            self._rows.clear()
            self._keep(block)
            if not self._behind and self._give(block):
                return
            for number in block.numbers().tolist():
                self._behind.setdefault(number, self._end - 1)
        if self._behind and self._model.connected:
            self._catch_up()

    # -------------------------------------------------------------- to the model

    @property
    def _end(self) -> int:
        """Number of the next block."""
        return self._oldest + len(self._blocks)

    def _keep(self, block: Block) -> None:
        self._blocks.append(block)
        self._let_go_beyond(self._ring_chunks + CATCH_UP_CHUNKS)

    def _let_go_beyond(self, count: int) -> None:
        while len(self._blocks) > count:
            self._let_go(self._blocks.popleft())
            self._oldest += 1

    def _let_go(self, block: Block) -> None:
        """The oldest one: note what of it may be missed."""
        numbers, times_ms = block.numbers(), block.times_ms()
        voiced = (block.chunks[:, _FLAGS_AT] & VOICED) != 0
        gone = voiced & (times_ms >= self._durable_ms[numbers]) & (self._voice_gone_ms[numbers] < 0)
        self._voice_gone_ms[numbers[gone]] = times_ms[gone]
        for number, place in self._behind.items():
            chunk = block.chunk(number) if place <= self._oldest else None
            if chunk is not None:
                self.chunks_missed += 1
                self._miss(self._streams[number], chunk[0])

    def _give(self, block: Block) -> bool:
        """The newest one, as it is, where the model has had all others; False if it was not taken."""
        count = len(block.chunks)
        if count > MESSAGE_CHUNKS or not self._model.connected:
            return False
        return self._model.tell(Audio(count=count), block.chunks.tobytes())

    def _catch_up(self) -> None:
        """Give those who are behind, which may be all, what they have not had."""
        parts: list[bytes] = []
        given: list[tuple[Stream, int, int]] = []
        for number in list(self._behind):
            room = min(CATCH_UP_CHUNKS, MESSAGE_CHUNKS - len(parts))
            stream = self._streams[number]
            waiting = list(islice(self._waiting(stream), room))
            if waiting and not stream.known_to_model:
                stream.known_to_model = self._model.tell(_opening(stream))
                if not stream.known_to_model:
                    return
            if waiting:
                parts += [chunk for _, _, chunk in waiting]
                given.append((stream, waiting[0][1], waiting[-1][0] + 1))
            elif room:
                del self._behind[number]
        if not parts or not self._model.tell(Audio(count=len(parts)), b"".join(parts)):
            return
        for stream, from_ms, place in given:
            self._tell_missed(stream, from_ms)
            if place == self._end:
                del self._behind[stream.number]
            else:
                self._behind[stream.number] = place

    def _waiting(self, stream: Stream) -> Iterator[tuple[int, int, bytes]]:
        """(block, at_ms, chunk as sent) of what the model has not had of it, oldest first."""
        heard_ms = stream.heard_ms or 0
        for number in range(max(self._behind.get(stream.number, self._end), self._oldest), self._end):
            chunk = self._blocks[number - self._oldest].chunk(stream.number)
            if chunk is not None and chunk[0] >= heard_ms:
                yield number, *chunk

    def _miss(self, stream: Stream, from_ms: int) -> None:
        if stream.missed_from_ms is None:
            stream.missed_from_ms = from_ms
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

    # -------------------------------------------------------------- to the recorder

    def _feed_recorder(self) -> None:
        taken = self._recorder.tell(Packets(count=len(self._packets)), b"".join(self._packets))
        if not taken:
            self.packets_dropped += len(self._packets)
        if not taken or self._unrecorded:
            for packet in self._packets:
                number, at_ms, _ = _PACKET.unpack_from(packet)
                if number in self._streams:
                    self._note_recorded(self._streams[number], at_ms, taken)
        self._packets.clear()

    def _note_recorded(self, stream: Stream, at_ms: int, taken: bool) -> None:
        since_ms = stream.unrecorded_from_ms
        if not taken:
            stream.unrecorded_from_ms = at_ms if since_ms is None else since_ms
            self._unrecorded.add(stream.number)
        elif since_ms is not None:
            stream.unrecorded_from_ms = None
            self._unrecorded.discard(stream.number)
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

    def _free_number(self) -> int:
        for _ in range(_NUMBERS):
            number = self._next_number
            self._next_number = (number + 1) % _NUMBERS
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
        levels_only=not stream.to_model,
    )
