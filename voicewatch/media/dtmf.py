"""Keys pressed on a telephone, as they come and go in RTP (RFC 4733 telephone-event). Pure; time is given."""

from __future__ import annotations

import struct
from collections import deque

from voicewatch.media.rtp import TICKS_PER_CHUNK

KEYS = "0123456789*#ABCD"
"""By event code (RFC 4733 §3.2)."""
LEAST_GAP_MS = 40
"""People and dialling machines are slower (ITU-T Q.24); faster is a flood, of which the rest is dropped."""


class DigitReader:
    """One stream's digits. An event is many packets with one timestamp, any of which may be lost."""

    __slots__ = ("_last_ms", "_last_timestamp")

    def __init__(self) -> None:
        self._last_timestamp: int | None = None
        self._last_ms = float("-inf")

    def take(self, payload: bytes, timestamp: int, now_ms: float) -> str | None:
        """The key, with the first packet of its event that comes; None for others, and for what is no key."""
        if len(payload) < 4 or payload[0] >= len(KEYS):
            return None
        last = self._last_timestamp
        is_newer = last is None or 0 < (timestamp - last) & 0xFFFFFFFF < 1 << 31
        if not is_newer or now_ms - self._last_ms < LEAST_GAP_MS:
            return None
        self._last_timestamp, self._last_ms = timestamp, now_ms
        return KEYS[payload[0]]


MAX_KEYS = 32
"""Asked for at once; more are refused."""
_KEY_CHUNKS, _BETWEEN_CHUNKS = 6, 4
"""120 ms and 80 ms, as patient as old exchanges want it."""
_ENDS = 3
"""The packet that ends an event goes out so often (RFC 4733 §2.5.1.4)."""
_VOLUME_DBM0 = 10
_HEADER = struct.Struct("!BBHII")
_EVENT = struct.Struct("!BBH")


class DigitWriter:
    """Turns packets of voice, one a chunk, into those of the keys to be sent, and leaves the others alone.

    Sequence and SSRC stay the voice's; an event keeps the timestamp at which it began (RFC 4733 §2.5.1).
    """

    __slots__ = ("_chunk", "_digits", "_payload_type", "_timestamp")

    def __init__(self, payload_type: int) -> None:
        """For an event clock of 48 kHz, the voice's own."""
        self._payload_type = payload_type
        self._digits: deque[int] = deque()  # at most MAX_KEYS: who writes waits until it is empty
        self._chunk = 0
        self._timestamp = 0

    @property
    def is_busy(self) -> bool:
        return bool(self._digits)

    def write(self, digits: str) -> None:
        """`digits`: of KEYS, at most MAX_KEYS."""
        self._digits.extend(KEYS.index(digit) for digit in digits)

    def instead_of(self, packet: bytes) -> bytes:
        """What is sent in the place of this packet of voice."""
        if not self._digits:
            return packet
        first, _, sequence, timestamp, ssrc = _HEADER.unpack_from(packet)
        chunk, self._chunk = self._chunk, self._chunk + 1
        if chunk == 0:
            self._timestamp = timestamp
        if chunk >= _KEY_CHUNKS + _ENDS:
            if chunk + 1 >= _KEY_CHUNKS + _ENDS + _BETWEEN_CHUNKS:
                self._digits.popleft()
                self._chunk = 0
            return packet
        marker = 0x80 if chunk == 0 else 0
        end = 0x80 if chunk >= _KEY_CHUNKS else 0
        length = min(chunk + 1, _KEY_CHUNKS) * TICKS_PER_CHUNK
        header = _HEADER.pack(first, marker | self._payload_type, sequence, self._timestamp, ssrc)
        return header + _EVENT.pack(self._digits[0], end | _VOLUME_DBM0, length)
