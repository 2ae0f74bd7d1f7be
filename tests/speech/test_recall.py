"""What a new model process knows of calls that an earlier one listened to."""

from __future__ import annotations

import pytest

from audio_models.scripted import ScriptedTranscriber
from tests.speech.test_process import WORDS, Chunk, Front, Media, running, sockets
from voicewatch.core.call import CallState
from voicewatch.core.events import AIReported, CallStarted, Role, SeatOpened, UtteranceFinal, UtteranceScored
from voicewatch.processes.messages import AIReport, SpokenTurn
from voicewatch.processes.sockets import Sockets
from voicewatch.server.recall import CALLS_A_MESSAGE, TURNS, recalled
from voicewatch.settings import Settings
from voicewatch.speech.conversations import Conversations
from voicewatch.speech.process import run

__all__ = ["sockets"]


def final(number: int, text: str = "") -> UtteranceFinal:
    return UtteranceFinal(
        call_id="call",
        utterance_id=f"seat-{number}",
        seat_id="seat",
        role=Role.CUSTOMER,
        start_ms=number,
        end_ms=number + 1,
        text=text or f"line {number}",
    )


def turn(number: int) -> SpokenTurn:
    return SpokenTurn(
        utterance_id=f"seat-{number}",
        role=Role.CUSTOMER,
        text=f"line {number}",
        start_ms=number,
        end_ms=number + 1,
    )


def test_what_was_said_before_is_the_light_and_nothing_is_its_own_past() -> None:
    understanding = Conversations()
    finals = [final(3), final(3), final(4)]  # the second is the first, fed again after a crash
    lights = [[turn.text for turn in understanding.heard(finals[0]).context]]
    understanding.remember("call", [turn(1), turn(2), turn(3)])
    lights += [[turn.text for turn in understanding.heard(one).context] for one in finals[1:]]
    assert lights == [[], ["line 1", "line 2"], ["line 1", "line 2", "line 3"]]


def test_front_tells_the_last_turns_of_live_calls_in_order() -> None:
    call = CallState("call")
    call.apply(CallStarted(call_id="call"))
    call.apply(SeatOpened(call_id="call", seat_id="seat", role=Role.CUSTOMER))
    for number in (*range(1, 20), 0):  # one was decoded late
        call.apply(final(number))
    others = [CallState(f"call{number}") for number in range(CALLS_A_MESSAGE)]
    first, last = recalled([call, *others])
    assert first.calls["call"] == [turn(number) for number in range(20 - TURNS, 20)]
    assert (first.more, last.more) == (True, False)
    assert len(first.calls) + len(last.calls) == CALLS_A_MESSAGE + 1
    assert [message.more for message in recalled([])] == [False]


def test_front_tells_what_the_ai_reported_of_itself() -> None:
    call = CallState("call")
    call.apply(CallStarted(call_id="call"))
    for kind, data in (
        ("confidence", {"value": 0.4}),
        ("tool", {"name": "refund", "ok": False, "detail": "timeout"}),
        ("mark", {}),
    ):
        call.apply(AIReported(call_id="call", at_ms=5, kind=kind, data=data))
    [message] = recalled([call])
    understanding = Conversations()
    for report in [*message.ai_reports, *message.ai_reports]:  # told twice, it counts once
        understanding.report(report)
    request = understanding.heard(final(100))
    assert (request.ai_confidence, request.tools_failed) == (0.4, 1)
    understanding.report(AIReport(call_id="call", at_ms=150, kind="tool", name="refund"))
    assert understanding.heard(final(200)).tools_failed == 0  # it has worked since


@pytest.mark.parametrize(
    ("others", "silence_ms"),
    [([(0, 1_000)], 4_000), ([(0, 1_000), (4_500, 6_000)], 0), ([(6_000, 7_000)], None), ([], None)],
)
def test_silence_is_counted_from_the_last_word_of_anybody(
    others: list[tuple[int, int]], silence_ms: int | None
) -> None:
    understanding = Conversations()
    for start_ms, end_ms in others:
        understanding.heard(final(start_ms).model_copy(update={"end_ms": end_ms}))
    assert understanding.heard(final(5_000)).silence_before_ms == silence_ms


async def test_a_new_model_process_scores_in_the_light_of_what_front_tells(
    sockets: Sockets,
    call_chunks: list[Chunk],
) -> None:
    front, media = Front(sockets), Media(sockets)
    front.said = {"call": [SpokenTurn(utterance_id="seat-1", role=Role.CUSTOMER, text=" ".join(WORDS))]}
    async with (
        running(front.run()),
        running(media.link.run()),
        running(run(Settings(), sockets, "model", ScriptedTranscriber(WORDS))),
    ):
        await front.up()
        await media.open()
        media.say([chunk for chunk in call_chunks if chunk[0] < 5_640])
        await front.until(lambda: bool(front.all_of(UtteranceScored)))
    assert front.all_of(UtteranceScored)[0].cues["repeat"] > 0.5
