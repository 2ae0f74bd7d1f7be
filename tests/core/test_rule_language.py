"""The conditions, overrides and actions that rules can be made of, and phrases as people write them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.test_rules import CALL, Talk, book, kinds, only
from voicewatch.core.call_conditions import CallSoFar
from voicewatch.core.events import (
    ActionAsked,
    AIReported,
    AlertCleared,
    AlertRaised,
    Dtmf,
    EscalationRaised,
    Nudged,
    Role,
    SeatOpened,
    ShadowRaised,
    SilenceBegan,
    SilenceEnded,
    Uncertainty,
    UtteranceFinal,
)
from voicewatch.core.money import largest_sum
from voicewatch.core.phrases import BadPhrase, PhraseIndex, plain, read_phrase
from voicewatch.core.rules import BadRule, Judge, RuleBook, default_rules

LISTS = {"person": ["human", "real person", "agent"]}


@pytest.mark.parametrize(
    ("phrase", "text", "found"),
    [
        ("do not want", "I just don’t really want it", "don’t really want"),
        ("do not want", "i dont want", "dont want"),
        ("cancel*", "So I'm CANCELLING it.", "CANCELLING"),
        ("speak|talk to [a|the] {person}", "can I talk, to a... real person?", "talk, to a... real person"),
        ("(get hold of|reach) someone", "how do I get hold of someone", "get hold of someone"),
        ("charged ... twice", "you charged my old card twice", "charged my old card twice"),
        ("^ theek hai $", "Theek hai.", "Theek hai"),
        ("^ theek hai $", "theek hai, do it", ""),
        ("ठीक है", "ठीक है", "ठीक है"),
        ("round in circles", "going round round in circles", "round round in circles"),
        ("agent", "agents", ""),
        ("want to", "I wanna go", "wanna"),
    ],
)
def test_phrases_are_found_however_they_are_spelled(phrase: str, text: str, found: str) -> None:
    index = PhraseIndex()
    index.add(1, [read_phrase(phrase, LISTS)])
    said = plain(text)
    hits = index.find(said).get(1, [])
    start, end = said.place(hits[0].start, hits[0].end) if hits else (0, 0)
    assert text[start:end] == found


@pytest.mark.parametrize("phrase", ["", "[a|b]", "{nobody} here", "a*", "(|) x"])
def test_a_phrase_that_cannot_be_read_says_so(phrase: str) -> None:
    with pytest.raises(BadPhrase):
        read_phrase(phrase, LISTS)


@given(st.text(max_size=80))
def test_any_text_is_plain_words_that_point_into_it(text: str) -> None:
    said = plain(text)
    assert said.joined.split(" ") == (list(said.words) or [""])
    assert all(0 <= start < end <= len(text) for start, end in said.spans)
    assert all(
        said.joined[at : at + len(word)] == word for at, word in zip(said.starts, said.words, strict=True)
    )


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("I sent $4,000 to them", 4_000), ("twelve hundred pounds", 1_200), ("two lakh rupees", 200_000),
        ("15k is missing", 15_000), ("ten grand", 10_000), ("order 55555", None), ("it is at 12.30", None),
        ("one thousand two hundred and fifty dollars", 1_250),
    ],
)  # fmt: skip
def test_sums_of_money_are_read(text: str, amount: float | None) -> None:
    found = largest_sum(text)
    assert (found.amount if found else None) == amount


# ---------------------------------------------------------------- conditions


def test_times_counts_utterances_whatever_speaks_in_them() -> None:
    talk = Talk(
        book('{ times = 2, within_s = 60, of = [{ words = ["again"] }, { cue = "repeat", level = 0.5 }] }')
    )
    assert talk.say("Again and again.", cues={"repeat": 0.9}) == []
    assert kinds(talk.say("Well.", cues={"repeat": 0.6})) == ["alert_raised"]


def test_not_unless_and_reply_to() -> None:
    refund = Talk(book('{ words = ["refund*"], unless = ["no refund*"] }'))
    assert refund.say("No refund, thanks.") == []
    assert kinds(refund.say("A refund please.")) == ["alert_raised"]

    without = Talk(
        book('{ all = [{ words = ["slow"], of_last = 1 }, { not = { words = ["joking"], of_last = 1 } }] }')
    )
    assert without.say("Slow, only joking.") == []
    assert kinds(without.say("It is slow.")) == ["alert_raised"]

    consent = Talk(book('{ words = ["i guess"], reply_to = ["shall i"] }'))
    assert consent.say("I guess.") == []
    consent.say("Shall I cancel it?", role=Role.AI)
    assert kinds(consent.say("I guess.")) == ["alert_raised"]

    negated = Talk(book('{ words = ["angry"], unless_negated = true }'))
    assert negated.say("I'm not at all angry.") == []
    assert kinds(negated.say("I'm angry.")) == ["alert_raised"]


def test_distinct_phrases_of_one_utterance() -> None:
    talk = Talk(book('{ words = ["que", "no", "la", "cuenta"], distinct = 3 }'))
    assert talk.say("No. Que?") == []
    assert kinds(talk.say("que no la tengo")) == ["alert_raised"]


def test_who_says_again_what_was_said() -> None:
    talk = Talk(book('{ says_again = 0.6, role = "ai", count = 2 }'))
    for text in (
        "Please restart your router and wait two minutes.",
        "Restart your router now and wait two minutes.",
        "Which colour is the light?",
    ):
        assert talk.say(text, role=Role.AI) == []
    found = only(talk.say("Wait two minutes, then restart the router.", role=Role.AI))
    assert found.evidence[0].kind == "repeat"


def test_together_is_of_one_utterance() -> None:
    rule = '{ together = [{ words = ["i guess"] }, { escalation_above = 0.4 }] }'
    talk = Talk(book(rule))
    assert talk.say("Hm.", escalation=0.9) == []
    assert talk.final("I guess.") == [], "what is known is of the utterance before"
    assert talk.scored(escalation=0.1) == []
    assert talk.say("I guess.", escalation=0.5) != []
    late = Talk(book(rule))
    late.final("I guess.")
    assert kinds(late.scored(escalation=0.5)) == ["alert_raised"]
    unknown = Talk(book(rule))
    unknown.say("Well.", not_scored={"escalation": "no model"})
    assert unknown.judge.not_evaluated == {}
    unknown.say("I guess.", not_scored={"escalation": "no model"})
    assert unknown.judge.not_evaluated == {"it": "no model"}


@pytest.mark.parametrize(
    ("inside", "why"),
    [
        ('{ words = ["a"] }, { silence_s = 5 }', "conditions on utterances only"),
        ('{ words = ["a"] }, { words = ["b"], role = "ai" }', "cannot be of customer and of ai"),
        ('{ words = ["a"] }, { words = ["b"], count = 2 }', "count belongs to conditions that stand alone"),
    ],
)
def test_together_refuses_what_one_utterance_cannot_be(inside: str, why: str) -> None:
    with pytest.raises(BadRule, match=why):
        book(f"{{ together = [{inside}] }}")


def test_distinct_phrases_share_no_word() -> None:
    talk = Talk(book('{ words = ["so angry", "i am so angry", "useless"], distinct = 2 }'))
    assert talk.say("I am so angry!") == []
    assert kinds(talk.say("I am so angry, it is useless!")) == ["alert_raised"]


def test_a_cue_that_only_restrains_words_leaves_them_alone_where_nothing_was_judged() -> None:
    agreed = '{ cue = "ambiguous_consent", level = 0.4, of_last = 1, if_unscored = true }'
    rule = f'{{ all = [{{ words = ["i guess"], of_last = 1 }}, {agreed}] }}'

    def raised(**scored: object) -> bool:
        return bool(Talk(book(rule)).say("I guess.", **scored))

    assert raised(cues={"ambiguous_consent": 0.6})
    assert not raised(cues={"ambiguous_consent": 0.2})
    assert not raised(cues={"repeat": 0.9}), "judged, and not found"
    assert not raised(escalation=0.1), "judged, and nothing found"
    assert raised(), "nobody judged"
    assert raised(cues={"repeat": 0.9}, not_scored={"ambiguous_consent": "no model"})
    assert raised(not_scored={"cues": "unsupported_language: 'hi'"})


def test_a_cue_that_was_looked_for_in_vain_restrains_words_of_an_ai_too() -> None:
    doubtful = '{ cue = "hedging", level = 0.4, role = "ai", if_unscored = true }'
    rule = f'{{ together = [{{ words = ["your bill"], role = "ai" }}, {doubtful}] }}'

    def raised(**uncertainty: float) -> bool:
        found = Uncertainty(score=0.1, **uncertainty)
        return bool(Talk(book(rule)).say("Your bill is ready.", role=Role.AI, uncertainty=found))

    assert not raised(speaker=0.0), "no need of a person is ever told of an AI"
    assert raised(recognition=0.1), "only the recogniser said something"


def test_a_cue_is_taken_back_by_words_of_the_same_utterance() -> None:
    talk = Talk(book('{ cue = "legal", level = 0.8, unless = ["jury duty"] }'))
    assert talk.say("I am in court for jury duty.", cues={"legal": 0.9}) == []
    assert talk.say("See you in court.", cues={"legal": 0.9}) != []


def test_meaning_and_escalation_need_a_model_that_says_them() -> None:
    talk = Talk(book('{ meaning = "gave_up", level = 0.7 }'))
    talk.say("Forget it.")
    assert talk.judge.not_evaluated == {"it": "no model judges the meaning gave_up"}
    assert kinds(talk.say("Forget it.", meanings={"gave_up": 0.8})) == ["alert_raised"]
    need = Talk(book("{ escalation_above = 0.8 }"))
    need.say("Well.")
    assert need.judge.not_evaluated == {"it": "no escalation was given"}
    assert only(need.say("Well.", escalation=0.9)).evidence[0].value == 0.9


def test_interruptions_are_of_the_one_who_began_later() -> None:
    talk = Talk(book('{ interrupts_for_s = 0.5, role = "customer" }'))

    def speak(role: Role, start_ms: int, end_ms: int) -> list[Any]:
        return talk.push(
            UtteranceFinal(
                call_id=CALL, at_ms=end_ms, utterance_id=f"{role}{start_ms}", seat_id=role, role=role,
                start_ms=start_ms, end_ms=end_ms, text="Well.",
            )
        )  # fmt: skip

    assert speak(Role.AI, 0, 5_000) == []
    assert speak(Role.CUSTOMER, 4_800, 9_000) == []
    assert speak(Role.AI, 18_000, 20_000) == []
    assert only(speak(Role.CUSTOMER, 19_000, 22_000)).evidence[0].value == 1.0


def test_shares_silences_keys_tools_and_the_ais_own_doubt() -> None:
    share = Talk(book('{ talk_share_above = 0.7, role = "ai", after_s = 10 }'))
    for role, length_ms in ((Role.CUSTOMER, 3_000), (Role.AI, 20_000)):
        share.at_ms += length_ms
        share.push(
            UtteranceFinal(
                **share._common(role), start_ms=share.at_ms - length_ms, end_ms=share.at_ms, text="Well."
            )
        )
    assert only(share.tick(1)).evidence[0].value == 0.87

    silent = Talk(book("{ non_talk_s = 10 }"))
    silent.push(SilenceBegan(call_id=CALL, at_ms=3_000, since_ms=0))
    silent.push(SilenceEnded(call_id=CALL, at_ms=6_000, since_ms=0))
    silent.push(SilenceBegan(call_id=CALL, at_ms=13_000, since_ms=10_000))
    assert (
        only(silent.push(SilenceEnded(call_id=CALL, at_ms=16_000, since_ms=10_000))).evidence[0].value == 12
    )

    keys = Talk(book('{ keys = ["00"] }'))
    keys.push(SeatOpened(call_id=CALL, seat_id="s", role=Role.CUSTOMER))
    assert keys.push(Dtmf(call_id=CALL, at_ms=1, seat_id="other", digit="0")) == []
    assert keys.push(Dtmf(call_id=CALL, at_ms=2, seat_id="s", digit="0")) == []
    assert kinds(keys.push(Dtmf(call_id=CALL, at_ms=3, seat_id="s", digit="0"))) == ["alert_raised"]

    tools = Talk(book("{ tools_failed = 2, within_s = 60 }"))
    failed = AIReported(call_id=CALL, at_ms=5_000, kind="tool", data={"name": "pay", "ok": False})
    assert tools.push(failed) == []
    assert only(tools.push(failed)).evidence[0].note.endswith("(pay)")

    sure = Talk(book("{ ai_confidence_below = 0.3 }"))
    assert sure.judge.not_evaluated == {"it": "the AI has not reported how sure it is"}
    said = sure.push(AIReported(call_id=CALL, at_ms=1, kind="confidence", data={"value": 0.2}))
    assert kinds(said) == ["alert_raised"]


def test_languages_sums_tiers_and_numbers() -> None:
    other = Talk(book('{ speaks_other_than = ["en"] }'))
    assert other.final("Well.", language="en-GB") == []
    assert kinds(other.final("Bueno.", language="es")) == ["alert_raised"]
    assert kinds(Talk(book("{ sum_above = 1000 }")).say("It is $1,200.")) == ["alert_raised"]
    assert kinds(
        Talk(book('{ all = [{ tier = ["VIP"] }, { words = ["slow"] }] }'), tier="vip").say("Slow.")
    ) == ["alert_raised"]
    late = book('{ all = [{ attribute = "days_late", above = 3 }, { words = ["slow"] }] }')
    assert kinds(Talk(late, days_late="4").say("Slow.")) == ["alert_raised"]
    broken = Talk(late, days_late="many")
    broken.say("Slow.")
    assert broken.judge.not_evaluated == {"it": "the attribute days_late is not a number"}


def test_a_predicate_of_the_deployment_is_asked_and_guarded() -> None:
    def long_call(call: CallSoFar, turns: int) -> bool | None:
        if turns < 0:
            raise ValueError("the customer's own words")
        return len(call.spoken) >= turns

    def rule(turns: int) -> RuleBook:
        when = f'{{ predicate = "long_call", with = {{ turns = {turns} }} }}'
        return RuleBook.parse(book("{ call_lasts_s = 1 }").source.replace("{ call_lasts_s = 1 }", when),
                              predicates={"long_call": long_call})  # fmt: skip

    talk = Talk(rule(2))
    assert talk.say() == []
    assert kinds(talk.final()) == ["alert_raised"]
    assert Talk(rule(-1)).judge.not_evaluated == {"it": "the predicate long_call raised ValueError"}
    with pytest.raises(BadRule, match="did you mean long_call"):
        RuleBook.parse(
            rule(1).source.replace('"long_call"', '"long_cal"'), predicates={"long_call": long_call}
        )


# ---------------------------------------------------------------- what follows


ACTING = """version = 1
[[rule]]
name = "it"
text = "Why."
headline = "It {times}"
severity = "watch"
reasons = ["angry"]
action = "escalate"
skill = "billing"
agent = "peter"
tell_ai = "Be brief."
webhook = "https://desk.example.com/hook"
recording = "pause"
tags = ["churn", "slow"]
cooldown_s = 0
when = { words = ["slow"], count = 2 }
[rule.tier.vip]
severity = "critical"
when = { words = ["slow"] }
"""


def test_what_a_rule_asks_for_follows_its_alert_once() -> None:
    talk = Talk(RuleBook.parse(ACTING))
    talk.say("Slow.")
    alert, escalation, *asked = talk.say("Slow.")
    assert isinstance(alert, AlertRaised)
    assert isinstance(escalation, EscalationRaised)
    assert (escalation.skill, escalation.agent_id) == ("billing", "peter")
    assert [(one.action, one.value) for one in asked if isinstance(one, ActionAsked)] == [
        ("tag", "churn"), ("tag", "slow"), ("pause_recording", ""),
        ("webhook", "https://desk.example.com/hook"),
    ]  # fmt: skip
    assert [(one.by, one.text) for one in asked if isinstance(one, Nudged)] == [("rule:it", "Be brief.")]
    assert kinds(talk.say("Slow.")) == ["alert_raised", "escalation_raised"]


def test_badly_recognised_words_ask_for_nothing_but_the_alert() -> None:
    talk = Talk(RuleBook.parse(ACTING), tier="vip")
    assert kinds(talk.final("Slow.", low_fidelity=True)) == ["alert_raised"]
    assert len(kinds(talk.final("Slow.", low_fidelity=True))) == 7


def test_a_tier_has_its_own_version_of_a_rule() -> None:
    rules = RuleBook.parse(ACTING)
    (alert, *_) = Talk(rules, tier="VIP").say("Slow.")
    assert isinstance(alert, AlertRaised)
    assert alert.severity == "critical"
    assert Talk(rules, tier="gold").say("Slow.") == []
    assert [one["tiers"] for one in rules.view()] == [["vip"]]


def test_a_shadow_rule_is_told_and_nothing_follows() -> None:
    rules = RuleBook.parse(ACTING.replace('name = "it"', 'name = "it"\nshadow = true\nclear_after_s = 5'))
    talk = Talk(rules, tier="vip")
    (shadow,) = talk.say("Slow.")
    assert isinstance(shadow, ShadowRaised)
    assert (shadow.escalates, shadow.evidence[0].quote) == (True, "Slow")
    assert talk.say("Slow.") == []
    again = Judge(rules, CALL, lambda: "x")
    again.learn(shadow)
    assert again.tick(talk.at_ms) == []


def test_newer_relief_spends_the_evidence() -> None:
    talk = Talk(book('{ words = ["slow"], count = 2 }', clear='{ words = ["perfect"] }'))
    talk.say("Slow.")
    talk.say("Perfect.")
    assert talk.say("Slow.") == []
    assert kinds(talk.say("Slow.")) == ["alert_raised"]
    (cleared,) = talk.say("Perfect.")
    assert isinstance(cleared, AlertCleared)
    assert talk.say("Perfect, though slow.") == []


@pytest.mark.parametrize(
    ("change", "field", "says"),
    [
        (('"https://desk.example.com/hook"', '"http://desk.example.com/"'), "webhook", "must be https"),
        (('"https://desk.example.com/hook"', '"https://me:secret@x.com/"'), "webhook", "no password"),
        (('"https://desk.example.com/hook"', '"ftp://x"'), "webhook", "is a URL such as"),
        (('recording = "pause"', 'recording = "puase"'), "recording", "did you mean pause?"),
        (('action = "escalate"', 'action = "alert"'), "skill", 'needs action = "escalate"'),
        (("[rule.tier.vip]", "[rule.tier.vip]\nsevrity = 1"), "sevrity", "did you mean severity?"),
        (("count = 2", "distinct = 2"), "distinct", "it can never hold"),
        (('words = ["slow"]', 'words = ["{slo}"]'), "words", "there is no list {slo}"),
        (('{ words = ["slow"], count = 2 }', '{ keys = ["x"] }'), "keys", "is not made of the keys"),
        (('{ words = ["slow"], count = 2 }', '{ attribute = "a" }'), "attribute", "either is = [values]"),
        (
            ('{ words = ["slow"], count = 2 }', "{ times = 2, of = [{ silence_s = 4 }] }"),
            "of",
            "utterances only",
        ),
        (('{ words = ["slow"], count = 2 }', '{ predicate = "p" }'), "predicate", "none is installed"),
    ],
)
def test_a_wrong_rule_names_file_field_and_remedy(change: tuple[str, str], field: str, says: str) -> None:
    with pytest.raises(BadRule) as error:
        RuleBook.parse(ACTING.replace(*change, 1), "desk.toml")
    assert error.value.field == field
    assert says in str(error.value)
    assert str(error.value).startswith("desk.toml, line ")


def test_lists_and_meanings_belong_to_the_file() -> None:
    rules = RuleBook.parse(
        '[lists]\nperson = ["a human"]\n[meanings]\ngave_up = ["forget it"]\n'.join(("version = 1\n", ""))
        + ACTING.removeprefix("version = 1\n").replace(
            'words = ["slow"], count', 'words = ["get {person}"], count'
        )
    )
    assert rules.meanings == {"gave_up": ("forget it",)}
    with pytest.raises(BadRule, match="there is no list"):
        RuleBook.parse('version = 1\n[lists]\nx = ["{y} z"]\n')


def test_scores_alone_never_call_a_person_by_the_default_set() -> None:
    talk = Talk(default_rules())
    for color in ("blue", "red", "green", "white", "black", "brown"):
        said = talk.say(f"The {color} one.", -5)
        assert not any(isinstance(one, EscalationRaised) for one in said)
