"""A recording through the same pipeline, scorer and rules as a live call, in audio time.

Every decode is made where a live call asks for it, at once, so that the same file always gives the same
result, however fast it is fed.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from audio_models.api import (
    Scorer,
    SpeechJudge,
    Transcriber,
    describe_engines,
    load_scorer,
    load_speech_judge,
    load_voice_detector,
)
from voicewatch.core.call import CallState
from voicewatch.core.echo import EchoGuard
from voicewatch.core.endpointing import CHUNK_MS, Ended
from voicewatch.core.events import (
    AIPaused,
    AlertRaised,
    CallEnded,
    CallStarted,
    Fact,
    Role,
    SeatOpened,
    SilenceBegan,
    SilenceEnded,
    UtteranceFinal,
    UtteranceScored,
)
from voicewatch.core.metrics import summary
from voicewatch.core.rules import Judge, RuleBook, default_rules
from voicewatch.settings import Settings, SpeechSettings
from voicewatch.speech.audio_file import AudioFile, level_dbfs, opened
from voicewatch.speech.detection import Chunk, Detection, LegDetection
from voicewatch.speech.facts import Understanding, final_fact, gap_fact, roles_of
from voicewatch.speech.jobs import Job
from voicewatch.speech.language import LanguageLock
from voicewatch.speech.pipeline import Heard, Output, Pipeline, Stream
from voicewatch.speech.recogniser import load_recogniser
from voicewatch.speech.scheduler import decode
from voicewatch.speech.voices import Voices

SCHEMA = 1
CALL = "recording"
SILENCE_MS = 3_000
TICK_MS = 500


@dataclass
class _Analysis:
    """One recording on its way through: facts in order, and what they amount to."""

    engine: Transcriber
    scorer: Scorer
    judge: Judge
    speech_judge: SpeechJudge | None
    voices: Voices
    call: CallState = field(default_factory=lambda: CallState(CALL))
    utterances: list[tuple[UtteranceFinal, UtteranceScored]] = field(default_factory=list)
    speech: list[tuple[Stream, Ended]] = field(default_factory=list)
    alerts: list[AlertRaised] = field(default_factory=list)
    silent_since_ms: int | None = None
    quiet_from_ms: int = 0

    def __post_init__(self) -> None:
        self.understanding = Understanding(self.scorer)

    def take(self, fact: Fact) -> None:
        """A fact, and what the rules say to it."""
        self.call.apply(fact)
        for said in self.judge.push(fact):
            self._judged(said)

    def tick(self, at_ms: int) -> None:
        for said in self.judge.tick(at_ms):
            self._judged(said)

    def act(self, pipeline: Pipeline, outputs: Sequence[Output]) -> None:
        """Makes the decodes that are asked for and takes what comes of them."""
        waiting = list(outputs)
        while waiting:
            one = waiting.pop(0)
            if isinstance(one, Ended):
                self.speech.append((pipeline.stream, one))
            elif isinstance(one, Heard):
                self._heard(one)
            elif isinstance(one, Job):
                waiting = [*self._decoded(pipeline, one), *waiting]

    def listen(self, at_ms: int, speaking: bool) -> None:
        """Notices that nobody has spoken for 3 s, and that somebody does again."""
        if not speaking:
            if self.silent_since_ms is None and at_ms - self.quiet_from_ms >= SILENCE_MS:
                self.silent_since_ms = self.quiet_from_ms
                self.take(SilenceBegan(call_id=CALL, at_ms=at_ms, since_ms=self.quiet_from_ms))
            return
        self.quiet_from_ms = at_ms
        if self.silent_since_ms is not None:
            self.take(SilenceEnded(call_id=CALL, at_ms=at_ms, since_ms=self.silent_since_ms))
            self.silent_since_ms = None

    def _decoded(self, pipeline: Pipeline, job: Job) -> Sequence[Output]:
        samples = job.audio()
        if samples is None:
            return []
        job.samples, job.engine = samples, self.engine
        transcript, reason = decode(job)
        if transcript is not None:
            return pipeline.decoded(job, transcript)
        span = pipeline.given_up(job)
        if span is not None:
            self.take(gap_fact(pipeline.stream, span, pipeline.now_ms, reason))
        return []

    def _heard(self, heard: Heard) -> None:
        context = self.understanding.context(CALL)
        final = final_fact(heard, heard.ended_ms, {}, context)
        stream = heard.stream
        spoken = self.voices.spoken(stream.call_id, stream.seat_id, stream.role, heard.samples)
        scored = self.understanding.scored(final, spoken)
        self.utterances.append((final, scored))
        self.take(final)
        self.take(scored)

    def _judged(self, said: Fact) -> None:
        self.call.apply(said)
        if isinstance(said, AlertRaised):
            self.alerts.append(said)


def analyze(
    path: Path,
    roles: Sequence[str],
    rules_text: str | None,
    settings: Settings,
    realtime: bool = False,
    engine: Transcriber | None = None,
) -> dict[str, Any]:
    """The recording at `path` as the contract of `analyze --json` has it.

    `roles` says who speaks on each channel. Raises UnreadableAudio (a ValueError), OSError, MissingModel,
    BadRule, and ValueError for roles that do not fit. `engine` takes the place of the settings'.
    """
    rulebook = default_rules() if rules_text is None else RuleBook.parse(rules_text)
    speech = settings.speech
    scorer = load_scorer(speech.sentiment_model)
    with opened(path) as audio:
        streams = _streams(audio, roles_of(roles), speech.language)
        engine = engine or _engine(speech)
        numbers = itertools.count(1)
        judge = Judge(rulebook, CALL, lambda: f"{CALL}-{next(numbers)}")
        voices = Voices(speech.voice, speech.voice_model)
        analysis = _Analysis(engine, scorer, judge, load_speech_judge(speech.detector), voices)
        duration_ms = _run(analysis, audio, streams, settings, realtime)
    return _report(analysis, path, duration_ms)


@lru_cache(maxsize=1)
def _engine(speech: SpeechSettings) -> Transcriber:
    """Loaded once for all files of a command."""
    return load_recogniser(speech)


def _streams(audio: AudioFile, roles: Sequence[Role], language: str) -> list[Stream]:
    if len(roles) < audio.channels:
        raise ValueError(
            f"the recording has {audio.channels} channels but only {len(roles)} role is given; "
            "name one for each, as in --roles customer,ai"
        )
    names = [role.value for role in roles[: audio.channels]]
    legs = [name if names.count(name) == 1 else f"{name}-{at + 1}" for at, name in enumerate(names)]
    return [Stream(at, CALL, leg, roles[at], language) for at, leg in enumerate(legs)]


def _run(
    analysis: _Analysis, audio: AudioFile, streams: list[Stream], settings: Settings, realtime: bool
) -> int:
    """Feeds the whole recording; its duration in ms."""
    early = not analysis.engine.low_fidelity
    language, echo = LanguageLock(settings.speech.language), EchoGuard()
    pipelines = [
        Pipeline(stream, settings.speech, partials=False, early=early, language=language, echo=echo)
        for stream in streams
    ]
    gates = [load_voice_detector(settings.speech.vad_aggressiveness) for _ in streams]
    detection, legs = Detection(analysis.speech_judge), [LegDetection() for _ in streams]
    heard_by = dict(zip(legs, pipelines, strict=True))

    def hear(leg: LegDetection, chunk: Chunk) -> None:
        found = heard_by[leg].push(chunk.at_ms, chunk.pcm, chunk.voiced, chunk.level_dbfs)
        analysis.act(heard_by[leg], found)

    for fact in _opening(streams):
        analysis.take(fact)
    at_ms = 0
    for at_ms, chunks in _paced(audio, realtime):
        came = [
            (leg, Chunk(at_ms, pcm, gate.voiced(pcm), level_dbfs(pcm)))
            for leg, gate, pcm in zip(legs, gates, chunks, strict=True)
        ]
        for leg, chunk in detection.hear(came):
            hear(leg, chunk)
        analysis.listen(at_ms, any(pipeline.in_speech for pipeline in pipelines))
        if at_ms % TICK_MS == 0:
            analysis.tick(at_ms)
    for leg in legs:
        for chunk in detection.finish(leg):
            hear(leg, chunk)
    duration_ms = max((pipeline.now_ms for pipeline in pipelines), default=at_ms)
    for pipeline in pipelines:
        analysis.act(pipeline, pipeline.close())
    analysis.take(
        CallEnded(call_id=CALL, at_ms=duration_ms, reason="end of the recording", duration_ms=duration_ms)
    )
    return duration_ms


def _opening(streams: list[Stream]) -> Iterator[Fact]:
    yield CallStarted(call_id=CALL)
    for stream in streams:
        yield SeatOpened(call_id=CALL, seat_id=stream.seat_id, role=stream.role)
    roles = {stream.role for stream in streams}
    if Role.AGENT in roles and Role.AI not in roles:
        yield AIPaused(call_id=CALL, why="a human has the call")


def _paced(audio: AudioFile, realtime: bool) -> Iterator[tuple[int, list[bytes]]]:
    started_s = time.monotonic()
    for number, chunks in enumerate(audio.chunks()):
        if realtime:
            time.sleep(max(0.0, started_s + (number + 1) * CHUNK_MS / 1000 - time.monotonic()))
        yield number * CHUNK_MS, chunks


# ---------------------------------------------------------------- the report


def _report(analysis: _Analysis, path: Path, duration_ms: int) -> dict[str, Any]:
    speech = sorted(analysis.speech, key=lambda one: (one[1].onset_ms, one[0].number))
    utterances = sorted(analysis.utterances, key=lambda one: (one[0].start_ms, one[0].seat_id))
    return {
        "schema": SCHEMA,
        "audio": str(path),
        "duration_ms": duration_ms,
        "engine": describe_engines(analysis.engine, analysis.scorer, analysis.speech_judge),
        "utterances": [_utterance(final, scored) for final, scored in utterances],
        "speech": [
            {"leg": stream.seat_id, "start_ms": span.onset_ms, "end_ms": span.speech_end_ms}
            for stream, span in speech
        ],
        "alerts": [
            alert.model_dump(mode="json", include={"rule", "severity", "at_ms", "utterance_ids", "evidence"})
            for alert in analysis.alerts
        ],
        "summary": summary(analysis.call),
    }


def _utterance(final: UtteranceFinal, scored: UtteranceScored) -> dict[str, Any]:
    """`not_scored` says why a part is null; `suspect` that a hallucination guard fired."""
    told = final.model_dump(
        mode="json",
        include={"role", "start_ms", "end_ms", "text", "language", "words", "suspect", "low_fidelity"},
    )
    scores = scored.model_dump(
        mode="json", include={"sentiment", "uncertainty", "arousal", "cues", "not_scored", "evidence"}
    )
    return {"id": final.utterance_id, "leg": final.seat_id, **told, **scores}
