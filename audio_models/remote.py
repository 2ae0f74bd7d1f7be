"""A recogniser on another machine, over the transcription route that many servers share (OpenAI's API):
`POST URL/v1/audio/transcriptions` with a WAV file, answered by JSON with segments and words.
"""

from __future__ import annotations

import io
import ipaddress
import threading
import time
import wave
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np

from audio_models.api import (
    MAX_WINDOW_MS,
    SAMPLE_RATE_HZ,
    MissingModel,
    Samples,
    Transcript,
    TranscriptWord,
)
from audio_models.guards import is_phantom, loop_start, normal_words, signal_flaw

ROUTE = "/v1/audio/transcriptions"
TIMEOUT_S = 10.0
FAILURES = 3
REST_S = 5.0
"""After so many failures in a row the server is left alone for so long; callers learn that at once."""
MAX_ANSWER_BYTES = 1 << 20


class RemoteFailed(Exception):
    """The server gave no transcript; the text says why."""


class RemoteTranscriber:
    """See `Transcriber`. At most `workers` requests are under way; further callers wait for one to end."""

    name = "remote"
    low_fidelity = False
    elsewhere = True

    def __init__(
        self, url: str, *, model: str = "", token: str = "", workers: int = 1, timeout_s: float = TIMEOUT_S
    ) -> None:
        """Asks the server nothing yet: it may come later. MissingModel for an address that cannot be used."""
        self._url = _checked(url) + ROUTE
        self.model = model or "whisper-1"
        self.description = f"{self.model} at {urlsplit(url).netloc}"
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        limits = httpx.Limits(max_connections=workers)
        self._client = httpx.Client(timeout=timeout_s, headers=headers, limits=limits)
        self._turns = threading.BoundedSemaphore(workers)
        self._lock = threading.Lock()
        self._guards: Counter[str] = Counter()
        self._failures = 0
        self._resting_until_s = 0.0

    def transcribe(
        self, samples: Samples, *, language: str = "en", prefix: Sequence[str] = (), final: bool = True
    ) -> Transcript:
        """See `Transcriber.transcribe`; RemoteFailed besides. `prefix` cannot be forced there."""
        if len(samples) > MAX_WINDOW_MS * SAMPLE_RATE_HZ // 1000:
            raise ValueError(f"at most {MAX_WINDOW_MS} ms at once")
        flaw = signal_flaw(samples)
        if flaw:
            return self._counted(Transcript("", flags=(flaw,)))
        form: dict[str, Any] = {
            "model": self.model,
            "language": language.split("-")[0],
            "response_format": "verbose_json",
            "temperature": "0",
            "timestamp_granularities[]": ["word", "segment"] if final else ["segment"],
        }
        with self._turns:
            answer = self._asked(form, _wav(samples))
        try:
            transcript = _transcript(answer, len(samples) * 1000 // SAMPLE_RATE_HZ, final)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RemoteFailed(f"the answer is no transcription ({type(error).__name__})") from None
        return self._counted(transcript)

    def guard_counts(self) -> Mapping[str, int]:
        with self._lock:
            return dict(self._guards)

    def close(self) -> None:
        self._client.close()

    def _asked(self, form: dict[str, Any], wav: bytes) -> Any:
        with self._lock:
            if time.monotonic() < self._resting_until_s:
                raise RemoteFailed("the server failed several times in a row and is left alone for a moment")
        try:
            found = self._client.post(self._url, data=form, files={"file": ("speech.wav", wav, "audio/wav")})
            found.raise_for_status()
            if len(found.content) > MAX_ANSWER_BYTES:
                raise ValueError("too long")
            answer = found.json()
        except (httpx.HTTPError, ValueError) as error:
            self._failed()
            status = error.response.status_code if isinstance(error, httpx.HTTPStatusError) else ""
            raise RemoteFailed(f"{type(error).__name__} {status}".strip()) from None
        with self._lock:
            self._failures = 0
        return answer

    def _failed(self) -> None:
        with self._lock:
            self._failures += 1
            if self._failures >= FAILURES:
                self._failures = 0
                self._resting_until_s = time.monotonic() + REST_S

    def _counted(self, transcript: Transcript) -> Transcript:
        if transcript.flags:
            with self._lock:
                self._guards.update(transcript.flags)
        return transcript


def _checked(url: str) -> str:
    """Callers' voices go there: unencrypted only within a machine or a private network."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.username:
        raise MissingModel(f"speech.remote_url is {url!r}; give it as https://asr.example.com")
    if parts.scheme == "http" and not _is_near(parts.hostname):
        raise MissingModel(f"speech.remote_url {url!r}: speech leaves this network only by https")
    return url.rstrip("/").removesuffix("/v1")


def _is_near(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return host == "localhost"


def _wav(samples: Samples) -> bytes:
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return made.getvalue()


def _transcript(answer: Any, length_ms: int, final: bool) -> Transcript:
    """The answer as ours: what it does not tell stays None, and our own guards look at it too."""
    text = " ".join(str(answer["text"]).split())
    segments = answer.get("segments") or []
    logprob = _mean([one.get("avg_logprob") for one in segments])
    no_speech = _mean([one.get("no_speech_prob") for one in segments])
    words = _words(answer.get("words") or [], length_ms) if final else ()
    mean = _mean([word.probability for word in words])
    if is_phantom(text, length_ms / 1000 - 0.3, mean):
        return Transcript("", (), logprob, no_speech, ("phantom",))
    kept = loop_start(normal_words(text))
    if kept is not None:
        return Transcript(" ".join(text.split()[:kept]), words[:kept], logprob, no_speech, ("loop",))
    return Transcript(text, words, logprob, no_speech)


def _words(told: list[dict[str, Any]], length_ms: int) -> tuple[TranscriptWord, ...]:
    words: list[TranscriptWord] = []
    for one in told:
        earliest = words[-1].end_ms if words else 0
        start = min(max(round(float(one["start"]) * 1000), earliest), length_ms)
        end = min(max(round(float(one["end"]) * 1000), start), length_ms)
        probability = one.get("probability")
        words.append(TranscriptWord(str(one["word"]).strip(), start, end, probability))
    return tuple(words)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [float(value) for value in values if value is not None]
    return sum(known) / len(known) if known else None
