"""Looking for many expressions at once hides none of them; a word's mention says less than what is done."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_models.cues import _ASKS, find_cues
from audio_models.text import Patterns, plain

WORDS = "i want to speak with your manager a human get me someone please".split()  # noqa: SIM905


@given(st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join))
def test_together_they_find_what_each_finds_alone(said: str) -> None:
    together = Patterns(_ASKS, before=r"\b", after=r"(?!\w)").find(said)
    alone = [
        (match, value) for pattern, value in _ASKS for match in re.finditer(rf"\b(?:{pattern})(?!\w)", said)
    ]
    assert [(match.span(), value) for match, value in together] == [
        (match.span(), value) for match, value in alone
    ]


@pytest.mark.parametrize(
    ("said", "threatens"),
    [
        ("my lawyer will write to you", True),
        ("I'll take you to court", True),
        ("i am going to the police with this", True),
        ("You'll be hearing from a solicitor.", True),
        ("i've been called to court for jury service", False),
        ("the lawyer did it in act one", False),
        ("this is the office of hale solicitors", False),
    ],
)
def test_law_that_is_mentioned_says_less_than_law_that_is_used(said: str, threatens: bool) -> None:
    value = next(cue.value for cue in find_cues(plain(said), "customer") if cue.name == "legal")
    assert (value > 0.9) if threatens else (0.2 < value < 0.5)


@pytest.mark.parametrize(
    ("said", "again"),
    [
        ("this is the third time i'm calling today", True),
        ("it's the second time I have told you", True),
        ("i've locked myself out for the third time this month", False),
        ("we come here for the second time this summer", False),
    ],
)
def test_a_number_of_times_is_a_repeat_only_of_what_was_said_or_tried(said: str, again: bool) -> None:
    value = next((cue.value for cue in find_cues(plain(said), "customer") if cue.name == "repeat"), 0.0)
    assert (value >= 0.75) == again
