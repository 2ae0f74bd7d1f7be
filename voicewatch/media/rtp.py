"""RTP and RTCP (RFC 3550): headers, sequence arithmetic, reception figures, reports. Pure; time is given."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any, NamedTuple

CLOCK_HZ = 48_000
"""Opus counts at 48 kHz whatever is inside (RFC 7587)."""
TICKS_PER_CHUNK = 960
TICKS_PER_MS = 48

HEADER = struct.Struct("!BBHII")
"""First byte, marker and payload type, sequence, timestamp, SSRC (RFC 3550 §5.1)."""
HEADER_BYTES = HEADER.size
_RTCP_HEADER = struct.Struct("!BBH")
_SENDER_INFO = struct.Struct("!IIIII")
_BLOCK = struct.Struct("!IIIIII")
_NTP_OFFSET_S = 2_208_988_800
_SR, _RR, _SDES, _BYE = 200, 201, 202, 203
_CNAME = 1
PLAIN = 0x80
"""Version 2, and nothing between header and payload, or after it."""


class RtpPacket(NamedTuple):
    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


def parse(data: bytes) -> RtpPacket | None:
    """The packet, or None if it is not well-formed RTP (RFC 3550 §5.1, A.1). Extensions are skipped."""
    span = payload_span(data, len(data))
    if span is None:
        return None
    _, second, sequence, timestamp, ssrc = HEADER.unpack_from(data)
    return RtpPacket(second & 0x7F, sequence, timestamp, ssrc, data[slice(*span)])


def payload_span(data: Any, size: int) -> tuple[int, int] | None:
    """Where the payload of the packet in `data[:size]` begins and ends; None if it is not well-formed RTP."""
    if size < HEADER_BYTES or data[0] >> 6 != 2:
        return None
    first = data[0]
    start = HEADER_BYTES + 4 * (first & 0x0F)
    if first & 0x10:
        if size < start + 4:
            return None
        start += 4 + 4 * (data[start + 2] << 8 | data[start + 3])
    end = size
    if first & 0x20:
        padding = data[size - 1]
        if padding == 0:
            return None
        end -= padding
    return None if start > end else (start, end)


def build(payload_type: int, sequence: int, timestamp: int, ssrc: int, payload: bytes) -> bytes:
    return HEADER.pack(PLAIN, payload_type, sequence, timestamp, ssrc) + payload


def extend(value: int, near: int, bits: int) -> int:
    """The number nearest to `near` that ends in `value`'s bits: unwraps sequence numbers and timestamps."""
    span = 1 << bits
    candidate = near - near % span + value
    if candidate - near > span // 2:
        return candidate - span
    if near - candidate > span // 2:
        return candidate + span
    return candidate


@dataclass(slots=True)
class Reception:
    """What RFC 3550 §6.4.1 wants to know of a stream; jitter as in A.8."""

    ssrc: int
    base: int = -1
    highest: int = -1
    received: int = 0
    jitter: float = 0.0
    _transit: float = 0.0
    _expected_before: int = 0
    _received_before: int = 0
    sr_middle: int = 0
    sr_at_ms: float = 0.0

    def add(self, sequence: int, timestamp: int, now_ms: float) -> None:
        """One packet; `sequence` and `timestamp` are extended (never wrap)."""
        transit = now_ms * TICKS_PER_MS - timestamp
        if self.received:
            change = transit - self._transit
            self.jitter += ((change if change > 0 else -change) - self.jitter) / 16
            if sequence > self.highest:
                self.highest = sequence
        else:
            self.base = self.highest = sequence
        self._transit = transit
        self.received += 1

    def add_untimed(self, sequence: int) -> None:
        """One packet whose timestamp says nothing of its journey."""
        if self.received:
            self.highest = max(self.highest, sequence)
            self.received += 1

    @property
    def jitter_ms(self) -> float:
        return self.jitter / TICKS_PER_MS

    @property
    def lost(self) -> int:
        return max(0, self.highest - self.base + 1 - self.received) if self.received else 0

    def block(self, now_ms: float) -> bytes:
        """Our report block; fraction lost counts from the block before."""
        expected = self.highest - self.base + 1 if self.received else 0
        newly_expected = expected - self._expected_before
        newly_lost = newly_expected - (self.received - self._received_before)
        fraction = (
            0 if newly_expected <= 0 or newly_lost <= 0 else min(255, newly_lost * 256 // newly_expected)
        )
        self._expected_before, self._received_before = expected, self.received
        delay = int((now_ms - self.sr_at_ms) * 65.536) if self.sr_middle else 0
        return _BLOCK.pack(
            self.ssrc,
            fraction << 24 | min(self.lost, 0x7FFFFF),
            max(self.highest, 0) & 0xFFFFFFFF,
            int(self.jitter) & 0xFFFFFFFF,
            self.sr_middle,
            delay & 0xFFFFFFFF,
        )


class RemoteBlock(NamedTuple):
    """What the peer says of our stream. `fraction_lost` 0..1; `last_sr`, `delay` in 1/65536 s."""

    ssrc: int
    fraction_lost: float
    lost: int
    jitter_ms: float
    last_sr: int
    delay: int


@dataclass(slots=True)
class RtcpReport:
    """What was read from one compound packet."""

    sr_middle: int | None = None
    sr_ssrc: int = 0
    blocks: list[RemoteBlock] = field(default_factory=list)
    bye: bool = False


def parse_rtcp(data: bytes) -> RtcpReport | None:
    """SR, RR and BYE of a compound packet; None when it is not well-formed. Other kinds are skipped."""
    report = RtcpReport()
    at = 0
    while at < len(data):
        if len(data) - at < 4:
            return None
        first, kind, words = _RTCP_HEADER.unpack_from(data, at)
        end = at + 4 + 4 * words
        if first >> 6 != 2 or end > len(data):
            return None
        body = data[at + 4 : end]
        count = first & 0x1F
        if kind == _SR:
            if len(body) < 24 + 24 * count:
                return None
            ssrc, ntp_high, ntp_low = struct.unpack_from("!III", body)
            report.sr_ssrc, report.sr_middle = ssrc, (ntp_high & 0xFFFF) << 16 | ntp_low >> 16
            report.blocks += _blocks(body, 24, count)
        elif kind == _RR:
            if len(body) < 4 + 24 * count:
                return None
            report.blocks += _blocks(body, 4, count)
        elif kind == _BYE:
            report.bye = True
        at = end
    return report


def sender_report(
    ssrc: int, wall_ns: int, timestamp: int, packets: int, octets: int, blocks: list[bytes], cname: bytes
) -> bytes:
    """SR then SDES with the CNAME (RFC 3550 §6.4.1, §6.5), one compound packet."""
    high, low = ntp(wall_ns)
    info = _SENDER_INFO.pack(high, low, timestamp & 0xFFFFFFFF, packets & 0xFFFFFFFF, octets & 0xFFFFFFFF)
    body = ssrc.to_bytes(4, "big") + info + b"".join(blocks)
    chunk = ssrc.to_bytes(4, "big") + bytes((_CNAME, len(cname))) + cname
    chunk += bytes(4 - len(chunk) % 4)
    return (
        _RTCP_HEADER.pack(0x80 | len(blocks), _SR, len(body) // 4)
        + body
        + _RTCP_HEADER.pack(0x81, _SDES, len(chunk) // 4)
        + chunk
    )


def ntp(wall_ns: int) -> tuple[int, int]:
    """Seconds since 1900 and the fraction in 1/2^32 s of a Unix time in nanoseconds."""
    seconds, rest = divmod(wall_ns, 1_000_000_000)
    return (seconds + _NTP_OFFSET_S) & 0xFFFFFFFF, (rest << 32) // 1_000_000_000


def round_trip_ms(block: RemoteBlock, wall_ns: int) -> float | None:
    """RFC 3550 §6.4.1: arrival minus last SR minus the peer's delay; None before he has had an SR."""
    if block.last_sr == 0:
        return None
    high, low = ntp(wall_ns)
    now_middle = (high & 0xFFFF) << 16 | low >> 16
    passed = (now_middle - block.last_sr - block.delay) & 0xFFFFFFFF
    return passed / 65.536 if passed < 1 << 31 else 0.0


def _blocks(body: bytes, at: int, count: int) -> list[RemoteBlock]:
    found = []
    for index in range(count):
        ssrc, lost, _, jitter, last_sr, delay = _BLOCK.unpack_from(body, at + 24 * index)
        found.append(
            RemoteBlock(ssrc, (lost >> 24) / 256, lost & 0xFFFFFF, jitter / TICKS_PER_MS, last_sr, delay)
        )
    return found
