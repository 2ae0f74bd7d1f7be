"""What a new model process knows of calls that an earlier one listened to."""

from __future__ import annotations

from audio_models.scripted import ScriptedTranscriber
from tests.speech.test_process import WORDS, Chunk, Front, Media, running, sockets
from voicewatch.core.call import CallState
from voicewatch.core.events import CallStarted, Role, SeatOpened, UtteranceFinal, UtteranceScored
from voicewatch.processes.messages import SpokenTurn
from voicewatch.processes.sockets import Sockets
from voicewatch.server.recall import CALLS_A_MESSAGE, TURNS, recalled
from voicewatch.settings import Settings
from voicewatch.speech.facts import Conversations
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
    return SpokenTurn(utterance_id=f"seat-{number}", role=Role.CUSTOMER, text=f"line {number}")


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
