"""Figures over calls, by the field's definitions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.stories.tell import go_on, play
from tests.support.stage import CALL, Stage
from voicewatch.core.context_kept import asked_again, is_measurable
from voicewatch.core.events import MaskSpan, UtteranceFinal
from voicewatch.core.insights import Figures, figures_of, insights

RESCUED = """
0    available peter
0    start
5    customer: I was charged twice for my internet. [sentiment -3]
12   customer: Let me speak to a human please. [wants_human 1.0]
14   accept peter
16   connect seat-peter
20   agent: Hello, this is Peter, I see that you were charged twice.
30   customer: Thank you, that helps a lot. [sentiment 3]
40   lose customer hangup
50   dispose peter resolved
"""


def figures(story: str, **more: object) -> Figures:
    call = play(story).call
    call.started_at = datetime(2026, 11, 21, 9, tzinfo=UTC)
    found = figures_of(call)
    return Figures(**{**found.__dict__, **more})  # type: ignore[arg-type]


def test_a_rescued_call_in_figures() -> None:
    found = figures(RESCUED)
    assert (found.ai_took, found.contained, found.escalated, found.assigned) == (True, False, True, True)
    assert (found.detect_ms, found.offer_ms, found.accept_ms, found.voice_ms) == (2_000, 0, 2_000, 4_000)
    assert (found.mood_with_ai, found.mood_with_human) == (-1.5, 3)
    assert (found.human_ms, found.wrap_up_ms, found.disposition) == (24_000, 10_000, "resolved")
    assert found.context_kept is True
    assert found.verdict is None


def test_many_calls_summed_up() -> None:
    calm = figures("0 start\n5 customer: Thank you. [sentiment 2]\n20 lose customer hangup", customer="k")
    again = figures(
        "0 start\n3 lose customer hangup", customer="k", started_at=calm.started_at + timedelta(days=2)
    )
    told = insights([calm, again, figures(RESCUED, verdict=True), figures(RESCUED, verdict=False)])
    assert (told["monitored"], told["escalated"], told["assigned"], told["dropped"]) == (4, 2, 2, 0)
    assert (told["containment_rate"], told["contained_short"], told["contained_called_again"]) == (0.5, 1, 1)
    assert (told["judged"], told["escalation_precision"], told["escalation_recall"]) == (2, 0.5, 1.0)
    assert told["time_to_voice_s"] == {"count": 2, "p50": 4.0, "p95": 4.0}
    assert told["sentiment"]["change"] == 4.5
    assert told["reasons"] == {"asks_human": 2}


def test_nothing_divided_by_nothing() -> None:
    told = insights([])
    assert told["containment_rate"] is None
    assert told["time_to_offer_s"] is None
    assert told["escalation_precision"] is None


def told_number(stage: Stage) -> None:
    stage.push(
        UtteranceFinal(
            call_id=CALL,
            at_ms=6_000,
            utterance_id="u",
            seat_id="customer",
            role="customer",  # type: ignore[arg-type]
            start_ms=5_000,
            end_ms=6_000,
            text="It is four seven two nine eight one.",
            mask=[MaskSpan(start=6, end=35, type="account_number")],
        )
    )


@pytest.mark.parametrize(
    ("question", "again"),
    [
        ("Could you give me your account number?", ["account number"]),
        ("I have your account number here.", []),
        ("What is your date of birth?", []),
        ("So what is the problem?", ["matter"]),
        ("Hello, I have read everything.", []),
    ],
)
def test_what_was_given_and_is_asked_again(question: str, again: list[str]) -> None:
    stage = play("0 available peter\n0 start\n3 ai: What is your account number?")
    told_number(stage)
    go_on(
        stage,
        "8 customer: Let me speak to a human please. [wants_human 1.0]\n9 accept peter\n"
        f"10 connect seat-peter\n14 agent: {question}",
    )
    assert is_measurable(stage.call)
    assert [thing for thing, _ in asked_again(stage.call)] == again
