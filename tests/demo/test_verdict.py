"""The verdict of `--once`: true only when everything was observed, and honest about what was not."""

from typing import Any

import pytest

from voicewatch.demo.scenarios import load_scenario
from voicewatch.demo.verdict import STEPS, Evidence, first_missing, judge, word_errors

ZERO_NS = 1_000_000_000_000


def seen(part: str, what: str, at_s: float, **fields: Any) -> dict[str, Any]:
    return {"part": part, "what": what, "at_ns": ZERO_NS + int(at_s * 1e9), **fields}


def event(kind: str, at_s: float, **fields: Any) -> dict[str, Any]:
    body = {"type": kind, "call_id": "C", "at_ms": int(at_s * 1000), "seq": 1, **fields}
    return seen("supervisor", "event", at_s, event=body)


def whole_call() -> list[dict[str, Any]]:
    customer: dict[str, Any] = {"role": "customer", "source": "asr", "utterance_id": "u"}
    gap = [ZERO_NS + n * 20_000_000 for n in range(100)]
    gap[50:] = [at + 15_000_000 for at in gap[50:]]
    return [
        event("call_started", 0, zero_mono_ns=ZERO_NS),
        seen("customer", "call", 0, call_id="C"),
        seen("customer", "connected", 0.2),
        seen("customer", "heard", 1, line="greeting"),
        seen("customer", "said", 4, line="charged", start_ns=ZERO_NS + int(2e9)),
        event("interim", 2.8, role="customer"),
        event(
            "utterance_final",
            4.6,
            **customer,
            text="hi i was charged twice for my phone",
            start_ms=2000,
            end_ms=4000,
        ),
        event("utterance_scored", 4.7, **customer, sentiment={"score": -2}, uncertainty={"score": 0.1}),
        event("alert_raised", 4.75, utterance_ids=["u"]),
        event("escalation_raised", 4.8),
        event("briefing_ready", 4.8),
        seen("agent", "offered", 4.9),
        seen("agent", "accepted", 5),
        event("audibility_changed", 1.0),
        seen("customer", "heard", 6.5, line="agent-hello"),
        seen("ai", "said", 9, line="stubborn", start_ns=ZERO_NS),
        seen("supervisor", "heard", 9, line="money-back"),
        seen("agent", "heard", 10, line="offer-credit"),
        seen("customer", "heard", 12, line="supervisor-hello"),
        event("handed_back", 14),
        seen("customer", "heard", 15, line="back-again"),
        seen(
            "customer",
            "wire",
            16,
            packets=100,
            sequence_breaks=0,
            timestamp_breaks=0,
            ssrc_changes=0,
            largest_gap_ms=35.0,
            arrivals_ns=gap,
        ),
        event("call_ended", 17),
        event("record_complete", 18),
    ]


def report_of(observations: list[dict[str, Any]]) -> dict[str, Any]:
    return judge(Evidence(load_scenario("once"), observations))


def test_a_whole_call_passes_and_is_measured() -> None:
    report = report_of(whole_call())
    assert report["ok"]
    assert first_missing(report) is None
    assert [step["name"] for step in report["steps"]] == [step.name for step in STEPS]
    assert report["customer_media"]["handoff_gap_ms"] == 35.0
    assert report["latency_ms"]["first_partial"]["p50"] == 800
    assert report["latency_ms"]["final"]["p50"] == 600
    assert report["latency_ms"]["alert"]["p50"] == 50
    assert report["latency_ms"]["accept_to_heard"] == 1500
    assert report["transcript"][0]["wer"] == pytest.approx(1 / 8, abs=0.001)


@pytest.mark.parametrize("part", ["customer", "agent", "supervisor"])
def test_an_ai_that_is_heard_while_paused_fails_the_call(part: str) -> None:
    report = report_of([*whole_call(), seen(part, "heard", 9, line="stubborn")])
    assert not report["ok"]
    assert str(first_missing(report)).startswith("ai_silent_for_customer")


@pytest.mark.parametrize("part", ["customer", "ai"])
def test_a_coach_heard_by_others_fails_the_call(part: str) -> None:
    report = report_of([*whole_call(), seen(part, "heard", 10, line="offer-credit")])
    assert str(first_missing(report)).startswith("coach_heard_by_agent_only")


def test_every_step_can_fail() -> None:
    for step in report_of([])["steps"]:
        assert not step["ok"]


def test_word_errors() -> None:
    assert word_errors("Hi, I was charged twice.", "hi i was charged twice") == (0, 5)
    assert word_errors("one two three", "one three four") == (2, 3)
    assert word_errors("", "") == (0, 1)
