"""A bad network in user space: UDP between one peer and the server, impaired as a test wants.

The relay stands in both SDPs instead of the true candidates, so STUN, DTLS, SRTP and SRTCP all pass through
it. No root, no kernel module; the dice are seeded.

    relay = await Relay.open(seed=1)
    answer = relay.answer(await server(relay.offer(offer)))   # now they speak through it
    relay.up.weather = Weather(loss=0.05, delay_ms=40)        # from the peer to the server
"""

from __future__ import annotations

import asyncio
import random
import re
from dataclasses import dataclass, field
from typing import Any

Address = tuple[str, int]

HOST = "127.0.0.1"
MAX_UNDERWAY = 5_000
"""Datagrams held back by delay in one direction; more are lost, as in a router whose queue is full."""
_CANDIDATE = re.compile(r"^a=candidate:\S+ 1 udp \d+ (?P<host>\S+) (?P<port>\d+) typ host.*$", re.IGNORECASE)


@dataclass(frozen=True)
class Weather:
    """How one direction treats datagrams. Probabilities 0..1."""

    loss: float = 0.0
    """Begins a loss of `burst` media packets in a row; the share lost is about loss x burst."""
    burst: int = 1
    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    """Added to the delay, uniform between 0 and this, order kept."""
    reorder: float = 0.0
    """Held back 30 ms longer than its successors."""
    duplicate: float = 0.0
    is_cut: bool = False
    """Nothing passes at all."""


@dataclass
class Way:
    """One direction. `passed` and `lost` hold RTP sequence numbers as they were decided."""

    dice: random.Random
    weather: Weather = field(default_factory=Weather)
    passed: list[int] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    underway: int = 0
    target: Address | None = None
    _burst_left: int = 0
    _latest_s: float = 0.0

    def delays_s(self, datagram: bytes, now_s: float) -> list[float]:
        """How long each copy of the datagram takes; none: it is lost."""
        weather = self.weather
        sequence = _rtp_sequence(datagram)
        if weather.is_cut or self._is_lost(sequence is not None):
            if sequence is not None:
                self.lost.append(sequence)
            return []
        if sequence is not None:
            self.passed.append(sequence)
        delay_s = (weather.delay_ms + self.dice.random() * weather.jitter_ms) / 1000
        if weather.reorder and self.dice.random() < weather.reorder:
            delay_s += 0.03
        else:
            delay_s = max(delay_s, self._latest_s - now_s)
            self._latest_s = now_s + delay_s
        copies = 2 if weather.duplicate and self.dice.random() < weather.duplicate else 1
        return [delay_s] * copies

    def _is_lost(self, is_media: bool) -> bool:
        if self._burst_left and is_media:
            self._burst_left -= 1
            return True
        if self.weather.loss and self.dice.random() < self.weather.loss:
            self._burst_left = self.weather.burst - 1 if is_media else 0
            return True
        return False


class Relay:
    """`up` leads from the peer to the server, `down` back. One host candidate of each side is used."""

    def __init__(self, seed: int) -> None:
        self.up, self.down = Way(random.Random(seed)), Way(random.Random(seed + 1))
        self._to_peer = _Side(self.up, self._forward_up)
        self._to_server = _Side(self.down, self._forward_down)

    @classmethod
    async def open(cls, seed: int = 1) -> Relay:
        relay = cls(seed)
        loop = asyncio.get_running_loop()
        for side in (relay._to_peer, relay._to_server):
            await loop.create_datagram_endpoint(lambda side=side: side, local_addr=(HOST, 0))
        return relay

    def offer(self, sdp: str) -> str:
        """The peer's offer, leading the server to this relay."""
        rewritten, self.down.target = _through(sdp, self._to_server.port)
        return rewritten

    def answer(self, sdp: str) -> str:
        """The server's answer, leading the peer to this relay."""
        rewritten, self.up.target = _through(sdp, self._to_peer.port)
        return rewritten

    def cut(self) -> None:
        """Both ways, from now on."""
        self.up.weather = self.down.weather = Weather(is_cut=True)

    def heal(self) -> None:
        self.up.weather = self.down.weather = Weather()

    def close(self) -> None:
        self._to_peer.close()
        self._to_server.close()

    def _forward_up(self, datagram: bytes) -> None:
        self._to_server.send(datagram, self.up.target)

    def _forward_down(self, datagram: bytes) -> None:
        self._to_peer.send(datagram, self.down.target)


class _Side(asyncio.DatagramProtocol):
    """The socket facing one party; what comes here goes `way`."""

    def __init__(self, way: Way, forward: Any) -> None:
        self._way, self._forward = way, forward
        self._transport: asyncio.DatagramTransport | None = None

    @property
    def port(self) -> int:
        assert self._transport is not None
        return int(self._transport.get_extra_info("sockname")[1])

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        loop = asyncio.get_running_loop()
        for delay_s in self._way.delays_s(data, loop.time()):
            if delay_s <= 0 and not self._way.underway:
                self._forward(data)
            elif self._way.underway < MAX_UNDERWAY:
                self._way.underway += 1
                loop.call_later(delay_s, self._arrive, data)

    def _arrive(self, data: bytes) -> None:
        self._way.underway -= 1
        self._forward(data)

    def error_received(self, exc: Exception) -> None:
        """The party's socket is closed: as on a real network, nobody is told."""

    def send(self, datagram: bytes, target: Address | None) -> None:
        if self._transport is not None and target is not None and not self._transport.is_closing():
            self._transport.sendto(datagram, target)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


def _rtp_sequence(datagram: bytes) -> int | None:
    """None if it is not RTP (RFC 7983, RFC 5761)."""
    if len(datagram) < 12 or not 128 <= datagram[0] <= 191 or 192 <= datagram[1] <= 223:
        return None
    return int.from_bytes(datagram[2:4], "big")


def _through(sdp: str, port: int) -> tuple[str, Address]:
    """The SDP with one candidate only, the relay's, and where that candidate really was."""
    lines, target = [], None
    for line in sdp.splitlines():
        found = _CANDIDATE.match(line)
        if found is None and not line.startswith("a=candidate:"):
            lines.append(line)
        elif found is not None and target is None and ":" not in found["host"]:
            target = (found["host"], int(found["port"]))
            lines.append(f"a=candidate:1 1 udp 2130706431 {HOST} {port} typ host")
    assert target is not None, "the SDP has no IPv4 host candidate"
    return "\r\n".join(lines) + "\r\n", target
