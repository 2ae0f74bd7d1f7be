"""Handoffs as a customer gets them: bots and agents of every kind, and what his packets say of the change.

Voices are tones, so that each can be told apart in what the customer decodes; the bot's comes in words.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame

from voicewatch.media import rtp
from voicewatch.media.opus import CHUNK_SAMPLES, SAMPLE_RATE_HZ, Decoder, OpusLibrary

BOT_HZ, AGENT_HZ = 300, 700
LEVEL = 0.25
WORD_S, PAUSE_S = 0.9, 0.35
PRESENT_DBFS = -36.0
"""A voice above this is heard; both are spoken at -12."""
BEFORE_NS, AFTER_NS = 1_000_000_000, 2_000_000_000
"""Around a change of mode (TERMS: handoff_gap_ms)."""
CASES = ("bot 24 kHz mono", "bot finished", "bot idle", "mid-word", "agent 48 kHz stereo")


class Voice(MediaStreamTrack):
    """A tone in real time at any rate and number of channels, in words or without a pause.

    `finish` ends the track, `idle` lets `recv` wait for ever: both are what text-to-speech bots do.
    """

    kind = "audio"

    def __init__(
        self, hz: float, *, rate_hz: int = 48_000, channels: int = 1, in_words: bool = False
    ) -> None:
        super().__init__()
        self._hz, self._rate_hz, self._channels, self._in_words = hz, rate_hz, channels, in_words
        self._awake = asyncio.Event()
        self._awake.set()
        self._is_finished = False
        self._start = 0.0
        self._count = 0

    def finish(self) -> None:
        self._is_finished = True

    def idle(self) -> None:
        self._awake.clear()

    async def recv(self) -> AudioFrame:
        if self._count == 0:
            self._start = time.monotonic()
        await asyncio.sleep(max(0.0, self._start + self._count * 0.02 - time.monotonic()))
        await self._awake.wait()
        if self._is_finished:
            raise MediaStreamError
        samples = self._rate_hz // 50
        at = (np.arange(samples) + self._count * samples) / self._rate_hz
        tone = LEVEL * 32_767 * np.sin(2 * np.pi * self._hz * at)
        if self._in_words:
            tone *= _word_shape(at)
        interleaved = np.repeat(tone.astype(np.int16), self._channels).reshape(1, -1)
        layout = "mono" if self._channels == 1 else "stereo"
        frame = AudioFrame.from_ndarray(interleaved, format="s16", layout=layout)
        frame.sample_rate, frame.time_base = self._rate_hz, Fraction(1, self._rate_hz)
        frame.pts = self._count * samples
        self._count += 1
        return frame


def bot_of(case: str) -> Voice:
    if case == "bot 24 kHz mono":
        return Voice(BOT_HZ, rate_hz=24_000, in_words=True)
    return Voice(BOT_HZ, in_words=case != "mid-word")


def agent_of(case: str) -> Voice:
    return Voice(AGENT_HZ, channels=2 if case == "agent 48 kHz stereo" else 1)


@dataclass(frozen=True)
class Arrival:
    """One of the customer's packets: when the kernel had it, and what was in it."""

    at_ns: int
    packet: rtp.RtpPacket


@dataclass(frozen=True)
class Change:
    """What a change of who speaks did to the customer's stream."""

    gap_ms: float
    """Longest interval between packets from 1 s before to 2 s after."""
    breaks: int
    """Of sequence, timestamp or SSRC."""
    both_ms: float
    """With both voices heard."""
    step: float
    """Largest step between two samples around the change, over the largest of a steady voice: a click is
    more than 1."""
    new_voice_ms: float
    """From the change to the first of the new voice; infinite if it was not heard."""


def look_at(heard: Sequence[Arrival], changed_ns: int, new_hz: float) -> Change:
    """`changed_ns`: when the table changed, on CLOCK_MONOTONIC like the arrivals."""
    near = [one for one in heard if changed_ns - BEFORE_NS <= one.at_ns < changed_ns + AFTER_NS]
    begins_ns, ends_ns = (
        changed_ns - 2 * BEFORE_NS,
        changed_ns + AFTER_NS,
    )  # a second for the decoder to settle
    pcm = decoded([one.packet for one in heard if begins_ns <= one.at_ns < ends_ns])
    starts = len(pcm) - len(near) * CHUNK_SAMPLES
    turn = sum(one.at_ns < changed_ns for one in near) * CHUNK_SAMPLES + starts
    return Change(
        gap_ms=max((b.at_ns - a.at_ns) / 1e6 for a, b in pairwise(near)),
        breaks=breaks([one.packet for one in near]),
        both_ms=_both_ms(pcm[max(0, turn - SAMPLE_RATE_HZ // 2) : turn + SAMPLE_RATE_HZ]),
        step=_largest_step(pcm[turn - 1_600 : turn + 4_800]) / STEADY_STEP,
        new_voice_ms=_onset_ms(pcm[turn:], new_hz),
    )


def breaks(packets: Sequence[rtp.RtpPacket]) -> int:
    return sum(
        (b.sequence - a.sequence) & 0xFFFF != 1
        or (b.timestamp - a.timestamp) & 0xFFFFFFFF != rtp.TICKS_PER_CHUNK
        or a.ssrc != b.ssrc
        for a, b in pairwise(packets)
    )


def decoded(packets: Sequence[rtp.RtpPacket]) -> np.ndarray:
    """16 kHz mono int16."""
    decoder = Decoder(OpusLibrary())
    chunk = np.zeros(CHUNK_SAMPLES, np.int16)
    whole = []
    for packet in packets:
        assert decoder.decode(packet.payload, chunk.ctypes.data, CHUNK_SAMPLES) == CHUNK_SAMPLES
        whole.append(chunk.copy())
    return np.concatenate(whole) if whole else np.zeros(0, np.int16)


def levels(pcm: np.ndarray, hz: float, hop: int = SAMPLE_RATE_HZ // 200) -> np.ndarray:
    """dBFS of a tone every 5 ms, in windows of 20 ms (Hann: 400 Hz apart do not touch)."""
    window = np.hanning(CHUNK_SAMPLES)
    probe = window * np.exp(-2j * np.pi * hz * np.arange(CHUNK_SAMPLES) / SAMPLE_RATE_HZ)
    places = range(0, max(0, len(pcm) - CHUNK_SAMPLES), hop)
    parts = [abs(pcm[at : at + CHUNK_SAMPLES] @ probe) for at in places]
    return 20 * np.log10(np.maximum(2 * np.array(parts) / window.sum() / 32_768, 1e-6))


def _both_ms(pcm: np.ndarray) -> float:
    both = (levels(pcm, BOT_HZ) > PRESENT_DBFS) & (levels(pcm, AGENT_HZ) > PRESENT_DBFS)
    return float(both.sum() * 5)


def _largest_step(pcm: np.ndarray) -> float:
    return float(np.abs(np.diff(pcm.astype(np.int32))).max(initial=0))


def _onset_ms(pcm: np.ndarray, hz: float) -> float:
    present = np.flatnonzero(levels(pcm, hz) > PRESENT_DBFS)
    return float(present[0] * 5) if len(present) else float("inf")


def _word_shape(at: np.ndarray) -> np.ndarray:
    """1 in a word, 0 in a pause, with soft edges."""
    within = at % (WORD_S + PAUSE_S)
    return np.clip(np.minimum(within, WORD_S - within) / 0.02, 0, 1)


STEADY_STEP = LEVEL * 32_767 * 2 * np.pi * AGENT_HZ / SAMPLE_RATE_HZ * 1.25
"""Of the faster voice; a quarter more for what the codec makes of it."""
