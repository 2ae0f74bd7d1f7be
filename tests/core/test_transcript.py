from hypothesis import given
from hypothesis import strategies as st

from voicewatch.core.transcript import SETTLED_MS, UNSURE_SETTLED_MS, LocalAgreement

WORDS = st.lists(st.sampled_from(["I", "want", "a", "refund", "now", "no"]), max_size=8)
DECODES = st.lists(WORDS, max_size=8)


@given(DECODES)
def test_committed_words_are_never_changed_and_never_repeated(decodes: list[list[str]]) -> None:
    agreement = LocalAgreement()
    for at, words in enumerate(decodes):
        before = agreement.committed
        agreement.push(words, at * 500)
        assert agreement.committed[: len(before)] == before
        assert len(agreement.committed) + len(agreement.tail) <= max(len(words), len(before))


@given(WORDS)
def test_an_engine_that_does_not_waver_is_shown_word_for_word(words: list[str]) -> None:
    agreement = LocalAgreement()
    for upto in range(len(words) + 1):
        agreement.push(words[:upto], upto * 500)
        assert [*agreement.committed, *agreement.tail] == words[:upto]


def test_two_decodes_must_agree() -> None:
    agreement = LocalAgreement()
    agreement.push(["I", "want"], 500)
    assert agreement.committed == ()
    agreement.push(["i", "won't", "pay"], 500 + SETTLED_MS)
    assert agreement.committed == ("i",)
    assert agreement.tail == ("won't", "pay")


def test_agreement_must_last() -> None:
    agreement = LocalAgreement()
    agreement.push(["ref"], 1000)
    agreement.push(["ref"], 1000 + SETTLED_MS - 1)
    assert agreement.committed == ()
    agreement.push(["ref"], 1000 + SETTLED_MS)
    assert agreement.committed == ("ref",)
    agreement.push(["ref", "fund"], 2000)
    agreement.push(["ref", "and"], 2000 + SETTLED_MS)
    assert (agreement.committed, agreement.tail) == (("ref",), ("and",))


def test_what_is_heard_unsurely_takes_longer_to_be_settled() -> None:
    agreement = LocalAgreement()
    agreement.push(["perhaps"], 0, sure=False)
    agreement.push(["perhaps"], UNSURE_SETTLED_MS - 1, sure=False)
    assert agreement.committed == ()
    agreement.push(["perhaps"], UNSURE_SETTLED_MS, sure=False)
    assert agreement.committed == ("perhaps",)
