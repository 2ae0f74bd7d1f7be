"""A WebRTC peer as any other party would bring it: stock aiortc, judged from outside the server.

It speaks clips through an ordinary track, hears through aiortc's own receiver, and taps its UDP socket to
see every RTP packet with the kernel's receive time (SO_TIMESTAMPNS). Nothing of `voicewatch.media` is used,
so that a fault there cannot hide itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import fractions
import itertools
import socket
import struct
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import aioice.ice
import httpx
import numpy as np
import numpy.typing as npt
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av import AudioFrame, AudioResampler

RATE_HZ = 16_000
CHUNK = RATE_HZ // 50
_SO_TIMESTAMPNS = 35
_RTP = struct.Struct("!BBHII")
_TIMESTAMP_STEP = 960

Pcm = npt.NDArray[np.int16]


class Refused(Exception):
    """The server did not take the leg; `status` is its HTTP status."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(f"{status}: {detail}")
        self.status = status


@dataclass
class Continuity:
    """What the RTP stream to this peer looked like on the wire."""

    packets: int = 0
    sequence_breaks: int = 0
    timestamp_breaks: int = 0
    ssrc_changes: int = 0
    arrivals_ns: deque[int] = field(default_factory=lambda: deque(maxlen=50 * 600))
    """Kernel receive times on CLOCK_MONOTONIC; the oldest of more than ten minutes are dropped."""
    _last: tuple[int, int, int] | None = None

    def note(self, packet: bytes, arrival_ns: int) -> None:
        """Take one (S)RTP packet: its header is never encrypted (RFC 3711)."""
        _, _, sequence, timestamp, ssrc = _RTP.unpack_from(packet)
        if self._last is not None:
            self.ssrc_changes += ssrc != self._last[2]
            self.sequence_breaks += sequence != (self._last[0] + 1) & 0xFFFF
            self.timestamp_breaks += timestamp != (self._last[1] + _TIMESTAMP_STEP) & 0xFFFFFFFF
        self._last = (sequence, timestamp, ssrc)
        self.packets += 1
        self.arrivals_ns.append(arrival_ns)

    def start_stream(self) -> None:
        """A new peer connection is a new RTP stream by design: no break is counted between the two."""
        self._last = None
        self.arrivals_ns.append(time.monotonic_ns())

    def largest_gap_ms(self, start_ns: int = 0, end_ns: int = 1 << 63) -> float:
        """Longest interval between two packets of which the later arrived within [start_ns, end_ns]."""
        pairs = itertools.pairwise(self.arrivals_ns)
        gaps = (late - early for early, late in pairs if start_ns <= late <= end_ns)
        return round(max(gaps, default=0) / 1e6, 1)


class Microphone:
    """Says what it is given, otherwise the quiet of a room; outlives the connections it is plugged into."""

    def __init__(self) -> None:
        self._queue: deque[Pcm] = deque()  # bounded by what one party says at a time
        self._finished = asyncio.Event()
        self._finished.set()

    async def say(self, samples: Pcm) -> None:
        """Speak to the end, unless `hush` cuts it off."""
        padded = np.concatenate([samples, np.zeros(-len(samples) % CHUNK, np.int16)])
        self._queue.extend(padded.reshape(-1, CHUNK))
        self._finished.clear()
        await self._finished.wait()

    def hush(self) -> None:
        """Stop speaking at once."""
        self._queue.clear()
        self._finished.set()

    def next_chunk(self) -> Pcm:
        """20 ms of int16 at 16 kHz."""
        chunk = self._queue.popleft() if self._queue else _ROOM
        if not self._queue:
            self._finished.set()
        return chunk


class _MicrophoneTrack(MediaStreamTrack):
    """Paces a microphone to one chunk every 20 ms for one connection."""

    kind = "audio"

    def __init__(self, microphone: Microphone) -> None:
        super().__init__()
        self._microphone = microphone
        self._started_at = 0.0
        self._sent = 0

    async def recv(self) -> AudioFrame:
        now = time.monotonic()
        self._started_at = self._started_at or now
        due = self._started_at + self._sent * 0.02
        if due > now:
            await asyncio.sleep(due - now)
        frame = AudioFrame.from_ndarray(
            self._microphone.next_chunk().reshape(1, -1), format="s16", layout="mono"
        )
        frame.sample_rate = RATE_HZ
        frame.pts = self._sent * CHUNK
        frame.time_base = fractions.Fraction(1, RATE_HZ)
        self._sent += 1
        return frame


_ROOM: Pcm = np.random.default_rng(1).normal(0, 10, CHUNK).astype(np.int16)
"""-70 dBFS: no microphone that works sends digital silence."""


class ClientPeer:
    """One leg: connect, speak through `microphone`, hear through `on_audio` (int16, 16 kHz), hang up.

    While `keep_alive` runs, a leg that receives nothing for 1.5 s is connected anew with the same token.
    """

    def __init__(self, server: str, seat_token: str, on_audio: Callable[[Pcm], None]) -> None:
        self._http = httpx.AsyncClient(base_url=server, timeout=10, trust_env=False)
        self.seat_token = seat_token
        self._on_audio = on_audio
        self._connection: RTCPeerConnection | None = None
        self._listening: asyncio.Task[None] | None = None
        self._location = ""
        self.microphone = Microphone()
        self.continuity = Continuity()
        self.attachments = 0

    async def connect(self, patience_s: float = 10.0) -> None:
        """Attach to the seat; keeps trying while the server says 429 or 503. Raises Refused."""
        deadline = time.monotonic() + patience_s
        while True:
            try:
                await self._attach()
                return
            except (Refused, httpx.TransportError) as error:
                final = isinstance(error, Refused) and error.status not in (429, 503)
                if final or time.monotonic() > deadline:
                    await self._detach()
                    raise
                await self._detach()
                await asyncio.sleep(0.25)

    async def keep_alive(self) -> None:
        """Re-attach whenever the leg falls silent; returns when the call is over for this seat."""
        while True:
            await asyncio.sleep(0.25)
            if not self._is_silent():
                continue
            await self._detach()
            try:
                await self.connect(patience_s=15.0)
            except (Refused, httpx.TransportError):
                return

    def _is_silent(self) -> bool:
        arrivals = self.continuity.arrivals_ns
        return bool(arrivals) and time.monotonic_ns() - arrivals[-1] > 1_500_000_000

    async def _attach(self) -> None:
        connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._connection = connection
        connection.addTrack(_MicrophoneTrack(self.microphone))
        connected = asyncio.Event()

        @connection.on("connectionstatechange")
        async def _() -> None:
            if connection.connectionState == "connected":
                self._tap(connection)
                connected.set()

        @connection.on("track")
        def _(track: MediaStreamTrack) -> None:
            self._listening = asyncio.ensure_future(self._listen(track))

        with _loopback_candidates(str(self._http.base_url)):
            await connection.setLocalDescription(await connection.createOffer())
        answer = await self._http.post(
            "/api/whip",
            content=connection.localDescription.sdp,
            headers={"authorization": f"Bearer {self.seat_token}", "content-type": "application/sdp"},
        )
        if answer.status_code != 201:
            raise Refused(answer.status_code, answer.text)
        self._location = answer.headers["location"]
        await connection.setRemoteDescription(RTCSessionDescription(answer.text, "answer"))
        try:
            await asyncio.wait_for(connected.wait(), 8)
        except TimeoutError:
            raise Refused(503, "the media connection did not come up within 8 s") from None
        self.attachments += 1
        self.continuity.start_stream()

    async def _listen(self, track: MediaStreamTrack) -> None:
        resampler = AudioResampler(format="s16", layout="mono", rate=RATE_HZ)
        with contextlib.suppress(MediaStreamError):
            while True:
                received = await track.recv()
                assert isinstance(received, AudioFrame)
                for frame in resampler.resample(received):
                    self._on_audio(frame.to_ndarray().reshape(-1).astype(np.int16, copy=False))

    def _tap(self, connection: RTCPeerConnection) -> None:
        """See every datagram with its kernel time, then give it to aiortc as before."""
        ice: Any = connection.getTransceivers()[0].sender.transport.transport
        protocol = ice._connection._nominated[1].protocol
        tapped: socket.socket = protocol.transport.get_extra_info("socket")
        sock = tapped._sock if hasattr(tapped, "_sock") else tapped
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        offset_ns = time.monotonic_ns() - time.time_ns()
        loop: Any = asyncio.get_running_loop()
        descriptor = sock.fileno()

        def read() -> None:
            for _ in range(64):
                try:
                    data, extra, _, address = sock.recvmsg(2048, 64)
                except OSError:
                    return
                if len(data) >= 12 and data[0] >> 6 == 2 and not 192 <= data[1] <= 223:
                    self.continuity.note(data, _kernel_time_ns(extra) + offset_ns)
                protocol.datagram_received(data, address)

        loop._remove_reader(descriptor)
        loop._add_reader(descriptor, read)

    async def hang_up(self) -> None:
        """Say so to the server, then close."""
        if self._location:
            with contextlib.suppress(httpx.HTTPError):
                await self._http.delete(
                    self._location, headers={"authorization": f"Bearer {self.seat_token}"}
                )
        await self.aclose()

    async def vanish(self) -> None:
        """Go silent without a word to anybody, as a browser that was killed: the socket is just closed."""
        if self._connection is not None:
            ice: Any = self._connection.getTransceivers()[0].sender.transport.transport
            ice._connection._nominated[1].protocol.transport.abort()

    async def aclose(self) -> None:
        """Leave; the server notices by DTLS or by silence."""
        await self._detach()
        self.microphone.hush()
        await self._http.aclose()

    async def _detach(self) -> None:
        if self._connection is not None:
            await self._connection.close()
            self._connection = None
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
            self._listening = None


def _kernel_time_ns(extra: list[tuple[int, int, bytes]]) -> int:
    for level, kind, data in extra:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS:
            seconds, nanoseconds = struct.unpack("qq", data[:16])
            return int(seconds) * 1_000_000_000 + int(nanoseconds)
    return time.time_ns()


@contextlib.contextmanager
def _loopback_candidates(server: str) -> Iterator[None]:
    """aioice never offers 127.0.0.1; towards a server on loopback it must."""
    if not any(name in server for name in ("127.0.0.1", "localhost", "[::1]")):
        yield
        return
    original = aioice.ice.get_host_addresses
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]
    try:
        yield
    finally:
        aioice.ice.get_host_addresses = original
