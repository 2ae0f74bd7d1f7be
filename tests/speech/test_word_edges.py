"""Word times do not take in the pauses around a word."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_models.api import SAMPLE_RATE_HZ, TranscriptWord
from audio_models.word_edges import out_of_silence

MS = SAMPLE_RATE_HZ // 1000


def sounding(*spans_ms: tuple[int, int], length_ms: int, noise: float = 0.0) -> np.ndarray:
    """A hum where something is said."""
    samples = noise * np.random.default_rng(5).standard_normal(length_ms * MS)
    for start_ms, end_ms in spans_ms:
        at = np.arange((end_ms - start_ms) * MS)
        samples[start_ms * MS : end_ms * MS] += 0.2 * np.sin(2 * np.pi * 180 * at / SAMPLE_RATE_HZ)
    return samples.astype(np.float32)


def word(start_ms: int, end_ms: int) -> TranscriptWord:
    return TranscriptWord("word", start_ms, end_ms, 0.9)


def edges(words: list[TranscriptWord], samples: np.ndarray) -> list[tuple[int, int]]:
    return [(one.start_ms, one.end_ms) for one in out_of_silence(words, samples)]


def test_the_silence_before_the_first_word_and_the_pause_between_two_are_nobodys() -> None:
    samples = sounding((400, 800), (1_300, 1_700), length_ms=2_300)
    assert edges([word(0, 800), word(800, 2_300)], samples) == [(400, 800), (1_300, 1_700)]


def test_noise_on_the_line_hides_no_pause() -> None:
    samples = sounding((400, 800), (1_300, 1_700), length_ms=2_300, noise=0.005)
    assert edges([word(0, 800), word(800, 2_300)], samples) == [(400, 800), (1_300, 1_700)]


def test_the_end_of_the_word_before_stays_out_of_the_next_one() -> None:
    samples = sounding((400, 800), (1_300, 1_700), length_ms=2_000)
    assert edges([word(300, 740), word(740, 1_700)], samples)[1] == (1_300, 1_700)


def test_the_closure_of_a_plosive_is_part_of_its_word() -> None:
    samples = sounding((400, 600), (700, 900), length_ms=1_400)
    assert edges([word(400, 900)], samples) == [(400, 900)]


def test_where_nothing_stands_out_nothing_is_moved() -> None:
    hiss = (0.05 * np.random.default_rng(1).standard_normal(2_000 * MS)).astype(np.float32)
    for samples in (hiss, np.zeros(2_000 * MS, np.float32), np.zeros(0, np.float32)):
        assert edges([word(100, 900), word(900, 1_900)], samples) == [(100, 900), (900, 1_900)]


@settings(max_examples=60)
@given(
    spans=st.lists(st.tuples(st.integers(0, 1_900), st.integers(20, 600)), max_size=4),
    cuts=st.lists(st.integers(0, 2_005), min_size=2, max_size=8),
)
def test_words_stay_in_order_and_within_their_times(spans: list[tuple[int, int]], cuts: list[int]) -> None:
    samples = sounding(*((start, min(2_005, start + more)) for start, more in spans), length_ms=2_005)
    told = sorted(cuts)
    words = [word(start, end) for start, end in pairwise(told)]
    for before, (start_ms, end_ms) in zip(words, edges(words, samples), strict=True):
        assert before.start_ms <= start_ms <= end_ms <= before.end_ms
