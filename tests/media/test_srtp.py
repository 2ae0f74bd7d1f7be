"""Our way of calling libsrtp against pylibsrtp's own, and the private names it rests on."""

from __future__ import annotations

import pylibsrtp
from pylibsrtp import Policy, Session
from pylibsrtp._binding import lib

from voicewatch.media import rtp
from voicewatch.media.srtp import MAX_PACKET, PRIVATE_NAMES, Srtp

KEY = bytes(range(28))


def session(direction: int) -> Session:
    return Session(Policy(key=KEY, ssrc_type=direction, srtp_profile=Policy.SRTP_PROFILE_AEAD_AES_128_GCM))


def both() -> Srtp:
    return Srtp(session(Policy.SSRC_ANY_INBOUND), session(Policy.SSRC_ANY_OUTBOUND))


def test_it_speaks_with_a_stock_session() -> None:
    ours, packet = both(), rtp.build(111, 7, 960, 1, b"opus")
    sealed = ours.protect(packet)
    assert sealed is not None
    assert sealed != packet
    assert session(Policy.SSRC_ANY_INBOUND).unprotect(sealed) == packet
    assert ours.unprotect(session(Policy.SSRC_ANY_OUTBOUND).protect(packet)) == packet
    report = rtp.sender_report(1, 0, 0, 0, 0, [], b"name")
    sealed_report = ours.protect_rtcp(report)
    assert sealed_report is not None
    assert both().unprotect_rtcp(sealed_report) == report


def test_what_is_forged_replayed_or_long_is_refused() -> None:
    ours = both()
    sealed = session(Policy.SSRC_ANY_OUTBOUND).protect(rtp.build(111, 7, 960, 1, b"opus"))
    assert ours.unprotect(sealed[:-1] + bytes((sealed[-1] ^ 1,))) is None
    assert ours.unprotect(sealed) is not None
    assert ours.unprotect(sealed) is None
    assert ours.unprotect(bytes(MAX_PACKET + 1)) is None
    assert ours.protect(b"") is None


def test_the_private_names_are_there() -> None:
    owners = {"pylibsrtp.Session": session(Policy.SSRC_ANY_INBOUND), "pylibsrtp._binding.lib": lib}
    assert owners.keys() == PRIVATE_NAMES.keys()
    for owner, names in PRIVATE_NAMES.items():
        for name in names:
            assert hasattr(owners[owner], name), (
                f"pylibsrtp {pylibsrtp.__name__} changed: {owner} has no {name!r}. Read what replaced it and "
                "change voicewatch/media/srtp.py, or let Srtp call Session's methods (2 µs a packet dearer)"
            )
