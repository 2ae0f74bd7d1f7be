"""Past calls as labelled data: masked, readable by the back-test, with what people said of them."""

from __future__ import annotations

import json
from pathlib import Path

from tests.stories.tell import play
from tests.support.stage import CALL
from voicewatch.backtest.dialogues import read_dialogues
from voicewatch.backtest.export import exported
from voicewatch.backtest.journals import labels_of
from voicewatch.core.events import UtteranceFinal
from voicewatch.core.replay import Case, Labels

STORY = """
0    available peter
0    start tier=gold topic=billing number=0301234567
5    customer: My card is 4111 1111 1111 1111. [sentiment -2]
9    customer: Let me speak to a human please. [wants_human 1.0]
11   accept peter
12   connect seat-peter
20   handback peter
"""


def test_an_export_is_masked_and_the_back_test_reads_it(tmp_path: Path) -> None:
    stage = play(STORY)
    first = next(fact for fact in stage.journal if isinstance(fact, UtteranceFinal))
    said = ("transcript", first.utterance_id, "", "My card is 4111 1111 1111 1112", "")
    stage.tell(stage.director.label(CALL, 21_000, "peter", *said))
    stage.tell(stage.director.label(CALL, 22_000, "peter", "call", CALL, "needed_person", "", "was polite"))
    [line] = exported([Case(CALL, stage.journal, Labels(True, turn=1, reasons=("asks_human",)))])

    text = json.dumps(line)
    assert "4111" not in text
    assert "0301234567" not in text
    assert line["turns"][0]["corrected"] == "My card is [card number]"
    assert line["turns"][0]["sentiment"]["score"] == -2
    assert line["labels"] == {"should_escalate": True, "turn": 1, "reasons": ["asks_human"]}
    assert [one["kind"] for one in line["overrides"]] == ["handed_back", "label_transcript", "label_call"]

    file = tmp_path / "calls.jsonl"
    file.write_text(text + "\n", encoding="utf-8")
    [dialogue] = read_dialogues(file)
    assert [turn.role.value for turn in dialogue.turns] == ["customer", "customer"]
    assert dialogue.labels is not None
    assert dialogue.labels.should_escalate


def test_a_label_outweighs_what_may_be_read_from_deeds() -> None:
    stage = play(STORY)
    told = labels_of(stage.journal)
    assert told is not None
    assert (told.should_escalate, told.reasons) == (True, ("asks_human",))
    stage.tell(stage.director.label(CALL, 22_000, "sue", "call", CALL, "fine", "", ""))
    assert labels_of(stage.journal) == Labels(False)


def test_calls_of_which_nobody_said_anything_may_be_left_out() -> None:
    stage = play("0 start\n5 customer: All fine, thank you.")
    case = Case(CALL, stage.journal)
    assert len(list(exported([case]))) == 1
    assert list(exported([case], only_labelled=True)) == []
