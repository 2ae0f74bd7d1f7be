"""SRTP with the keys aiortc negotiated: the only module that knows pylibsrtp.

Its methods cost as much again as the encryption does, and each copies the packet twice. Here datagrams lie in
slots of memory of our own: they are received there, or built there, and libsrtp works on them in place.
`PRIVATE_NAMES` are looked up by a contract test.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pylibsrtp
from pylibsrtp._binding import ffi, lib

MAX_PACKET = 2_048
_TRAILER = 256
"""More than libsrtp adds (SRTP_MAX_TRAILER_LEN and RTCP's index)."""

PRIVATE_NAMES = {
    "pylibsrtp.Session": ("_srtp",),
    "pylibsrtp._binding.lib": (
        "srtp_protect",
        "srtp_protect_rtcp",
        "srtp_unprotect",
        "srtp_unprotect_rtcp",
    ),
}


class Slot:
    """A place for one datagram. Slices of `bytes` are bytes; `view` is for sockets, `at` for C."""

    __slots__ = ("at", "bytes", "view")

    def __init__(self) -> None:
        self.at = ffi.new("unsigned char[]", MAX_PACKET + _TRAILER)
        self.bytes: Any = ffi.buffer(self.at)
        self.view = memoryview(self.bytes)[:MAX_PACKET]

    def put(self, packet: bytes) -> int:
        """Lay a packet here; its size. One that is too long is laid here as far as it fits."""
        self.view[: len(packet)] = packet[:MAX_PACKET]
        return len(packet)


Transform = Callable[[Slot, int], int]
"""The packet in a slot and its size -> its new size; 0 for what libsrtp refuses: forged, replayed, or longer
than MAX_PACKET. What lies in the slot then is nobody's."""
Seal = Callable[[Slot, int], bytes]
"""The same, with what was made of it; empty for what is refused."""

_size = ffi.new("int *")


class Srtp:
    """Both directions of one peer."""

    __slots__ = ("_sessions", "seal", "seal_rtcp", "unprotect", "unprotect_rtcp")

    def __init__(self, rx: pylibsrtp.Session, tx: pylibsrtp.Session) -> None:
        self._sessions = rx, tx  # they free the C sessions when they go
        received, sent = rx._srtp[0], tx._srtp[0]
        self.unprotect = _transform(lib.srtp_unprotect, received)
        self.unprotect_rtcp = _transform(lib.srtp_unprotect_rtcp, received)
        self.seal = _seal(_transform(lib.srtp_protect, sent))
        self.seal_rtcp = _seal(_transform(lib.srtp_protect_rtcp, sent))


def _transform(function: Any, session: Any) -> Transform:
    def work(slot: Slot, size: int) -> int:
        if size > MAX_PACKET:
            return 0
        _size[0] = size
        return 0 if function(session, slot.at, _size) else _size[0]

    return work


def _seal(transform: Transform) -> Seal:
    def work(slot: Slot, size: int) -> bytes:
        sealed: bytes = slot.bytes[: transform(slot, size)]
        return sealed

    return work
