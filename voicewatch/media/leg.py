"""One leg in the engine: what comes from a peer, as one chunk a tick, and the one stream that goes to him."""

from __future__ import annotations

import secrets
import time
from collections import deque
from typing import Protocol

import numpy as np

from voicewatch.media import rtp
from voicewatch.media.buffer import Kind, Play, ReceiveBuffer
from voicewatch.media.dtmf import DigitReader
from voicewatch.media.loudness import Match, Speaker
from voicewatch.media.mixer import Past, Pcm, fade_in, fade_out, squeeze
from voicewatch.media.opus import (
    BUFFER_TOO_SMALL,
    CHUNK_SAMPLES,
    MAX_PACKET_SAMPLES,
    Decoder,
    hole,
    is_one_chunk,
)
from voicewatch.media.srtp import Seal, Slot, Transform
from voicewatch.media.voice import VoiceDetector

SSRC_SILENT_MS = 1_000
"""After so long without the stream we know, a peer's other SSRC is taken for its successor."""

QUIET_DBFS = -55.0
"""A leg without voice and below this is not missed when another one's packets are passed on alone."""
MAX_HOLES = 3
"""Chunks in a row that listeners conceal by themselves; more are concealed here, which fades them out."""

MAX_DIGITS = 16
"""Taken each tick; when full the oldest goes."""

_WALL_NS = time.time_ns() - time.monotonic_ns()
"""Reports go by the wall clock as it was at the start: what it is set by meanwhile is no round trip."""

_NO_PACKETS: tuple[bytes, ...] = ()
_read_header, _write_header = rtp.HEADER.unpack_from, rtp.HEADER.pack_into


class Path(Protocol):
    """Where a leg's packets come from and go to (WebRTC: `webrtc.MediaPath`)."""

    ssrc: int
    payload_type: int
    digits_type: int | None
    """Payload type of telephone events, if the peer sends them."""
    cname: bytes

    unprotect: Transform
    unprotect_rtcp: Transform

    @property
    def keys_busy(self) -> bool: ...
    def send_keys(self, digits: str) -> bool: ...
    def follow_nomination(self) -> None: ...
    @property
    def seal(self) -> Seal: ...
    def send(self, sealed: bytes) -> bool: ...
    def heard(self, ago_ms: float) -> None: ...
    def send_rtcp(self, packet: bytes) -> bool: ...


class Leg:
    """State of one leg; the engine calls `receive` for packets, then `advance` and `send` once a tick.

    After `advance`: `pcm` holds the chunk (`samples`: the same as bytes), `packets` the Opus packets it
    was begun with (none: concealed, silent, or within a longer packet; two: delay was taken out),
    `forwardable` the packet that lets a listener's decoder make the same chunk (empty: there is none).
    """

    __slots__ = (
        "_begun",
        "_decoder",
        "_digit_reader",
        "_first_timestamp",
        "_holes",
        "_last_forwardable",
        "_pending",
        "_pending_at",
        "_pending_count",
        "_sequence",
        "_was_waiting",
        "buffer",
        "concealed",
        "dead",
        "decoded",
        "digits",
        "forwardable",
        "heard",
        "heard_at",
        "last_packet_ms",
        "last_seen_ms",
        "leg_id",
        "level_dbfs",
        "match",
        "octets_out",
        "packets",
        "packets_out",
        "past",
        "path",
        "pcm",
        "pcm_at",
        "quiet_for",
        "reception",
        "round_trip_ms",
        "row",
        "samples",
        "sounding",
        "speaker",
        "strays",
        "undecryptable",
        "unsent",
        "voice",
    )

    def __init__(
        self,
        leg_id: str,
        path: Path,
        decoder: Decoder,
        voice: VoiceDetector,
        row: int,
        pcm: Pcm,
        past: Past,
        now_ms: float,
    ) -> None:
        self.leg_id = leg_id
        self.path = path
        self.voice = voice
        self.row = row
        self.pcm = pcm
        self.pcm_at = pcm.ctypes.data
        self.samples = pcm.data.cast("B")
        self.past = past
        pcm[:] = 0
        self.speaker: Speaker | None = None
        """Measured, because somebody is matched to him or he to somebody."""
        self.match: Match | None = None
        self.sound_as(pcm)
        self.buffer = ReceiveBuffer()
        self.reception: rtp.Reception | None = None
        self.packets: tuple[bytes, ...] = _NO_PACKETS
        self.forwardable = b""
        self.quiet_for = 0
        """Chunks since he was last heard speaking, or louder than QUIET_DBFS."""
        self._holes = 0
        self._last_forwardable = b""
        self.concealed = False
        self.sounding = False
        self.level_dbfs = -96.0
        self.dead = False
        self.last_packet_ms = self.last_seen_ms = now_ms
        """Of media, and of anything (reports, ICE)."""
        self.decoded = self.packets_out = self.octets_out = 0
        self.strays = self.undecryptable = self.unsent = 0
        self.round_trip_ms: float | None = None
        self.digits: deque[str] = deque(maxlen=MAX_DIGITS)
        """Keys pressed that nobody has taken yet."""
        self._digit_reader = DigitReader()
        self._decoder = decoder
        self._was_waiting = True
        self._pending: Pcm = np.zeros(MAX_PACKET_SAMPLES + CHUNK_SAMPLES, np.int16)
        self._pending_at = self._pending.ctypes.data
        self._pending_count = 0
        self._sequence = secrets.randbelow(1 << 15)  # lower half: no early wrap, which breaks some SRTP peers
        self._first_timestamp = secrets.randbits(32)
        """Of tick 0, once the first packet is out."""
        self._begun = False

    def sound_as(self, heard: Pcm) -> None:
        """Listeners get this row: the leg's own chunk, or the one with his gain."""
        self.heard, self.heard_at = heard, heard.ctypes.data

    @property
    def at_unity(self) -> bool:
        """Listeners hear him as he came: no gain, and none on its way."""
        return self.match is None or self.match.is_unity

    def before(self, age: int) -> Pcm:
        """The chunk of `age` ticks ago; 1 is the newest that was sent."""
        return self.past.before(self.row, age)

    # -------------------------------------------------------------- in

    def unseal(self, slot: Slot, size: int, now_ms: float) -> int:
        """A datagram has come that is RTP or RTCP by its first byte (RFC 7983).

        The size of the RTP packet that is in its place then, for `receive`; 0 if there is none.
        """
        self.last_seen_ms = now_ms
        if 192 <= slot.view[1] <= 223:  # RFC 5761 §4
            self._receive_rtcp(slot, size, now_ms)
            return 0
        size = self.path.unprotect(slot, size)
        if not size:
            self.undecryptable += 1
        return size

    def receive(self, slot: Slot, size: int, now_ms: float) -> None:
        """One RTP packet in the clear."""
        first, second, sequence, timestamp, ssrc = _read_header(slot.bytes)
        if first == rtp.PLAIN and second & 0x7F == self.path.payload_type and size > rtp.HEADER_BYTES:
            payload = slot.bytes[rtp.HEADER_BYTES : size]
        else:
            payload = self._receive_oddly(slot.bytes[:size], now_ms)
            if not payload:
                return
        reception = self.reception
        if reception is None or ssrc != reception.ssrc:
            if reception is not None and now_ms - self.last_packet_ms < SSRC_SILENT_MS:
                self.strays += 1
                return
            reception = self.reception = rtp.Reception(ssrc)
            self.buffer.restart()
        self.last_packet_ms = now_ms
        taken = self.buffer.push(sequence, timestamp, payload, now_ms)
        if taken is not None:
            reception.add(taken[0], taken[1], now_ms)

    def _receive_oddly(self, data: bytes, now_ms: float) -> bytes:
        """The voice in a packet that has more than a header and a payload; empty if there is none."""
        packet = rtp.parse(data)
        if packet is not None and packet.payload_type == self.path.payload_type and packet.payload:
            return packet.payload
        if packet is not None and packet.payload_type == self.path.digits_type:
            self._receive_digit(packet, now_ms)
        else:
            self.strays += 1
        return b""

    def _receive_digit(self, packet: rtp.RtpPacket, now_ms: float) -> None:
        """Keys come in the stream of the voice, under its numbers."""
        reception = self.reception
        if reception is None or packet.ssrc != reception.ssrc:
            self.strays += 1
            return
        self.last_packet_ms = now_ms
        sequence = self.buffer.pass_over(packet.sequence)
        if sequence is not None:
            reception.add_untimed(sequence)
        digit = self._digit_reader.take(packet.payload, packet.timestamp, now_ms)
        if digit is not None:
            self.digits.append(digit)

    def _receive_rtcp(self, slot: Slot, size: int, now_ms: float) -> None:
        size = self.path.unprotect_rtcp(slot, size)
        report = rtp.parse_rtcp(slot.bytes[:size]) if size else None
        if report is None:
            self.undecryptable += 1
            return
        if report.sr_middle is not None and self.reception is not None:
            self.reception.sr_middle, self.reception.sr_at_ms = report.sr_middle, now_ms
        for block in report.blocks:
            if block.ssrc == self.path.ssrc:
                self.round_trip_ms = rtp.round_trip_ms(block, _wall_ns())

    def advance(self) -> None:
        """Put the next chunk into `pcm`."""
        self.concealed = False
        if not (self._pending_count or self._was_waiting):
            packet = self.buffer.take()
            if packet is not None:
                self._decode(packet)
                return
        self.packets = _NO_PACKETS
        self.forwardable = b""
        if self._pending_count:
            self._from_pending()
        else:
            self._advance_oddly(self.buffer.pull(not self.voice.voiced))

    def _advance_oddly(self, play: Play) -> None:
        match play.kind:
            case Kind.PLAY:
                self._decode(play.packet)
            case Kind.SQUEEZE:
                self._squeeze(play.packet, play.second)
            case Kind.RECOVER:
                self._note_hole()
                self._must(self._decoder.recover(play.packet, self.pcm_at, CHUNK_SAMPLES))
            case Kind.CONCEAL:
                self._note_hole()
                self._must(self._decoder.conceal(self.pcm_at, CHUNK_SAMPLES))
            case Kind.WAIT:
                self._wait()
                return
        if self._was_waiting and not self.concealed:
            self._was_waiting = False
            self.forwardable = b""
            fade_in(self.pcm)

    def _note_hole(self) -> None:
        self.concealed = True
        self._holes += 1
        if self._holes <= MAX_HOLES and self._last_forwardable:
            self.forwardable = hole(self._last_forwardable)

    def fade_away(self) -> None:
        """Last chunk of a leg that is gone: what would have come, ramped to nothing."""
        self.packets = _NO_PACKETS
        self.forwardable = b""
        self.concealed = True
        if self.sounding:
            self._must(self._decoder.conceal(self.pcm_at, CHUNK_SAMPLES))
            fade_out(self.pcm)

    def _wait(self) -> None:
        if self._was_waiting:
            if self.sounding:
                self.pcm[:] = 0
            return
        self._was_waiting = True
        self.fade_away()

    def _decode(self, packet: bytes) -> None:
        samples = self._decoder.decode(packet, self.pcm_at, CHUNK_SAMPLES)
        if samples == CHUNK_SAMPLES:
            self.decoded += 1
            self.packets = (packet,)
            self._holes = 0
            self.forwardable = self._last_forwardable = packet if is_one_chunk(packet) else b""
            return
        self.packets = _NO_PACKETS
        self.forwardable = b""
        self._decode_odd(packet, samples)

    def _decode_odd(self, packet: bytes, samples: int) -> None:
        """Packets longer or shorter than a chunk, and garbage."""
        self._last_forwardable = b""
        if samples == BUFFER_TOO_SMALL:
            samples = self._decoder.decode(packet, self._pending_at, MAX_PACKET_SAMPLES)
        elif 0 < samples < CHUNK_SAMPLES:
            self._pending[:samples] = self.pcm[:samples]
        if samples > 0:
            self._note_decoded(packet)
            self._pending_count = samples
            self._from_pending()
            return
        self.strays += 1  # not Opus: an authenticated peer sends garbage
        self.concealed = True
        self._must(self._decoder.conceal(self.pcm_at, CHUNK_SAMPLES))

    def _note_decoded(self, packet: bytes) -> None:
        self.decoded += 1
        self.packets += (packet,)

    def _from_pending(self) -> None:
        """Packets longer or shorter than a chunk pass through here."""
        while self._pending_count < CHUNK_SAMPLES:
            at = self._pending_at + 2 * self._pending_count
            play = self.buffer.pull(may_squeeze=False)
            if play.kind is Kind.PLAY:
                samples = self._decoder.decode(play.packet, at, MAX_PACKET_SAMPLES)
                self._note_decoded(play.packet)
            else:
                samples = self._decoder.conceal(at, CHUNK_SAMPLES // 2)
            if samples <= 0:
                self._pending_count = 0
                self.pcm[:] = 0
                return
            self._pending_count += samples
        self.pcm[:] = self._pending[:CHUNK_SAMPLES]
        self._pending_count -= CHUNK_SAMPLES
        if self._pending_count:
            rest = self._pending[CHUNK_SAMPLES : CHUNK_SAMPLES + self._pending_count].copy()
            self._pending[: self._pending_count] = rest

    def _squeeze(self, first: bytes, second: bytes) -> None:
        self._decode(first)
        before, packets = self.pcm.copy(), self.packets
        self._decode(second)  # alone it is what others are forwarded: for them the first one is left out
        self.packets = packets + self.packets
        squeeze(self.pcm, before, self.pcm.copy())

    def _must(self, samples: int) -> None:
        if samples <= 0:
            self.pcm[:] = 0

    # -------------------------------------------------------------- out

    def seal(self, slot: Slot, tick: int, payload: bytes) -> bytes:
        """The one packet of this tick, as it is sent; `slot` is where it is made.

        Skipped ticks are skipped in the timestamp, never in the sequence.
        """
        if not self._begun:
            self._begun = True
            self._first_timestamp -= tick * rtp.TICKS_PER_CHUNK
        path, sequence, octets = self.path, self._sequence, len(payload)
        timestamp = (self._first_timestamp + tick * rtp.TICKS_PER_CHUNK) & 0xFFFFFFFF
        size = rtp.HEADER_BYTES + octets
        _write_header(slot.bytes, 0, rtp.PLAIN, path.payload_type, sequence, timestamp, path.ssrc)
        slot.bytes[rtp.HEADER_BYTES : size] = payload
        self._sequence = (sequence + 1) & 0xFFFF
        self.packets_out += 1
        self.octets_out += octets
        return path.seal(slot, size)

    def send(self, sealed: bytes) -> None:
        """Send what `seal` has made; what was refused or not taken is counted."""
        if not (sealed and self.path.send(sealed)):
            self.unsent += 1

    def timestamp(self, tick: int) -> int:
        return (self._first_timestamp + tick * rtp.TICKS_PER_CHUNK) & 0xFFFFFFFF

    def send_report(self, tick: int, now_ms: float) -> None:
        """RTCP about once a second."""
        self.path.heard(now_ms - self.last_packet_ms)
        blocks = [self.reception.block(now_ms)] if self.reception is not None else []
        self.path.send_rtcp(
            rtp.sender_report(
                self.path.ssrc,
                _wall_ns(),
                self.timestamp(tick),
                self.packets_out,
                self.octets_out,
                blocks,
                self.path.cname,
            )
        )


def _wall_ns() -> int:
    return _WALL_NS + time.monotonic_ns()
