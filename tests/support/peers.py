"""Callers for tests: stock aiortc peers that say PCM and keep what they are sent, packet by packet."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaBlackhole
from av import AudioFrame

from voicewatch.media import rtp
from voicewatch.media.opus import CHUNK_SAMPLES, SAMPLE_RATE_HZ, Decoder, OpusLibrary

WIRE_RATE_HZ = 48_000
WIRE_SAMPLES = 960


def tone(hz: float, seconds: float = 1.0, level: float = 0.25) -> np.ndarray:
    """A sine at `level` of full scale, int16, 48 kHz, in whole periods per second so that it loops.

    Short, for it is made in the loop that the engine under test runs in: a minute of it held that up for
    100 ms.
    """
    at = np.arange(int(WIRE_RATE_HZ * seconds)) / WIRE_RATE_HZ
    return (level * 32_767 * np.sin(2 * np.pi * hz * at)).astype(np.int16)


def level_at(pcm: np.ndarray, hz: float, rate_hz: int = SAMPLE_RATE_HZ) -> float:
    """dBFS of the sine at `hz` in `pcm` (Goertzel by its definition; Hann window against leakage)."""
    samples = pcm.astype(np.float64) / 32_768
    window = np.hanning(len(samples))
    at = np.arange(len(samples)) / rate_hz
    part = 2 * np.abs(np.sum(samples * window * np.exp(-2j * np.pi * hz * at))) / np.sum(window)
    return float(20 * np.log10(max(part, 1e-9)))


class Speech(MediaStreamTrack):
    """Plays `pcm` (48 kHz int16) in a loop, in real time; it may be exchanged while it plays."""

    kind = "audio"

    def __init__(self, pcm: np.ndarray) -> None:
        super().__init__()
        self.pcm = pcm
        self.speaking = asyncio.Event()
        self.speaking.set()
        self._start = 0.0
        self._count = 0

    async def recv(self) -> AudioFrame:
        if self._count == 0:
            self._start = time.monotonic()
        await asyncio.sleep(max(0.0, self._start + self._count * 0.02 - time.monotonic()))
        await self.speaking.wait()
        places = (np.arange(WIRE_SAMPLES) + self._count * WIRE_SAMPLES) % len(self.pcm)
        frame = AudioFrame.from_ndarray(self.pcm[places].reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = WIRE_RATE_HZ
        frame.pts = self._count * WIRE_SAMPLES
        frame.time_base = Fraction(1, WIRE_RATE_HZ)
        self._count += 1
        return frame


@dataclass
class Heard:
    """One RTP packet as it came, decrypted."""

    at_s: float
    packet: rtp.RtpPacket


class Caller:
    """A peer. `await dial(answer)` connects it; `heard` grows with every packet."""

    def __init__(self, pcm: np.ndarray | None = None, track: MediaStreamTrack | None = None) -> None:
        """He says `pcm` in a loop, or what `track` gives."""
        self.speech = Speech(tone(440) if pcm is None else pcm)
        self.heard: list[Heard] = []
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._sink = MediaBlackhole()
        self.pc.on("track", self._sink.addTrack)
        self._track = track or self.speech
        self.pc.addTrack(self._track)
        dtls = self.pc.getTransceivers()[0].receiver.transport
        stock = dtls._handle_rtp_data

        async def tap(data: bytes, arrival_time_ms: int) -> None:
            packet = rtp.parse(data)
            assert packet is not None
            self.heard.append(Heard(time.monotonic(), packet))
            await stock(data, arrival_time_ms=arrival_time_ms)

        dtls._handle_rtp_data = tap

    async def offer(self) -> str:
        await self.pc.setLocalDescription(await self.pc.createOffer())
        return str(self.pc.localDescription.sdp)

    async def accept(self, answer: str) -> None:
        await self.pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        await self._sink.start()

    async def close(self) -> None:
        await self._sink.stop()
        self._track.stop()
        await self.pc.close()

    def vanish(self) -> None:
        """Stop sending anything, without a goodbye (the network is gone)."""
        for protocol in self.pc.getTransceivers()[0].receiver.transport.transport._connection._protocols:
            protocol.transport._sock.close()
            protocol.transport.abort()

    def pcm(self, last_s: float | None = None) -> np.ndarray:
        """What was heard, decoded to 16 kHz; the last seconds only if given."""
        library = OpusLibrary()
        decoder = Decoder(library)
        chunk = np.zeros(CHUNK_SAMPLES, np.int16)
        whole = []
        for one in self.heard:
            assert decoder.decode(one.packet.payload, chunk.ctypes.data, CHUNK_SAMPLES) == CHUNK_SAMPLES
            whole.append(chunk.copy())
        pcm = np.concatenate(whole) if whole else np.zeros(0, np.int16)
        return pcm if last_s is None else pcm[-int(last_s * SAMPLE_RATE_HZ) :]

    def breaks(self) -> tuple[int, int, int]:
        """Breaks of sequence, timestamp and SSRC between packets in the order they came."""
        packets = [one.packet for one in self.heard]
        pairs = list(pairwise(packets))
        return (
            sum((b.sequence - a.sequence) & 0xFFFF != 1 for a, b in pairs),
            sum((b.timestamp - a.timestamp) & 0xFFFFFFFF != rtp.TICKS_PER_CHUNK for a, b in pairs),
            sum(a.ssrc != b.ssrc for a, b in pairs),
        )

    def largest_gap_ms(self, since_s: float = 0.0) -> float:
        times = [one.at_s for one in self.heard if one.at_s >= since_s]
        return max((b - a) * 1000 for a, b in pairwise(times))


async def until(condition: Callable[[], bool], what: str, timeout_s: float = 10.0) -> None:
    """Wait for something to become true; fails naming `what`."""
    try:
        async with asyncio.timeout(timeout_s):
            while not condition():  # noqa: ASYNC110 - what is waited for has no event of its own
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"did not happen within {timeout_s} s: {what}") from None
