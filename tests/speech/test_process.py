"""The model process between a media and a front that are played by this test, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import struct
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from audio_models.api import Transcriber
from audio_models.scripted import ScriptedTranscriber
from voicewatch.core.events import (
    Event,
    Interim,
    Role,
    SystemStatus,
    TranscriptGap,
    UtteranceFinal,
    UtteranceScored,
    parse_event,
)
from voicewatch.processes.link import Link, LinkServer, Peer
from voicewatch.processes.messages import (
    AIReport,
    Audio,
    CloseStream,
    Heard,
    Hello,
    LevelsSent,
    Message,
    OpenStream,
    RememberCalls,
    ScoreText,
    Signals,
    SpokenTurn,
)
from voicewatch.processes.problem import Problem
from voicewatch.processes.sockets import Sockets
from voicewatch.settings import BadSettings, Settings, SpeechSettings
from voicewatch.speech.process import run

WORDS = ["i", "was", "charged", "twice", "and", "i", "want", "to", "speak", "to", "a", "real", "person"]
Chunk = tuple[int, bytes, bool, int]


class Front:
    """Keeps what it is told; acknowledges only while `durable` is set."""

    def __init__(self, sockets: Sockets) -> None:
        self.facts: list[Event] = []
        self.signals: list[Event] = []
        self.peer: Peer | None = None
        self.durable = True
        self.said: dict[str, list[SpokenTurn]] = {}
        self.changed = asyncio.Event()
        self._server = LinkServer(
            on_hello=self._hello, on_gone=lambda _: None, on_message=self._message, on_report=self._report
        )
        self._listener = sockets.listener("front")

    async def run(self) -> None:
        await self._server.serve(self._listener)

    def all_of(self, kind: type[Any]) -> list[Any]:
        return [one for one in [*self.facts, *self.signals] if isinstance(one, kind)]

    async def up(self) -> None:
        """Signals are lost while the link is not there yet."""
        await self.until(lambda: self.peer is not None)

    async def until(self, condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
        async with asyncio.timeout(timeout_s):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    def _hello(self, peer: Peer, _: Hello) -> None:
        self.peer = peer
        peer.tell(RememberCalls(calls=self.said))
        self.changed.set()

    def _message(self, _: Peer, message: Message, __: bytes) -> None:
        if isinstance(message, Signals):
            self.signals += [parse_event(event) for event in message.events]
            self.changed.set()

    async def _report(self, _: Peer, __: str, ___: int, events: list[Event]) -> None:
        if not self.durable:
            raise Problem(503, "Not now")
        self.facts += events
        self.changed.set()


class Media:
    """One stream, sent as media does."""

    def __init__(self, sockets: Sockets) -> None:
        self.heard_ms = 0
        self.up = asyncio.Event()
        self.changed = asyncio.Event()
        self.link = Link(
            sockets.path("model"), "media-0", "epoch", on_message=self._message, on_up=self.up.set
        )

    def _message(self, message: Message, _: bytes) -> None:
        if isinstance(message, Heard):
            self.heard_ms = message.upto_ms
            self.changed.set()

    async def until_heard(self, at_ms: int, within_s: float = 3) -> None:
        async with asyncio.timeout(within_s):
            while self.heard_ms < at_ms:
                self.changed.clear()
                await self.changed.wait()

    async def open(self, elapsed_s: int = 12) -> None:
        async with asyncio.timeout(5):
            await self.up.wait()
        self.link.tell(
            OpenStream(
                stream=7,
                call_id="call",
                seat_id="seat",
                role=Role.CUSTOMER,
                zero_mono_ns=time.monotonic_ns() - elapsed_s * 1_000_000_000,
                replay_from_ms=self.heard_ms or None,
            )
        )

    def say(self, chunks: list[Chunk]) -> None:
        for first in range(0, len(chunks), 10):
            assert self.offer(chunks[first : first + 10])

    def offer(self, chunks: list[Chunk]) -> bool:
        """One message of audio; False if the pipe does not take it now."""
        packed = (struct.pack("!HIBb", 7, at_ms, voiced, dbfs) + pcm for at_ms, pcm, voiced, dbfs in chunks)
        return self.link.tell(Audio(count=len(chunks)), b"".join(packed))


@contextlib.asynccontextmanager
async def running(work: Any) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture
def sockets(tmp_path: Path) -> AsyncIterator[Sockets]:
    made = Sockets(tmp_path)
    yield made
    made.close()


@contextlib.asynccontextmanager
async def house(sockets: Sockets, engine: Transcriber | None) -> AsyncIterator[tuple[Front, Media]]:
    front, media = Front(sockets), Media(sockets)
    async with (
        running(front.run()),
        running(run(Settings(), sockets, "model", engine)),
        running(media.link.run()),
    ):
        await front.up()
        await media.open()
        yield front, media


async def test_an_ai_that_tells_its_words_coming_back_is_nobodys_utterance(
    sockets: Sockets, call_chunks: list[Chunk]
) -> None:
    """Only its loudness is sent; what comes on the customer's leg is the same, late and fainter."""
    async with house(sockets, ScriptedTranscriber(["my", "internet", "is", "slow"])) as (front, media):
        told: dict[str, Any] = {"call_id": "call", "seat_id": "ai", "role": Role.AI, "zero_mono_ns": 0}
        media.link.tell(OpenStream(stream=9, levels_only=True, **told))
        for first in range(0, len(call_chunks), 10):
            some = call_chunks[first : first + 10]
            levels = (
                struct.pack("!HIb", 9, max(0, at_ms - 200), min(0, dbfs + 10)) for at_ms, _, _, dbfs in some
            )
            assert media.link.tell(LevelsSent(count=len(some)), b"".join(levels))
            assert media.offer(some)
        await media.until_heard(call_chunks[-1][0] - 2_000, within_s=15)
        assert not front.all_of(UtteranceFinal)


async def test_a_call_is_heard_shown_and_scored(sockets: Sockets, call_chunks: list[Chunk]) -> None:
    async with house(sockets, ScriptedTranscriber(WORDS)) as (front, media):
        for first in range(0, len(call_chunks), 25):
            media.say(call_chunks[first : first + 25])
            await asyncio.sleep(0.01)  # partials are only made of what has not ended yet
        await front.until(lambda: len(front.all_of(UtteranceScored)) == 2)
        first_final, second_final = front.all_of(UtteranceFinal)
        assert first_final.text == " ".join(WORDS)
        assert first_final.utterance_id == f"seat-{first_final.start_ms}"
        assert 600 <= first_final.start_ms < 900
        assert 4_200 <= first_final.end_ms <= 4_600
        assert second_final.start_ms == first_final.start_ms + 5_640
        assert [word.text for word in first_final.words] == WORDS
        assert first_final.words[0].start_ms >= first_final.start_ms - 300
        parts = first_final.latency_ms
        assert parts["hangover"] + parts["queue"] + parts["compute"] == parts["total"]
        scored, later = front.all_of(UtteranceScored)
        assert scored.arousal is not None
        assert later.arousal is not None
        assert later.arousal.confidence > scored.arousal.confidence
        assert abs(later.arousal.change) < 0.5  # the very same words again
        assert scored.cues["wants_human"] > 0.8
        assert scored.sentiment is not None
        assert scored.sentiment.label == "negative"
        assert scored.not_scored["dialogue"]
        shown = [one for one in front.all_of(Interim) if one.committed]
        assert shown
        assert all(" ".join(WORDS).startswith(one.committed) for one in shown)


async def test_media_learns_what_is_safe_only_after_front_has_it(
    sockets: Sockets, call_chunks: list[Chunk]
) -> None:
    async with house(sockets, ScriptedTranscriber(WORDS)) as (front, media):
        front.durable = False
        media.say(call_chunks)
        await front.until(lambda: len(front.all_of(SystemStatus)) >= 3)
        assert media.heard_ms < 700
        front.durable = True
        await front.until(lambda: len(front.all_of(UtteranceScored)) == 2)
        await media.until_heard(call_chunks[-1][0] - 500)


async def test_a_new_model_process_is_fed_again_and_names_everything_alike(
    sockets: Sockets, call_chunks: list[Chunk]
) -> None:
    front, media = Front(sockets), Media(sockets)
    half = len(call_chunks) * 3 // 5
    async with running(front.run()), running(media.link.run()):
        async with running(run(Settings(), sockets, "model", ScriptedTranscriber(WORDS))):
            await front.up()
            await media.open()
            media.say(call_chunks[:half])
            await front.until(lambda: len(front.all_of(UtteranceFinal)) == 1)
            await media.until_heard(4_000)
        media.up.clear()
        async with running(run(Settings(), sockets, "model", ScriptedTranscriber(WORDS))):
            await front.up()
            await media.open()
            media.say([chunk for chunk in call_chunks if chunk[0] >= media.heard_ms])
            await front.until(lambda: len(front.all_of(UtteranceFinal)) == 2)
    first, second = front.all_of(UtteranceFinal)
    assert second.start_ms == first.start_ms + 5_640
    assert second.text == first.text


async def test_what_cannot_be_decoded_is_marked_as_a_gap(sockets: Sockets, call_chunks: list[Chunk]) -> None:
    def fail() -> None:
        raise RuntimeError("out of order")

    async with house(sockets, ScriptedTranscriber(WORDS, before=fail)) as (front, media):
        media.say(call_chunks)
        await front.until(lambda: len(front.all_of(TranscriptGap)) == 2)
        assert [gap.reason for gap in front.all_of(TranscriptGap)] == ["recogniser_failed"] * 2


async def test_a_slow_recogniser_shows_its_lag_and_loses_nothing(
    sockets: Sockets, call_chunks: list[Chunk]
) -> None:
    go_on = threading.Event()
    engine = ScriptedTranscriber(WORDS, before=lambda: bool(go_on.wait(10)))
    async with house(sockets, engine) as (front, media):
        media.say(call_chunks)
        await front.until(lambda: any(one.analysis_lag_ms > 2_000 for one in front.all_of(SystemStatus)))
        await front.until(lambda: any(one.degraded for one in front.all_of(SystemStatus)))
        go_on.set()
        await front.until(lambda: len(front.all_of(UtteranceFinal)) == 2)


async def test_a_broken_link_does_not_cut_an_utterance(sockets: Sockets, call_chunks: list[Chunk]) -> None:
    front, media = Front(sockets), Media(sockets)
    async with running(front.run()), running(run(Settings(), sockets, "model", ScriptedTranscriber(WORDS))):
        async with running(media.link.run()):
            await front.up()
            await media.open()
            media.say([chunk for chunk in call_chunks if chunk[0] < 2_000])
            await front.until(lambda: bool(front.all_of(Interim)))
        again = Media(sockets)
        again.heard_ms = media.heard_ms
        async with running(again.link.run()):
            await again.open()
            again.say([chunk for chunk in call_chunks if chunk[0] >= media.heard_ms])
            await front.until(lambda: len(front.all_of(UtteranceFinal)) == 2)
    assert [final.text for final in front.all_of(UtteranceFinal)] == [" ".join(WORDS)] * 2


async def test_what_a_dead_media_process_was_saying_is_kept(
    sockets: Sockets, call_chunks: list[Chunk], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voicewatch.speech.process.ORPHAN_S", 0.1)
    front, media = Front(sockets), Media(sockets)
    async with running(front.run()), running(run(Settings(), sockets, "model", ScriptedTranscriber(WORDS))):
        async with running(media.link.run()):
            await front.up()
            await media.open()
            media.say([chunk for chunk in call_chunks if chunk[0] < 3_000])
            await front.until(lambda: bool(front.all_of(Interim)))
        await front.until(lambda: len(front.all_of(UtteranceFinal)) == 1)


async def test_speech_at_the_end_of_a_leg_is_not_lost(sockets: Sockets, call_chunks: list[Chunk]) -> None:
    async with house(sockets, ScriptedTranscriber(WORDS)) as (front, media):
        media.say([chunk for chunk in call_chunks if chunk[0] < 3_000])
        media.link.tell(CloseStream(stream=7, at_ms=3_000))
        await front.until(lambda: len(front.all_of(UtteranceFinal)) == 1)


async def test_reported_text_is_scored_without_being_recognised(sockets: Sockets) -> None:
    async with house(sockets, ScriptedTranscriber()) as (front, _):
        assert front.peer is not None
        command = ScoreText(
            call_id="call",
            utterance_id="ai-100",
            seat_id="ai",
            role=Role.AI,
            text="Maybe. I am not sure about that.",
            at_ms=100,
        )
        assert await front.peer.ask(command) == {"utterance_id": "ai-100"}
        await front.until(lambda: bool(front.all_of(UtteranceScored)))
        scored = front.all_of(UtteranceScored)[0]
        assert scored.cues["hedging"] > 0.8
        assert scored.uncertainty.recognition is None
        assert "reported" in scored.not_scored["recognition"]


async def test_what_the_ai_reports_of_itself_and_silence_are_in_the_scores(sockets: Sockets) -> None:
    async with house(sockets, ScriptedTranscriber()) as (front, _):
        assert front.peer is not None

        def said(role: Role, start_ms: int, text: str) -> None:
            assert front.peer is not None
            times = {"at_ms": start_ms + 1_000, "start_ms": start_ms, "end_ms": start_ms + 1_000}
            front.peer.tell(
                ScoreText(
                    call_id="call",
                    utterance_id=f"{role}-{start_ms}",
                    seat_id=role,
                    role=role,
                    text=text,
                    **times,
                )
            )

        said(Role.AI, 0, "Which colour is the light on the box?")
        said(Role.CUSTOMER, 1_500, "Let me see, it is green.")
        said(Role.AI, 3_000, "Which colour is the light on the modem?")
        front.peer.tell(AIReport(call_id="call", at_ms=4_500, kind="tool", name="line_test", ok=False))
        front.peer.tell(AIReport(call_id="call", at_ms=4_600, kind="confidence", value=0.2))
        said(Role.CUSTOMER, 9_000, "That one is green as well.")
        said(Role.AI, 10_500, "Thank you, I have noted that.")
        await front.until(lambda: len(front.all_of(UtteranceScored)) == 5)
        _, before, _, customer, ai = front.all_of(UtteranceScored)
        notes = {piece.note for piece in customer.evidence if piece.kind == "uncertainty"}
        assert {"silence after a question", "a tool of the AI failed"} <= notes
        assert customer.uncertainty.dialogue > before.uncertainty.dialogue + 0.3
        assert customer.escalation > before.escalation
        assert ai.uncertainty.dialogue > 0.6
        assert "the AI reports 20% confidence" in {piece.note for piece in ai.evidence}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"model": "/no/such/folder"}, r"speech\.model: there is no folder /no/such/folder"),
        ({"overload_model": "/no/such/folder"}, r"speech\.overload_model: there is no folder"),
        ({"language": "tlh"}, r"speech\.language: .*'tlh'"),
    ],
)
async def test_a_missing_model_is_a_bad_setting(sockets: Sockets, wrong: dict[str, str], said: str) -> None:
    settings = Settings(speech=SpeechSettings.model_validate(wrong))
    with pytest.raises(BadSettings, match=said):
        await asyncio.wait_for(run(settings, sockets, "model"), 20)
