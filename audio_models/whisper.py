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
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import faster_whisper
import faster_whisper.tokenizer
import numpy as np
from numpy.typing import NDArray

from audio_models.api import (
    MAX_WINDOW_MS,
    SAMPLE_RATE_HZ,
    MissingModel,
    Samples,
    Transcript,
    TranscriptWord,
    UnsupportedLanguage,
)
from audio_models.guards import MAX_WORDS_PER_S, is_phantom, loop_start, normal_words, signal_flaw

HOP = 160
FULL_WINDOW = 3000
BUCKETS = (200, 300, 400, 500, 700, 1000, 1500, 2000, FULL_WINDOW)
"""Window lengths in mel frames of 10 ms. Never 159 or 160: CTranslate2 tells encoder output from mel by its
second dimension being 80, and would silently encode the output of such a window again."""

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


@dataclass(frozen=True)
class _Decoded:
    """One decode: text tokens without the end mark, and what is needed to align and judge them."""

    tokens: list[int]
    avg_logprob: float
    no_speech_prob: float
    out_of_budget: bool
    encoded: Any
    frames: int


class WhisperTranscriber:
    """See `Transcriber`. Thread-safe: CTranslate2 queues the calls and releases the GIL."""

    low_fidelity = False
    name = "faster-whisper"

    def __init__(self, folder_or_name: str, *, name: str = "", workers: int = 1) -> None:
        """Loads a folder or a hub name already on disk. Raises MissingModel with the remedy."""
        self._model = _load(folder_or_name, workers)
        self.model = Path(name or folder_or_name).name
        self._guards: Counter[str] = Counter()
        self._lock = threading.Lock()
        self.bucketed = self._stands_short_windows()
        window = "windows as long as the speech" if self.bucketed else "30 s windows"
        self.description = f"Whisper {self.model}, {window}"

    def transcribe(
        self, samples: Samples, *, language: str = "en", prefix: Sequence[str] = (), final: bool = True
    ) -> Transcript:
        """See `Transcriber.transcribe`."""
        if len(samples) > MAX_WINDOW_MS * SAMPLE_RATE_HZ // 1000:
            raise ValueError(
                f"at most {MAX_WINDOW_MS} ms at once, got {len(samples) * 1000 // SAMPLE_RATE_HZ}"
            )
        tokenizer = self._tokenizer(language)
        flaw = signal_flaw(samples)
        if flaw:
            return self._counted(Transcript("", flags=(flaw,)))
        if not final:
            return self._counted(self._partial(samples, tokenizer, prefix))
        best = self._final(samples, tokenizer, full=not self.bucketed)
        if self.bucketed and RETRIED & set(best.flags):
            with self._lock:
                self._guards["retried"] += 1
            again = self._final(samples, tokenizer, full=True)
            best = min(best, again, key=lambda one: (one.suspect, -(one.avg_logprob or -9.0)))
        return self._counted(best)

    def guard_counts(self) -> Mapping[str, int]:
        with self._lock:
            return dict(self._guards)

    # ------------------------------------------------------------ decoding

    def _partial(self, samples: Samples, tokenizer: Any, prefix: Sequence[str]) -> Transcript:
        forced = tokenizer.encode(" " + " ".join(prefix)) if prefix else []
        decoded = self._decode(samples, tokenizer, forced, full=not self.bucketed)
        text = _speakable(tokenizer.decode(decoded.tokens), len(samples))
        flags = _text_flags(text, decoded, len(samples), with_logprob=not forced)
        if _is_nothing(decoded) and not forced:
            return Transcript("", (), decoded.avg_logprob, decoded.no_speech_prob, ("no_speech",))
        # Words beyond the budget were cut off already.
        flags = tuple(flag for flag in flags if flag != "budget")
        return Transcript(text, (), decoded.avg_logprob, decoded.no_speech_prob, flags)

    def _final(self, samples: Samples, tokenizer: Any, *, full: bool) -> Transcript:
        decoded = self._decode(samples, tokenizer, [], full=full)
        text = tokenizer.decode(decoded.tokens).strip()
        if not text or _is_nothing(decoded):
            return Transcript("", (), decoded.avg_logprob, decoded.no_speech_prob, ("no_speech",))
        words = self._align(decoded, tokenizer, len(samples))
        flags = list(_text_flags(text, decoded, len(samples), with_logprob=True))
        probabilities = [word.probability for word in words if word.probability is not None]
        mean = float(np.mean(probabilities)) if probabilities else None
        if mean is not None and mean < LOW_PROBABILITY:
            flags.append("low_probability")
        if is_phantom(text, len(samples) / SAMPLE_RATE_HZ - 0.3, mean):
            return Transcript("", (), decoded.avg_logprob, decoded.no_speech_prob, ("phantom",))
        if "loop" in flags:
            kept = loop_start([" ".join(normal_words(word.text)) for word in words])
            words = words[:kept]
            text = " ".join(word.text for word in words)
        return Transcript(text, tuple(words), decoded.avg_logprob, decoded.no_speech_prob, tuple(flags))

    def _decode(self, samples: Samples, tokenizer: Any, forced: list[int], *, full: bool) -> _Decoded:
        mel: NDArray[np.float32] = self._model.feature_extractor(samples)[:, :-1][:, :FULL_WINDOW]
        frames = mel.shape[1]
        window = FULL_WINDOW if full else _bucket(frames)
        # Whisper was trained with 0.0 in log-mel behind the speech, not with the log of silence.
        encoded = self._model.encode(np.pad(mel, ((0, 0), (0, window - frames))))
        prompt = [*tokenizer.sot_sequence, tokenizer.no_timestamps, *forced]
        budget = math.ceil(TOKENS_PER_S * len(samples) / SAMPLE_RATE_HZ) + TOKENS_SPARE
        longest = min(MAX_TOKENS, len(forced) + budget)
        result = self._model.model.generate(
            encoded,
            [prompt],
            beam_size=1,
            # CTranslate2 gives a Whisper window half of max_length.
            max_length=2 * longest,
            return_scores=True,
            return_no_speech_prob=True,
        )[0]
        tokens = [token for token in result.sequences_ids[0] if token < tokenizer.eot]
        made = len(result.sequences_ids[0])
        return _Decoded(
            tokens,
            float(result.scores[0] * made / (made + 1)),
            float(result.no_speech_prob),
            len(tokens) >= longest,
            encoded,
            frames,
        )

    def _align(self, decoded: _Decoded, tokenizer: Any, length: int) -> list[TranscriptWord]:
        """Word times and probabilities by cross-attention (a second pass of the decoder, ~20 ms)."""
        found = self._model.find_alignment(tokenizer, [decoded.tokens], decoded.encoded, decoded.frames)[0]
        found = [dict(word) for word in found]
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

    def _tokenizer(self, language: str) -> Any:
        multilingual = self._model.model.is_multilingual
        base = language.split("-")[0].lower()
        if multilingual and base not in self._model.supported_languages:
            raise UnsupportedLanguage(f"Whisper knows no language {language!r}")
        if not multilingual and base != "en":
            raise UnsupportedLanguage(f"the model {self.model} knows English only, not {language!r}")
        return _make_tokenizer(self._model.hf_tokenizer, multilingual, base)

    def _counted(self, transcript: Transcript) -> Transcript:
        if transcript.flags:
            with self._lock:
                self._guards.update(transcript.flags)
        return transcript

    def _stands_short_windows(self) -> bool:
        """The self-test: short windows must be as right on a known clip as the full one, and never loop."""
        clip = _read_clip(SELF_TEST)
        tokenizer = self._tokenizer("en")
        short = self._final(clip, tokenizer, full=False)
        full = self._final(clip, tokenizer, full=True)
        first_words = self._final(clip[: 2 * SAMPLE_RATE_HZ], tokenizer, full=False)
        loops = short.suspect or "loop" in first_words.flags
        return not loops and _share_right(short.text) >= _share_right(full.text) - 0.1


def _bucket(frames: int) -> int:
    return next(size for size in BUCKETS if size >= min(frames + SLACK_FRAMES, FULL_WINDOW))


def _is_nothing(decoded: _Decoded) -> bool:
    sure = decoded.no_speech_prob > NO_SPEECH_PROB and decoded.avg_logprob < NO_SPEECH_LOGPROB
    # Without any token the model itself says that there was nothing.
    return sure or not decoded.tokens or decoded.no_speech_prob > 0.95


def _speakable(text: str, length: int) -> str:
    """As many words as `length` samples can hold: of half a sentence Whisper guesses the rest."""
    return " ".join(text.split()[: math.ceil(SPEAKABLE_WORDS_PER_S * length / SAMPLE_RATE_HZ)])


def _text_flags(text: str, decoded: _Decoded, length: int, *, with_logprob: bool) -> tuple[str, ...]:
    words = normal_words(text)
    seconds = max(length / SAMPLE_RATE_HZ, 0.5)
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
    try:
        with _only_errors_of("faster_whisper"):
            return faster_whisper.WhisperModel(
                folder_or_name,
                device="cpu",
                compute_type="int8",
                cpu_threads=1,
                num_workers=workers,
                local_files_only=True,
            )
    except (ValueError, OSError, RuntimeError) as error:
        # huggingface_hub's LocalEntryNotFoundError is an OSError and a ValueError.
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
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
    with wave.open(str(path)) as clip:
        pcm = np.frombuffer(clip.readframes(clip.getnframes()), dtype="<i2")
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
