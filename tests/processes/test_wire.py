"""Messages survive the journey as bytes, however these are cut; anything else is refused clearly."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicewatch.processes.messages import Ack, Audio, Hello, Message, Reply, Report
from voicewatch.processes.wire import MAX_MESSAGE_BYTES, BadPeer, Decoder, encode

texts = st.text(max_size=20)
messages: st.SearchStrategy[Message] = st.one_of(
    st.builds(Ack, epoch=texts, seq=st.integers(0, 1 << 60)),
    st.builds(Hello, process=texts, epoch=texts, state=st.dictionaries(texts, st.integers())),
    st.builds(Reply, id=st.integers(0), problem=st.none() | st.just({"status": 409, "title": "x"})),
    st.builds(
        Report, epoch=texts, first_seq=st.integers(1), events=st.lists(st.just({"type": "call_ended"}))
    ),
)


@given(st.lists(st.tuples(messages, st.binary(max_size=50)), max_size=6), st.data())
def test_what_is_sent_arrives_wherever_the_bytes_are_cut(
    sent: list[tuple[Message, bytes]], data: st.DataObject
) -> None:
    stream = b"".join(encode(message, payload) for message, payload in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    decoder = Decoder()
    arrived = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        arrived += decoder.feed(stream[start:end])
    assert arrived == sent


@given(st.binary(max_size=200))
def test_noise_is_refused_or_incomplete_but_never_a_crash(noise: bytes) -> None:
    try:
        Decoder().feed(noise)
    except BadPeer:
        return


def test_another_version_is_named_before_its_message_is_complete() -> None:
    with pytest.raises(BadPeer, match="speaks protocol 9, this process 1: restart"):
        Decoder().feed(struct.pack("!IB", 500, 9))


@pytest.mark.parametrize("length", [0, 4, MAX_MESSAGE_BYTES + 1, 0xFFFFFFFF])
def test_an_impossible_length_is_refused_at_once(length: int) -> None:
    with pytest.raises(BadPeer, match=str(length)):
        Decoder().feed(struct.pack("!IB", length, 1))


@pytest.mark.parametrize(
    ("header", "complaint"),
    [
        (b"{", "not JSON"),
        (b"[]", "'list'"),
        (b'{"type":"gossip"}', "'gossip' is unknown"),
        (b'{"type":"ack","epoch":"secret words"}', "message 'ack'"),
    ],
)
def test_a_header_that_is_no_message_is_refused_without_quoting_it(header: bytes, complaint: str) -> None:
    with pytest.raises(BadPeer, match=complaint) as refusal:
        Decoder().feed(struct.pack("!IBI", 5 + len(header), 1, len(header)) + header)
    assert "secret" not in str(refusal.value)


def test_a_header_longer_than_its_message_is_refused() -> None:
    with pytest.raises(BadPeer, match="longer than its message"):
        Decoder().feed(struct.pack("!IBI", 7, 1, 100) + b"{}")


def test_too_long_a_message_is_not_even_sent() -> None:
    with pytest.raises(ValueError, match="message audio has"):
        encode(Audio(count=1), bytes(MAX_MESSAGE_BYTES))
