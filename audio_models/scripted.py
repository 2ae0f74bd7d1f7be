"""A recogniser that says what it is told: for tests of everything around a recogniser."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

from audio_models.api import SAMPLE_RATE_HZ, Samples, Transcript, TranscriptWord
from audio_models.guards import signal_flaw


class ScriptedTranscriber:
    """See `Transcriber`. Speaks `words`, one each `word_ms` of audio, or asks `answer` for each decode.

    `before` runs at the start of every decode (to slow it, or to fail it); `calls` records them as
    (length in ms, prefix, final).
    """

    name = "scripted"
    model = "script"
    low_fidelity = False
    description = "says what a test tells it"

    def __init__(
        self,
        words: Sequence[str] = (),
        *,
        word_ms: int = 300,
        answer: Callable[[Samples, bool], Transcript] | None = None,
        before: Callable[[], None] | None = None,
    ) -> None:
        self._words = tuple(words)
        self._word_ms = word_ms
        self._answer = answer
        self._before = before
        self._lock = threading.Lock()
        self.calls: list[tuple[int, tuple[str, ...], bool]] = []

    def transcribe(
        self, samples: Samples, *, language: str = "en", prefix: Sequence[str] = (), final: bool = True
    ) -> Transcript:
        """See `Transcriber.transcribe`."""
        length_ms = len(samples) * 1000 // SAMPLE_RATE_HZ
        with self._lock:
            self.calls.append((length_ms, tuple(prefix), final))
        if self._before is not None:
            self._before()
        if self._answer is not None:
            return self._answer(samples, final)
        flaw = signal_flaw(samples)
        if flaw:
            return Transcript("", flags=(flaw,))
        said = self._words[: length_ms // self._word_ms]
        words = tuple(
            TranscriptWord(text, at * self._word_ms, (at + 1) * self._word_ms, 0.9)
            for at, text in enumerate(said)
        )
        return Transcript(" ".join(said), words if final else (), -0.2, 0.01)

    def guard_counts(self) -> Mapping[str, int]:
        return {}
