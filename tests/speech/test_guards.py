import numpy as np
import pytest
from numpy.typing import NDArray

from audio_models.guards import is_phantom, loop_start, normal_words, signal_flaw


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("i want i want i want", 2),
        ("no no no no", 1),
        ("no no no", None),
        ("my number is nine nine nine nine nine", None),
        ("my number is one two one two one two", None),
        ("please hold the line please hold the line please hold the line", 4),
        ("i said no and no and no", None),
        ("", None),
    ],
)
def test_loops_are_told_from_insistence_and_digits(text: str, start: int | None) -> None:
    assert loop_start(text.split()) == start


def test_speech_is_neither_silent_nor_steady(speech: NDArray[np.float32]) -> None:
    random = np.random.default_rng(1)
    assert signal_flaw(speech) is None
    assert signal_flaw(speech * 0.01) is None
    noisy = speech + random.normal(0, 0.01, len(speech)).astype(np.float32)
    assert signal_flaw(noisy) is None


def test_invented_phrases_are_kept_when_they_were_surely_said() -> None:
    assert is_phantom("Thank you.", 0.3, 0.9)
    assert is_phantom("Thanks for watching!", 2.0, 0.3)
    assert not is_phantom("Thank you.", 1.0, 0.9)
    assert not is_phantom("Thank you for your help", 0.3, 0.2)


def test_words_for_comparing() -> None:
    assert normal_words("No, I don't!") == ["no", "i", "don't"]
