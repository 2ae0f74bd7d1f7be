from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from voicewatch.media import rtp

WALL_NS = 1_795_000_000_123_456_789


def test_a_packet_reads_back() -> None:
    packet = rtp.parse(rtp.build(111, 65_535, 4_000_000_000, 77, b"opus"))
    assert packet == (111, 65_535, 4_000_000_000, 77, b"opus")


def test_contributors_extension_and_padding_are_skipped() -> None:
    header = struct.pack("!BBHII", 0x80 | 0x20 | 0x10 | 2, 0x80 | 111, 1, 2, 3)
    extension = struct.pack("!HH", 0xBEDE, 1) + b"\x10\xaa\0\0"
    packet = rtp.parse(header + bytes(8) + extension + b"opus" + b"\0\0\0\x04")
    assert packet is not None
    assert (packet.payload_type, packet.payload) == (111, b"opus")


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    rtp.parse(data)
    rtp.parse_rtcp(data)


@given(st.integers(0, 1 << 40), st.integers(-32_000, 32_000))
def test_extending_undoes_the_wrap(near: int, step: int) -> None:
    value = near + step
    assert rtp.extend(value & 0xFFFF, near, 16) == value


def test_reports_carry_jitter_loss_and_round_trip() -> None:
    reception = rtp.Reception(ssrc=9)
    for n in range(100):
        if n % 10 != 5:
            reception.add(1_000 + n, n * 960, n * 20.0 + (8.0 if n % 2 else 0.0))
    assert reception.lost == 10
    assert 6.0 < reception.jitter_ms < 11.0
    data = rtp.sender_report(5, WALL_NS, 960, 10, 800, [reception.block(2_000.0)], b"voicewatch")
    report = rtp.parse_rtcp(data)
    assert report is not None
    assert report.sr_ssrc == 5
    (block,) = report.blocks
    assert (block.ssrc, block.lost) == (9, 10)
    assert 0.08 < block.fraction_lost < 0.11

    # the peer answers 30 ms after he got our report; the way takes 25 ms in all
    answer = block._replace(last_sr=report.sr_middle or 0, delay=int(0.030 * 65_536))
    round_trip = rtp.round_trip_ms(answer, WALL_NS + 55_000_000)
    assert round_trip is not None
    assert abs(round_trip - 25) < 0.1
    assert rtp.round_trip_ms(block._replace(last_sr=0), WALL_NS) is None


def test_goodbye_is_seen() -> None:
    report = rtp.parse_rtcp(struct.pack("!BBHI", 0x81, 203, 1, 5))
    assert report is not None
    assert report.bye
