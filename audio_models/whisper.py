"""Whisper through faster-whisper and CTranslate2: the only module that imports them.

`WhisperModel.transcribe` pads every window to 30 s, which is nearly the whole cost on a CPU. Here the
encoder is driven directly with windows of a few fixed lengths ("bucketed") where the model stands it: stock
weights loop on short windows, so each model must pass a self-test when it is loaded, else it gets 30 s.
"""

from __future__ import annotations

import contextlib
import logging
import math
import threading
import wave
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import ctranslate2
import faster_whisper
import faster_whisper.tokenizer
import numpy as np
from numpy.typing import NDArray

from audio_models.api import (
    ANY_LANGUAGE,
    MAX_WINDOW_MS,
    SAMPLE_RATE_HZ,
    DecodeRequest,
    MissingModel,
    Samples,
    Transcript,
    TranscriptWord,
    UnsupportedLanguage,
)
from audio_models.guards import MAX_WORDS_PER_S, is_phantom, loop_start, normal_words, signal_flaw
from audio_models.hardware import here
from audio_models.word_edges import out_of_silence

HOP = 160
FULL_WINDOW = 3000
BUCKETS = (200, 250, 300, 350, 400, 450, 500, 600, 700, 850, 1000, 1250, 1500, 2000, FULL_WINDOW)
"""Window lengths in mel frames of 10 ms: fine, since the encoder costs what the window is long, yet few, so
that windows of several legs meet in one batch. Never 159 or 160: CTranslate2 tells encoder output from mel
by its second dimension being 80, and would silently encode the output of such a window again."""

SLACK_FRAMES = 50
TOKENS_PER_S = 6
TOKENS_SPARE = 6
MAX_TOKENS = 224
SPEAKABLE_WORDS_PER_S = 4
SELF_TEST = Path(__file__).parent / "weights" / "selftest.wav"
SELF_TEST_TEXT = "i was charged twice and i want to speak to a real person please"

NEEDED_FILES = ("model.bin", "config.json", "tokenizer.json")

NO_SPEECH_PROB = 0.6
NO_SPEECH_LOGPROB = -1.0
LOW_LOGPROB = -1.3
LOW_PROBABILITY = 0.25
RETRIED = frozenset({"loop", "budget", "low_logprob", "low_probability", "too_fast"})
"""Flags for which a final is decoded once more in the full window."""
LOOPS = frozenset({"loop", "budget"})


MAX_BATCH = 8
SHORT_WINDOW_MEMORY = 20
MAX_SHORT_FAILURES = 6
"""Of so many finals so many that only the full window got right: this model does not stand short ones."""


@dataclass(frozen=True)
class _Decoded:
    """One decode: text tokens without the end mark, and what is needed to align and judge them."""

    tokens: list[int]
    avg_logprob: float
    no_speech_prob: float
    out_of_budget: bool
    encoded: Any
    frames: int
    length: int
    tokenizer: Any


@dataclass(frozen=True)
class _Window:
    """A request's audio, encoded, and the tokenizer of its language."""

    request: DecodeRequest
    encoded: Any
    frames: int
    window: int
    tokenizer: Any
    language: str = ""
    language_probability: float | None = None

    @property
    def length(self) -> int:
        return len(self.request.samples)

    @property
    def budget(self) -> int:
        """New tokens allowed: speech has about three a second."""
        return math.ceil(TOKENS_PER_S * self.length / SAMPLE_RATE_HZ) + TOKENS_SPARE


class WhisperTranscriber:
    """See `BatchTranscriber`. Thread-safe: CTranslate2 queues the calls and releases the GIL.

    On a CPU each window is encoded by itself, since a batch is no cheaper there, and the decoder runs over
    all windows of one length at once, which is: a third of the cost for eight (measured).
    """

    low_fidelity = False
    name = "faster-whisper"

    def __init__(self, folder_or_name: str, *, name: str = "", workers: int = 1, beam_size: int = 1) -> None:
        """Loads a folder or a hub name already on disk. Raises MissingModel with the remedy."""
        self._model = _load(folder_or_name, workers)
        self.model = Path(name or folder_or_name).name
        self.max_batch = MAX_BATCH
        self._beam_size = beam_size
        self._guards: Counter[str] = Counter()
        self._short_failures: deque[bool] = deque(maxlen=SHORT_WINDOW_MEMORY)
        self._lock = threading.Lock()
        self.bucketed = self._stands_short_windows()

    @property
    def description(self) -> str:
        window = "windows as long as the speech" if self.bucketed else "30 s windows"
        return f"Whisper {self.model}, {window}"

    def transcribe(
        self, samples: Samples, *, language: str = "en", prefix: Sequence[str] = (), final: bool = True
    ) -> Transcript:
        """See `Transcriber.transcribe`."""
        return self.transcribe_batch([DecodeRequest(samples, language, tuple(prefix), final)])[0]

    def window_of(self, length_ms: int) -> int:
        """See `BatchTranscriber.window_of`: mel frames."""
        return _bucket(length_ms // 10) if self.bucketed else FULL_WINDOW

    def transcribe_batch(self, requests: Sequence[DecodeRequest]) -> list[Transcript]:
        """See `BatchTranscriber.transcribe_batch`."""
        for request in requests:
            self._check(request)
        found: dict[int, Transcript] = {}
        windows: dict[int, _Window] = {}
        for at, request in enumerate(requests):
            flaw = signal_flaw(request.samples)
            if flaw:
                found[at] = Transcript("", flags=(flaw,))
            else:
                windows[at] = self._encode(request, full=not self.bucketed)
        for numbers in _grouped(windows, self._beam_of):
            heard = self._heard([windows[at] for at in numbers])
            found |= {at: self._checked(windows[at], one) for at, one in zip(numbers, heard, strict=True)}
        return [self._counted(found[at]) for at in range(len(requests))]

    def guard_counts(self) -> Mapping[str, int]:
        with self._lock:
            return dict(self._guards)

    # ------------------------------------------------------------ one request

    def _check(self, request: DecodeRequest) -> None:
        if len(request.samples) > MAX_WINDOW_MS * SAMPLE_RATE_HZ // 1000:
            raise ValueError(
                f"at most {MAX_WINDOW_MS} ms at once, got {len(request.samples) * 1000 // SAMPLE_RATE_HZ}"
            )
        if request.language != ANY_LANGUAGE:
            self._tokenizer(request.language)

    def _checked(self, window: _Window, heard: Transcript) -> Transcript:
        """A final that a guard speaks against is decoded once more in the full window."""
        request = window.request
        if not (request.final and request.thorough and window.window < FULL_WINDOW):
            return heard
        retried = bool(RETRIED & set(heard.flags))
        if retried:
            self._count("retried")
            again = self._heard([self._encode(request, full=True)])[0]
            cured = not again.suspect and bool(again.text) and bool(LOOPS & set(heard.flags))
            heard = min(heard, again, key=lambda one: (one.suspect, -(one.avg_logprob or -9.0)))
        else:
            cured = False
        with self._lock:
            self._short_failures.append(cured)
            if self.bucketed and sum(self._short_failures) >= MAX_SHORT_FAILURES:
                self.bucketed = False
                self._guards["short_windows_given_up"] += 1
        return heard

    def _encode(self, request: DecodeRequest, *, full: bool) -> _Window:
        mel: NDArray[np.float32] = self._model.feature_extractor(request.samples)[:, :-1][:, :FULL_WINDOW]
        frames = mel.shape[1]
        window = FULL_WINDOW if full else max(_bucket(frames), request.window)
        # Whisper was trained with 0.0 in log-mel behind the speech, not with the log of silence.
        encoded = self._model.encode(np.pad(mel, ((0, 0), (0, window - frames))))
        language, probability = request.language, None
        if language == ANY_LANGUAGE:
            language, probability = self._language_of(encoded)
        return _Window(
            request,
            encoded,
            frames,
            window,
            self._tokenizer(language),
            language if request.language == ANY_LANGUAGE else "",
            probability,
        )

    def _language_of(self, encoded: Any) -> tuple[str, float | None]:
        """The language spoken: one step of the decoder, on what is encoded already."""
        if not self._model.model.is_multilingual:
            return "en", None
        mark, probability = self._model.model.detect_language(encoded)[0][0]
        return mark.strip("<|>"), float(probability)

    def _tokenizer(self, language: str) -> Any:
        multilingual = self._model.model.is_multilingual
        base = language.split("-")[0].lower()
        if multilingual and base not in self._model.supported_languages:
            raise UnsupportedLanguage(f"Whisper knows no language {language!r}")
        if not multilingual and base != "en":
            raise UnsupportedLanguage(f"the model {self.model} knows English only, not {language!r}")
        return _make_tokenizer(self._model.hf_tokenizer, multilingual, base)

    # ------------------------------------------------------------ windows of one length

    def _heard(self, windows: Sequence[_Window]) -> list[Transcript]:
        """Transcripts of windows of one length, language and beam."""
        decoded = self._decode(windows)
        words = self._align(decoded, [one.request for one in windows])
        heard = [
            _final(one, said) if window.request.final else _partial(one, window.request.prefix)
            for one, window, said in zip(decoded, windows, words, strict=True)
        ]
        return [
            replace(one, language=window.language, language_probability=window.language_probability)
            for one, window in zip(heard, windows, strict=True)
        ]

    def _decode(self, windows: Sequence[_Window]) -> list[_Decoded]:
        tokenizer = windows[0].tokenizer
        forced = [_forced(tokenizer, window.request.prefix) for window in windows]
        start = [*tokenizer.sot_sequence, tokenizer.no_timestamps]
        limits = [
            min(MAX_TOKENS, len(tokens) + window.budget)
            for tokens, window in zip(forced, windows, strict=True)
        ]
        results = self._model.model.generate(
            _stacked([window.encoded for window in windows]),
            [[*start, *tokens] for tokens in forced],
            beam_size=self._beam_of(windows[0].request),
            # CTranslate2 gives a Whisper window half of max_length.
            max_length=2 * max(limits),
            return_scores=True,
            return_no_speech_prob=True,
        )
        return [
            _decoded(result, window, limit)
            for result, window, limit in zip(results, windows, limits, strict=True)
        ]

    def _beam_of(self, request: DecodeRequest) -> int:
        return self._beam_size if request.final and request.thorough else 1

    def _align(
        self, decoded: Sequence[_Decoded], requests: Sequence[DecodeRequest]
    ) -> list[list[TranscriptWord]]:
        """Word times and probabilities of finals by cross-attention: the decoder once more (~15 ms)."""
        said = [at for at, one in enumerate(decoded) if requests[at].final and not _is_nothing(one)]
        words: list[list[TranscriptWord]] = [[] for _ in decoded]
        if not said:
            return words
        found = self._model.find_alignment(
            decoded[said[0]].tokenizer,
            [decoded[at].tokens for at in said],
            _stacked([decoded[at].encoded for at in said]),
            [decoded[at].frames for at in said],
        )
        for at, aligned in zip(said, found, strict=True):
            placed = _words([dict(word) for word in aligned], decoded[at].length)
            words[at] = out_of_silence(placed, requests[at].samples)
        return words

    # ------------------------------------------------------------ guards and self-test

    def _counted(self, transcript: Transcript) -> Transcript:
        for flag in transcript.flags:
            self._count(flag)
        return transcript

    def _count(self, guard: str) -> None:
        with self._lock:
            self._guards[guard] += 1

    def _stands_short_windows(self) -> bool:
        """The self-test: short windows must be as right on a known clip as the full one, and never loop."""
        clip = _read_clip(SELF_TEST)
        short = self._heard([self._encode(DecodeRequest(clip), full=False)])[0]
        full = self._heard([self._encode(DecodeRequest(clip), full=True)])[0]
        beginning = DecodeRequest(clip[: 2 * SAMPLE_RATE_HZ])
        first_words = self._heard([self._encode(beginning, full=False)])[0]
        loops = short.suspect or "loop" in first_words.flags
        return not loops and _share_right(short.text) >= _share_right(full.text) - 0.1


def _grouped(windows: Mapping[int, _Window], beam_of: Callable[[DecodeRequest], int]) -> list[list[int]]:
    """Numbers of the windows that may be decoded together."""
    groups: dict[tuple[Any, ...], list[int]] = {}
    for at, one in windows.items():
        key = (one.window, id(one.tokenizer), beam_of(one.request))
        groups.setdefault(key, []).append(at)
    return list(groups.values())


def _stacked(encoded: Sequence[Any]) -> Any:
    """Encoder outputs of one length as one batch; a cheap copy against what decoding costs."""
    if len(encoded) == 1:
        return encoded[0]
    return ctranslate2.StorageView.from_array(np.concatenate([np.asarray(one) for one in encoded]))


def _forced(tokenizer: Any, prefix: Sequence[str]) -> list[int]:
    return tokenizer.encode(" " + " ".join(prefix)) if prefix else []


def _decoded(result: Any, window: _Window, limit: int) -> _Decoded:
    made = len(result.sequences_ids[0])
    tokens = [token for token in result.sequences_ids[0] if token < window.tokenizer.eot]
    return _Decoded(
        tokens[:limit],  # the batch may have been allowed more than this window by itself
        float(result.scores[0] * made / (made + 1)),
        float(result.no_speech_prob),
        len(tokens) >= limit,
        window.encoded,
        window.frames,
        window.length,
        window.tokenizer,
    )


def _partial(decoded: _Decoded, prefix: Sequence[str]) -> Transcript:
    text = _speakable(decoded.tokenizer.decode(decoded.tokens), decoded.length)
    if _is_nothing(decoded) and not prefix:
        return Transcript("", (), decoded.avg_logprob, decoded.no_speech_prob, ("no_speech",))
    flags = _text_flags(text, decoded, with_logprob=not prefix)
    # Words beyond the budget were cut off already.
    flags = tuple(flag for flag in flags if flag != "budget")
    return Transcript(text, (), decoded.avg_logprob, decoded.no_speech_prob, flags)


def _final(decoded: _Decoded, words: list[TranscriptWord]) -> Transcript:
    text = decoded.tokenizer.decode(decoded.tokens).strip()
    if not text or _is_nothing(decoded):
        return Transcript("", (), decoded.avg_logprob, decoded.no_speech_prob, ("no_speech",))
    flags = list(_text_flags(text, decoded, with_logprob=True))
    probabilities = [word.probability for word in words if word.probability is not None]
    mean = float(np.mean(probabilities)) if probabilities else None
    if mean is not None and mean < LOW_PROBABILITY:
        flags.append("low_probability")
    if is_phantom(text, decoded.length / SAMPLE_RATE_HZ - 0.3, mean):
        return Transcript("", (), decoded.avg_logprob, decoded.no_speech_prob, ("phantom",))
    if "loop" in flags:
        words = words[: loop_start([" ".join(normal_words(word.text)) for word in words])]
        text = " ".join(word.text for word in words)
    return Transcript(text, tuple(words), decoded.avg_logprob, decoded.no_speech_prob, tuple(flags))


def _words(found: list[dict[str, Any]], length: int) -> list[TranscriptWord]:
    """Monotone word times inside the audio, punctuation with its word."""
    faster_whisper.transcribe.merge_punctuations(found, "\"'“¿([{-", "\"'.。,,!!??::”)]}、")
    end_ms = length * 1000 // SAMPLE_RATE_HZ
    words: list[TranscriptWord] = []
    for word in found:
        text = word["word"].strip()
        if not text:
            continue
        earliest = words[-1].end_ms if words else 0
        start = min(max(round(float(word["start"]) * 1000), earliest), end_ms)
        stop = min(max(round(float(word["end"]) * 1000), start), end_ms)
        words.append(TranscriptWord(text, start, stop, float(word["probability"])))
    return words


def _bucket(frames: int) -> int:
    return next(size for size in BUCKETS if size >= min(frames + SLACK_FRAMES, FULL_WINDOW))


def _is_nothing(decoded: _Decoded) -> bool:
    sure = decoded.no_speech_prob > NO_SPEECH_PROB and decoded.avg_logprob < NO_SPEECH_LOGPROB
    # Without any token the model itself says that there was nothing.
    return sure or not decoded.tokens or decoded.no_speech_prob > 0.95


def _speakable(text: str, length: int) -> str:
    """As many words as `length` samples can hold: of half a sentence Whisper guesses the rest."""
    return " ".join(text.split()[: math.ceil(SPEAKABLE_WORDS_PER_S * length / SAMPLE_RATE_HZ)])


def _text_flags(text: str, decoded: _Decoded, *, with_logprob: bool) -> tuple[str, ...]:
    words = normal_words(text)
    seconds = max(decoded.length / SAMPLE_RATE_HZ, 0.5)
    return tuple(
        flag
        for flag, fired in (
            ("budget", decoded.out_of_budget),
            ("loop", loop_start(words) is not None),
            ("too_fast", len(words) / seconds > MAX_WORDS_PER_S),
            ("low_logprob", with_logprob and decoded.avg_logprob < LOW_LOGPROB),
        )
        if fired
    )


@lru_cache(maxsize=32)
def _make_tokenizer(tokenizer: Any, multilingual: bool, language: str) -> Any:
    return faster_whisper.tokenizer.Tokenizer(
        tokenizer, multilingual, task="transcribe", language=language if multilingual else "en"
    )


def _load(folder_or_name: str, workers: int) -> faster_whisper.WhisperModel:
    if Path(folder_or_name).expanduser().is_dir():
        folder_or_name = str(Path(folder_or_name).expanduser())
        missing = [name for name in NEEDED_FILES if not (Path(folder_or_name) / name).is_file()]
        if missing:
            raise MissingModel(
                f"{folder_or_name} is no CTranslate2 Whisper: {', '.join(missing)} not there; convert one "
                "with ct2-transformers-converter --copy_files tokenizer.json preprocessor_config.json"
            )
    elif any(sign in folder_or_name for sign in "\\~") or folder_or_name.startswith((".", "/")):
        raise MissingModel(
            f"there is no folder {folder_or_name}; speech.model names a folder or a model such as small.en"
        )
    hardware = here()
    try:
        with _only_errors_of("faster_whisper"):
            return faster_whisper.WhisperModel(
                folder_or_name,
                device=hardware.device,
                compute_type=hardware.compute_type,
                cpu_threads=1,
                num_workers=workers,
                local_files_only=True,
            )
    except Exception as error:  # of a damaged file its reader in Rust says nothing narrower
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        if Path(folder_or_name).is_dir():
            raise MissingModel(
                f"the Whisper model in {folder_or_name} cannot be read ({reason}); a file of it is damaged "
                "or cut off: fetch, convert or install it again"
            ) from None
        raise MissingModel(
            f"the Whisper model {folder_or_name!r} is not on this machine or cannot be read ({reason}); "
            f"fetch it with `voicewatch models pull {folder_or_name}`, or set speech.model to a folder"
        ) from None


@contextlib.contextmanager
def _only_errors_of(logger: str) -> Iterator[None]:
    log = logging.getLogger(logger)
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)


def _read_clip(path: Path) -> Samples:
    try:
        with wave.open(str(path)) as clip:
            pcm = np.frombuffer(clip.readframes(clip.getnframes()), dtype="<i2")
    except (OSError, EOFError, wave.Error) as error:
        raise MissingModel(f"{path} cannot be read ({error}); install VoiceWatch again") from None
    return pcm.astype(np.float32) / np.float32(32768)


def _share_right(text: str) -> float:
    """Share of the self-test's words found in order (longest common subsequence)."""
    expected, got = SELF_TEST_TEXT.split(), normal_words(text)
    row = [0] * (len(got) + 1)
    for word in expected:
        before = 0
        for at, other in enumerate(got, 1):
            kept = row[at]
            row[at] = before + 1 if word == other else max(row[at], row[at - 1])
            before = kept
    return row[-1] / len(expected)
