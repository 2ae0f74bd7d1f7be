"""What of a stranger's SDP offer is let in. Pure.

Bounds come before any parser; candidates are capped and filtered, since ICE sends packets to whatever
address an offer names (an offer of 200 candidates was measured to draw 3,400 packets).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

MAX_OFFER_BYTES = 64 * 1024
MAX_SECTIONS = 4
MAX_FRAGMENT_BYTES = 16 * 1024

_METADATA = frozenset(
    {ip_address("169.254.169.254"), ip_address("fd00:ec2::254"), ip_address("100.100.100.200")}
)
"""Cloud metadata services; the first is link-local anyway."""
_TRANSLATED = (ip_network("64:ff9b::/96"), ip_network("2002::/16"))
"""IPv4 addresses in disguise (RFC 6052, RFC 3056): no peer's own, and a way around the rules for those."""


_TELEPHONE_EVENT = re.compile(
    r"^a=rtpmap:([0-9]{1,3}) telephone-event/(8000|48000)\s*$", re.MULTILINE | re.IGNORECASE
)
_REQUIRED = (
    ("a=ice-ufrag:", "ICE user name fragment"),
    ("a=ice-pwd:", "ICE password"),
    ("a=fingerprint:", "DTLS fingerprint"),
    ("a=setup:", "DTLS role"),
    ("a=rtcp-mux", "RTCP multiplexing"),
)


_DIRECTIONS = ("a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive")


class BadOffer(Exception):
    """The offer cannot be taken; the text names what is wrong and the remedy."""


@dataclass(frozen=True)
class CandidatePolicy:
    """Which addresses ICE may talk to. Loopback only when the server itself is bound there."""

    loopback: bool
    private: bool
    limit: int

    def allows(self, host: str) -> bool:
        """False for names too: an mDNS name is not resolved, its owner's own checks find us."""
        try:
            address = ip_address(host)
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return self._allows_address(address)

    def _allows_address(self, address: IPv4Address | IPv6Address) -> bool:
        if address in _METADATA or address.is_link_local or address.is_multicast or address.is_unspecified:
            return False
        if any(address in network for network in _TRANSLATED):
            return False
        if address.is_loopback:
            return self.loopback
        if address.is_global:
            return True
        return self.private and not (isinstance(address, IPv4Address) and address.is_reserved)


@dataclass(frozen=True)
class Screened:
    """An offer that may go to the parser. `dropped` candidates were against the policy or too many."""

    sdp: str
    candidates: int
    dropped: int


_LEFT_OUT = ("a=end-of-candidates", "a=extmap:")
"""Header extensions (RFC 8285) are declined. Every packet is decoded here, so the sender's audio level
(RFC 6464) tells nothing new, and a packet without any is read in a fifth of the time."""


def screen_offer(sdp: str, policy: CandidatePolicy) -> Screened:
    """The offer with only the candidates allowed, without their end and header extensions. Raises BadOffer.

    The end is left out because a peer whose candidates were all refused may still reach us by itself.
    """
    if len(sdp) > MAX_OFFER_BYTES:
        raise BadOffer(f"the SDP offer is {len(sdp)} bytes long; at most {MAX_OFFER_BYTES} are taken")
    lines = sdp.replace("\r\n", "\n").split("\n")
    if not lines[0].startswith("v=0"):
        raise BadOffer("the body is not an SDP offer: it must begin with v=0")
    _check_sections([line for line in lines if line.startswith("m=")])
    _check_attributes(lines)
    kept: list[str] = []
    taken = dropped = 0
    for line in lines:
        if line.startswith("a=candidate:"):
            candidate = _usable(line, policy) if taken < policy.limit else None
            if candidate is None:
                dropped += 1
                continue
            taken += 1
            kept.append(f"a=candidate:{candidate}")
        elif line and not line.startswith(_LEFT_OUT):
            kept.append(line)
    kept += _direction_unsaid(kept)
    return Screened("\r\n".join(kept) + "\r\n", taken, dropped)


@dataclass(frozen=True)
class Fragment:
    """Candidates of a trickled SDP fragment (RFC 8840) that the policy allows, without `a=candidate:`."""

    candidates: list[str]
    dropped: int
    ended: bool


def screen_fragment(fragment: str, policy: CandidatePolicy, already: int) -> Fragment:
    """What may be used of a trickle; `already` candidates of this leg were taken before. Raises BadOffer."""
    if len(fragment) > MAX_FRAGMENT_BYTES:
        raise BadOffer(f"the SDP fragment has {len(fragment)} bytes; at most {MAX_FRAGMENT_BYTES} are taken")
    lines = [line.strip() for line in fragment.splitlines() if line.strip()]
    if any(len(line) < 2 or line[1] != "=" for line in lines):
        raise BadOffer("the SDP fragment has a line that is not <letter>=<value> (RFC 8840)")
    offered = [line for line in lines if line.startswith("a=candidate:")]
    usable = [found for found in (_usable(line, policy) for line in offered) if found is not None]
    usable = usable[: max(0, policy.limit - already)]
    return Fragment(usable, len(offered) - len(usable), "a=end-of-candidates" in lines)


def digits_type(sdp: str) -> int | None:
    """Payload type under which an offer would send pressed keys, None if it would not.

    The one with Opus' clock is taken where there are several (RFC 4733 §2.1).
    """
    found = {rate: int(number) for number, rate in _TELEPHONE_EVENT.findall(sdp)}
    number = found.get("48000", found.get("8000"))
    return number if number is not None and 0 <= number <= 127 else None


def takes_keys(sdp: str) -> bool:
    """Whether keys may be sent in the stream of the voice: their clock must be the voice's."""
    return any(rate == "48000" for _, rate in _TELEPHONE_EVENT.findall(sdp))


def with_digits(answer: str, offer: str) -> str:
    """The answer to `offer`, saying too that pressed keys are taken as they were offered."""
    number = digits_type(offer)
    if number is None:
        return answer
    rate = next(rate for one, rate in _TELEPHONE_EVENT.findall(offer) if int(one) == number)
    lines = []
    for line in answer.split("\r\n"):
        lines.append(f"{line} {number}" if line.startswith("m=audio ") else line)
        if line.startswith("a=rtpmap:") and " opus/" in line:
            lines += [f"a=rtpmap:{number} telephone-event/{rate}", f"a=fmtp:{number} 0-15"]
    return "\r\n".join(lines)


def _check_sections(sections: list[str]) -> None:
    if not sections:
        raise BadOffer("the SDP offer has no media section; offer one m=audio section with Opus")
    if len(sections) > MAX_SECTIONS:
        raise BadOffer(f"the SDP offer has {len(sections)} media sections; at most {MAX_SECTIONS} are taken")
    kinds = [line[2:].split(" ", 1)[0] for line in sections]
    if kinds != ["audio"]:
        raise BadOffer(
            f"the SDP offer must have one audio section and nothing else, it has {', '.join(kinds)}"
        )


def _check_attributes(lines: list[str]) -> None:
    for attribute, meaning in _REQUIRED:
        if not any(line.startswith(attribute) for line in lines):
            raise BadOffer(f"the SDP offer lacks {attribute.rstrip(':')} ({meaning})")
    if not any(line.startswith("a=rtpmap:") and " opus/48000" in line.lower() for line in lines):
        raise BadOffer("the audio section does not offer opus/48000/2, the only codec taken")
    if "a=inactive" in lines:
        raise BadOffer("the audio section is inactive; offer sendrecv, or recvonly to listen")


def _direction_unsaid(lines: list[str]) -> list[str]:
    """The line that the last section leaves out: the session's direction, or sendrecv (RFC 8866 §6.7)."""
    sections = next(number for number, line in enumerate(lines) if line.startswith("m="))
    if any(line in _DIRECTIONS for line in lines[sections:]):
        return []
    return [next((line for line in lines[:sections] if line in _DIRECTIONS), "a=sendrecv")]


def _usable(line: str, policy: CandidatePolicy) -> str | None:
    """The candidate without its extensions, if it is UDP, component 1, of a known kind (RFC 8839 §5.1)."""
    parts = line.removeprefix("a=candidate:").split()[:8]
    if len(parts) < 8 or parts[1] != "1" or parts[2].lower() != "udp" or parts[6] != "typ":
        return None
    priority, port = parts[3], parts[5]
    if not (_is_number(priority, 1 << 32) and _is_number(port, 1 << 16)) or int(port) == 0:
        return None
    return " ".join(parts) if parts[7] in ("host", "srflx", "relay") and policy.allows(parts[4]) else None


def _is_number(text: str, below: int) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 10 and int(text) < below
