"""The language of a call."""

from audio_models.api import Transcript
from voicewatch.speech.language import LanguageLock


def german(probability: float = 0.9) -> Transcript:
    return Transcript("guten tag", language="de", language_probability=probability)


def test_a_language_that_is_told_is_kept() -> None:
    lock = LanguageLock("en")
    for _ in range(5):
        lock.heard(german(), 5_000)
    assert lock.language == "en"


def test_it_is_locked_after_enough_speech() -> None:
    lock = LanguageLock("auto")
    lock.heard(german(), 2_000)
    assert lock.language == "auto"
    lock.heard(german(), 1_000)
    assert lock.language == "de"


def test_a_language_that_the_engine_is_not_sure_of_is_not_locked() -> None:
    lock = LanguageLock("auto")
    for _ in range(5):
        lock.heard(german(0.4), 2_000)
    assert lock.language == "auto"


def test_doubtful_finals_in_a_row_open_the_question_again() -> None:
    lock = LanguageLock("auto")
    lock.heard(german(), 3_000)
    doubtful = Transcript("gutten tack", avg_logprob=-1.5)
    for transcript in (doubtful, doubtful, Transcript("ja", avg_logprob=-0.2), doubtful, doubtful):
        lock.heard(transcript, 1_000)
    assert lock.language == "de"
    lock.heard(doubtful, 1_000)
    assert lock.language == "auto"
