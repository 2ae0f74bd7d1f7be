"""Keys pressed on a telephone, as they come in RTP (RFC 4733 telephone-event). Pure; time is given."""

from __future__ import annotations

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
