"""What is let in of an offer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicewatch.media.offers import BadOffer, CandidatePolicy, screen_fragment, screen_offer

OPEN = CandidatePolicy(loopback=False, private=True, limit=16)
LOCAL = CandidatePolicy(loopback=True, private=True, limit=16)
PUBLIC_ONLY = CandidatePolicy(loopback=False, private=False, limit=16)


NEEDED = [
    "a=ice-ufrag:abcd",
    "a=ice-pwd:abcdefghijklmnopqrstuv",
    "a=fingerprint:sha-256 AA:BB",
    "a=setup:actpass",
    "a=rtcp-mux",
    "a=rtpmap:111 opus/48000/2",
]


def line(host: str, port: int = 5_000, transport: str = "udp", kind: str = "host") -> str:
    return f"a=candidate:1 1 {transport} 2130706431 {host} {port} typ {kind}"


def offer(*lines: str) -> str:
    return (
        "\r\n".join(
            ["v=0", "o=- 0 0 IN IP4 0.0.0.0", "s=-", "m=audio 9 UDP/TLS/RTP/SAVPF 111", *NEEDED, *lines]
        )
        + "\r\n"
    )


@pytest.mark.parametrize(
    ("host", "policy", "allowed"),
    [
        ("8.8.8.8", PUBLIC_ONLY, True),
        ("2001:4860:4860::8888", PUBLIC_ONLY, True),
        ("192.168.1.5", OPEN, True),
        ("192.168.1.5", PUBLIC_ONLY, False),
        ("fd12::1", PUBLIC_ONLY, False),
        ("100.64.3.4", PUBLIC_ONLY, False),
        ("127.0.0.1", OPEN, False),
        ("127.0.0.1", LOCAL, True),
        ("::ffff:127.0.0.1", OPEN, False),
        ("::1", OPEN, False),
        ("169.254.169.254", LOCAL, False),
        ("169.254.7.7", LOCAL, False),
        ("fe80::1", LOCAL, False),
        ("fd00:ec2::254", LOCAL, False),
        ("64:ff9b::a9fe:a9fe", LOCAL, False),
        ("2002:a9fe:a9fe::1", LOCAL, False),
        ("224.0.0.251", LOCAL, False),
        ("255.255.255.255", LOCAL, False),
        ("0.0.0.0", LOCAL, False),
        ("1b2c.local", LOCAL, False),
        ("example.com", LOCAL, False),
    ],
)
def test_addresses(host: str, policy: CandidatePolicy, allowed: bool) -> None:
    assert policy.allows(host) is allowed
    screened = screen_offer(offer(line(host)), policy)
    assert (screened.candidates, screened.dropped) == ((1, 0) if allowed else (0, 1))
    assert (line(host) in screened.sdp) is allowed


def test_a_flood_of_candidates_is_cut() -> None:
    screened = screen_offer(offer(*(line(f"8.8.{n // 250}.{n % 250 + 1}") for n in range(1_000))), OPEN)
    assert (screened.candidates, screened.dropped) == (16, 984)
    fragment = "\r\n".join(line(f"9.9.9.{n}") for n in range(1, 100))
    assert len(screen_fragment(fragment, OPEN, already=10).candidates) == 6
    assert screen_fragment(fragment, OPEN, already=16).candidates == []


def test_extensions_of_a_candidate_are_cut_off() -> None:
    fragment = screen_fragment(line("8.8.8.8") + " raddr 10.0.0.1 rport x generation y", OPEN, already=0)
    assert fragment.candidates == ["1 1 udp 2130706431 8.8.8.8 5000 typ host"]


def test_tcp_and_odd_candidates_are_dropped() -> None:
    odd = [line("8.8.8.8", transport="tcp"), line("8.8.8.8", port=0), line("8.8.8.8", kind="prflx"),
           "a=candidate:1 2 udp 1 8.8.8.8 5 typ host",
        "a=candidate:1 1 udp 1 8.8.8.8 \u0665 typ host", "a=candidate:"]  # fmt: skip
    assert screen_offer(offer(*odd), OPEN).candidates == 0


@pytest.mark.parametrize(
    ("sdp", "said"),
    [
        ("", "must begin with v=0"),
        ("hello", "must begin with v=0"),
        ("v=0\r\ns=-\r\n", "no media section"),
        (offer(*["m=audio 9 X 0"] * 5), "6 media sections"),
        (offer().replace("a=ice-pwd:", "a=x:"), "lacks a=ice-pwd"),
        (offer().replace("a=fingerprint:", "a=x:"), "lacks a=fingerprint"),
        (offer().replace("opus", "flac"), "does not offer opus"),
        (offer("a=inactive"), "inactive"),
        (offer("m=video 9 X 96"), "audio, video"),
        (offer("m=application 9 X webrtc-datachannel"), "audio, application"),
        ("v=0\n" + "a=x\n" * 20_000, "at most 65536"),
    ],
)
def test_refusals_say_what_is_wrong(sdp: str, said: str) -> None:
    with pytest.raises(BadOffer, match=said):
        screen_offer(sdp, OPEN)


def test_a_fragment_with_mdns_and_an_end() -> None:
    fragment = screen_fragment(
        "a=ice-ufrag:abcd\r\na=ice-pwd:x\r\nm=audio 9 X 0\r\na=mid:0\r\n"
        + line("3f.local") + "\r\n" + line("10.0.0.7") + "\r\na=end-of-candidates\r\n",
        OPEN, already=0,
    )  # fmt: skip
    assert len(fragment.candidates) == 1
    assert (fragment.dropped, fragment.ended) == (1, True)
    with pytest.raises(BadOffer, match="letter"):
        screen_fragment("not sdp", OPEN, already=0)


@pytest.mark.parametrize(
    ("session", "section", "meant"),
    [
        ("", "", "a=sendrecv"),
        ("a=recvonly\r\n", "", "a=recvonly"),
        ("a=recvonly\r\n", "a=sendonly", "a=sendonly"),
    ],
)
def test_a_direction_left_unsaid_is_the_sessions_or_both_ways(session: str, section: str, meant: str) -> None:
    sdp = offer(section).replace("s=-\r\n", f"s=-\r\n{session}")
    audio = screen_offer(sdp, OPEN).sdp.partition("m=audio")[2].split()
    assert [line for line in audio if line in ("a=sendrecv", "a=sendonly", "a=recvonly")] == [meant]


@given(st.text(max_size=300))
def test_any_text_is_screened_or_refused(text: str) -> None:
    for sdp in (text, offer(text)):
        try:
            screen_offer(sdp, OPEN)
        except BadOffer:
            continue
