from __future__ import annotations

import numpy as np
import pytest

from tests.support.peers import level_at
from voicewatch.media.opus import CHUNK_SAMPLES, Decoder, Encoder, OpusLibrary


@pytest.fixture(scope="module")
def library() -> OpusLibrary:
    return OpusLibrary()


def sine(hz: float, chunks: int) -> np.ndarray:
    at = np.arange(chunks * CHUNK_SAMPLES) / 16_000
    return (8_000 * np.sin(2 * np.pi * hz * at)).astype(np.int16)


def decode(library: OpusLibrary, packets: list[bytes | None]) -> np.ndarray:
    decoder = Decoder(library)
    chunk = np.zeros(CHUNK_SAMPLES, np.int16)
    out = []
    for packet in packets:
        if packet is None:
            assert decoder.conceal(chunk.ctypes.data, CHUNK_SAMPLES) == CHUNK_SAMPLES
        else:
            assert decoder.decode(packet, chunk.ctypes.data, CHUNK_SAMPLES) == CHUNK_SAMPLES
        out.append(chunk.copy())
    return np.concatenate(out)


def encode(encoder: Encoder, pcm: np.ndarray) -> list[bytes]:
    return [
        encoder.encode(pcm[start:].ctypes.data)
        for start in range(0, len(pcm) - CHUNK_SAMPLES + 1, CHUNK_SAMPLES)
    ]


def test_a_tone_survives_at_the_bitrate_asked(library: OpusLibrary) -> None:
    packets = encode(Encoder(library, 24_000, 4), sine(440, 100))
    assert level_at(decode(library, list(packets))[16_000:], 440) == pytest.approx(-12.2, abs=1.5)
    assert 15_000 < sum(map(len, packets)) * 8 / 2 < 33_000


def test_a_lost_packet_is_concealed_and_an_empty_stream_is_refused(library: OpusLibrary) -> None:
    packets: list[bytes | None] = list(encode(Encoder(library, 24_000, 4), sine(440, 50)))
    packets[25] = None
    gap = decode(library, packets)[25 * CHUNK_SAMPLES : 26 * CHUNK_SAMPLES]
    assert np.abs(gap).max() > 2_000
    chunk = np.zeros(CHUNK_SAMPLES, np.int16)
    assert Decoder(library).decode(b"\xff\xff\xff", chunk.ctypes.data, CHUNK_SAMPLES) < 0


def test_a_copied_encoder_goes_on_bit_by_bit(library: OpusLibrary) -> None:
    encoder = Encoder(library, 24_000, 4)
    pcm = sine(300, 40)
    encode(encoder, pcm[: 20 * CHUNK_SAMPLES])
    other = encoder.copy()
    rest = pcm[20 * CHUNK_SAMPLES :]
    assert encode(encoder, rest) == encode(other, rest)
