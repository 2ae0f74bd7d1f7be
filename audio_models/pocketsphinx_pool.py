"""PocketSphinx as a `Transcriber`: its processes, one for each decode that may run at a time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import weakref
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from audio_models.api import (
    MissingModel,
    Samples,
    SpottedPhrase,
    Transcript,
    TranscriptWord,
    UnsupportedLanguage,
)
from audio_models.guards import loop_start, signal_flaw
from audio_models.phrase_model import read_phrases
from audio_models.spotting import DEFAULT_URGENT

REQUEST_BYTES = 4
LIMIT_S = 60.0
"""A decode that takes longer never comes back: its process is killed. 12 s of speech take 4 to 6 s."""


class RecogniserProcessDied(Exception):
    """The process ended in the middle of a decode; the next one gets another process."""


class PocketSphinxTranscriber:
    """See `Transcriber`. Every utterance is decoded whole, by itself, outside this process.

    At most `workers` decodes run at a time; further callers wait for one to end.
    """

    name = "pocketsphinx"
    model = "en-us"
    low_fidelity = True
    elsewhere = True

    def __init__(
        self,
        *,
        language: str = "en",
        phrases: Path | None = None,
        workers: int = 1,
        urgent_phrases: Sequence[str] = tuple(DEFAULT_URGENT),
    ) -> None:
        """`phrases`: a file of what is said here; `urgent_phrases` are listened for by themselves.

        Raises UnsupportedLanguage, MissingModel.
        """
        _require_english(language)
        self._arguments = [str(phrases) if phrases else "", *urgent_phrases]
        own = len(read_phrases(phrases)) if phrases else 0
        self.description = (
            "PocketSphinx en-us, embedded default: right on phrases it was given"
            + (f" ({own} of this deployment)" if own else "")
            + ", elsewhere expect a third or more of the words to be wrong"
        )
        self._turns = threading.BoundedSemaphore(workers)
        self._lock = threading.Lock()
        self._guards: Counter[str] = Counter()
        self._idle: list[_Worker] = []
        self._idle.append(_Worker(self._arguments))

    def transcribe(
        self, samples: Samples, *, language: str = "en", prefix: Sequence[str] = (), final: bool = True
    ) -> Transcript:
        """See `Transcriber.transcribe`. `prefix` cannot be forced here and is ignored."""
        _require_english(language)
        flaw = signal_flaw(samples)
        if flaw:
            return self._counted(Transcript("", flags=(flaw,)))
        with self._worker() as worker:
            words, spotted = worker.words(samples)
        kept = loop_start([word.text for word in words])
        flags = () if kept is None else ("loop",)
        words = words[:kept]
        text = " ".join(word.text for word in words)
        return self._counted(
            Transcript(text, tuple(words) if final else (), flags=flags, spotted=tuple(spotted))
        )

    def guard_counts(self) -> Mapping[str, int]:
        with self._lock:
            return dict(self._guards)

    def close(self) -> None:
        """Ends the processes that rest."""
        with self._lock:
            resting, self._idle = self._idle, []
        for worker in resting:
            worker.end()

    @contextmanager
    def _worker(self) -> Iterator[_Worker]:
        """One that rests, or a new one; one that failed is not used again."""
        with self._turns:
            with self._lock:
                worker = self._idle.pop() if self._idle else None
            worker = worker or _Worker(self._arguments)
            try:
                yield worker
            except BaseException:
                worker.end()
                raise
            with self._lock:
                self._idle.append(worker)

    def _counted(self, transcript: Transcript) -> Transcript:
        with self._lock:
            self._guards.update(transcript.flags)
        return transcript


class _Worker:
    """One process with one decoder; used by one thread at a time."""

    def __init__(self, arguments: Sequence[str]) -> None:
        let_go, lifeline = os.pipe()  # while we hold that, the process lives: however we end, it ends too
        command = [sys.executable, "-m", "audio_models.pocketsphinx", str(let_go), *arguments]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pass_fds=(let_go,),
                process_group=0,  # Ctrl-C is for us, and we for it
            )
        except BaseException:
            os.close(lifeline)
            raise
        finally:
            os.close(let_go)
        self.end = weakref.finalize(self, _end, self._process, lifeline)
        try:
            self._answer()
        except RecogniserProcessDied:
            self.end()
            raise MissingModel(
                "PocketSphinx does not start: is the package pocketsphinx installed whole, and are there "
                "words in speech.phrases that it can pronounce?"
            ) from None

    def words(self, samples: Samples) -> tuple[list[TranscriptWord], list[SpottedPhrase]]:
        pcm = (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
        limit = threading.Timer(LIMIT_S, self._process.kill)
        limit.start()
        try:
            assert self._process.stdin is not None
            self._process.stdin.write(len(pcm).to_bytes(REQUEST_BYTES, "big") + pcm)
            self._process.stdin.flush()
            return self._answer()
        except BrokenPipeError:
            raise RecogniserProcessDied("PocketSphinx's process has ended") from None
        finally:
            limit.cancel()

    def _answer(self) -> tuple[list[TranscriptWord], list[SpottedPhrase]]:
        assert self._process.stdout is not None
        head = self._process.stdout.read(REQUEST_BYTES)
        body = self._process.stdout.read(int.from_bytes(head, "big")) if len(head) == REQUEST_BYTES else b""
        if not body:
            raise RecogniserProcessDied("PocketSphinx's process ended in the middle of a decode")
        found = json.loads(body)
        words = [TranscriptWord(text, start, max(start, end)) for text, start, end in found["words"]]
        return words, [SpottedPhrase(*one) for one in found["spotted"]]


def _end(process: subprocess.Popen[bytes], lifeline: int) -> None:
    process.kill()
    os.close(lifeline)
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(BrokenPipeError):  # it was dead, with something unread
                pipe.close()
    process.wait()


def _require_english(language: str) -> None:
    if language.split("-")[0].lower() != "en":
        raise UnsupportedLanguage(f"PocketSphinx is here with English only, not {language!r}")
