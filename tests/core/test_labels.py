from itertools import count

import pytest

from tests.stories.tell import play
from tests.support.stage import CALL
from voicewatch.core.call import CallState
from voicewatch.core.labels import SHARES, is_drawn, label_set, stratum
from voicewatch.core.refused import Refused


def test_a_call_belongs_to_the_riskiest_stratum_it_fits() -> None:
    assert stratum(play("0 start\n5 customer: All fine.").call) == "calm"
    assert stratum(play("0 start\n5 customer: Hm, I guess? [speaker 0.9]").call) in ("doubtful", "alerted")
    assert stratum(play("0 start\n5 customer: Give me a human. [wants_human 1]").call) == "escalated"


def test_about_the_stated_share_of_a_stratum_is_drawn_and_always_the_same() -> None:
    calls = [CallState(f"01J{number}") for number in range(4_000)]
    drawn = [is_drawn(call) for call in calls]
    assert drawn == [is_drawn(call) for call in calls]
    assert abs(sum(drawn) / len(drawn) - SHARES["calm"]) < 0.015


@pytest.mark.parametrize(
    ("about", "target", "value", "text", "status"),
    [
        ("mood", CALL, "bad", "", 422),
        ("alert", "nothing", "wrong", "", 404),
        ("call", CALL, "maybe", "", 422),
        ("transcript", "u", "", "words", 404),
    ],
)
def test_nonsense_is_refused(about: str, target: str, value: str, text: str, status: int) -> None:
    call = play("0 start").call
    with pytest.raises(Refused) as refused:
        label_set(call, "sue", about, target, value, text, "")
    assert refused.value.status == status


def test_a_persons_newer_word_replaces_his_own_only() -> None:
    stage, numbers = play("0 start"), count()
    for by, value in (("sue", "fine"), ("sam", "needed_person"), ("sue", "needed_person")):
        stage.tell(stage.director.label(CALL, next(numbers), by, "call", CALL, value, "", ""))
    assert {key[2]: label.value for key, label in stage.call.labels.items()} == {
        "sue": "needed_person",
        "sam": "needed_person",
    }
