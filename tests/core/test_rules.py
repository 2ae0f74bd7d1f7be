"""What each kind of condition does, how alerts live, and what a wrong rule file is told."""

from collections.abc import Callable, Iterable
from itertools import count

import pytest

from voicewatch.core.events import (
    AIPaused,
    AIResumed,
    AlertCleared,
    AlertRaised,
    CallStarted,
    EscalationRaised,
    Evidence,
    Fact,
    MaskSpan,
    Role,
    Sentiment,
    SilenceBegan,
    SilenceEnded,
    Uncertainty,
    UtteranceFinal,
    UtteranceScored,
)
from voicewatch.core.rules import BadRule, Judge, RuleBook, default_rules

CALL = "c"


def book(when: str, **more: str) -> RuleBook:
    """One rule named `it` with this condition; further lines as given."""
    lines = {"action": '"alert"', "cooldown_s": "0", **more}
    head = '[[rule]]\nname = "it"\ntext = "Why."\nheadline = "It {times}"\n'
    head += 'severity = "high"\nreasons = ["angry"]\n'
    return RuleBook.parse(
        "version = 1\n"
        + head
        + "\n".join(f"{name} = {value}" for name, value in lines.items())
        + f"\nwhen = {when}\n"
    )


class Talk:
    """Feeds a judge utterances and says what it said."""

    def __init__(self, rules: RuleBook, **attributes: str) -> None:
        numbers = count(1)
        self.judge = Judge(rules, CALL, lambda: f"id{next(numbers)}")
        self.at_ms = 0
        self.judge.push(CallStarted(call_id=CALL, attributes=attributes))

    def final(self, text: str = "Well.", role: Role = Role.CUSTOMER, **more: object) -> list[Fact]:
        self.at_ms += 1_000
        return self.push(
            UtteranceFinal(**self._common(role), start_ms=self.at_ms, end_ms=self.at_ms, text=text, **more)
        )

    def scored(
        self,
        sentiment: float | None = 0.0,
        role: Role = Role.CUSTOMER,
        uncertainty: Uncertainty | None = None,
        **more: object,
    ) -> list[Fact]:
        score = None if sentiment is None else Sentiment(score=sentiment, label="neutral", confidence=0.8)
        return self.push(
            UtteranceScored(**self._common(role), sentiment=score, uncertainty=uncertainty, **more)
        )

    def say(
        self, text: str = "Well.", sentiment: float | None = 0.0, role: Role = Role.CUSTOMER, **more: object
    ) -> list[Fact]:
        return [*self.final(text, role), *self.scored(sentiment, role, **more)]

    def push(self, fact: Fact) -> list[Fact]:
        return list(self.judge.push(fact))

    def tick(self, seconds: float) -> list[Fact]:
        self.at_ms += int(seconds * 1000)
        return list(self.judge.tick(self.at_ms))

    def _common(self, role: Role) -> dict[str, object]:
        return {
            "call_id": CALL,
            "at_ms": self.at_ms,
            "utterance_id": f"{role}-{self.at_ms}",
            "seat_id": role,
            "role": role,
        }


def kinds(facts: Iterable[Fact]) -> list[str]:
    return [fact.type for fact in facts]


def only(facts: Iterable[Fact]) -> AlertRaised:
    (found,) = facts
    assert isinstance(found, AlertRaised)
    return found


# ---------------------------------------------------------------- conditions


def test_words_are_found_in_any_spacing_and_quoted_with_their_place() -> None:
    talk = Talk(book('{ words = ["money back", "cancel*"] }'))
    assert talk.say("I have money. Back to you.")[0].evidence[0].quote == "money. Back"  # type: ignore[attr-defined]
    found = only(talk.say("So I am cancelling it."))
    assert found.evidence[-1].model_dump(include={"quote", "start", "end", "kind", "note"}) == {
        "quote": "cancelling",
        "start": 8,
        "end": 18,
        "kind": "words",
        "note": "Why.",
    }
    assert talk.say("A moneyback offer is no cance l.") == []
    assert talk.say("You may cancel.", role=Role.AI) == []


def test_sentiment_has_to_stay_low_for_as_many_utterances_as_it_says() -> None:
    talk = Talk(book("{ sentiment_below = -2, count = 2, of_last = 3 }"))
    assert talk.say(sentiment=-3) == []
    assert talk.say(sentiment=1) == []
    assert only(talk.say(sentiment=-2)).utterance_ids == ["customer-1000", "customer-3000"]


def test_a_fall_is_measured_from_the_best_of_before() -> None:
    talk = Talk(book("{ sentiment_falls_by = 4, of_last = 1 }"))
    assert talk.say(sentiment=-3) == []
    assert talk.say(sentiment=1) == []
    assert talk.say(sentiment=-2.5) == []
    assert only(talk.say(sentiment=-3)).evidence[0].value == -3


@pytest.mark.parametrize(
    ("part", "field"), [("total", "score"), ("dialogue", "dialogue"), ("speaker", "speaker")]
)
def test_each_part_of_uncertainty_can_be_asked(part: str, field: str) -> None:
    talk = Talk(book(f'{{ uncertainty_above = 0.6, part = "{part}", role = "ai" }}'))
    doubt = Uncertainty(**{"score": 0.1, field: 0.7})
    assert talk.say(uncertainty=doubt) == []
    assert only(talk.say(role=Role.AI, uncertainty=doubt)).evidence[0].kind == "uncertainty"


def test_a_cue_points_at_the_words_the_scorer_pointed_at() -> None:
    talk = Talk(book('{ cue = "complaint", level = 0.5 }'))
    talk.final("It is broken again.")
    spoken = Evidence(kind="complaint", start=6, end=12, value=0.7)
    found = only(talk.scored(cues={"complaint": 0.7}, evidence=[spoken]))
    assert (found.evidence[0].quote, found.evidence[0].value) == ("broken", 0.7)
    assert talk.say("Fine.", cues={"complaint": 0.4}) == []


def test_all_any_and_at_least_join_conditions() -> None:
    words = [f'{{ words = ["{word}"] }}' for word in ("red", "green", "blue")]
    each = ", ".join(words)
    said = ["red", "green", "blue"]

    def fires_at(when: str) -> int | None:
        talk = Talk(book(when))
        return next((place for place, word in enumerate(said) if talk.say(word)), None)

    assert fires_at(f"{{ any = [{each}] }}") == 0
    assert fires_at(f"{{ at_least = 2, of = [{each}] }}") == 1
    assert fires_at(f"{{ all = [{each}] }}") == 2


def test_a_window_forgets() -> None:
    talk = Talk(book('{ words = ["what"], count = 2, within_s = 10 }'))
    talk.say("What?")
    talk.tick(20)
    assert talk.say("What?") == []
    assert only(talk.say("What?")).headline == "It twice"


def test_silence_raises_by_time_and_clears_with_the_first_sound() -> None:
    talk = Talk(book("{ silence_s = 8 }", clear_after_s="0"))
    talk.at_ms = 13_000
    assert talk.push(SilenceBegan(call_id=CALL, at_ms=13_000, since_ms=10_000)) == []
    assert talk.tick(4) == []
    assert only(talk.tick(1)).evidence[0].value == 8
    assert talk.tick(5) == []
    assert kinds(talk.push(SilenceEnded(call_id=CALL, at_ms=23_500, since_ms=10_000))) == ["alert_cleared"]


def test_for_s_needs_the_condition_without_a_break() -> None:
    talk = Talk(book("{ sentiment_below = -2, of_last = 1, for_s = 10 }"))
    assert talk.say(sentiment=-3) == []
    assert talk.tick(5) == []
    talk.say(sentiment=1)
    assert talk.say(sentiment=-3) == []
    assert talk.tick(9) == []
    assert only(talk.tick(1)).rule == "it"


def test_attributes_and_duration_stand_beside_the_rest() -> None:
    when = '{ all = [{ attribute = "tier", is = ["gold"] }, { call_lasts_s = 60 }, { words = ["slow"] }] }'
    talk = Talk(book(when), tier="Gold")
    assert talk.say("So slow.") == []
    assert only(talk.tick(60)).utterance_ids == ["customer-1000"]
    assert Talk(book(when), tier="silver").say("So slow.") == []


# ---------------------------------------------------------------- what cannot be evaluated


def test_a_missing_score_is_not_evaluated_and_says_why() -> None:
    talk = Talk(book("{ sentiment_below = -2 }"))
    talk.final()
    assert talk.judge.not_evaluated == {"it": "an utterance is not scored yet"}
    talk.scored(None, not_scored={"sentiment": "unsupported language"})
    assert talk.judge.not_evaluated == {"it": "unsupported language"}
    talk.say(sentiment=0)
    assert talk.judge.not_evaluated == {"it": "unsupported language"}


def test_what_is_unknown_does_not_hide_what_is_known() -> None:
    when = '{ any = [{ attribute = "tier", is = ["gold"] }, { words = ["slow"] }] }'
    talk = Talk(book(when))
    assert talk.judge.not_evaluated == {"it": "the call has no attribute tier"}
    assert only(talk.say("So slow.")).evidence[0].quote == "slow"
    assert talk.judge.not_evaluated == {}
    impossible = Talk(book('{ all = [{ attribute = "tier", is = ["gold"] }, { words = ["never"] }] }'))
    assert impossible.judge.not_evaluated == {}


# ---------------------------------------------------------------- the life of an alert


def test_an_alert_grows_under_its_id_and_only_by_something_new() -> None:
    talk = Talk(book('{ words = ["human"] }'))
    first = only(talk.say("A human."))
    assert talk.tick(5) == []
    again = only(talk.say("A human, I said."))
    assert again.alert_id == first.alert_id
    assert (again.headline, again.utterance_ids) == ("It twice", ["customer-1000", "customer-7000"])


def test_a_cooldown_keeps_a_rule_quiet() -> None:
    talk = Talk(book('{ words = ["human"] }', cooldown_s="30"))
    assert talk.say("A human.")
    assert talk.say("A human.") == []
    assert only(talk.tick(30)).headline == "It twice"


def test_raise_and_clear_levels_are_two() -> None:
    talk = Talk(book("{ sentiment_below = -2, of_last = 1 }", clear="{ sentiment_above = 1, of_last = 1 }"))
    raised = only(talk.say(sentiment=-3))
    assert talk.say(sentiment=-1) == []
    (cleared,) = talk.say(sentiment=2)
    assert isinstance(cleared, AlertCleared)
    assert cleared.alert_id == raised.alert_id
    assert only(talk.say(sentiment=-3)).alert_id != raised.alert_id


def test_an_alert_can_clear_by_itself() -> None:
    talk = Talk(book('{ words = ["slow"], within_s = 10 }', clear_after_s="20"))
    talk.say("So slow.")
    assert talk.tick(15) == []
    assert talk.tick(10) == []
    assert kinds(talk.tick(15)) == ["alert_cleared"]


def test_while_ai_does_not_count_what_is_said_to_a_human() -> None:
    talk = Talk(book('{ words = ["slow"], count = 2 }', **{"while": '"ai"'}))
    talk.say("So slow.")
    talk.push(AIPaused(call_id=CALL, at_ms=talk.at_ms, why="agent_takeover"))
    assert talk.say("So slow.") == []
    talk.push(AIResumed(call_id=CALL, at_ms=talk.at_ms, why="handed_back"))
    assert only(talk.say("So slow.")).headline == "It twice"


def test_rules_that_ask_the_same_draw_their_own_conclusions() -> None:
    same = 'severity = "high"\nreasons = ["angry"]\ntext = "Why."\nheadline = "It"\ncooldown_s = 0\n'
    rules = {
        "once": 'when = { words = ["slow"] }',
        "twice": 'when = { words = ["slow"], count = 2, of_last = 3 }',
        "of_the_ai": 'while = "ai"\nwhen = { words = ["slow"], count = 2 }',
        "forgiving": 'when = { words = ["slow"], count = 2 }\nclear = { words = ["great"], of_last = 1 }',
    }
    text = "".join(f'[[rule]]\nname = "{name}"\n{same}{rest}\n' for name, rest in rules.items())
    talk = Talk(RuleBook.parse("version = 1\n" + text))

    def raised(said: str) -> list[str]:
        return [fact.rule for fact in talk.say(said) if isinstance(fact, AlertRaised)]

    assert raised("So slow.") == ["once"]
    assert raised("Great.") == []  # "forgiving" has forgotten the first one
    talk.push(AIPaused(call_id=CALL, at_ms=talk.at_ms, why="agent_takeover"))
    assert raised("Slow again.") == ["once", "twice"]
    talk.push(AIResumed(call_id=CALL, at_ms=talk.at_ms, why="handed_back"))
    assert raised("Slow.") == ["once", "twice", "of_the_ai", "forgiving"]
    # the third of the last three now: two others have taken the places of the older ones
    assert [raised(said) for said in ("Well.", "Well.", "Slow.")][-1] == ["once", "of_the_ai", "forgiving"]


@pytest.mark.parametrize(
    ("text", "is_stuck"),
    [
        ("I was charged twice.", False),
        ("The payment went out three times.", False),
        ("I have asked you twice.", True),
        ("Three times I told you.", True),
        ("That's twice now.", True),
    ],
)
def test_what_happened_twice_is_no_repeat_of_what_was_said(text: str, is_stuck: bool) -> None:
    talk = Talk(default_rules())
    found = [*talk.final(text), *talk.final(text.replace(".", ", you know."))]
    assert ("misunderstood" in {fact.rule for fact in found if isinstance(fact, AlertRaised)}) == is_stuck


@pytest.mark.parametrize(
    ("flags", "escalates"),
    [
        ([{}], True),
        ([{"suspect": True}], False),
        ([{"low_fidelity": True}], False),
        ([{"suspect": True}, {"suspect": True}], False),
        ([{"low_fidelity": True}, {"low_fidelity": True}], True),
        ([{"suspect": True}, {}], True),
    ],
)
def test_badly_recognised_words_alone_call_nobody(flags: list[dict[str, bool]], escalates: bool) -> None:
    talk = Talk(book('{ words = ["slow"] }', action='"escalate"', cooldown_s="60"))
    said = [fact for flag in flags for fact in talk.final("So slow.", **flag)]
    assert any(isinstance(fact, EscalationRaised) for fact in said) == escalates
    assert isinstance(said[0], AlertRaised)


def test_a_request_for_a_human_always_wins() -> None:
    talk = Talk(default_rules())
    said = talk.final("Let me speak to a human please.", suspect=True, low_fidelity=True)
    assert kinds(said) == ["alert_raised", "escalation_raised"]
    assert said[1].alert_id == said[0].alert_id  # type: ignore[attr-defined]


ASKS = [
    "Let me speak to a human please.",
    "I want to talk to a real person, not a machine.",
    "Can I speak to somebody who can explain this?",
    "Please transfer me to a human agent.",
    "Give me your manager now.",
    "Send me a technician or let me speak to a supervisor.",
    "Could you put me through to one of your representatives? Or an operator.",
    "I don't want to talk to this machine any more, get me a person.",
    "I need an agent.",
]
DOES_NOT_ASK = [
    "I do not need a human, you are doing fine.",
    "I talked to someone yesterday.",
    "Am I talking to a real person?",
    "My brother is a real person to count on.",
    "I am a travel agent and I need to change my address.",
    "The person at the desk was nice.",
]


@pytest.mark.parametrize("text", ASKS)
def test_requests_for_a_human_are_heard_from_the_words_alone(text: str) -> None:
    assert "escalation_raised" in kinds(Talk(default_rules()).final(text))


@pytest.mark.parametrize("text", DOES_NOT_ASK)
def test_talk_about_people_is_no_request(text: str) -> None:
    assert kinds(Talk(default_rules()).final(text)) == []


def test_evidence_is_masked() -> None:
    talk = Talk(book("{ sentiment_below = -2 }"))
    talk.final("It is 4111 1111 1111 1111!", mask=[MaskSpan(start=6, end=25, type="card_number")])
    assert only(talk.scored(-3)).evidence[0].quote == "It is [card number]!"


def test_a_judge_that_learned_the_past_repeats_nothing() -> None:
    rules = default_rules()
    talk = Talk(rules)
    past: list[Fact] = []
    told = talk.judge.push

    def push(fact: Fact) -> list[Fact]:
        said = told(fact)
        past.extend([fact, *said])
        return list(said)

    talk.push = push  # type: ignore[method-assign]
    for text, score in [("I was charged.", -3), ("A human please.", -3), ("Again: a human please.", -4)]:
        talk.say(text, score, cues={"repeat": 0.9})
    numbers = count(1000)
    again = Judge(rules, CALL, lambda: f"id{next(numbers)}")
    for fact in past:
        again.learn(fact)
    assert again.tick(talk.at_ms) == talk.judge.tick(talk.at_ms) == []
    assert again.not_evaluated == talk.judge.not_evaluated
    fact = UtteranceFinal(
        call_id=CALL, at_ms=9_000, utterance_id="u", seat_id="customer", role=Role.CUSTOMER,
        start_ms=8_000, end_ms=9_000, text="I want a person.",
    )  # fmt: skip
    first, second = again.push(fact), talk.judge.push(fact)
    assert (
        [one.headline for one in first[:1]]
        == [one.headline for one in second[:1]]
        == ["Asked for a person 3 times"]
    )  # type: ignore[union-attr]
    assert first[0].alert_id == second[0].alert_id  # type: ignore[union-attr]


# ---------------------------------------------------------------- wrong files


GOOD = """version = 1

[[rule]]
name = "one"
text = "Why."
headline = "It"
severity = "high"
reasons = ["angry"]
when = { sentiment_below = -2, count = 2 }

[[rule]]
name = "two"
text = "Why."
headline = "It"
severity = "watch"
reasons = ["angry"]
[rule.when]
words = ["a"]
"""


def _swap(old: str, new: str) -> Callable[[str], str]:
    return lambda text: text.replace(old, new, 1)


@pytest.mark.parametrize(
    ("change", "line", "field", "says"),
    [
        (_swap("version = 1", "version = 2"), 1, "version", "reads version 1"),
        (
            _swap("sentiment_below", "sentiment_bellow"),
            9,
            "sentiment_bellow",
            "did you mean sentiment_below?",
        ),
        (_swap('severity = "high"', 'severity = "hihg"'), 7, "severity", "did you mean high?"),
        (_swap("sentiment_below = -2", "sentiment_below = -9"), 9, "sentiment_below", "from -5 to 5"),
        (_swap("count = 2", "count = 2.5"), 9, "count", "whole number"),
        (_swap("count = 2", "count = 3, of_last = 2"), 9, "of_last", "can never hold"),
        (_swap("count = 2", 'role = "robot"'), 9, "role", "known: agent, ai, customer, supervisor"),
        (_swap("count = 2", 'words = ["a"]'), 9, "sentiment_below", "join the two by all or any"),
        (_swap('words = ["a"]', "words = []"), 18, "words", "list of texts"),
        (_swap('words = ["a"]', 'pattern = "("'), 18, "pattern", "not a regular expression"),
        (_swap('headline = "It"', 'headline = "{who}"'), 6, "headline", "{who} is unknown"),
        (_swap('name = "two"', 'name = "one"'), 12, "name", "used twice"),
        (_swap('text = "Why."\n', ""), 3, "text", "is missing"),
        (_swap("[rule.when]", "[rule.wen]"), 17, "wen", "did you mean when?"),
        (_swap("severity =", "severity"), 7, "", "not valid TOML"),
    ],
)
def test_a_wrong_rule_names_line_field_and_remedy(
    change: Callable[[str], str], line: int, field: str, says: str
) -> None:
    RuleBook.parse(GOOD)
    with pytest.raises(BadRule) as error:
        RuleBook.parse(change(GOOD))
    assert (error.value.line, error.value.field) == (line, field)
    assert says in str(error.value)


def test_the_default_set_explains_itself() -> None:
    rules = default_rules()
    assert all(rule.text and rule.headline and rule.reasons for rule in rules.rules)
    assert rules.view()[0]["name"] == "asks_for_human"


def test_the_silence_of_one_voice_is_not_the_next_ones() -> None:
    talk = Talk(book("{ silence_s = 10 }", **{"while": '"ai"'}))
    talk.push(AIPaused(call_id=CALL, at_ms=1_000, why="agent_takeover"))
    talk.push(SilenceBegan(call_id=CALL, at_ms=5_000, since_ms=2_000))
    assert talk.push(AIResumed(call_id=CALL, at_ms=40_000, why="handed_back")) == []
    assert list(talk.judge.tick(49_000)) == []
    assert [fact.type for fact in talk.judge.tick(50_000)] == ["alert_raised"]


def test_all_silence_counts_once_whoever_had_the_voice() -> None:
    talk = Talk(book("{ non_talk_s = 30 }"))
    talk.push(SilenceBegan(call_id=CALL, at_ms=3_000, since_ms=0))
    talk.push(AIResumed(call_id=CALL, at_ms=20_000, why="handed_back"))
    assert talk.push(SilenceEnded(call_id=CALL, at_ms=29_000, since_ms=0)) == []
    assert talk.push(SilenceBegan(call_id=CALL, at_ms=30_500, since_ms=30_000)) == []
    assert [fact.type for fact in talk.judge.tick(31_000)] == ["alert_raised"]
