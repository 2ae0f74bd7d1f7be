"""Pressed keys: each told once whatever is lost or repeated, and the voice around them unharmed."""

from __future__ import annotations

import pytest

from tests.media.test_leg import new_leg, spoken, wire
from tests.media.test_room import arrives
from voicewatch.core.events import Dtmf
from voicewatch.core.redaction import masked
from voicewatch.media import rtp
from voicewatch.media.dtmf import DigitReader
from voicewatch.media.offers import digits_type, with_digits


def event(code: int, duration: int, end: bool = False) -> bytes:
    return bytes([code, 0x80 * end | 10]) + duration.to_bytes(2, "big")


def test_an_event_is_told_once_though_most_of_it_is_lost() -> None:
    reader = DigitReader()
    assert reader.take(event(5, 960), 1_000, 0) == "5"
    assert reader.take(event(5, 1_920), 1_000, 20) is None
    assert reader.take(event(5, 2_880, end=True), 1_000, 90) is None
    assert reader.take(event(5, 2_880, end=True), 9_000, 300) == "5"  # the same key again; only its end came
    assert reader.take(event(11, 960), 20_000, 500) == "#"
    assert reader.take(event(5, 2_880, end=True), 9_000, 600) is None  # of before, late
    assert reader.take(event(10, 960), 0x1_0000_0000 - 5, 700) is None


@pytest.mark.parametrize("payload", [b"", b"\x05", event(16, 960), event(255, 0)])
def test_what_is_no_key_is_nothing(payload: bytes) -> None:
    assert DigitReader().take(payload, 1, 0) is None


def test_a_flood_of_keys_is_thinned() -> None:
    reader = DigitReader()
    told = [reader.take(event(1, 960), 1 + n * 960, n * 1.0) for n in range(1_000)]
    assert sum(digit is not None for digit in told) <= 25


def test_a_key_in_the_voice_is_neither_loss_nor_delay() -> None:
    leg = new_leg()
    packets = spoken(100, 20)
    for n, packet in enumerate(packets):
        if 40 <= n < 50:
            data = rtp.build(110, n, 40 * 960, 7, event(7, (n - 39) * 960, end=n >= 47))
        else:
            data = wire(n, packet, 20)
        arrives(leg, data, n * 20.0)
        leg.advance()
    for _ in range(5):
        leg.advance()
    assert list(leg.digits) == ["7"]
    assert leg.decoded == 90
    assert (leg.buffer.lost, leg.buffer.delay_ms, leg.strays) == (0, 0, 0)
    assert leg.reception is not None
    assert leg.reception.lost == 0


def test_the_answer_takes_what_was_offered() -> None:
    offered = "a=rtpmap:110 telephone-event/48000\r\na=rtpmap:126 telephone-event/8000\r\n"
    answer = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 x=1\r\n"
    assert digits_type(offered) == 110
    taken = with_digits(answer, offered).split("\r\n")
    assert taken[0].endswith("SAVPF 111 110")
    assert "a=rtpmap:110 telephone-event/48000" in taken
    assert "a=fmtp:110 0-15" in taken
    assert digits_type("a=rtpmap:200 telephone-event/8000\r\n") is None
    assert with_digits(answer, "") == answer


def test_digits_are_masked() -> None:
    fact = Dtmf(call_id="c", seat_id="s", digit="7")
    assert "7" not in masked(fact).model_dump_json(include={"digit"})
