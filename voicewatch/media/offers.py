"""What of a stranger's SDP offer is let in. Pure.

Bounds come before any parser; candidates are capped and filtered, since ICE sends packets to whatever
address an offer names (an offer of 200 candidates was measured to draw 3,400 packets).
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

MAX_OFFER_BYTES = 64 * 1024
MAX_SECTIONS = 4
MAX_FRAGMENT_BYTES = 16 * 1024

_METADATA = frozenset(
    {ip_address("169.254.169.254"), ip_address("fd00:ec2::254"), ip_address("100.100.100.200")}
)
"""Cloud metadata services; the first is link-local anyway."""


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


def screen_offer(sdp: str, policy: CandidatePolicy) -> Screened:
    """The offer with only the candidates allowed and without end-of-candidates. Raises BadOffer.

    The end is left out because a peer whose candidates were all refused may still reach us by itself.
    """
    if len(sdp) > MAX_OFFER_BYTES:
        raise BadOffer(f"the SDP offer is {len(sdp)} bytes long; at most {MAX_OFFER_BYTES} are taken")
    lines = sdp.replace("\r\n", "\n").split("\n")
    if not lines[0].startswith("v=0"):
        raise BadOffer("the body is not an SDP offer: it must begin with v=0")
    _check_sections([line for line in lines if line.startswith("m=")])
    kept: list[str] = []
    taken = dropped = 0
    for line in lines:
        if line.startswith("a=candidate:"):
            if taken < policy.limit and _is_usable(line, policy):
                taken += 1
            else:
                dropped += 1
                continue
        if line.startswith("a=end-of-candidates") or not line:
            continue
        kept.append(line)
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
    usable = [line for line in offered if _is_usable(line, policy)][: max(0, policy.limit - already)]
    return Fragment(
        [line.removeprefix("a=candidate:") for line in usable],
        len(offered) - len(usable),
        "a=end-of-candidates" in lines,
    )


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


def _is_usable(line: str, policy: CandidatePolicy) -> bool:
    """UDP component 1 with a plain host, server- or peer-reflexive or relayed address (RFC 8839 §5.1)."""
    parts = line.removeprefix("a=candidate:").split()
    if len(parts) < 8 or parts[1] != "1" or parts[2].lower() != "udp" or parts[6] != "typ":
        return False
    if not parts[3].isdecimal() or not parts[5].isdecimal() or not 0 < int(parts[5]) < 65_536:
        return False
    return parts[7] in ("host", "srflx", "relay") and policy.allows(parts[4])
