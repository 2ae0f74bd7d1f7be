"""What is masked, what is left alone, and that nothing sealed comes through."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicewatch.core.digit_runs import TENS, UNITS
from voicewatch.core.events import (
    FACTS,
    SIGNALS,
    AIReported,
    AlertRaised,
    Briefing,
    BriefingReady,
    CallStarted,
    Evidence,
    Interim,
    MaskSpan,
    Nudged,
    Revision,
    Role,
    Severity,
    SpottedPhrase,
    UtteranceFinal,
    Word,
)
from voicewatch.core.private_spans import is_iban, passes_luhn
from voicewatch.core.redaction import find_spans, mask, masked

CARD = "4111 1111 1111 1111"


def shown(text: str, *context: str) -> str:
    return mask(text, find_spans(text, [("ai", turn) for turn in context]))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("my card is 4111 1111 1111 1111 thanks", "my card is [card number] thanks"),
        ("it's four one one one, " + "one one one one " * 3 + "ok", "it's [card number] ok"),
        ("4111, 1111, 1111, 1111", "[card number]"),
        ("so 4, 1, double 1, 2. 3", "so [account number]"),
        ("my number is double two seven oh nine triple five", "my number is [phone number]"),
        ("one eight hundred five five five one two one two", "[phone number]"),
        ("twenty one um forty-two sixty three", "[account number]"),
        ("call (555) 123-4567 now", "call ([phone number] now"),
        ("my phone is +49 170 1234567", "my phone is +[phone number]"),
        ("cancel order 395885 now", "cancel order [account number] now"),
        ("order AB1234567 has not come", "order [account number] has not come"),
        ("booking reference A1B2C3", "booking reference [account number]"),
        ("ssn 123-45-6789", "ssn [social security number]"),
        ("de89370400440532013000 is it", "[iban] is it"),
        ("IBAN DE89 3704 0044 0532 0130 00 please", "IBAN [iban] please"),
        ("four four one seven is my pin", "[security code] is my pin"),
        ("mail j.smith@example.co.uk please", "mail [email] please"),
        ("john dot smith at gmail dot com", "[email]"),
        ("my e-mail is john smith at acme dot com", "my e-mail is [email]"),
        ("reach john underscore doe 42 at hotmail dot com ok", "reach [email] ok"),
        ("j o h n at yahoo dot co dot uk", "[email]"),
        ("born on the third of may nineteen eighty five", "born on the [date of birth]"),
        ("my date of birth is 03/05/1985.", "my date of birth is [date of birth]."),
        ("٤١١١ ١١١١ ١١١١ ١١١١", "[card number]"),
    ],
)
def test_found_by_form_or_name(text: str, expected: str) -> None:
    assert shown(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "one or two days",
        "three times",
        "twenty minutes",
        "at ten thirty or ten forty five",
        "one hundred and fifty dollars",
        "two thousand one hundred twenty five people",
        "nineteen eighty five was good, and so was 2019, 2020",
        "it costs $1,250.50, not 1,234,567",
        "on 12/05/2024 and from 2024-05-12",
        "open twenty four seven",
        "oh one moment",
        "two for one",
        "four to five weeks",
        "my account number is wrong, and I waited 120 minutes",
        "look at amazon dot com",
        "That is all. No more at any point in time.",
        "I have one card and two accounts",
        "1234567 dollars"[3:],
    ],
)
def test_left_alone(text: str) -> None:
    assert shown(text) == text


@pytest.mark.parametrize(
    ("context", "text", "expected"),
    [
        (["What is your card number?"], "Four one one.", "[card number]."),
        (["What is your card number?"], "One moment please.", "One moment please."),
        (["what is your card number", "it's four one one one"], "two two", "[card number]"),
        (["what is your card number", "[card number]", "uh huh"], "and then nine", "and then [card number]"),
        (["it's four one", "uh huh"], "one two five", "[number]"),
        (["i gave you order 395885"], "one moment please", "one moment please"),
        (["i am with you since 2019"], "two three times i called", "two three times i called"),
        (["what is your date of birth"], "may third eighty five", "[date of birth]"),
        (["what's your date of birth"], "oh three oh five eighty five", "[date of birth]"),
        (["may i have your email"], "sure it's john dot smith", "sure it's [email]"),
        (["may i have your email", "john dot smith"], "at gmail dot com", "[email]"),
        (
            ["what is your card number", "i will not say that to you", "why not please tell me"],
            "four",
            "four",
        ),
    ],
)
def test_found_by_what_was_asked(context: list[str], text: str, expected: str) -> None:
    assert shown(text, *context) == expected


TEMPLATES = [
    "{}",
    "my card number is {} and it expires soon",
    "yes sure it's {}",
    "okay so the number on the card is {} did you get it",
    "i was charged on {} can you check",
]
WORD_OF = {digit: word for word, digit in UNITS.items() if word not in ("o", "nought", "naught", "zero")}


def said(choice: random.Random, digits: str) -> str:
    """Digits as a person says them."""
    parts: list[str] = []
    at = 0
    while at < len(digits):
        digit, following = digits[at], digits[at + 1 : at + 2]
        way = choice.random()
        if digit == following and way < 0.5:
            parts.append(f"double {WORD_OF[digit]}")
        elif way > 0.85 and int(digit) > 1 and following not in ("", "0"):
            tens = next(word for word, value in TENS.items() if value == digit + "0")
            parts.append(f"{tens} {WORD_OF[following]}")
        else:
            parts.append(WORD_OF[digit] if way < 0.8 or digit != "0" else "zero")
            at -= 1
        at += 2
        parts.append(choice.choice(["", "", "", ",", " um"]))
    return " ".join(parts).replace(" ,", ",").strip(" ,")


def luhn_complete(digits: str) -> str:
    return next(digits + str(last) for last in range(10) if passes_luhn(digits + str(last)))


def test_three_hundred_spoken_and_written_cards() -> None:
    choice = random.Random(3)
    leaked, misnamed = [], []
    for _ in range(300):
        card = luhn_complete("4" + "".join(choice.choice("0123456789") for _ in range(14)))
        groups = " ".join(card[at : at + 4] for at in range(0, 16, 4))
        form = choice.choice([card, groups, groups.replace(" ", "-"), said(choice, card), said(choice, card)])
        template = choice.choice(TEMPLATES)
        left = shown(template.format(form))
        frame = template.replace("{}", "").split()
        if any(word in UNITS or word in TENS or word.isdigit() for word in left.split() if word not in frame):
            leaked.append((form, left))
        elif left.replace(" um", "").split() != template.format("[card number]").split():
            misnamed.append((form, left))
    assert leaked == []
    assert len(misnamed) <= 6  # cut in two by commas between twenty-ones: masked, by another name


def test_cards_in_pieces_over_turns() -> None:
    choice = random.Random(11)
    leaked = []
    for _ in range(200):
        card = "".join(choice.choice("0123456789") for _ in range(16))
        turns = [
            ("ai", choice.choice(["What is your card number?", "can i have the long number on your card"]))
        ]
        while card:
            count = choice.choice([2, 3, 4, 4, 6])
            piece, card = card[:count], card[count:]
            text = choice.choice(["{}", "it's {}", "um {}"]).format(
                choice.choice([piece, said(choice, piece)])
            )
            left = mask(text, find_spans(text, turns))
            if set(left.split()) - {"it's", "um", "[card", "[number]", "number]"}:
                leaked.append((turns[-2:], text, left))
            turns.append(("customer", choice.choice([text, left])))
            turns += [("ai", "mm hm, go on")] * choice.randrange(2)
    assert leaked == []


PIECES = st.sampled_from(
    [
        *("card number is", CARD, "four one", "double two", "twenty five", "oh", "dollars", "my"),
        *(
            "at gmail dot com",
            "john dot",
            "date of birth",
            "may third",
            "1985",
            "e-mail",
            "a@b.com",
            ",",
            ".",
        ),
        *("what is your pin", "12", "345", "hundred", "[card number]", "to", "um", "\n", "AB12CD", "(", "x"),
        *("de89370400440532013000", "the order number", "$12.50", "555-123"),
    ]
)
TEXTS = st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=14).map(" ".join))


@given(TEXTS, st.lists(st.tuples(st.just("ai"), TEXTS), max_size=3))
def test_spans_are_sorted_apart_and_masking_is_final(text: str, context: list[tuple[str, str]]) -> None:
    spans = find_spans(text, context)
    ends = [0, *(bound for span in spans for bound in (span.start, span.end)), len(text)]
    assert ends == sorted(ends)
    assert all(span.start < span.end for span in spans)
    once = mask(text, spans)
    assert mask(once, find_spans(once, context)) == once


def test_checks() -> None:
    assert passes_luhn("4111111111111111")
    assert not passes_luhn("4111111111111112")
    assert is_iban("GB82 WEST 1234 5698 7654 32")
    assert not is_iban("GB82 WEST 1234 5698 7654 33")


def utterance(text: str, **more: Any) -> UtteranceFinal:
    words = [Word(text=w, start_ms=n * 100, end_ms=n * 100 + 90) for n, w in enumerate(text.split())]
    fields = {
        "call_id": "c",
        "utterance_id": "s-0",
        "seat_id": "s",
        "role": "customer",
        "words": words,
        **more,
    }
    return UtteranceFinal(start_ms=0, end_ms=1000, text=text, **fields)


def test_words_of_a_span_become_one() -> None:
    hidden = masked(utterance("it is four one one one okay"))
    assert hidden.text == "it is [number] okay"
    assert [(w.text, w.start_ms, w.end_ms) for w in hidden.words] == [
        ("it", 0, 90),
        ("is", 100, 190),
        ("[number]", 200, 590),
        ("okay", 600, 690),
    ]
    assert hidden.mask == [MaskSpan(start=6, end=14, type="number")]
    assert masked(hidden) == hidden


def test_spans_found_with_context_are_honoured() -> None:
    event = utterance("yes seven okay", mask=[MaskSpan(start=4, end=9, type="card_number")])
    hidden = masked(event)
    assert (hidden.text, [w.text for w in hidden.words]) == (
        "yes [card number] okay",
        ["yes", "[card number]", "okay"],
    )
    outside = utterance("yes", mask=[MaskSpan(start=-4, end=900, type="x")])
    assert masked(outside).text == "yes"


def test_words_unlike_the_text_are_judged_for_themselves() -> None:
    words = [Word(text=w, start_ms=0, end_ms=1) for w in ["it's", "4111", "1111", "1111", "1111"]]
    hidden = masked(utterance("I gave it to you already", words=words))
    assert [w.text for w in hidden.words] == ["it's", "[card number]"]


@pytest.mark.parametrize(
    ("committed", "tail", "expected"),
    [
        ("my card is four one", "one one two", "my card is [card number]"),
        ("i waited", "one or two days", "i waited one or two days"),
        ("sure", "four one", "sure [number]"),
        ("mail john at gmail dot com", "please", "mail [email] please"),
    ],
)
def test_interim_text_is_masked_across_its_parts(committed: str, tail: str, expected: str) -> None:
    event = Interim(
        call_id="c",
        utterance_id="u",
        seat_id="s",
        role="customer",
        start_ms=0,
        committed=committed,
        tail=tail,
    )
    hidden = masked(event)
    assert " ".join(f"{hidden.committed} {hidden.tail}".split()) == expected


def test_nested_words_are_masked() -> None:
    evidence = [Evidence(kind="rule", quote="four one one", utterance_id="s-1234567890", note=CARD)]
    alert = AlertRaised(
        call_id="c",
        alert_id="a",
        rule="r",
        severity=Severity.HIGH,
        reasons=["angry"],
        headline="h",
        evidence=evidence,
    )
    assert masked(alert).evidence == [
        Evidence(kind="rule", quote="[number]", utterance_id="s-1234567890", note="[card number]")
    ]
    turns = [("ai", "what is your card number?"), ("customer", "four one one")]
    briefing = Briefing(why_now=CARD, known=["tier gold", CARD], mood=[(1234567890, -1.0)], last_turns=turns)
    hidden = masked(BriefingReady(call_id="c", escalation_id="e", briefing=briefing)).briefing
    assert hidden.known == ["tier gold", "[card number]"]
    assert hidden.last_turns[1] == ("customer", "[card number]")
    assert hidden.mood == briefing.mood
    data = {"order_id": "4417", "n": 4111111111111111, "deep": [{"text": CARD}], "ok": True}
    report = masked(AIReported(call_id="c", kind="tool", data=data))
    assert report.data == {
        "order_id": "[account number]",
        "n": "[card number]",
        "deep": [{"text": "[card number]"}],
        "ok": True,
    }
    assert masked(CallStarted(call_id="c", customer_name="Ann Lee")).customer_name == "[name]"
    assert masked(Nudged(call_id="c", by="u", text=CARD)).text == "[card number]"


FILLED: dict[str, Any] = {
    "customer_name": CARD,
    "text": CARD,
    "words": [Word(text=CARD, start_ms=0, end_ms=1)],
    "evidence": [Evidence(kind="k", quote=CARD, note=CARD)],
    "spotted": [SpottedPhrase(phrase=CARD, start_ms=0, end_ms=1, confidence=0.5)],
    "briefing": Briefing(
        why_now=CARD,
        wants=CARD,
        known=[CARD],
        tried=[CARD],
        do_not_ask=[CARD],
        commitments=[CARD],
        next_steps=[CARD],
        opening=CARD,
        last_turns=[("customer", CARD)],
        notes=[CARD],
    ),
    "note": CARD,
    "why": CARD,
    "reason": CARD,
    "data": {"any": [CARD]},
    "committed": CARD,
    "tail": CARD,
    "digit": CARD,
    "number": CARD,
}


@pytest.mark.parametrize(
    "kind",
    [kind for kind in [*FACTS.values(), *SIGNALS.values()] if kind.SEALED],
    ids=lambda kind: kind.__name__,
)
def test_no_sealed_field_of_any_event_comes_through(kind: Any) -> None:
    """A field that is sealed one day and not known here fails by its name."""
    event = kind.model_construct(call_id="c", mask=[], **{name: FILLED[name] for name in kind.SEALED})
    hidden = masked(event)
    assert "4111" in repr({name: getattr(event, name) for name in kind.SEALED})
    assert "1111" not in repr({name: getattr(hidden, name) for name in kind.SEALED})


def test_a_revision_shows_nobody_words_that_its_final_would_mask() -> None:
    told = Revision(
        call_id="call",
        utterance_id="seat-1",
        seat_id="seat",
        role=Role.CUSTOMER,
        committed="it is four seven two",
        text="it is four seven two nine",
        changed=0,
    )
    assert (masked(told).committed, masked(told).text) == ("", "")
