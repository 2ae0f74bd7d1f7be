"""Our way of calling libsrtp against pylibsrtp's own, and the private names it rests on."""

from __future__ import annotations

import pylibsrtp
from pylibsrtp import Policy, Session
from pylibsrtp._binding import lib

from voicewatch.media import rtp
from voicewatch.media.srtp import MAX_PACKET, PRIVATE_NAMES, Slot, Srtp, Transform

KEY = bytes(range(28))


def session(direction: int) -> Session:
    return Session(Policy(key=KEY, ssrc_type=direction, srtp_profile=Policy.SRTP_PROFILE_AEAD_AES_128_GCM))


def both() -> Srtp:
    return Srtp(session(Policy.SSRC_ANY_INBOUND), session(Policy.SSRC_ANY_OUTBOUND))


def changed(transform: Transform, packet: bytes) -> bytes:
    """What is in the slot then; empty when it was refused."""
    slot = Slot()
    result: bytes = slot.bytes[: transform(slot, slot.put(packet))]
    return result


def test_it_speaks_with_a_stock_session() -> None:
    ours, packet = both(), rtp.build(111, 7, 960, 1, b"opus")
    slot = Slot()
    sealed = ours.seal(slot, slot.put(packet))
    assert sealed not in (b"", packet)
    assert session(Policy.SSRC_ANY_INBOUND).unprotect(sealed) == packet
    assert changed(ours.unprotect, session(Policy.SSRC_ANY_OUTBOUND).protect(packet)) == packet
    report = rtp.sender_report(1, 0, 0, 0, 0, [], b"name")
    assert changed(both().unprotect_rtcp, ours.seal_rtcp(slot, slot.put(report))) == report


def test_what_is_forged_replayed_or_long_is_refused() -> None:
    ours = both()
    sealed = session(Policy.SSRC_ANY_OUTBOUND).protect(rtp.build(111, 7, 960, 1, b"opus"))
    assert changed(ours.unprotect, sealed[:-1] + bytes((sealed[-1] ^ 1,))) == b""
    assert changed(ours.unprotect, sealed) != b""
    assert changed(ours.unprotect, sealed) == b""
    assert changed(ours.unprotect, bytes(MAX_PACKET + 1)) == b""
    assert ours.seal(Slot(), 0) == b""


def test_the_private_names_are_there() -> None:
    owners = {"pylibsrtp.Session": session(Policy.SSRC_ANY_INBOUND), "pylibsrtp._binding.lib": lib}
    assert owners.keys() == PRIVATE_NAMES.keys()
    for owner, names in PRIVATE_NAMES.items():
        for name in names:
            assert hasattr(owners[owner], name), (
                f"pylibsrtp {pylibsrtp.__name__} changed: {owner} has no {name!r}. Read what replaced it and "
                "change voicewatch/media/srtp.py, or let Srtp call Session's methods (2 µs a packet dearer)"
            )
