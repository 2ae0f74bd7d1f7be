"""All that the rest of the house sees of the models: protocols, plain values and how to load them.

Engines live in their own modules, each the only one that imports its third-party library; they are
imported here when asked for, so that a process without speech pays nothing for them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE_HZ = 16_000
MAX_WINDOW_MS = 30_000
"""No engine takes more audio at once: Whisper's position table ends there."""

Samples = NDArray[np.float32]
"""Mono speech at 16 kHz, shape [n], full scale is -1..1."""

BUNDLED_MODEL = "tiny-whisper"
ENGINES = ("auto", "faster-whisper", "pocketsphinx", "remote")
BUNDLED_FOLDER = Path(__file__).parent / "weights" / BUNDLED_MODEL


class MissingModel(Exception):
    """A model is not on this machine, or cannot be read; the text names the remedy."""


class UnsupportedLanguage(Exception):
    """The engine loaded has no model of this language."""


@dataclass(frozen=True)
class TranscriptWord:
    """One word; times in ms from the first sample given, probability 0..1 or None where there is none."""

    text: str
    start_ms: int
    end_ms: int
    probability: float | None = None


@dataclass(frozen=True)
class SpottedPhrase:
    """An urgent phrase that was listened for by itself; times as of a word, confidence 0..1."""

    phrase: str
    start_ms: int
    end_ms: int
    confidence: float


@dataclass(frozen=True)
class Transcript:
    """What an engine heard in one piece of audio. `words` is empty in partials of engines that align late.

    `flags` names the guards that fired (`loop`, `budget`, `no_speech`, ...); any flag makes it suspect.
    """

    text: str
    words: tuple[TranscriptWord, ...] = ()
    avg_logprob: float | None = None
    no_speech_prob: float | None = None
    flags: tuple[str, ...] = ()
    language: str = ""
    """Of the words; empty where the engine was told it, or knows one only."""
    language_probability: float | None = None
    """How sure the engine is of a language that it found by itself."""
    spotted: tuple[SpottedPhrase, ...] = ()
    """Of low fidelity, as the engine that listens for them."""

    @property
    def suspect(self) -> bool:
        return bool(self.flags)


class Transcriber(Protocol):
    """Speech to text without memory: the same samples give the same transcript, in any order of calls.

    `transcribe` may be called from several threads at once.
    """

    name: str
    """faster-whisper, pocketsphinx, remote, scripted."""
    model: str
    """Which model of the engine, as shown to people."""
    low_fidelity: bool
    """True where its words must not be trusted with automatic decisions."""

    @property
    def description(self) -> str:
        """What people should know of it."""

    def transcribe(
        self, samples: Samples, *, language: str = "en", prefix: Sequence[str] = (), final: bool = True
    ) -> Transcript:
        """The words of `samples` (at most 30 s).

        `prefix` are words already settled at its beginning: they are forced, and repeated in the result.
        `final` asks for word times, probabilities and retries. Raises UnsupportedLanguage, ValueError.
        """

    def guard_counts(self) -> Mapping[str, int]:
        """How often each guard fired since the engine was loaded."""


ANY_LANGUAGE = "auto"
"""Asks an engine that knows several languages to find out which one is spoken."""


@dataclass(frozen=True)
class DecodeRequest:
    """One item of `BatchTranscriber.transcribe_batch`; the fields are the arguments of `transcribe`.

    Without `thorough` a final is decoded once and with the smallest beam, whatever the guards say of it.
    `window` (see `BatchTranscriber.window_of`) is the least to decode it in, to share one with others.
    """

    samples: Samples
    language: str = "en"
    prefix: tuple[str, ...] = ()
    final: bool = True
    thorough: bool = True
    window: int = 0


@runtime_checkable
class BatchTranscriber(Transcriber, Protocol):
    """An engine for which several decodes at once cost less than one after the other."""

    max_batch: int

    def window_of(self, length_ms: int) -> int:
        """What a request of this length is decoded in, in units of 10 ms: those of one window cost least
        together, others can be padded to share one."""

    def transcribe_batch(self, requests: Sequence[DecodeRequest]) -> list[Transcript]:
        """A transcript for each, the same as one by one. Raises if any of them raises."""


def load_transcriber(
    engine: str = "auto",
    model: str = "",
    language: str = "en",
    workers: int = 1,
    beam_size: int = 1,
    *,
    phrases: str = "",
    urgent_phrases: Sequence[str] | None = None,
    remote_url: str = "",
    remote_token: str = "",
) -> Transcriber:
    """The recogniser for these settings, for `workers` threads at once; nothing is ever downloaded.

    `auto` is Whisper when a model is named and PocketSphinx otherwise: the bundled `tiny-whisper` knows
    only synthetic call-centre speech, so nobody's voice gets it without asking. Raises MissingModel.
    """
    if engine not in ENGINES:
        raise MissingModel(f"unknown speech engine {engine!r}; known: {', '.join(ENGINES)}")
    if engine == "remote":
        from audio_models.remote import RemoteTranscriber

        return RemoteTranscriber(remote_url, model=model, token=remote_token, workers=workers)
    if engine == "pocketsphinx" or (engine == "auto" and not model):
        from audio_models.pocketsphinx_pool import PocketSphinxTranscriber
        from audio_models.spotting import DEFAULT_URGENT

        own = Path(phrases).expanduser() if phrases else None
        listened_for = tuple(DEFAULT_URGENT) if urgent_phrases is None else tuple(urgent_phrases)
        return PocketSphinxTranscriber(
            language=language, phrases=own, workers=workers, urgent_phrases=listened_for
        )
    if not model:
        raise MissingModel(
            "speech.engine is faster-whisper but speech.model is empty; name a folder with a CTranslate2 "
            f"Whisper, a model already on this machine such as small.en, or {BUNDLED_MODEL}"
        )
    from audio_models.whisper import WhisperTranscriber

    folder_or_name = str(BUNDLED_FOLDER) if model == BUNDLED_MODEL else model
    return WhisperTranscriber(folder_or_name, name=model, workers=workers, beam_size=beam_size)


def cues_of_phrase(phrase: str, role: str) -> dict[str, float]:
    """What an urgent phrase means to rules, 0..1 by cue: `urgent`, and what its words say. Customers only."""
    from audio_models.spotting import cues_of

    return cues_of(phrase, role)


# ---------------------------------------------------------------- speech detection


class VoiceDetector(Protocol):
    """Tells voiced chunks from others."""

    def voiced(self, pcm: bytes) -> bool:
        """Whether 20 ms of 16 kHz little-endian int16 (640 bytes) hold speech."""


def load_voice_detector(aggressiveness: int = 2) -> VoiceDetector:
    """A new webrtcvad, which keeps state: one per leg. `aggressiveness` 0..3 as webrtcvad's mode."""
    from audio_models.vad import SpeechDetector

    return SpeechDetector(aggressiveness)


@dataclass(eq=False)
class LegMemory:
    """What a judge remembers of one leg; None: nothing yet. Only the judge looks inside."""

    state: Any = None


@dataclass(frozen=True)
class Asked:
    """How probable is speech in these windows of a leg, float32 [count, window], oldest first?"""

    memory: LegMemory
    windows: Samples


class SpeechJudge(Protocol):
    """A speech detector that is worth asking only where a cheap one found something. Pluggable."""

    name: str
    window: int
    """Samples it takes for one answer."""

    def judge(self, asked: Sequence[Asked]) -> list[list[float]]:
        """0..1 for each window, for all legs in one go; no leg may be named twice. Memories move on."""


def load_speech_judge(detector: str = "silero") -> SpeechJudge | None:
    """`silero`; None for `webrtcvad`, whose flags then stand as they are. Raises MissingModel."""
    if detector == "webrtcvad":
        return None
    if detector != "silero":
        raise MissingModel(f"unknown speech detector {detector!r}; known: silero, webrtcvad")
    from audio_models.silero import SileroJudge

    return SileroJudge()


# ---------------------------------------------------------------- scoring

Speaker = Literal["customer", "ai", "agent", "supervisor"]


@dataclass(frozen=True)
class Turn:
    """One earlier utterance of the call."""

    role: str
    text: str


@dataclass(frozen=True)
class Recognition:
    """How sure the recogniser was of an utterance; absent for text that was reported, not recognised."""

    word_probabilities: tuple[float, ...] = ()
    avg_logprob: float | None = None
    no_speech_prob: float | None = None
    suspect: bool = False
    low_fidelity: bool = False
    speech_ms: int | None = None
    """How long the utterance is; far too many or too few words for it were not all said."""
    revised_share: float | None = None
    """Share of the words shown as settled before that the final took back, 0..1."""


@dataclass(frozen=True)
class ScoreRequest:
    """An utterance to score. `context` holds earlier turns, oldest first.

    `arousal_change` is the voice against the caller's own beginning, -1 (calmer) .. 1 (more excited): for
    customers only, None where the voice was not or could not be judged. `silence_before_ms` is how long
    nobody had spoken when the utterance began. `ai_confidence` 0..1 and `tools_failed` (lately) are what the
    call's AI reported of itself.
    """

    text: str
    role: str = "customer"
    language: str = "en"
    context: Sequence[Turn] = ()
    recognition: Recognition | None = None
    arousal_change: float | None = None
    silence_before_ms: int | None = None
    ai_confidence: float | None = None
    tools_failed: int = 0


@dataclass(frozen=True)
class Span:
    """Evidence: characters [start, end) of the text scored, what they speak for and how much."""

    kind: str
    start: int
    end: int
    value: float
    note: str = ""


@dataclass(frozen=True)
class SentimentScore:
    """-5..+5, label and 0..1 confidence that the label is right."""

    score: float
    label: Literal["negative", "neutral", "positive", "mixed"]
    confidence: float


@dataclass(frozen=True)
class UncertaintyScore:
    """0..1, total and parts; a part that cannot be scored is None."""

    score: float
    recognition: float | None = None
    speaker: float | None = None
    dialogue: float | None = None


@dataclass(frozen=True)
class EscalationNeed:
    """How likely a person is needed in the call within the next turns, 0..1, and the reason codes of it."""

    score: float
    reasons: tuple[str, ...] = ()


class NotACustomer(ValueError):
    """Somebody else's voice was to be judged; only a customer's may be."""


class VoiceNotJudged(ValueError):
    """There is too little voice in the audio, or none."""


@dataclass(frozen=True)
class Arousal:
    """A customer's voice against his own beginning: -1 (calmer) .. 1 (more excited), 0 as usual.

    `confidence` 0..1 is how much of a change could be told at all: little for a caller not known yet, with
    little voice, noise or clipping. It is no emotion: anger and joy both raise it.
    """

    change: float
    confidence: float
    evidence: tuple[str, ...] = ()
    """What moved, as "pitch +3.1 semitones", what weighed most first."""


FUSED_FROM = 0.5
"""Confidence from which a voice has a say in sentiment; below it words are judged alone."""


class CallerVoice(Protocol):
    """Learns one customer's voice from his first seconds and judges what he says by them."""

    def judge(self, samples: Samples) -> Arousal:
        """Of his next utterance. Raises VoiceNotJudged."""


class VoiceModel(Protocol):
    """A model that measures the utterances of several callers together."""

    def measure(self, utterances: Sequence[Samples]) -> list[float | str]:
        """Of each, or why it was not measured."""


@runtime_checkable
class MeasuredVoice(CallerVoice, Protocol):
    """A caller's voice whose utterances may be measured with those of others."""

    model: VoiceModel

    def judge_measured(self, samples: Samples, measured: float | str) -> Arousal:
        """Of his next utterance, measured by `model`. Raises VoiceNotJudged."""


def load_caller_voice(role: str, model: str = "") -> CallerVoice:
    """For the customer of one call; `model` names another than our own, as `hf:FOLDER` or `hf:OWNER/NAME`.

    Raises NotACustomer for any other role, and MissingModel.
    """
    if model:
        from audio_models.heavier import HeavierVoice
        from audio_models.hugging_face import arousal_classifier

        return HeavierVoice(role, arousal_classifier(model))
    from audio_models.arousal import CustomerVoice

    return CustomerVoice(role)


@dataclass(frozen=True)
class Scores:
    """`not_scored` says for each part that is None why; one without English words has no cues either."""

    sentiment: SentimentScore | None = None
    uncertainty: UncertaintyScore | None = None
    cues: Mapping[str, float] = field(default_factory=dict)
    not_scored: Mapping[str, str] = field(default_factory=dict)
    evidence: Sequence[Span] = ()
    escalation: EscalationNeed | None = None
    """Of the conversation up to here, judged when a customer speaks."""
    arousal: Arousal | None = None
    """Of a customer whose voice was heard."""
    meanings: Mapping[str, float] = field(default_factory=dict)
    """0..1 by name of the phrases that were asked for (see MeaningMatcher)."""


class Scorer(Protocol):
    """Words (and how well they were recognised) to sentiment, uncertainty and cues."""

    sentiment_name: str
    uncertainty_name: str

    def score(self, request: ScoreRequest) -> Scores: ...

    def score_batch(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        """Scores in the order of the requests. What fails for one is `not_scored` there, and there only."""


def load_scorer(sentiment_model: str = "") -> Scorer:
    """The scorer of this version: a small network that reads turns in their context, English only.

    `sentiment_model` names another for the sentiment alone, as `hf:FOLDER` or `hf:OWNER/NAME`. Takes a second
    or two, and the time of one core. Raises MissingModel where weights are not there.
    """
    from audio_models.scorer import ReadingScorer

    if not sentiment_model:
        return ReadingScorer()
    from audio_models.heavier import HeavierSentiment
    from audio_models.hugging_face import sentiment_classifier

    return HeavierSentiment(ReadingScorer(), sentiment_classifier(sentiment_model))


def missing_engine(model: str) -> str:
    """What is not there to load `hf:...`, with the remedy; empty where all seems to be. Loads nothing."""
    from audio_models.hugging_face import missing

    return missing(model)


class MeaningMatcher:
    """How likely utterances mean the same as one of some phrases, whatever their words. English.

    Build one for a set of rules and keep it: the phrases are read once. Not for several threads at once.
    """

    def __init__(self, phrases: Mapping[str, Sequence[str]]) -> None:
        """`phrases`: by name, the wordings that mean it. Raises MissingModel without the weights, and
        ValueError for a name with no phrase that holds a word."""
        from audio_models.meaning import PhraseIndex

        self._index = PhraseIndex(phrases)

    def match(self, texts: Sequence[str]) -> list[dict[str, float]]:
        """For each text by name 0..1: the best of the name's phrases; 0.5 is as likely as not.

        A text without words matches nothing (0.0 everywhere). About 6 ms of CPU a text; texts given
        together cost less, and one scored just before costs nothing.
        """
        return self._index.match(texts)


def describe_engines(
    transcriber: Transcriber, scorer: Scorer, judge: SpeechJudge | None = None
) -> dict[str, str]:
    """What is running, for people: part -> name, with what must be known of it."""
    fidelity = " (low fidelity)" if transcriber.low_fidelity else ""
    return {
        "vad": f"webrtcvad, {judge.name}" if judge else "webrtcvad",
        "asr": transcriber.name + fidelity,
        "asr_model": transcriber.model,
        "sentiment": scorer.sentiment_name,
        "uncertainty": scorer.uncertainty_name,
    }
