import pytest

from voicewatch.core.turns import DIGITS_MS, FILLER_MS, MIDWAY_MS, LastWordTurns


@pytest.mark.parametrize(
    ("words", "wait_ms"),
    [
        ("my number is four Seven,", DIGITS_MS),
        ("it is 42", DIGITS_MS),
        ("it is Um,", FILLER_MS),
        ("i was charged and", MIDWAY_MS),
        ("thank you.", 0),
        ("", 0),
    ],
)
def test_numbers_fillers_and_half_sentences_are_waited_for(words: str, wait_ms: int) -> None:
    assert LastWordTurns().wait_ms(words.split()) == wait_ms
