"""Loudness of the two sides of a call, in 20 ms chunks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from voicewatch.core.echo import EchoGuard

Levels = NDArray[np.float64]


def talk(seed: int, seconds: float) -> Levels:
    """Levels that move as speech does: syllables of some 200 ms, words, pauses."""
    random = np.random.default_rng(seed)
    count = round(seconds * 50)
    syllables = np.repeat(random.uniform(-45, -15, count // 5 + 1), 5)[:count]
    return syllables + random.normal(0, 1.5, count)


def guard(sent: Levels, came: Levels) -> EchoGuard:
    made = EchoGuard()
    for number, (one, other) in enumerate(zip(sent, came, strict=True)):
        made.sent(number * 20, round(one))
        made.came(number * 20, round(other))
    return made


def delayed(levels: Levels, by_ms: int, fainter_db: float) -> Levels:
    return np.concatenate([np.full(by_ms // 20, -96.0), levels - fainter_db])[: len(levels)]


def test_the_ai_coming_back_late_and_faint_is_echo() -> None:
    sent = talk(1, 6)
    for by_ms in (20, 180, 500):
        assert guard(sent, delayed(sent, by_ms, 14)).is_echo(1_000, 3_000)


def test_another_voice_at_the_same_time_is_none() -> None:
    sent = talk(1, 8)
    for seed in range(2, 40):
        assert not guard(sent, talk(seed, 8) - 10).is_echo(2_000, 4_500)


def test_a_customer_speaking_into_the_echo_is_heard() -> None:
    sent = talk(1, 6)
    both = np.maximum(delayed(sent, 180, 14), talk(3, 6) - 4)
    assert not guard(sent, both).is_echo(1_000, 4_000)


def test_what_is_short_loud_or_without_a_source_is_no_echo() -> None:
    sent = talk(1, 6)
    assert not guard(sent, delayed(sent, 180, 14)).is_echo(1_000, 1_600)
    assert not guard(sent, delayed(sent, 180, 0)).is_echo(1_000, 3_000)
    assert not guard(np.full(300, -96.0), sent).is_echo(1_000, 3_000)
    assert not EchoGuard().is_echo(0, 2_000)


def blurred(levels: Levels) -> Levels:
    """Through a room and noise: still like what was sent, less so."""
    return levels + np.random.default_rng(9).normal(0, 7, len(levels))


SAID = "Your appointment is on Tuesday at nine."


def test_the_words_that_the_ai_says_right_then_are_echo_sooner() -> None:
    sent = talk(1, 6)
    made = guard(sent, blurred(delayed(sent, 180, 20)))
    assert not made.is_echo(1_000, 1_800)
    assert not made.repeats(1_000, 1_800, "appointment is on Tuesday")
    made.said(2_500, SAID)
    assert made.repeats(1_000, 1_800, "appointment is on Tuesday")
    assert not made.repeats(1_000, 1_800, "I want my money back")
    assert not made.repeats(1_000, 1_800, "Tuesday")


def test_a_customer_who_repeats_what_the_ai_said_is_heard() -> None:
    """Read back after the AI, or at once while its last words are still under way."""
    for after_ms in (200, 600, 2_000):
        sent = np.concatenate([talk(1, 3), np.full(250, -96.0)])
        quiet = np.full(150 + after_ms // 20, -60.0)
        back = np.concatenate([quiet, delayed(talk(1, 3), 0, 14)])[: len(sent)]
        made = guard(sent[: len(back)], back)
        made.said(2_900, SAID)
        start_ms = 3_000 + after_ms
        assert not made.is_echo(start_ms, start_ms + 1_400)
        assert not made.repeats(start_ms, start_ms + 1_400, "on Tuesday at nine")
