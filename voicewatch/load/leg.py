"""One leg of a load: a real handshake by aiortc, then packets prepared before, sent and timed by us.

A stock peer encodes and decodes: one core carries fourteen. This one only encrypts, so one process can load a
server with hundreds.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import struct
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import aioice.ice
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from voicewatch.load.figures import Stream
from voicewatch.load.talk import BURST_EVERY_CHUNKS, Ear

CONNECT_WITHIN_S = 15.0
READS = 64
_SO_TIMESTAMPNS = 35
_HEADER = struct.Struct("!BBHII")
_STEP = 960

Answerer = Callable[[str], Awaitable[str]]
"""Takes an SDP offer to the server and brings its answer."""


class NotConnected(Exception):
    """The leg did not come up; the text says why."""


class LoadLeg:
    """`await connect(...)`, then `send()` every 20 ms and `drain()` now and then; `stream` is what came."""

    def __init__(self, name: str, packets: list[bytes], ear: Ear | None = None) -> None:
        self.name = name
        self.stream = Stream()
        self.burst_sent_ns: list[int] = []
        """When the loop of packets began anew."""
        self.burst_heard_ns: list[int] = []
        self.packets_sent = 0
        self._packets, self._ear = packets, ear
        self._pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._sock: socket.socket | None = None

    async def connect(self, answerer: Answerer, address: str | None) -> None:
        """`address`: the only one to be offered. Raises NotConnected, and what `answerer` raises."""
        pc = self._pc
        connected = asyncio.Event()

        def state_changed() -> None:
            if pc.connectionState == "connected":
                connected.set()

        pc.on("connectionstatechange", state_changed)
        transceiver: Any = pc.addTransceiver("audio", direction="sendrecv")
        transceiver.sender.send = transceiver.receiver.receive = _nothing
        if address is not None:
            aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: [address]
        await pc.setLocalDescription(await pc.createOffer())
        answer = await answerer(pc.localDescription.sdp)
        await pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        try:
            await asyncio.wait_for(connected.wait(), CONNECT_WITHIN_S)
        except TimeoutError:
            raise NotConnected(f"{self.name} was not connected after {CONNECT_WITHIN_S:.0f} s") from None
        self._take_over(transceiver, answer)

    def _take_over(self, transceiver: Any, answer: str) -> None:
        dtls = transceiver.sender.transport
        pair = dtls.transport._connection._nominated[1]
        self._tx, self._rx = dtls._tx_srtp, dtls._rx_srtp
        self._address, self._handshake = pair.remote_addr, pair.protocol.datagram_received
        found = re.search(r"^a=rtpmap:(\d+) opus/48000", answer, re.MULTILINE)
        if found is None:
            raise NotConnected(f"{self.name}: the answer has no Opus")
        self._payload_type, self._ssrc = int(found[1]), transceiver.sender._ssrc
        sock: socket.socket = pair.protocol.transport.get_extra_info("socket")._sock
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        loop: Any = asyncio.get_running_loop()
        loop._remove_reader(sock.fileno())
        self._clock_ns = time.monotonic_ns() - time.time_ns()
        self._sock = sock

    def send(self) -> None:
        """The next packet of the loop."""
        if self._sock is None:
            return
        number = self.packets_sent
        if self._ear is None and number % BURST_EVERY_CHUNKS == 0:
            self.burst_sent_ns.append(time.monotonic_ns())
        packet = self._packets[number % len(self._packets)]
        header = _HEADER.pack(
            0x80, self._payload_type, number & 0xFFFF, (number * _STEP) & 0xFFFFFFFF, self._ssrc
        )
        self.packets_sent += 1
        try:
            self._sock.sendto(self._tx.protect(header + packet), self._address)
        except OSError:  # a full buffer is a packet lost, as anywhere
            return

    def spam(self, number: int) -> None:
        """One packet of a flood, out of turn: half of them are well encrypted repetitions, half garbage."""
        if self._sock is None:
            return
        header = _HEADER.pack(0x80, self._payload_type, number & 0xFFFF, number & 0xFFFFFFFF, self._ssrc ^ 1)
        packet = header + self._packets[number % len(self._packets)]
        with contextlib.suppress(OSError):
            self._sock.sendto(self._tx.protect(packet) if number & 1 else packet, self._address)

    def drain(self) -> None:
        """Take what came, by the kernel's clock; STUN and DTLS go to aiortc."""
        if self._sock is None:
            return
        for _ in range(READS):
            try:
                data, extra, _, address = self._sock.recvmsg(2048, 64)
            except OSError:
                return
            if not 128 <= data[0] <= 191:
                self._handshake(data, address)
            elif not 192 <= data[1] <= 223:
                at_ns = _stamp_ns(extra) + self._clock_ns
                self.stream.add(int.from_bytes(data[2:4], "big"), at_ns)
                if self._ear is not None:
                    self._listen(data, at_ns)

    def _listen(self, data: bytes, at_ns: int) -> None:
        assert self._ear is not None
        plain = self._rx.unprotect(data)
        start = 12 + (4 + 4 * int.from_bytes(plain[14:16], "big") if plain[0] & 0x10 else 0)
        if self._ear.begins(plain[start:]):
            self.burst_heard_ns.append(at_ns)

    async def close(self) -> None:
        await self._pc.close()


def delays_ms(sent: Sequence[int], heard: Sequence[int]) -> list[float]:
    """From a burst's first packet out to the packet in which it is heard, where that is within 0.5 s."""
    found = []
    for heard_ns in heard:
        sent_ns = max((at for at in sent if at <= heard_ns), default=None)
        if sent_ns is not None and heard_ns - sent_ns < 500_000_000:
            found.append((heard_ns - sent_ns) / 1e6)
    return found


def _stamp_ns(extra: list[tuple[int, int, bytes]]) -> int:
    for level, kind, data in extra:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS:
            seconds, nanoseconds = struct.unpack("qq", data[:16])
            return int(seconds) * 1_000_000_000 + int(nanoseconds)
    return time.time_ns()


async def _nothing(*_: object) -> None:
    """Stands for aiortc's sender and receiver, whose threads are not wanted."""
