"""Looking for many expressions at once hides none of them."""

import re

from hypothesis import given
from hypothesis import strategies as st

from audio_models.cues import _ASKS
from audio_models.text import Patterns

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
