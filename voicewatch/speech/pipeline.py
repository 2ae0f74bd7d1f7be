"""One leg from chunks to utterances: what must be decoded when, in audio time, and what came of it.

Pure: chunks and transcripts go in, jobs and results come out. A leg replayed from `needed_from_ms` gives
the same utterances under the same names.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from audio_models.api import SAMPLE_RATE_HZ, Transcriber, Transcript
from voicewatch.core.echo import EchoGuard
from voicewatch.core.endpointing import (
    CHUNK_MS,
    FILLED_GAP_MS,
    Boundary,
    Ended,
    Endpointer,
    EndpointSettings,
    Paused,
    Started,
)
from voicewatch.core.events import Role
from voicewatch.core.transcript import LocalAgreement, revised_words
from voicewatch.core.turns import LastWordTurns, TurnDetector
from voicewatch.settings import SpeechSettings
from voicewatch.speech.jobs import NOTHING, Job, Kind
from voicewatch.speech.language import LanguageLock

SAMPLES_PER_MS = SAMPLE_RATE_HZ // 1000
BYTES_PER_MS = SAMPLES_PER_MS * 2
FIRST_PARTIAL_MS = 450
"""Speech before the first decode, so that its words are shown within 0.9 s of onset even when busy."""
LONGER_STEPS_MS = ((3_000, 0), (8_000, 1_000), (1 << 30, 1_500))
"""Utterance shorter than so many ms: at least so long between partials (each decode grows with it)."""
PERHAPS_OVER_MS = 80
"""Silence after which a partial waits: in a moment there is more speech to hear, or a pause."""
MIN_VOICED_MS = 160
MIN_VOICED_SHARE = 0.15
"""Of the utterance's audio, pre-roll and tail included; less is noise, and not decoded."""
AHEAD_SHARE = 0.2
"""Of a step: a partial may come so much sooner or later, to be decoded together with other legs'."""
FIRST_PATIENCE_S = 0.25
EARLY_PATIENCE_S = 0.12
"""What is decoded at a pause is wanted by the end of the hangover; many pauses are over before that."""
SURE_LOGPROB = -0.35
"""Of a decode's tokens on average; words heard less surely take longer to be settled."""
SPARE_MS = 1_000


@dataclass(frozen=True)
class Stream:
    """Which leg it is, as media opened it."""

    number: int
    call_id: str
    seat_id: str
    role: Role
    language: str = "en"
    zero_mono_ns: int = 0


@dataclass(frozen=True)
class Heard:
    """An utterance that ended and its transcript. `ended_ms`: audio time at which the end was noticed."""

    stream: Stream
    utterance_id: str
    span: Ended
    ended_ms: int
    transcript: Transcript
    language: str
    engine: Transcriber | None = None
    degraded: tuple[str, ...] = ()
    """What overload took from it."""
    taken_s: float | None = None
    """When its decode began; None if one made at the pause before served."""
    committed_words: int = 0
    """Shown as settled before."""
    revised_words: int = 0
    """Of them, those that it does not bear out."""
    samples: NDArray[np.float32] = field(default_factory=lambda: NOTHING, repr=False, compare=False)
    """The audio that was decoded."""


@dataclass(frozen=True)
class Shown:
    """Interim text of the utterance being spoken; both parts empty: it came to nothing."""

    stream: Stream
    utterance_id: str
    start_ms: int
    onset_ms: int
    committed: str
    tail: str
    first: bool = False
    heard_ms: int | None = None
    """The recogniser had heard audio up to here."""


@dataclass(frozen=True)
class Revised:
    """A final does not bear out words that were shown as settled; comes right before it."""

    stream: Stream
    utterance_id: str
    committed: str
    text: str
    changed: int


@dataclass
class _Utterance:
    utterance_id: str
    start_ms: int
    onset_ms: int
    next_partial_ms: int
    asked: bool = False
    """A partial was."""
    words: LocalAgreement = field(default_factory=LocalAgreement)
    shown: bool = False
    pause: Paused | None = None
    early: tuple[Job, Transcript] | None = None
    """An early decode up to `pause`, and what it heard."""


@dataclass(frozen=True)
class _Awaited:
    """An utterance that has ended, before its final decode."""

    utterance_id: str
    span: Ended
    ended_ms: int
    shown: bool
    committed: tuple[str, ...]


Told = Heard | Revised | Shown
"""What comes of a decode."""
Output = Job | Told | Ended
"""A decode to make; what came of one; an utterance that ended, whatever its words will be."""


class Pipeline:
    """The leg `stream`. Chunks before `floor_ms` were understood in an earlier life and are ignored."""

    def __init__(
        self,
        stream: Stream,
        settings: SpeechSettings,
        *,
        floor_ms: int = 0,
        partials: bool = True,
        early: bool = True,
        language: LanguageLock | None = None,
        echo: EchoGuard | None = None,
        turns: TurnDetector | None = None,
    ) -> None:
        """`early`: decode at pauses already (too dear with an engine that is slow and unsure).

        `language` and `echo` are shared by the legs of a call; without a language the stream's is taken.
        """
        self.stream = stream
        self._settings = settings
        self._partials = partials
        self.early = early
        self._endpointer = Endpointer(
            EndpointSettings(
                hangover_ms=settings.hangover_ms,
                max_utterance_ms=settings.max_utterance_ms,
            ),
            floor_ms,
        )
        self._pcm = bytearray()
        self._pcm_from_ms = floor_ms
        self._open: _Utterance | None = None
        self._language = language or LanguageLock(stream.language)
        self._ended: dict[str, _Awaited] = {}
        self._echo = echo
        self._turns = turns or LastWordTurns()
        self._silent_ms = 0
        self.echoes = 0
        """Utterances that were the AI's voice coming back."""

    @property
    def now_ms(self) -> int:
        return self._endpointer.now_ms

    @property
    def in_speech(self) -> bool:
        return self._open is not None

    @property
    def needed_from_ms(self) -> int:
        """Audio before this will never be needed again, once all that was heard is safe."""
        waiting = [one.span.start_ms for one in self._ended.values()]
        return min([self._endpointer.needed_from_ms, *waiting])

    @property
    def idle(self) -> bool:
        """Nothing is being said and no final is awaited."""
        return self._open is None and not self._ended

    # ------------------------------------------------------------ chunks in

    def push(self, at_ms: int, pcm: bytes | memoryview, voiced: bool, level_dbfs: int) -> list[Output]:
        """20 ms of 16 kHz int16. Gives decodes to make, and what is settled without one."""
        if at_ms < self.now_ms:
            return []
        if at_ms - self.now_ms > FILLED_GAP_MS:
            found = self._bind(self._endpointer.skip_to(at_ms))
            self._pcm.clear()
            self._pcm_from_ms = at_ms
        else:
            found = []
            self._pcm += bytes((at_ms - self.now_ms) * BYTES_PER_MS)
        self._pcm += pcm
        self._silent_ms = 0 if voiced else self._silent_ms + CHUNK_MS
        self._tell_echo(at_ms, level_dbfs)
        found += self._bind(self._endpointer.push(at_ms, voiced, level_dbfs))
        found += self._partial_due()
        self._trim()
        return found

    def close(self) -> list[Output]:
        """The leg ends: what was being said is an utterance."""
        return self._bind(self._endpointer.close())

    def _bind(self, boundaries: list[Boundary]) -> list[Output]:
        return [out for boundary in boundaries for out in self._bound(boundary)]

    def _bound(self, boundary: Boundary) -> list[Output]:
        if isinstance(boundary, Started):
            self._open = _Utterance(
                f"{self.stream.seat_id}-{boundary.onset_ms}",
                boundary.start_ms,
                boundary.onset_ms,
                boundary.onset_ms + FIRST_PARTIAL_MS,
            )
            return []
        if isinstance(boundary, Paused):
            return self._pause(boundary)
        return self._end(boundary)

    def _pause(self, pause: Paused) -> list[Output]:
        assert self._open is not None
        self._open.pause, self._open.early = pause, None
        if not self.early or self._is_echo(self._open.onset_ms, pause.end_ms):
            return []
        # It shows what has been said, as a partial would, if the pause lasts long enough.
        self._put_off_partial(self._open, self.now_ms + FIRST_PARTIAL_MS)
        job = self._job(Kind.EARLY, self._open.utterance_id, pause.start_ms, pause.end_ms)
        job.patience_s = EARLY_PATIENCE_S
        return [job]

    def _end(self, span: Ended) -> list[Output]:
        utterance, self._open = self._open, None
        assert utterance is not None
        echo = self._is_echo(span.onset_ms, span.speech_end_ms)
        self.echoes += echo
        if echo or not _is_speech(span):
            return [self._nothing(utterance.utterance_id, span)] if utterance.shown else []
        awaited = _Awaited(
            utterance.utterance_id, span, self.now_ms, utterance.shown, utterance.words.committed
        )
        pause = utterance.pause
        if utterance.early is not None and pause is not None and pause.end_ms == span.end_ms:
            return [span, *self._settle(awaited, *utterance.early, early=True)]
        self._ended[utterance.utterance_id] = awaited
        return [span, self._job(Kind.FINAL, utterance.utterance_id, span.start_ms, span.end_ms)]

    def _partial_due(self) -> list[Output]:
        open_now, now_ms = self._open, self.now_ms
        if open_now is None or not self._partials or now_ms < open_now.next_partial_ms:
            return []
        if self._endpointer.paused or self._silent_ms >= PERHAPS_OVER_MS:
            return []  # nothing new has been said, or an early final is about to tell it
        if self._is_echo(open_now.onset_ms, now_ms):
            return []
        step_ms = self._step_ms(open_now)
        open_now.next_partial_ms = now_ms + step_ms
        job = self._job(Kind.PARTIAL, open_now.utterance_id, open_now.start_ms, now_ms)
        if open_now.asked:
            job.ahead_s = job.patience_s = AHEAD_SHARE * step_ms / 1000
        else:
            job.patience_s = min(FIRST_PATIENCE_S, AHEAD_SHARE * step_ms / 500)
        open_now.asked = True
        return [job]

    def _put_off_partial(self, utterance: _Utterance, until_ms: int) -> None:
        utterance.next_partial_ms = max(utterance.next_partial_ms, until_ms)

    # ------------------------------------------------------------ echo

    def _tell_echo(self, at_ms: int, level_dbfs: int) -> None:
        if self._echo is None:
            return
        if self.stream.role is Role.AI:
            self._echo.sent(at_ms, level_dbfs)
        elif self.stream.role is Role.CUSTOMER:
            self._echo.came(at_ms, level_dbfs)

    def _is_echo(self, start_ms: int, end_ms: int, text: str = "") -> bool:
        if self._echo is None or self.stream.role is not Role.CUSTOMER:
            return False
        return self._echo.is_echo(start_ms, end_ms) or self._echo.repeats(start_ms, end_ms, text)

    def _step_ms(self, utterance: _Utterance) -> int:
        """From one partial of the utterance to the next."""
        length_ms = self.now_ms - utterance.start_ms
        least_ms = next(step_ms for below_ms, step_ms in LONGER_STEPS_MS if length_ms < below_ms)
        return max(least_ms, self._settings.partial_step_ms)

    def _until_asked_ms(self, utterance: _Utterance) -> int:
        """From one partial to asking for the next, which is somewhat before its time."""
        return round((1 - AHEAD_SHARE) * self._step_ms(utterance))

    # ------------------------------------------------------------ transcripts in

    def decoded(self, job: Job, transcript: Transcript) -> list[Told]:
        """What came of one of this leg's jobs."""
        if job.kind is Kind.FINAL:
            awaited = self._ended.pop(job.utterance_id, None)
            return [] if awaited is None else self._settle(awaited, job, transcript)
        open_now = self._open
        if open_now is None or open_now.utterance_id != job.utterance_id:
            return []
        if job.kind is Kind.EARLY:
            self._put_off_partial(open_now, job.end_ms + self._until_asked_ms(open_now))
            if open_now.pause == Paused(job.start_ms, job.end_ms):
                open_now.early = (job, transcript)
                self._endpointer.wait_longer(self._turns.wait_ms(transcript.text.split()))
        if transcript.suspect or not transcript.text:
            return []
        if self._is_echo(max(open_now.onset_ms, job.start_ms), job.end_ms, transcript.text):
            return []
        sure = transcript.avg_logprob is None or transcript.avg_logprob >= SURE_LOGPROB
        return self._show(open_now, transcript.text.split(), job.end_ms, sure=sure)

    def given_up(self, job: Job) -> Ended | None:
        """A final that will never come: its span, for the gap to be marked."""
        awaited = self._ended.pop(job.utterance_id, None)
        return None if awaited is None else awaited.span

    def _show(self, utterance: _Utterance, words: list[str], heard_ms: int, *, sure: bool) -> list[Told]:
        before = (utterance.words.committed, utterance.words.tail)
        utterance.words.push(words, heard_ms, sure=sure)
        now = (utterance.words.committed, utterance.words.tail)
        if now == before:
            return []
        first, utterance.shown = not utterance.shown, True
        return [
            Shown(
                self.stream,
                utterance.utterance_id,
                utterance.start_ms,
                utterance.onset_ms,
                " ".join(now[0]),
                " ".join(now[1]),
                first,
                heard_ms,
            )
        ]

    def _settle(
        self, awaited: _Awaited, job: Job, transcript: Transcript, *, early: bool = False
    ) -> list[Told]:
        """The final of an utterance, or its taking back; before it, what it changes of settled words."""
        span, committed = awaited.span, awaited.committed
        told: list[Told] = []
        if self._is_echo(span.onset_ms, span.speech_end_ms, transcript.text):
            self.echoes += 1
            return [self._nothing(awaited.utterance_id, span)] if awaited.shown else []
        changed = revised_words(committed, transcript.text.split())
        if changed:
            told.append(
                Revised(self.stream, awaited.utterance_id, " ".join(committed), transcript.text, changed)
            )
        if not transcript.text:
            return [*told, self._nothing(awaited.utterance_id, span)] if awaited.shown else told
        self._language.heard(transcript, span.voiced_ms)
        heard = Heard(
            self.stream,
            awaited.utterance_id,
            span,
            awaited.ended_ms,
            transcript,
            transcript.language or job.language,
            job.engine,
            job.degraded,
            None if early else job.taken_s,
            len(committed),
            changed,
            job.samples,
        )
        return [*told, heard]

    def _nothing(self, utterance_id: str, span: Ended) -> Shown:
        return Shown(self.stream, utterance_id, span.start_ms, span.onset_ms, "", "")

    # ------------------------------------------------------------ audio

    def _job(self, kind: Kind, utterance_id: str, start_ms: int, end_ms: int) -> Job:
        job = Job(kind, self.stream.number, utterance_id, start_ms, end_ms, lambda: None)
        job.language = self._language.language
        if kind is Kind.PARTIAL:
            job.audio = lambda: self._newest(job)
        else:
            pcm = self._cut(start_ms, end_ms)
            job.audio = lambda: _floats(pcm) if self._wants(job) else None
        return job

    def _newest(self, job: Job) -> NDArray[np.float32] | None:
        """The utterance up to now, or nothing if it is over."""
        open_now = self._open
        if open_now is None or open_now.utterance_id != job.utterance_id:
            return None
        job.end_ms = self.now_ms
        job.prefix = open_now.words.committed
        open_now.next_partial_ms = self.now_ms + self._until_asked_ms(open_now)
        return _floats(self._cut(job.start_ms, job.end_ms))

    def _wants(self, job: Job) -> bool:
        """A final always; an early one while the pause lasts."""
        open_now = self._open
        at_pause = open_now is not None and open_now.utterance_id == job.utterance_id
        return job.kind is Kind.FINAL or (at_pause and self._endpointer.paused)

    def _cut(self, start_ms: int, end_ms: int) -> bytes:
        first = (start_ms - self._pcm_from_ms) * BYTES_PER_MS
        return bytes(self._pcm[first : first + (end_ms - start_ms) * BYTES_PER_MS])

    def _trim(self) -> None:
        spare_ms = self._endpointer.needed_from_ms - self._pcm_from_ms
        if spare_ms >= SPARE_MS:
            del self._pcm[: spare_ms * BYTES_PER_MS]
            self._pcm_from_ms += spare_ms


def _floats(pcm: bytes) -> NDArray[np.float32]:
    return np.frombuffer(pcm, dtype="<i2").astype(np.float32) / np.float32(32768)


def _is_speech(span: Ended) -> bool:
    return span.voiced_ms >= MIN_VOICED_MS and span.voiced_ms >= MIN_VOICED_SHARE * (
        span.end_ms - span.start_ms
    )
