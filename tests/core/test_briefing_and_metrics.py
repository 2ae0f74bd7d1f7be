"""The card and the figures of calls told in stories."""

from pathlib import Path

import pytest

from tests.stories.tell import play
from voicewatch.core.events import Briefing
from voicewatch.core.metrics import summary

STORIES = Path(__file__).parent.parent / "stories"

ROUTER = """
0   start topic=technical tier=gold
3   ai: How can I help you?
6   customer: Hello, my router is broken. [sentiment -2]
9   ai: Please restart your router and wait for two minutes.
13  customer: I already tried that. [repeat 0.9, sentiment -2.5]
17  ai: What color is the light on your router?
21  customer: The light is red.
25  ai: What is your account number?
29  customer: It is four seven two nine eight one.
33  ai: Please restart your router, and wait for two minutes. I will send you an email about it.
37  customer: You already said that. I want to talk to a person. [repeat 0.9, wants_human 1, sentiment -3]
"""


@pytest.fixture(scope="module")
def card() -> Briefing:
    briefing = play(ROUTER).call.escalation.briefing
    assert isinstance(briefing, Briefing)
    return briefing


def test_the_card_says_why_and_what_is_wanted(card: Briefing) -> None:
    assert card.why_now.startswith("Asked for a person. “talk to a person”")
    assert card.wants == "“My router is broken.”"
    assert card.known == ["Topic: technical", "Tier: gold"]


def test_the_card_spares_the_customer_what_was_asked_and_tried(card: Briefing) -> None:
    assert card.tried[0] == "Please restart your router and wait for two minutes."
    assert card.do_not_ask == [
        "Account number: given at 0:27",
        "What color is the light on your router? “The light is red.”",
    ]
    assert card.commitments == [
        "Please restart your router, and wait for two minutes. I will send you an email about it."
    ]


def test_the_card_calms_and_says_what_is_recorded(card: Briefing) -> None:
    assert card.phrases[0].startswith("You have explained this often enough")
    assert card.recording == "Recorded."
    assert (card.history, card.summary) == ([], "")


def test_the_card_helps_to_begin_and_holds_the_curves(card: Briefing) -> None:
    assert card.next_steps[0] == "Say at once that you are a person and that you stay on the call."
    assert card.opening.startswith("Hello. I have read everything so far")
    assert [score for _, score in card.mood][:2] == [-2, -2.5]
    assert card.last_turns[-1] == ("customer", "You already said that. I want to talk to a person.")
    assert len(card.last_turns) == 6
    assert not any(digit in card.model_dump_json() for digit in ("four seven", "nine eight"))


def test_the_card_names_what_must_be_known_of_the_call() -> None:
    stage = play(
        "0 start\n3 customer: Give me a human. [wants_human 1, low_fidelity yes]\n5 available peter\n"
        "6 decline peter busy\n8 available lisa"
    )
    notes = stage.call.escalation.briefing.notes
    assert any("low fidelity" in note for note in notes)
    assert any("Offered to 1 before you" in note for note in notes)


def test_the_figures_of_a_whole_call() -> None:
    stage = play((STORIES / "handoff_and_handback.story").read_text(encoding="utf-8"))
    figures = summary(stage.call)
    assert figures["duration_ms"] == 59_000
    assert sum(figures["talk_share"].values()) == pytest.approx(1, abs=0.01)
    assert set(figures["talk_share"]) == {"customer", "ai", "agent"}
    assert figures["sentiment"]["with_ai"] < 0 < figures["sentiment"]["with_human"]
    assert (figures["sentiment"]["first"], figures["sentiment"]["last"]) == (-2.8, 3)
    (handoff,) = figures["escalations"]
    assert (handoff["time_to_offer_ms"], handoff["time_to_accept_ms"], handoff["time_to_voice_ms"]) == (
        0,
        4_000,
        6_000,
    )
    assert (handoff["state"], figures["human_ms"], figures["contained"]) == ("completed", 19_000, False)
    assert (figures["disposition"], figures["handbacks"]) == ("refund", 1)


def test_the_figures_of_a_call_nobody_entered() -> None:
    stage = play((STORIES / "calm.story").read_text(encoding="utf-8"))
    figures = summary(stage.call)
    assert figures["contained"]
    assert figures["escalations"] == []
    assert figures["alerts"] == {}
    assert figures["interruptions"] == {}


def test_silence_and_interruptions_are_counted() -> None:
    figures = summary(
        play("0 start\n5 ai: One two three.\n6 customer: No!\n10 silence\n15 sound\n16 end ai_ended").call
    )
    assert figures["non_talk_ms"] == 8_000
    assert figures["interruptions"] == {"customer": 1}
