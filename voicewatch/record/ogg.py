"""Ogg pages (RFC 3533) with Opus in them (RFC 7845), written and read back. Pure: bytes in, bytes out."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

GRANULES_PER_MS = 48
"""Ogg Opus counts time in samples at 48 kHz, whatever the audio's rate is."""
PRE_SKIP = 312
"""Samples at 48 kHz that an encoder of libopus is ahead; players leave them out."""
SEGMENTS_MAX = 255
FIRST_PAGE, LAST_PAGE = 2, 4
"""Flags of a page's header."""
SILENCE = bytes((0xB8, 0xFF, 0xFE))
"""20 ms of silence as an Opus packet: CELT, wideband, mono, one frame that holds nothing."""
SILENCE_MS = 20
PACKET_BYTES_MAX = 61_440
"""48 frames of at most 1275 bytes (RFC 6716 section 3.4), rounded; it always fits into a page."""

_HEADER = struct.Struct("<4sBBqIIIB")
_CRC_AT = 22
_REVERSED = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))


def page(flags: int, granule: int, serial: int, number: int, packets: Sequence[bytes]) -> bytes:
    """One page of whole packets. `granule` is the time at its end; at most 255 segments (see `segments`)."""
    lacing = b"".join(b"\xff" * (len(packet) // 255) + bytes((len(packet) % 255,)) for packet in packets)
    header = _HEADER.pack(b"OggS", 0, flags, granule, serial, number, 0, len(lacing))
    whole = bytearray(b"".join((header, lacing, *packets)))
    whole[_CRC_AT : _CRC_AT + 4] = struct.pack("<I", checksum(whole))
    return bytes(whole)


def segments(packet: bytes) -> int:
    """How many of a page's 255 segments a packet takes."""
    return len(packet) // 255 + 1


def checksum(data: bytes | bytearray) -> int:
    """Ogg's CRC: that of zlib with the bits of bytes and result reversed, and without its inversions."""
    reflected = zlib.crc32(data.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{reflected:032b}"[::-1], 2)


def opus_head(input_rate_hz: int, channels: int = 1) -> bytes:
    """RFC 7845 section 5.1; one or two channels."""
    return struct.pack("<8sBBHIhB", b"OpusHead", 1, channels, PRE_SKIP, input_rate_hz, 0, 0)


def opus_tags(tags: Mapping[str, str]) -> bytes:
    """RFC 7845 section 5.2; names are upper case without "="."""
    comments = [f"{name}={value}".encode() for name, value in tags.items()]
    vendor = b"VoiceWatch"
    parts = [b"OpusTags", struct.pack("<I", len(vendor)), vendor, struct.pack("<I", len(comments))]
    return b"".join([*parts, *(struct.pack("<I", len(comment)) + comment for comment in comments)])


def read_tags(packet: bytes) -> dict[str, str]:
    """What `opus_tags` was given. ValueError if it is no such packet."""
    if not packet.startswith(b"OpusTags"):
        raise ValueError("no OpusTags")
    try:
        (at,) = struct.unpack_from("<I", packet, 8)
        at += 12
        (count,) = struct.unpack_from("<I", packet, at)
        at += 4
        tags = {}
        for _ in range(count):
            (length,) = struct.unpack_from("<I", packet, at)
            name, _, value = packet[at + 4 : at + 4 + length].decode().partition("=")
            tags[name] = value
            at += 4 + length
    except struct.error:
        raise ValueError("OpusTags is cut off") from None
    return tags


def packet_granules(packet: bytes) -> int:
    """How long an Opus packet lasts, in 1/48 ms, from its first bytes (RFC 6716 section 3.1).

    ValueError for one that no decoder takes.
    """
    if not 1 <= len(packet) <= PACKET_BYTES_MAX:
        raise ValueError(f"an Opus packet has 1 to {PACKET_BYTES_MAX} bytes, not {len(packet)}")
    frames = (1, 2, 2, packet[1] & 63 if len(packet) > 1 else 0)[packet[0] & 3]
    granules = frames * _frame_granules(packet[0] >> 3)
    if not 0 < granules <= 120 * GRANULES_PER_MS:
        raise ValueError("an Opus packet lasts at most 120 ms and not nothing")
    return granules


def is_opus(packet: bytes) -> bool:
    """Whether `packet_granules` can tell how long it lasts."""
    try:
        return packet_granules(packet) > 0
    except ValueError:
        return False


def _frame_granules(config: int) -> int:
    """Table 2 of RFC 6716: 0-11 SILK, 12-15 hybrid, 16-31 CELT."""
    if config < 12:
        return (480, 960, 1920, 2880)[config % 4]
    if config < 16:
        return (480, 960)[config % 2]
    return (120, 240, 480, 960)[config % 4]


@dataclass(frozen=True)
class Page:
    flags: int
    granule: int
    end: int
    """Where the page ends in the file."""
    packets: list[bytes]


def pages(data: bytes) -> Iterator[Page]:
    """The whole pages at the beginning of `data`; it ends quietly at what is cut off or damaged."""
    at = 0
    while at + _HEADER.size <= len(data):
        magic, _, flags, granule, _, _, crc, count = _HEADER.unpack_from(data, at)
        body = at + _HEADER.size + count
        lacing = data[at + _HEADER.size : body]
        end = body + sum(lacing)
        if magic != b"OggS" or end > len(data):
            return
        whole = bytearray(data[at:end])
        whole[_CRC_AT : _CRC_AT + 4] = bytes(4)
        if checksum(whole) != crc:
            return
        yield Page(flags, granule, end, _packets(lacing, data[body:end]))
        at = end


def _packets(lacing: bytes, body: bytes) -> list[bytes]:
    found = []
    at = size = 0
    for length in lacing:
        size += length
        if length < 255:
            found.append(body[at : at + size])
            at, size = at + size, 0
    return found
