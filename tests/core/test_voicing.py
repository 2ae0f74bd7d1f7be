"""Gate and judge in audio time; the judge here is a list of probabilities."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicewatch.core.voicing import STEP_MS, Question, Voiced, Voicing, VoicingSettings

SURE_STEP_MS = VoicingSettings().sure_silence_ms
Judge = Callable[[int], float]


def run(gates: list[bool], judge: Judge) -> tuple[list[Voiced], list[tuple[int, Question]]]:
    """All chunks decided, and what was asked when."""
    voicing, found, asked = Voicing(), [], []
    for number, gate in enumerate(gates):
        question = voicing.push(number * 20, gate, -30)
        if question is not None:
            asked.append((number * 20 + 20, question))
            voicing.answer([judge(end_ms) for end_ms in question.ends_ms])
        found += voicing.take()
    return found + voicing.finish(), asked


def spoken(found: list[Voiced]) -> list[int]:
    return [one.at_ms for one in found if one.voiced]


def test_nobody_is_asked_about_what_the_gate_keeps_out() -> None:
    found, asked = run([False] * 100, lambda _: 1.0)
    assert asked == []
    assert spoken(found) == []


def test_noise_that_opens_the_gate_is_not_speech() -> None:
    found, asked = run([True] * 100, lambda _: 0.02)
    assert spoken(found) == []
    assert len(asked) < 30, "once it is sure, it is asked half as often"


def test_speech_is_what_the_judge_says_not_what_the_gate_says() -> None:
    def judge(end_ms: int) -> float:
        return 0.8 if 500 < end_ms <= 1_000 else 0.01

    found, _ = run([True] * 30 + [False] * 70, judge)
    assert spoken(found)[0] == pytest.approx(490, abs=30)
    assert spoken(found)[-1] == pytest.approx(980, abs=30)
    assert spoken(found) == list(range(spoken(found)[0], spoken(found)[-1] + 20, 20))


def test_the_judge_hears_what_came_just_before_the_gate_opened_and_begins_anew() -> None:
    gates = [False] * 20 + [True] * 5 + [False] * 100 + [True] * 5
    _, asked = run(gates, lambda _: 0.01)
    openings = [(at_ms, question.ends_ms) for at_ms, question in asked if question.anew]
    assert openings == [(420, (300, 340, 380, 420)), (2_520, (2_400, 2_440, 2_480, 2_520))]


def test_a_gap_is_forgotten_over_and_a_lost_chunk_is_not() -> None:
    voicing = Voicing()
    for at_ms, anew in ((0, True), (60, False), (1_000, True)):
        question = voicing.push(at_ms, True, -30)
        assert question is not None
        assert question.anew == anew
        voicing.answer([0.9] * len(question.ends_ms))
    assert spoken(voicing.finish()) == [0, 60, 1_000]


def test_as_many_answers_as_questions() -> None:
    voicing = Voicing()
    voicing.push(0, True, -30)
    with pytest.raises(ValueError, match="1 answers"):
        voicing.answer([0.5])


@given(
    st.lists(st.tuples(st.booleans(), st.integers(1, 40)), max_size=12),
    st.lists(st.floats(0, 1), min_size=100, max_size=100),
)
def test_every_chunk_is_decided_once_in_order_and_no_window_is_asked_about_twice(
    pattern: list[tuple[bool, int]], probabilities: list[float]
) -> None:
    gates = [gate for gate, count in pattern for _ in range(count)]
    found, asked = run(gates, lambda end_ms: probabilities[end_ms // STEP_MS % 100])
    assert [one.at_ms for one in found] == [number * 20 for number in range(len(gates))]
    for (_, before), (now_ms, question) in itertools.pairwise(asked):
        assert question.ends_ms[-1] <= now_ms
        if not question.anew:
            assert question.ends_ms[0] - before.ends_ms[-1] in (STEP_MS, SURE_STEP_MS)
        steps = {later - one for one, later in itertools.pairwise(question.ends_ms)}
        assert len(steps) <= 1
        assert steps <= {STEP_MS, SURE_STEP_MS}
