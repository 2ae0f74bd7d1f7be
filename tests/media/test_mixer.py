from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from voicewatch.media.mixer import LevelMeter, Pcm, mix, squeeze
from voicewatch.media.opus import CHUNK_SAMPLES

chunks = arrays(np.int16, CHUNK_SAMPLES, elements=st.integers(-32_768, 32_767))


def sine(hz: float, start: int, level: int = 8_000) -> Pcm:
    at = np.arange(start, start + CHUNK_SAMPLES) / 16_000
    return (level * np.sin(2 * np.pi * hz * at)).astype(np.int16)


def mixed(*args: list[Pcm]) -> Pcm:
    out = np.zeros(CHUNK_SAMPLES, np.int16)
    mix(out, *args)
    return out


@given(st.lists(chunks, max_size=4))
def test_a_sum_never_wraps(rows: list[Pcm]) -> None:
    exact = np.sum([row.astype(np.int64) for row in rows], axis=0) if rows else np.zeros(CHUNK_SAMPLES)
    out = mixed(rows).astype(np.int64)
    assert (np.sign(out) * np.sign(exact) >= 0).all()
    assert (np.abs(out) <= np.abs(exact)).all()
    gentle = np.abs(exact) <= 24_000
    assert (out[gentle] == exact[gentle]).all()


def test_entering_and_leaving_is_without_a_click() -> None:
    """No step between samples, nor between chunks, is larger than the tones' own slopes allow."""
    low, high = 300.0, 500.0
    parts = []
    for n in range(6):
        start = n * CHUNK_SAMPLES + 13  # not at a zero of either
        one, other = sine(low, start), sine(high, start)
        if n < 2:
            parts.append(mixed([one]))
        elif n == 2:
            parts.append(mixed([], [other], [one]))
        elif n < 4:
            parts.append(mixed([other]))
        else:
            parts.append(mixed([], [], [other]) if n == 4 else mixed([]))
    steps = np.abs(np.diff(np.concatenate(parts).astype(np.int32)))
    own_slope = 8_000 * 2 * np.pi * (low + high) / 16_000
    ramp_slope = 8_000 * np.pi / 2 / 160 * 2
    assert steps.max() < own_slope + ramp_slope
    assert not parts[-1].any()


def test_squeezing_begins_as_the_first_and_ends_as_the_second() -> None:
    first, second, out = sine(300, 0), sine(300, CHUNK_SAMPLES), np.zeros(CHUNK_SAMPLES, np.int16)
    squeeze(out, first, second)
    assert out[0] == first[0]
    assert abs(int(out[-1]) - int(second[-1])) <= 1


def test_levels() -> None:
    rows = np.zeros((3, CHUNK_SAMPLES), np.int16)
    rows[1] = 32_767
    rows[2] = sine(1_000, 0, 16_384)
    silent, full, half = LevelMeter(8)(rows)
    assert silent == np.float32(-96)
    assert abs(full) < 0.01
    assert abs(half + 9.03) < 0.1
