"""The mix of a call's recordings: two channels on the call's clock, from any time to any time.

Left is the customer, right is everyone the customer heard. Sample n of the mix is at n / 16 ms of the call's
clock, as in the transcript: packets are decoded where they were recorded, and what is missing is silence.
"""

from __future__ import annotations

import ctypes
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from voicewatch.core.events import Role
from voicewatch.media.opus import (
    CHUNK_SAMPLES,
    MAX_PACKET_BYTES,
    SAMPLE_RATE_HZ,
    Decoder,
    OpusError,
    OpusLibrary,
)
from voicewatch.record import ogg
from voicewatch.record.recording_file import SUFFIX, RecordingReader
from voicewatch.record.sealing import SealBroken

Pcm = np.ndarray[Any, np.dtype[np.int16]]

CHANNELS = 2
SAMPLES_PER_MS = SAMPLE_RATE_HZ // 1000
BLOCK_MS = 1_000
"""A whole number of chunks."""
BYTES_PER_MS = SAMPLES_PER_MS * CHANNELS * 2
WAV_HEADER_BYTES = 44
BITRATE_BPS = 64_000
_GRANULES_PER_SAMPLE = 48_000 // SAMPLE_RATE_HZ
_WARM_UP_MS = 200
"""Decoded before what is wanted, so that a decoder that begins within a word sounds as if it had not."""
_APPLICATION_AUDIO, _SET_BITRATE, _SET_COMPLEXITY, _COMPLEXITY = 2049, 4002, 4010, 5


class Track:
    """One recording as sound on the call's clock."""

    def __init__(self, reader: RecordingReader, library: OpusLibrary) -> None:
        self.channel = 0 if reader.role is Role.CUSTOMER else 1
        self.role = reader.role
        self._reader = reader
        self._library = library

    def end_ms(self) -> int:
        """On the call's clock."""
        return self._reader.end_ms()

    def runs(self, from_ms: int) -> Iterator[tuple[int, Pcm]]:
        """(sample on the call's clock, what was recorded from there), a page each, from about `from_ms`."""
        decoder = Decoder(self._library)
        for page in self._reader.pages(from_ms - _WARM_UP_MS):
            lengths = [ogg.packet_granules(packet) // _GRANULES_PER_SAMPLE for packet in page.packets]
            pcm = np.zeros(sum(lengths), np.int16)
            at, room = pcm.ctypes.data, len(pcm)
            for packet, length in zip(page.packets, lengths, strict=True):
                # Silence that was put in is none of the speaker's stream: his decoder goes on where it was.
                # A packet that cannot be decoded stays silent too.
                if packet != ogg.SILENCE:
                    decoder.decode(packet, at, room)
                at, room = at + 2 * length, room - length
            end = self._reader.start_ms * SAMPLES_PER_MS + page.granule // _GRANULES_PER_SAMPLE
            yield end - len(pcm), pcm


def open_tracks(folder: Path, call_id: str, call_key: bytes, library: OpusLibrary) -> list[Track]:
    """The recordings of a call that can be read, also those being written."""
    tracks = []
    for path in sorted((folder / call_id).glob(f"*{SUFFIX}")):
        try:
            reader = RecordingReader(path, call_key, f"{call_id}/{path.name}")
        except (OSError, SealBroken):  # just begun, or not ours: the others are heard all the same
            continue
        tracks.append(Track(reader, library))
    return tracks


def blocks(tracks: Sequence[Track], from_ms: int, until_ms: int) -> Iterator[Pcm]:
    """The mix, (samples, 2), a second at a time; [from_ms, until_ms) of the call's clock."""
    pending = [_Pending(track, from_ms) for track in tracks]
    end = until_ms * SAMPLES_PER_MS
    for start in range(from_ms * SAMPLES_PER_MS, end, BLOCK_MS * SAMPLES_PER_MS):
        samples = min(BLOCK_MS * SAMPLES_PER_MS, end - start)
        block = np.zeros((samples, CHANNELS), np.int32)
        for one in pending:
            one.add_to(block[:, one.channel], start)
        yield block.clip(-32_768, 32_767).astype(np.int16)


class _Pending:
    """What of a track is decoded and not yet mixed."""

    def __init__(self, track: Track, from_ms: int) -> None:
        self.channel = track.channel
        self._runs = track.runs(from_ms)
        self._run = next(self._runs, None)

    def add_to(self, block: np.ndarray[Any, np.dtype[np.int32]], start: int) -> None:
        """Adds what falls into [start, start + len(block))."""
        while self._run is not None and self._run[0] < start + len(block):
            at, pcm = self._run
            begin, end = max(at, start), min(at + len(pcm), start + len(block))
            if begin < end:
                block[begin - start : end - start] += pcm[begin - at : end - at]
            if at + len(pcm) > start + len(block):
                return
            self._run = next(self._runs, None)


# ---------------------------------------------------------------- as WAV


def wav_size(duration_ms: int) -> int:
    return WAV_HEADER_BYTES + duration_ms * BYTES_PER_MS


def wav_header(duration_ms: int) -> bytes:
    """Of 16-bit stereo; a length beyond what the format can say is given as the most it can."""
    data = duration_ms * BYTES_PER_MS
    frame = 2 * CHANNELS
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF", min(data + WAV_HEADER_BYTES - 8, 0xFFFFFFFF), b"WAVE",
        b"fmt ", 16, 1, CHANNELS, SAMPLE_RATE_HZ, SAMPLE_RATE_HZ * frame, frame, 16,
        b"data", min(data, 0xFFFFFFFF),
    )  # fmt: skip


def wav_bytes(tracks: Sequence[Track], duration_ms: int, first: int, end: int) -> Iterator[bytes]:
    """Bytes [first, end) of the WAV file of the mix from 0 to `duration_ms`."""
    header = wav_header(duration_ms)[first:end]
    if header:
        yield header
    at, end = max(0, first - WAV_HEADER_BYTES), end - WAV_HEADER_BYTES
    if at >= end:
        return
    from_ms, until_ms = at // BYTES_PER_MS, -(-end // BYTES_PER_MS)
    skipped, left = at - from_ms * BYTES_PER_MS, end - at
    for block in blocks(tracks, from_ms, until_ms):
        part = block.tobytes()[skipped : skipped + left]
        skipped, left = 0, left - len(part)
        yield part


# ---------------------------------------------------------------- as Ogg Opus


def opus_bytes(pcm: Iterable[Pcm], library: OpusLibrary, tags: dict[str, str]) -> Iterator[bytes]:
    """An Ogg Opus file of the blocks of a mix, a page at a time."""
    encoder = _StereoEncoder(library)
    serial = zlib.crc32(repr(sorted(tags.items())).encode())
    yield ogg.page(ogg.FIRST_PAGE, 0, serial, 0, [ogg.opus_head(SAMPLE_RATE_HZ, CHANNELS)])
    yield ogg.page(0, 0, serial, 1, [ogg.opus_tags(tags)])
    number, samples, coded = 2, 0, 0
    held: list[bytes] = []
    for block in pcm:
        if held:
            yield ogg.page(0, coded * _GRANULES_PER_SAMPLE, serial, number, held)
            number += 1
        held = encoder.encode(block)
        samples, coded = samples + len(block), coded + len(held) * CHUNK_SAMPLES
    # One chunk more, so that what the encoder is behind is heard; the last granule cuts the rest off.
    held += encoder.encode(np.zeros((CHUNK_SAMPLES, CHANNELS), np.int16))
    granule = samples * _GRANULES_PER_SAMPLE + ogg.PRE_SKIP
    yield ogg.page(ogg.LAST_PAGE, granule, serial, number, held)


class _StereoEncoder:
    """libopus for a mix: two channels at 16 kHz, chunks of 20 ms."""

    def __init__(self, library: OpusLibrary) -> None:
        self._library = library
        self._state = ctypes.create_string_buffer(library.encoder_size(CHANNELS))
        self._out = ctypes.create_string_buffer(MAX_PACKET_BYTES)
        codes = [library.encoder_init(self._state, SAMPLE_RATE_HZ, CHANNELS, _APPLICATION_AUDIO)]
        for setting, value in ((_SET_BITRATE, BITRATE_BPS), (_SET_COMPLEXITY, _COMPLEXITY)):
            codes.append(library.encoder_ctl(self._state, setting, value))
        if any(codes):
            raise OpusError(f"libopus refused an encoder for the mix: errors {codes}")

    def encode(self, block: Pcm) -> list[bytes]:
        """Packets of a block; one that is no whole number of chunks is filled up with silence."""
        missing = -len(block) % CHUNK_SAMPLES
        whole = np.ascontiguousarray(np.pad(block, ((0, missing), (0, 0))) if missing else block)
        packets = []
        for at in range(0, len(whole), CHUNK_SAMPLES):
            address = whole.ctypes.data + at * 2 * CHANNELS
            size = self._library.encode(self._state, address, CHUNK_SAMPLES, self._out, MAX_PACKET_BYTES)
            if size < 0:
                raise OpusError(f"opus_encode: error {size}")
            packets.append(self._out.raw[:size])
        return packets
