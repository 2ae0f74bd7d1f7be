"""The quiet noise behind a silent line: at its level, without a seam, and off when set so."""

from __future__ import annotations

import numpy as np

from voicewatch.media.backdrop import LOOP_CHUNKS, SILENT_DBFS, Backdrop
from voicewatch.media.opus import CHUNK_SAMPLES, Decoder, Encoder, OpusLibrary

LIBRARY = OpusLibrary()


def heard(backdrop: Backdrop, ticks: int) -> np.ndarray:
    decoder = Decoder(LIBRARY)
    chunk = np.zeros(CHUNK_SAMPLES, np.int16)
    whole = []
    for tick in range(ticks):
        assert decoder.decode(backdrop.packet(tick), chunk.ctypes.data, CHUNK_SAMPLES) == CHUNK_SAMPLES
        whole.append(chunk.copy())
    return np.concatenate(whole)


def test_the_loop_has_its_level_and_no_seam() -> None:
    pcm = heard(Backdrop(Encoder(LIBRARY, 24_000, 4), -65), 3 * LOOP_CHUNKS)
    level = 10 * np.log10(np.mean((pcm[8_000:] / 32_768) ** 2))
    assert -68 < level < -62
    rounds = pcm[-2 * LOOP_CHUNKS * CHUNK_SAMPLES :].reshape(2 * LOOP_CHUNKS, CHUNK_SAMPLES)
    steps = np.abs(np.diff(rounds.astype(np.int32).ravel()))
    seam = LOOP_CHUNKS * CHUNK_SAMPLES
    assert steps[seam - CHUNK_SAMPLES : seam + CHUNK_SAMPLES].max() <= steps.max()
    assert steps.max() < 200


def test_it_may_be_digital_silence() -> None:
    backdrop = Backdrop(Encoder(LIBRARY, 24_000, 4), SILENT_DBFS)
    assert np.abs(heard(backdrop, 50)[8_000:]).max() <= 1
