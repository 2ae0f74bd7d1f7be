"""Chunks of all legs on their way to the pipelines: who speaks is asked for all of them at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audio_models.api import SAMPLE_RATE_HZ, Asked, LegMemory, SpeechJudge
from voicewatch.core.endpointing import CHUNK_MS, FILLED_GAP_MS
from voicewatch.core.voicing import Question, Voicing

BYTES_PER_MS = SAMPLE_RATE_HZ // 1000 * 2
KEPT_MS = 400
"""Behind the newest chunk: the longest wait for an answer, the warm-up and a window."""


@dataclass(frozen=True)
class Chunk:
    """20 ms of 16 kHz int16 of one leg; `voiced` is the gate's opinion on the way in, the judge's after."""

    at_ms: int
    pcm: bytes
    voiced: bool
    level_dbfs: int


class LegDetection:
    """One leg's chunks that are not decided yet, and the audio behind them."""

    def __init__(self) -> None:
        self.memory = LegMemory()
        self.voicing = Voicing()
        self._waiting: deque[bytes] = deque()  # as long as Voicing keeps a chunk waiting
        self._audio = bytearray()
        self._end_ms = 0

    def push(self, chunk: Chunk) -> Question | None:
        if chunk.at_ms < self._end_ms:
            return None  # again, or too late
        gap_ms = chunk.at_ms - self._end_ms
        if gap_ms > FILLED_GAP_MS:
            self._audio.clear()
        else:
            self._audio += bytes(gap_ms * BYTES_PER_MS)
        self._audio += chunk.pcm
        del self._audio[: -KEPT_MS * BYTES_PER_MS]
        self._end_ms = chunk.at_ms + CHUNK_MS
        self._waiting.append(chunk.pcm)
        question = self.voicing.push(chunk.at_ms, chunk.voiced, chunk.level_dbfs)
        if question is not None and question.anew:
            self.memory.state = None
        return question

    def windows(self, question: Question, length: int) -> NDArray[np.float32]:
        """The `length` samples before each end asked about; silence before what was heard."""
        rows = np.zeros((len(question.ends_ms), length), np.float32)
        heard = np.frombuffer(self._audio, "<i2")
        for row, end_ms in zip(rows, question.ends_ms, strict=True):
            end = len(heard) - (self._end_ms - end_ms) * BYTES_PER_MS // 2
            part = heard[max(0, end - length) : max(0, end)]
            if len(part):
                row[-len(part) :] = part
        rows *= np.float32(1 / 32768)
        return rows

    def decided(self, *, finish: bool = False) -> list[Chunk]:
        voiced = self.voicing.finish() if finish else self.voicing.take()
        if not voiced:
            return []
        return [Chunk(one.at_ms, self._waiting.popleft(), one.voiced, one.level_dbfs) for one in voiced]


class Detection:
    """Decides for all legs of a process. Without a judge the gate's flags stand."""

    def __init__(self, judge: SpeechJudge | None) -> None:
        self.judge = judge

    def hear(self, came: Sequence[tuple[LegDetection, Chunk]]) -> Iterator[tuple[LegDetection, Chunk]]:
        """Chunks as they came, of any legs; gives those decided now, in order for each leg."""
        if self.judge is None:
            yield from came
            return
        for round_ in _rounds(came):
            asking = [(leg, question) for leg, chunk in round_ if (question := leg.push(chunk))]
            asked = [Asked(leg.memory, leg.windows(one, self.judge.window)) for leg, one in asking]
            for (leg, _), answer in zip(asking, self.judge.judge(asked), strict=True):
                leg.voicing.answer(answer)
            yield from ((leg, chunk) for leg, _ in round_ for chunk in leg.decided())

    def finish(self, leg: LegDetection) -> list[Chunk]:
        """The leg ends: its chunks that still waited."""
        return leg.decided(finish=True)


def _rounds(
    came: Sequence[tuple[LegDetection, Chunk]],
) -> Iterator[list[tuple[LegDetection, Chunk]]]:
    """At most one chunk of a leg at a time: the next one depends on what was said of it."""
    if len({leg for leg, _ in came}) == len(came):
        yield list(came)  # nearly always: a tick brings a chunk of each leg
        return
    waiting: dict[LegDetection, deque[Chunk]] = {}
    for leg, chunk in came:
        waiting.setdefault(leg, deque()).append(chunk)
    while waiting:
        yield [(leg, chunks.popleft()) for leg, chunks in waiting.items()]
        waiting = {leg: chunks for leg, chunks in waiting.items() if chunks}
