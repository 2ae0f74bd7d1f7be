"""SRTP with the keys aiortc negotiated: the only module that knows pylibsrtp.

Its methods cost as much again as the encryption does; here libsrtp is called on one buffer of our own.
`PRIVATE_NAMES` are looked up by a contract test.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
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

Transform = Callable[[bytes], bytes | None]

_cdata = ffi.new("unsigned char[]", MAX_PACKET + _TRAILER)
_bytes = ffi.buffer(_cdata)
_size = ffi.new("int *")
"""One packet at a time is worked on, by one thread: the tick's."""


class Srtp:
    """Both directions of one peer: each takes a packet and gives the other form of it.

    None for what libsrtp refuses: forged, replayed, or longer than MAX_PACKET.
    """

    __slots__ = ("_sessions", "protect", "protect_rtcp", "unprotect", "unprotect_rtcp")

    def __init__(self, rx: pylibsrtp.Session, tx: pylibsrtp.Session) -> None:
        self._sessions = rx, tx  # they free the C sessions when they go
        received, sent = rx._srtp[0], tx._srtp[0]
        self.unprotect: Transform = partial(_work, lib.srtp_unprotect, received)
        self.unprotect_rtcp: Transform = partial(_work, lib.srtp_unprotect_rtcp, received)
        self.protect: Transform = partial(_work, lib.srtp_protect, sent)
        self.protect_rtcp: Transform = partial(_work, lib.srtp_protect_rtcp, sent)


def _work(function: Any, session: Any, packet: bytes) -> bytes | None:
    size = len(packet)
    if size > MAX_PACKET:
        return None
    _bytes[0:size] = packet
    _size[0] = size
    if function(session, _cdata, _size):
        return None
    worked: bytes = _bytes[0 : _size[0]]
    return worked
