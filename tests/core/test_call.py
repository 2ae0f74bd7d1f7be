"""The fold and what pages see of it."""

import json

import pytest

from tests.stories.tell import play
from voicewatch.core.call import CallState
from voicewatch.core.events import (
    AlertRaised,
    AudibilityChanged,
    CallEnded,
    CallStarted,
    Evidence,
    LegConnected,
    LegLive,
    LegLost,
    MaskSpan,
    Role,
    SeatClosed,
    SeatOpened,
    Sentiment,
    Severity,
    UtteranceFinal,
    UtteranceScored,
)


@pytest.fixture
def call() -> CallState:
    state = CallState("c")
    state.apply(
        CallStarted(
            call_id="c",
            attributes={"topic": "billing_error", "phone": "+49 170 4417"},
            customer_name="Anna Miller",
        )
    )
    for seat, role in [("customer", Role.CUSTOMER), ("ai", Role.AI)]:
        state.apply(SeatOpened(call_id="c", seat_id=seat, role=role, name="Ava" if role == Role.AI else ""))
        state.apply(LegConnected(call_id="c", seat_id=seat, leg_id=f"{seat}-1"))
        state.apply(LegLive(call_id="c", seat_id=seat, leg_id=f"{seat}-1"))
    return state


def say(call: CallState, score: float, text: str = "Well.", mask: list[MaskSpan] | None = None) -> None:
    at_ms = call.at_ms + 1_000
    common = {
        "at_ms": at_ms,
        "utterance_id": f"u{at_ms}",
        "seat_id": "customer",
        "role": Role.CUSTOMER,
    }
    call.apply(
        UtteranceFinal(call_id="c", **common, start_ms=at_ms, end_ms=at_ms, text=text, mask=mask or [])
    )
    evidence = [Evidence(kind="sentiment", quote=text[-4:], start=len(text) - 4, end=len(text))]
    sentiment = Sentiment(score=score, label="neutral", confidence=0.5)
    call.apply(UtteranceScored(call_id="c", **common, sentiment=sentiment, evidence=evidence))


CALL_VIEW = {
    "call_id", "label", "title", "state", "started_at", "duration_ms", "attributes", "customer_name",
    "voice", "voice_name", "on_hold", "severity", "headline", "sentiment", "uncertainty", "series",
    "last", "seats", "hears", "alerts", "escalation", "handoff", "offers", "briefing", "utterances",
    "gaps", "nobody_free", "queue", "callback", "labels", "recording", "disposition", "recordings",
    "engine", "last_seq",
}  # fmt: skip


def test_the_view_is_that_of_the_api_and_json() -> None:
    stage = play("0 available peter\n0 start\n5 customer: Give me a human. [wants_human 1]\n6 accept peter")
    full, row = (stage.call.view(full) for full in (True, False))
    assert set(full) == CALL_VIEW
    assert set(row) == CALL_VIEW - {"utterances"}
    assert json.loads(json.dumps(full)) == full
    assert (full["headline"], full["severity"]) == ("Asked for a person", "high")
    assert full["handoff"]["state"] == "accepted"
    assert full["last"] == {"role": "customer", "text": "Give me a human."}


def test_who_speaks_is_read_from_the_table_in_force(call: CallState) -> None:
    assert call.view(False)["voice"] == "ai"
    call.apply(AudibilityChanged(call_id="c", version=1, hears={"customer": [], "ai": ["customer"]}))
    assert call.view(False)["voice"] == "nobody"
    call.apply(AudibilityChanged(call_id="c", version=2, hears={"customer": ["ai"], "ai": ["customer"]}))
    assert call.view(False)["voice_name"] == "Ava"
    call.apply(LegLost(call_id="c", seat_id="ai", leg_id="ai-1", reason="silent"))
    assert call.view(False)["voice"] == "nobody"


def test_word_of_a_replaced_leg_changes_nothing(call: CallState) -> None:
    call.apply(LegConnected(call_id="c", seat_id="customer", leg_id="customer-2"))
    call.apply(LegLive(call_id="c", seat_id="customer", leg_id="customer-2"))
    call.apply(LegLost(call_id="c", seat_id="customer", leg_id="customer-1", reason="silent"))
    call.apply(LegLost(call_id="c", seat_id="customer", leg_id="customer-2", reason="replaced"))
    assert call.seats["customer"].leg == "live"


def test_late_and_unknown_facts_change_nothing(call: CallState) -> None:
    before = call.view(True)
    call.apply(SeatClosed(call_id="c", seat_id="nobody"))
    call.apply(LegLive(call_id="c", seat_id="nobody", leg_id="x"))
    call.apply(CallEnded(call_id="another", reason="customer_lost"))
    assert call.view(True) == before


def test_a_score_may_come_before_its_words(call: CallState) -> None:
    common = {"call_id": "c", "utterance_id": "u", "seat_id": "customer", "role": Role.CUSTOMER}
    call.apply(UtteranceScored(**common, sentiment=Sentiment(score=-2, label="negative", confidence=0.5)))
    assert call.view(True)["utterances"] == []
    call.apply(UtteranceFinal(**common, start_ms=0, end_ms=1, text="Bad."))
    assert call.view(True)["utterances"][0]["sentiment"]["score"] == -2


@pytest.mark.parametrize(
    ("scores", "trend"),
    [([0, 0, 0], "steady"), ([3, 1, -2, -3], "falling"), ([-3, -3, 0, 2], "rising"), ([-4], "steady")],
)
def test_the_mood_goes_somewhere(call: CallState, scores: list[float], trend: str) -> None:
    for score in scores:
        say(call, score)
    view = call.view(False)["sentiment"]
    assert view["trend"] == trend
    assert min(scores) <= view["score"] <= max(scores)


def test_what_is_private_is_masked_unless_revealed(call: CallState) -> None:
    say(call, 0, "My card is 4111 1111 1111 1111 okay", [MaskSpan(start=11, end=30, type="card_number")])
    hidden, shown = call.view(True), call.view(True, reveal=True)
    assert "4111" not in json.dumps(hidden)
    assert "Miller" not in json.dumps(hidden)
    assert shown["customer_name"] == "Anna Miller"
    text, piece = hidden["utterances"][0]["text"], hidden["utterances"][0]["evidence"][0]
    assert text == "My card is [card number] okay"
    assert text[piece["start"] : piece["end"]] == piece["quote"] == "okay"
    assert (hidden["label"], hidden["title"]) == ("··4417", "Billing error")


def test_the_worst_matter_is_the_headline(call: CallState) -> None:
    for severity in (Severity.WATCH, Severity.CRITICAL, Severity.HIGH):
        call.apply(
            AlertRaised(
                call_id="c",
                alert_id=severity,
                rule="r",
                severity=severity,
                reasons=[],
                headline=f"Is {severity}",
            )
        )
    assert call.view(False)["headline"] == "Is critical"
    call.apply(CallEnded(call_id="c", reason="customer_hangup"))
    assert (call.view(False)["severity"], call.view(False)["state"]) == ("calm", "ended")


def test_rows_stay_small_in_a_long_call(call: CallState) -> None:
    for _ in range(400):
        say(call, 0)
    assert len(call.view(False)["series"]) == 40
    assert len(call.view(True)["series"]) == 240
    assert len(json.dumps(call.view(False))) < 10_000


def test_when_the_customer_could_not_hear_the_ai_is_known(call: CallState) -> None:
    tables = {1000: ["ai"], 5000: ["agent"], 7000: ["agent", "supervisor"], 9000: ["ai", "supervisor"]}
    for version, (at_ms, heard) in enumerate(tables.items(), 1):
        call.apply(AudibilityChanged(call_id="c", at_ms=at_ms, version=version, hears={"customer": heard}))
    assert call.ai_unheard == [(5000, 9000)]
    call.apply(AudibilityChanged(call_id="c", at_ms=12_000, version=5, hears={"customer": []}))
    assert call.ai_unheard == [(5000, 9000), (12_000, None)]
