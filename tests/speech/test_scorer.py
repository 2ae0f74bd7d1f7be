"""The scorer on what people say in calls, as a recogniser would write it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_models.api import Recognition, ScoreRequest, Scores, Turn, load_scorer
from voicewatch.speech.score import score_lines

SCORER = load_scorer()


def score(text: str, role: str = "customer", *context: tuple[str, str]) -> Scores:
    return SCORER.score(ScoreRequest(text, role, context=[Turn(*turn) for turn in context]))


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("this is the third time i am calling about this", "negative"),
        ("it still does not work", "negative"),
        ("i already told you my number", "negative"),
        ("thank you but that is not what i asked", "negative"),
        ("great now it is broken again", "negative"),
        ("i am not happy with this", "negative"),
        ("nobody is helping me", "negative"),
        ("i have been waiting for two weeks", "negative"),
        ("that is not bad at all", "positive"),
        ("no problem at all", "positive"),
        ("you were very helpful thank you so much", "positive"),
        ("it works now", "positive"),
        ("no that is all thank you", "positive"),
        ("my account number is four seven two nine", "neutral"),
        ("i would like to change my address", "neutral"),
        ("good morning how can i help you", "neutral"),
    ],
)
def test_sentiment(text: str, label: str) -> None:
    sentiment = score(text).sentiment
    assert sentiment is not None
    assert sentiment.label == label


@pytest.mark.parametrize(
    "text",
    [
        "let me speak to a human please",
        "can i talk to a real person",
        "is there someone who can actually help me",
        "i want to speak to your manager",
        "put me through to somebody else",
        "get me a supervisor",
        "i do not want to talk to a machine",
        "operator",
        "why can't i just talk to an agent",
    ],
)
def test_wishes_for_a_person(text: str) -> None:
    assert score(text).cues.get("wants_human", 0) >= 0.6


@pytest.mark.parametrize(
    "text",
    [
        "i don't want to speak to a person",
        "there is no need to transfer me to an agent",
        "i spoke to a representative yesterday",
        "the agent was very friendly",
        "my manager asked me to call",
        "i want to talk to my wife first",
    ],
)
def test_a_person_named_is_not_a_person_asked_for(text: str) -> None:
    assert score(text).cues.get("wants_human", 0) < 0.5


def test_the_ai_that_offers_a_person_does_not_ask_for_one() -> None:
    assert "wants_human" not in score("shall i connect you with a person", "ai").cues


def test_hedging_makes_the_ai_uncertain() -> None:
    unsure = score("it might be on the way but i am not sure", "ai", ("customer", "when will it arrive"))
    sure = score("it will arrive tomorrow", "ai", ("customer", "when will it arrive"))
    assert unsure.uncertainty is not None
    assert sure.uncertainty is not None
    assert unsure.uncertainty.score > 0.6 > 0.2 > sure.uncertainty.score
    assert unsure.uncertainty.dialogue == pytest.approx(0.5)


def test_an_ai_that_says_the_same_again_is_noticed() -> None:
    text = "please restart your router and wait for two minutes"
    again = score(text, "ai", ("ai", text), ("customer", "i did that"))
    assert again.cues["repeat"] == 1.0
    assert again.uncertainty is not None
    assert (again.uncertainty.dialogue or 0) > 0.6


def test_recognition_is_as_doubtful_as_its_words() -> None:
    def doubt(*probabilities: float) -> float:
        heard = Recognition(probabilities, avg_logprob=-0.1)
        found = SCORER.score(ScoreRequest("i see", recognition=heard)).uncertainty
        assert found is not None
        assert found.recognition is not None
        return found.recognition

    assert doubt(0.99, 0.98) < 0.1 < doubt(0.9, 0.5) < doubt(0.4, 0.3)
    assert SCORER.score(ScoreRequest("i see")).uncertainty.recognition is None  # type: ignore[union-attr]


def test_what_is_not_english_is_not_scored() -> None:
    scores = SCORER.score(ScoreRequest("das ist schlecht", language="de"))
    assert scores.sentiment is None
    assert scores.uncertainty is None
    assert "English only" in scores.not_scored["sentiment"]
    assert SCORER.score(ScoreRequest("...")).not_scored["sentiment"] == "no words"


@given(st.text(max_size=200), st.sampled_from(["customer", "ai", "agent"]))
def test_any_text_is_scored_within_bounds_with_evidence_inside_it(text: str, role: str) -> None:
    scores = score(text, role, ("customer", "hello there"), ("ai", text))
    if scores.sentiment is not None:
        assert -5 <= scores.sentiment.score <= 5
        assert 0 <= scores.sentiment.confidence <= 1
    if scores.uncertainty is not None:
        assert 0 <= scores.uncertainty.score <= 1
    assert all(0 <= value <= 1 for value in scores.cues.values())
    assert all(0 <= span.start <= span.end <= len(text) for span in scores.evidence)


def test_evidence_quotes_the_words_as_they_were_written() -> None:
    text = "Well, I'm really ANGRY. Let me speak to a human!"
    quotes = {text[span.start : span.end] for span in score(text).evidence}
    assert {"ANGRY", "speak to a human"} <= quotes


def test_lines_for_the_command_line() -> None:
    human, number, german = score_lines(
        [
            {"id": 1, "text": "I want to talk to a real person."},
            {"id": 2, "text": "Is it four?", "role": "ai", "context": [{"role": "customer", "text": "Hi"}]},
            {"id": 3, "text": "Guten Tag", "language": "de", "audio": "x.wav"},
        ]
    )
    assert human["id"] == 1
    assert human["escalation"]["reasons"] == ["asks_human"]
    assert human["escalation"]["score"] > 0.8
    assert human["not_scored"].keys() == {"recognition", "dialogue"}
    assert number["escalation"] is None
    assert german["sentiment"] is None
    assert german["not_scored"].keys() >= {"sentiment", "speaker", "dialogue", "escalation", "arousal_change"}
    with pytest.raises(ValueError, match='"text"'):
        list(score_lines([{"id": 4}]))
