"""The model process: chunks of all legs come in from media, finals and their scores go to front.

Media dies or front dies, and this one goes on; this one dies, and its successor is fed again from what
front had made durable (`heard`). Nothing here ever waits for the recogniser.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import struct
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog

from audio_models.api import (
    MissingModel,
    Scorer,
    Scores,
    SpeechJudge,
    Transcriber,
    Transcript,
    UnsupportedLanguage,
    describe_engines,
    load_scorer,
    load_speech_judge,
)
from voicewatch.core.events import Event, Role, SpeechStatus, SystemStatus, UtteranceFinal, UtteranceScored
from voicewatch.core.ids import ulid
from voicewatch.processes.link import Link, LinkServer, Peer
from voicewatch.processes.messages import (
    AIReport,
    Audio,
    CloseStream,
    ForgetCall,
    Hello,
    LevelsSent,
    Message,
    OpenStream,
    RememberCalls,
    ScoreText,
    SetMeanings,
)
from voicewatch.processes.messages import Heard as HeardMessage
from voicewatch.processes.problem import Problem
from voicewatch.processes.sockets import Sockets
from voicewatch.settings import BadSettings, Settings
from voicewatch.speech.conversations import Conversations
from voicewatch.speech.detection import Chunk, Detection, LegDetection
from voicewatch.speech.echoes import Echoes
from voicewatch.speech.facts import (
    final_fact,
    gap_fact,
    interim_signal,
    latency_parts,
    revision_signal,
    scored_fact,
)
from voicewatch.speech.jobs import Job
from voicewatch.speech.ladder import SAID
from voicewatch.speech.language import LanguageLock
from voicewatch.speech.pipeline import Heard, Output, Pipeline, Revised, Shown, Stream
from voicewatch.speech.recogniser import load_recogniser
from voicewatch.speech.scheduler import Scheduler
from voicewatch.speech.scoring import Scoring
from voicewatch.speech.voices import Voices

log = structlog.get_logger()

CHUNK_HEADER = struct.Struct("!HIBb")
CHUNK_BYTES = 640
VOICED = 1
TICK_S = 0.5
REMEMBERED_WITHIN_S = 3.0
"""Front tells what was said before as soon as it is connected; without it we begin all the same."""
ORPHAN_S = 3.0
"""A media process whose link broke is back by then, or dead: what its legs were saying is an utterance."""
STALLED_S = 3.0
"""No chunk of a leg for so long in the middle of speech: what was being said is an utterance."""
LAGGING_MS = 1_500
"""Older finals than this not yet decoded, or a decode that takes longer: `degraded` says so."""
MAX_STREAMS = 512
"""Legs listened to at once; more are refused and counted, so that a broken peer cannot fill the memory."""


@dataclass
class _Leg:
    """One stream of one media process."""

    peer: Peer
    wire_number: int
    pipeline: Pipeline
    detection: LegDetection = field(default_factory=LegDetection)
    came_s: float = field(default_factory=time.monotonic)
    """When the last chunk came."""
    unsafe: deque[tuple[int, int]] = field(default_factory=deque)
    """(report seq, start of its utterance's audio): not yet known durable. Bounded by the spool."""
    told_ms: int = 0
    closed: bool = False
    orphaned_s: float | None = None
    """When its media process went away."""
    scoring: deque[int] = field(default_factory=deque)
    """Start of each utterance whose scores are awaited; as many as the queue of scores holds at most."""
    first_partial_ms: dict[str, int] = field(default_factory=dict)
    """By utterance, until its final: a handful at most."""

    @property
    def done(self) -> bool:
        return self.closed and self.pipeline.idle


class ModelProcess:
    """Legs, their pipelines, the scheduler between them and the recogniser."""

    def __init__(self, settings: Settings, link: Link, name: str, judge: SpeechJudge | None = None) -> None:
        self._settings = settings
        self._link = link
        self._name = name
        self._conversations = Conversations()
        self.scoring = Scoring()
        self._voices = _voices(settings)
        self._engine: Transcriber | None = None
        self._legs: dict[int, _Leg] = {}
        self._by_wire: dict[tuple[str, int], int] = {}
        self._next_number = 1
        self._refused = 0
        self._detection = Detection(judge)
        self._echoes = Echoes(MAX_STREAMS)
        self._languages: dict[str, LanguageLock] = {}  # by call, while a leg of it is listened to
        self._committed_words = 0
        self._revised_words = 0
        self._remembered = asyncio.Event()
        self._scheduler = Scheduler(
            settings.speech.workers, on_transcript=self._decoded, on_given_up=self._given_up
        )

    # ------------------------------------------------------------ life

    async def listen_with(self, engine: Transcriber, smaller: Transcriber | None = None) -> None:
        """The recogniser is there: once front has told what was said before, what has waited is decoded."""
        log.info("recogniser_loaded", engine=engine.name, model=engine.model)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(REMEMBERED_WITHIN_S):
                await self._remembered.wait()
        self._engine = engine
        for leg in self._legs.values():
            leg.pipeline.early = not engine.low_fidelity
        self._scheduler.start(engine, smaller)

    async def watch(self) -> None:
        """Twice a second: hung decodes, how far behind we are, what is safe. Cancelled by its owner."""
        while True:
            self._scheduler.check()
            self._close_orphans()
            self._end_stalled()
            self._link.signal([self.status(), self.figures()])
            self.tell_heard()
            await asyncio.sleep(TICK_S)

    def status(self) -> SystemStatus:
        judge = self._detection.judge
        scorer = self.scoring.scorer
        engines = describe_engines(self._engine, scorer, judge) if self._engine and scorer else {}
        return SystemStatus(
            call_id="",
            processes={self._name: "up" if self._engine else "starting"},
            degraded=self._degraded(),
            analysis_lag_ms=self._scheduler.jobs.lag_ms(time.monotonic()),
            engines=engines,
        )

    def _degraded(self) -> list[str]:
        said = [text for step, text in SAID.items() if step <= self._scheduler.ladder.step]
        if self._engine and self._scheduler.jobs.lag_ms(time.monotonic()) > LAGGING_MS:
            said.append("transcription is behind")
        if self._scheduler.failing:
            said.append("the recogniser fails")
        said += self.scoring.degraded
        if self._refused:
            said.append("legs refused: too many at once")
        return said

    def figures(self) -> SpeechStatus:
        scheduler, counts = self._scheduler, self._scheduler.counts
        return SpeechStatus(
            call_id="",
            process=self._name,
            legs=len(self._legs),
            step=int(scheduler.ladder.step),
            step_name=scheduler.ladder.step.name.lower(),
            load=round(scheduler.load(), 3),
            lag_ms=scheduler.jobs.lag_ms(time.monotonic()),
            waiting_finals=len(scheduler.jobs.waiting_finals),
            waiting_audio_ms=scheduler.jobs.waiting_ms,
            steps_taken=counts.steps_taken,
            finals=counts.finals,
            partials=counts.partials,
            decodes=counts.decodes,
            batches=counts.batches,
            shed=scheduler.jobs.shed,
            given_up=counts.given_up,
            hung=counts.hung,
            committed_words=self._committed_words,
            revised_words=self._revised_words,
            legs_refused=self._refused,
            cpu_s=round(time.process_time(), 2),
            guards=dict(self._engine.guard_counts()) if self._engine else {},
        )

    def close(self) -> None:
        self._scheduler.close()

    # ------------------------------------------------------------ from media

    def gone(self, peer: Peer) -> None:
        """Its legs wait a moment: if only the link broke, the peer feeds them again from what is durable."""
        for leg in self._legs.values():
            if leg.peer is peer and not leg.closed:
                leg.orphaned_s = time.monotonic()
        for call_id in self._echoes.close_all(peer.process):
            self._forget_sound(call_id)

    def _close_orphans(self) -> None:
        now_s = time.monotonic()
        for leg in list(self._legs.values()):
            if leg.orphaned_s is not None and now_s - leg.orphaned_s > ORPHAN_S:
                self._close_leg(leg)

    def _end_stalled(self) -> None:
        """Media has stopped sending in the middle of a word: audio time stands still, and would for ever."""
        now_s = time.monotonic()
        for leg in list(self._legs.values()):
            if leg.pipeline.in_speech and not leg.orphaned_s and now_s - leg.came_s > STALLED_S:
                self._flush(leg)

    def _flush(self, leg: _Leg) -> None:
        for chunk in self._detection.finish(leg.detection):
            self._hear(leg, chunk)
        self._act(leg, leg.pipeline.close())

    def _hear(self, leg: _Leg, chunk: Chunk) -> None:
        self._act(leg, leg.pipeline.push(chunk.at_ms, chunk.pcm, chunk.voiced, chunk.level_dbfs))

    def _drop_orphan(self, message: OpenStream) -> None:
        """The leg comes again: what was half heard of it will be heard whole."""
        seat = (message.call_id, message.seat_id)
        for number, leg in list(self._legs.items()):
            stream = leg.pipeline.stream
            if leg.orphaned_s is not None and (stream.call_id, stream.seat_id) == seat:
                del self._legs[number]
                self._scheduler.jobs.forget(number)

    def receive(self, peer: Peer, message: Message, payload: bytes) -> None:
        if isinstance(message, Audio):
            self._audio(peer, message, payload)
        elif isinstance(message, LevelsSent):
            self._echoes.hear(peer.process, payload, message.count)
        elif isinstance(message, OpenStream):
            self._open(peer, message)
        elif isinstance(message, CloseStream):
            leg = self._leg(peer, message.stream)
            if leg is not None:
                self._close_leg(leg)
            call_id = self._echoes.close(peer.process, message.stream)
            if call_id is not None:
                self._forget_sound(call_id)

    def _open(self, peer: Peer, message: OpenStream) -> None:
        if message.levels_only:
            self._echoes.open(peer.process, message.stream, message.call_id)
            return
        self._drop_orphan(message)
        before = self._leg(peer, message.stream)
        if before is not None:
            self._close_leg(before)
        if len(self._legs) >= MAX_STREAMS:
            self._refused += 1
            return
        number, self._next_number = self._next_number, self._next_number + 1
        language = message.language or self._settings.speech.language
        stream = Stream(
            number, message.call_id, message.seat_id, message.role, language, message.zero_mono_ns
        )
        pipeline = Pipeline(
            stream,
            self._settings.speech,
            floor_ms=message.replay_from_ms or 0,
            early=self._engine is None or not self._engine.low_fidelity,
            language=self._languages.setdefault(message.call_id, LanguageLock(language)),
            echo=self._echoes.of(message.call_id),
        )
        self._legs[number] = _Leg(peer, message.stream, pipeline, told_ms=message.replay_from_ms or 0)
        self._by_wire[(peer.process, message.stream)] = number

    def _audio(self, peer: Peer, message: Audio, payload: bytes) -> None:
        now_s = time.monotonic()
        legs: dict[LegDetection, _Leg] = {}
        came: list[tuple[LegDetection, Chunk]] = []
        for wire_number, at_ms, flags, level_dbfs, pcm in chunks_of(payload, message.count):
            leg = self._leg(peer, wire_number)
            if leg is not None:
                leg.came_s, legs[leg.detection] = now_s, leg
                came.append((leg.detection, Chunk(at_ms, bytes(pcm), bool(flags & VOICED), level_dbfs)))
        for detection, chunk in self._detection.hear(came):
            self._hear(legs[detection], chunk)

    def _leg(self, peer: Peer, wire_number: int) -> _Leg | None:
        number = self._by_wire.get((peer.process, wire_number))
        return None if number is None else self._legs.get(number)

    def _close_leg(self, leg: _Leg) -> None:
        if leg.closed:
            return
        leg.closed = True
        number = leg.pipeline.stream.number
        if self._by_wire.get((leg.peer.process, leg.wire_number)) == number:
            del self._by_wire[(leg.peer.process, leg.wire_number)]
        self._flush(leg)
        self._drop_if_done(leg)

    def _drop_if_done(self, leg: _Leg) -> None:
        if leg.done:
            stream = leg.pipeline.stream
            self._legs.pop(stream.number, None)
            self._scheduler.jobs.forget(stream.number)
            self._forget_sound(stream.call_id)

    def _forget_sound(self, call_id: str) -> None:
        """What was kept of a call, when nobody in it is heard any more."""
        if all(leg.pipeline.stream.call_id != call_id for leg in self._legs.values()):
            self._languages.pop(call_id, None)
            self._echoes.forget(call_id)

    # ------------------------------------------------------------ what came of it

    def _act(self, leg: _Leg, found: Sequence[Output]) -> None:
        for one in found:
            if isinstance(one, Job):
                self._scheduler.submit(one)
            elif isinstance(one, Heard):
                self._report_final(leg, one)
            elif isinstance(one, Revised):
                self._revise(one)
            elif isinstance(one, Shown):
                self._show(leg, one)

    def _decoded(self, job: Job, transcript: Transcript) -> None:
        leg = self._legs.get(job.stream)
        if leg is not None:
            self._act(leg, leg.pipeline.decoded(job, transcript))
            self._drop_if_done(leg)

    def _given_up(self, job: Job, reason: str) -> None:
        leg = self._legs.get(job.stream)
        span = leg.pipeline.given_up(job) if leg else None
        if leg is None or span is None:
            return
        stream = leg.pipeline.stream
        self._report(leg, gap_fact(stream, span, now_ms(stream), reason), span.start_ms)
        self._show(leg, Shown(stream, job.utterance_id, span.start_ms, span.onset_ms, "", ""))
        self._drop_if_done(leg)

    def _report_final(self, leg: _Leg, heard: Heard) -> None:
        at_ms = now_ms(heard.stream)
        self._committed_words += heard.committed_words
        first_partial_ms = leg.first_partial_ms.pop(heard.utterance_id, None)
        latency_ms = latency_parts(heard, at_ms, time.monotonic(), first_partial_ms)
        context = self._conversations.context(heard.stream.call_id)
        final = final_fact(heard, at_ms, latency_ms, context)
        self._report(leg, final, heard.span.start_ms)
        start_ms = heard.span.start_ms
        leg.scoring.append(start_ms)
        revised_share = heard.revised_words / heard.committed_words if heard.committed_words else None
        request = self._conversations.heard(final, revised_share)
        spoken = self._voices.spoken(final.call_id, final.seat_id, final.role, heard.samples)
        self.scoring.submit(request, partial(self._report_scores, leg, final, start_ms), spoken)

    def _report_scores(self, leg: _Leg, final: UtteranceFinal, start_ms: int, scores: Scores) -> None:
        leg.scoring.remove(start_ms)
        self._report(leg, scored_fact(final, final.text, scores), start_ms)

    def _revise(self, revised: Revised) -> None:
        self._revised_words += revised.changed
        if not revised.text:  # no final will count them
            self._committed_words += len(revised.committed.split())
        self._link.signal([revision_signal(revised, now_ms(revised.stream))])

    def _report(self, leg: _Leg, event: Event, start_ms: int) -> None:
        leg.unsafe.append((self._link.report(event), start_ms))

    def _show(self, leg: _Leg, shown: Shown) -> None:
        signal = interim_signal(shown, now_ms(shown.stream))
        if signal.first_partial_ms is not None:
            leg.first_partial_ms[shown.utterance_id] = signal.first_partial_ms
        if not shown.committed and not shown.tail:
            leg.first_partial_ms.pop(shown.utterance_id, None)
        self._link.signal([signal])

    # ------------------------------------------------------------ what is safe

    def tell_heard(self) -> None:
        """Tells media from where a successor of this process would have to be fed."""
        durable = self._link.acknowledged()
        for leg in self._legs.values():
            while leg.unsafe and leg.unsafe[0][0] <= durable:
                leg.unsafe.popleft()
            upto_ms = leg.pipeline.needed_from_ms
            if leg.unsafe:
                upto_ms = min(upto_ms, leg.unsafe[0][1])
            if leg.scoring:
                upto_ms = min(upto_ms, leg.scoring[0])
            if upto_ms > leg.told_ms and leg.peer.tell(HeardMessage(stream=leg.wire_number, upto_ms=upto_ms)):
                leg.told_ms = upto_ms

    # ------------------------------------------------------------ from front

    async def command(self, command: Message) -> dict[str, Any]:
        """score_text and forget_call. Problem for anything else."""
        if isinstance(command, ScoreText):
            self._score_text(command)
            return {"utterance_id": command.utterance_id}
        if isinstance(command, ForgetCall):
            self._forget(command.call_id)
            return {}
        raise Problem(400, "Bad command", f"the model process takes no {command.type}", field="type")

    def told(self, message: Message, _: bytes) -> None:
        """The same as tells."""
        if isinstance(message, ScoreText):
            self._score_text(message)
        elif isinstance(message, ForgetCall):
            self._forget(message.call_id)
        elif isinstance(message, AIReport):
            self._conversations.report(message)
        elif isinstance(message, SetMeanings):
            self.scoring.look_for(message.meanings)
        elif isinstance(message, RememberCalls):
            for call_id, turns in message.calls.items():
                self._conversations.remember(call_id, turns)
            for report in message.ai_reports:
                self._conversations.report(report)
            if not message.more:
                self._remembered.set()

    def _forget(self, call_id: str) -> None:
        self._conversations.forget(call_id)
        self._voices.forget(call_id)

    def _score_text(self, command: ScoreText) -> None:
        whose = UtteranceScored(
            call_id=command.call_id,
            at_ms=command.at_ms,
            utterance_id=command.utterance_id,
            seat_id=command.seat_id,
            role=command.role,
        )
        if command.role is Role.AI:
            self._echoes.said(command.call_id, command.at_ms, command.text)
        known = command.start_ms is not None and command.end_ms is not None
        times = (command.start_ms or 0, command.end_ms or 0) if known else None
        request = self._conversations.reported(whose, command.text, command.language, times)
        self.scoring.submit(request, partial(self._report_scores_of_text, whose, command.text))

    def _report_scores_of_text(self, whose: UtteranceScored, text: str, scores: Scores) -> None:
        self._link.report(scored_fact(whose, text, scores))


def chunks_of(payload: bytes, count: int) -> Iterator[tuple[int, int, int, int, memoryview]]:
    """(stream, at_ms, flags, level, pcm) of each chunk in an Audio message; a short payload gives fewer."""
    size = CHUNK_HEADER.size + CHUNK_BYTES
    view = memoryview(payload)
    for at in range(0, min(len(payload) // size, count) * size, size):
        yield (*CHUNK_HEADER.unpack_from(view, at), view[at + CHUNK_HEADER.size : at + size])


def now_ms(stream: Stream) -> int:
    """Present moment on the call's clock (CLOCK_MONOTONIC is one for all processes of a machine)."""
    return max(0, (time.monotonic_ns() - stream.zero_mono_ns) // 1_000_000)


async def run(settings: Settings, sockets: Sockets, name: str, engine: Transcriber | None = None) -> None:
    """Runs until cancelled. BadSettings when the recogniser wanted is not on this machine.

    `engine` takes the place of the one named in the settings.
    """
    process: ModelProcess

    def on_message(message: Message, payload: bytes) -> None:
        process.told(message, payload)

    async def on_ask(command: Message) -> dict[str, Any]:
        return await process.command(command)

    def on_hello(_: Peer, __: Hello) -> None:
        """Media opens its streams by itself."""

    async def on_report(_: Peer, __: str, ___: int, ____: list[Event]) -> None:
        raise Problem(400, "Bad report", "the model process keeps no facts")

    epoch = ulid(time.time_ns() // 1_000_000, secrets.token_bytes(10))
    link = Link(
        sockets.path("front"),
        name,
        epoch,
        on_message=on_message,
        on_ask=on_ask,
        on_ack=lambda _: process.tell_heard(),
    )
    process = ModelProcess(settings, link, name, _judge(settings))
    server = LinkServer(
        on_hello=on_hello, on_gone=process.gone, on_message=process.receive, on_report=on_report
    )
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(link.run())
            tasks.create_task(server.serve(sockets.listener("model")))
            tasks.create_task(process.watch())
            tasks.create_task(process.scoring.run(partial(_scorer, settings)))
            other = settings.speech.overload_model
            smaller = await _loaded(settings, "overload_model") if other and not engine else None
            await process.listen_with(engine or await _loaded(settings, "model"), smaller)
    except BaseExceptionGroup as group:
        bad, others = group.split(BadSettings)
        if bad is None or others is not None:
            raise
        raise bad.exceptions[0] from None
    finally:
        process.close()


def _judge(settings: Settings) -> SpeechJudge | None:
    try:
        return load_speech_judge(settings.speech.detector)
    except MissingModel as error:
        raise BadSettings(str(error)) from None


def _voices(settings: Settings) -> Voices:
    try:
        return Voices(settings.speech.voice, settings.speech.voice_model)
    except MissingModel as error:
        named = settings.speech.voice_model
        raise BadSettings(f"speech.voice_model: {error}" if named else str(error)) from None


def _scorer(settings: Settings) -> Scorer:
    named = settings.speech.sentiment_model
    try:
        return load_scorer(named)
    except MissingModel as error:
        raise BadSettings(f"speech.sentiment_model: {error}" if named else str(error)) from None


async def _loaded(settings: Settings, named_by: str) -> Transcriber:
    """The recogniser of that setting, loaded in a thread so that links answer meanwhile."""
    model = getattr(settings.speech, named_by)
    try:
        return await asyncio.to_thread(load_recogniser, settings.speech, model=model)
    except UnsupportedLanguage as error:
        raise BadSettings(f"speech.language: {error}") from None
    except MissingModel as error:
        raise BadSettings(f"speech.{named_by}: {error}" if model else str(error)) from None
