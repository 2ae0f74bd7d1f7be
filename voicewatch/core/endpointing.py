"""Chunks of a leg to utterance boundaries, in audio time: the same chunks give the same boundaries.

Nothing here looks at a clock. The caller pushes 20 ms chunks with the voice flag and level media gave
them, and may say (by `wait_longer`) that the words so far are hardly all.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

CHUNK_MS = 20
ONSET_WINDOW = 5
ONSET_VOICED = 3
"""Speech starts with 3 voiced chunks of 5: one alone is a click."""
GOING_ON_WINDOW = 3
GOING_ON_VOICED = 2
FILLED_GAP_MS = 100
"""Missing chunks up to this long are silence inside an utterance; a longer gap ends it."""
CUT_SEARCH_MS = 2_000
CUT_WIDTH = 5
SILENT_DBFS = -96


@dataclass(frozen=True)
class EndpointSettings:
    """Times in ms. `tail_ms` of silence is kept behind the last voiced chunk and asks for `Paused`."""

    hangover_ms: int = 500
    max_utterance_ms: int = 12_000
    pre_roll_ms: int = 300
    tail_ms: int = 200


@dataclass(frozen=True)
class Started:
    """Speech began at `onset_ms`; the utterance is kept from `start_ms` (pre-roll)."""

    start_ms: int
    onset_ms: int


@dataclass(frozen=True)
class Paused:
    """`tail_ms` of silence inside an utterance: should it end here, its audio is [start_ms, end_ms)."""

    start_ms: int
    end_ms: int


@dataclass(frozen=True)
class Ended:
    """An utterance with audio [start_ms, end_ms), whose speech ended at `speech_end_ms`.

    `reason` is silence, cut (longer than allowed, parted at the quietest point), gap or closed.
    """

    start_ms: int
    end_ms: int
    onset_ms: int
    speech_end_ms: int
    voiced_ms: int
    reason: str


Boundary = Started | Paused | Ended


@dataclass
class _Chunk:
    at_ms: int
    voiced: bool
    level_dbfs: int


@dataclass(frozen=True)
class _Open:
    """The utterance being spoken."""

    start_ms: int
    onset_ms: int
    speech_end_ms: int
    voiced_ms: int
    paused: bool = False


class Endpointer:
    """Finds the utterances of one leg. `floor_ms`: no utterance begins before it."""

    def __init__(self, settings: EndpointSettings, floor_ms: int = 0) -> None:
        self._settings = settings
        self._floor_ms = floor_ms
        self._next_ms: int | None = None
        self._open: _Open | None = None
        self._longer_ms = 0
        self._recent: deque[_Chunk] = deque(maxlen=CUT_SEARCH_MS // CHUNK_MS)

    @property
    def in_speech(self) -> bool:
        return self._open is not None

    @property
    def paused(self) -> bool:
        """Silent for `tail_ms` in the middle of an utterance, or at its end."""
        return self._open is not None and self._open.paused

    @property
    def now_ms(self) -> int:
        """End of the last chunk pushed."""
        return self._floor_ms if self._next_ms is None else self._next_ms

    @property
    def needed_from_ms(self) -> int:
        """No audio before this can enter an utterance that has not ended yet."""
        if self._open is not None:
            return self._open.start_ms
        reach_ms = self._settings.pre_roll_ms + ONSET_WINDOW * CHUNK_MS
        return max(self._floor_ms, self.now_ms - reach_ms)

    def wait_longer(self, longer_ms: int) -> None:
        """The words up to the present pause are hardly all: wait so long beyond the hangover for more."""
        self._longer_ms = longer_ms if self._open is not None else 0

    def push(self, at_ms: int, voiced: bool, level_dbfs: int) -> list[Boundary]:
        """The chunk [at_ms, at_ms + 20). Chunks before the last one or before the floor are ignored."""
        return list(self._push(_Chunk(at_ms, voiced, level_dbfs)))

    def skip_to(self, at_ms: int) -> list[Boundary]:
        """No chunks until `at_ms`: too long a gap for an utterance to go on over it."""
        found = list(self._end("gap"))
        self._recent.clear()
        self._floor_ms = max(self._floor_ms, at_ms)
        self._next_ms = at_ms
        return found

    def close(self) -> list[Boundary]:
        """The leg ends here: what was being said is an utterance."""
        return list(self._end("closed"))

    # ------------------------------------------------------------ one chunk

    def _push(self, chunk: _Chunk) -> Iterator[Boundary]:
        if chunk.at_ms < self.now_ms:
            return
        if chunk.at_ms - self.now_ms > FILLED_GAP_MS:
            yield from self.skip_to(chunk.at_ms)
        while self._next_ms is not None and self._next_ms < chunk.at_ms:
            yield from self._step(_Chunk(self._next_ms, False, SILENT_DBFS))
        yield from self._step(chunk)

    def _step(self, chunk: _Chunk) -> Iterator[Boundary]:
        self._recent.append(chunk)
        self._next_ms = chunk.at_ms + CHUNK_MS
        if self._open is None:
            yield from self._look_for_onset()
        else:
            yield from self._go_on(self._open, chunk)

    def _look_for_onset(self) -> Iterator[Boundary]:
        voiced = [chunk for chunk in self._latest(ONSET_WINDOW) if chunk.voiced]
        if len(voiced) < ONSET_VOICED:
            return
        onset_ms = voiced[0].at_ms
        start_ms = max(self._floor_ms, onset_ms - self._settings.pre_roll_ms)
        self._open = _Open(start_ms, onset_ms, self.now_ms, len(voiced) * CHUNK_MS)
        self._longer_ms = 0
        yield Started(start_ms, onset_ms)

    def _go_on(self, open_now: _Open, chunk: _Chunk) -> Iterator[Boundary]:
        voiced_ms = open_now.voiced_ms + CHUNK_MS * chunk.voiced
        going_on = sum(one.voiced for one in self._latest(GOING_ON_WINDOW)) >= GOING_ON_VOICED
        if chunk.voiced and going_on:
            self._longer_ms = 0
            self._open = replace(open_now, voiced_ms=voiced_ms, speech_end_ms=self.now_ms, paused=False)
        else:
            self._open = replace(open_now, voiced_ms=voiced_ms)
            yield from self._wait(self._open)
        if self._open is not None and self.now_ms - self._open.start_ms >= self._settings.max_utterance_ms:
            yield from self._cut(self._open)

    def _wait(self, open_now: _Open) -> Iterator[Boundary]:
        settings = self._settings
        silence_ms = self.now_ms - open_now.speech_end_ms
        if silence_ms >= settings.hangover_ms + self._longer_ms:
            yield from self._end("silence")
        elif silence_ms >= settings.tail_ms and not open_now.paused:
            self._open = replace(open_now, paused=True)
            yield Paused(open_now.start_ms, open_now.speech_end_ms + settings.tail_ms)

    # ------------------------------------------------------------ ends

    def _end(self, reason: str) -> Iterator[Boundary]:
        if self._open is None:
            return
        ended, self._open = self._open, None
        end_ms = min(ended.speech_end_ms + self._settings.tail_ms, self.now_ms)
        self._floor_ms = end_ms
        self._longer_ms = 0
        yield Ended(ended.start_ms, end_ms, ended.onset_ms, ended.speech_end_ms, ended.voiced_ms, reason)

    def _cut(self, open_now: _Open) -> Iterator[Boundary]:
        """Parts a long utterance in the middle of the quietest 100 ms of the last 2 s."""
        cut_ms = self._quietest_ms(max(open_now.start_ms, self.now_ms - CUT_SEARCH_MS))
        behind_ms = sum(CHUNK_MS for one in self._recent if one.voiced and one.at_ms >= cut_ms)
        self._floor_ms = cut_ms
        speech_end_ms = min(open_now.speech_end_ms, cut_ms)
        yield Ended(
            open_now.start_ms,
            cut_ms,
            open_now.onset_ms,
            speech_end_ms,
            max(0, open_now.voiced_ms - behind_ms),
            "cut",
        )
        self._open = None
        if open_now.speech_end_ms > cut_ms and behind_ms:
            self._open = _Open(cut_ms, cut_ms, open_now.speech_end_ms, behind_ms)
            yield Started(cut_ms, cut_ms)

    def _quietest_ms(self, from_ms: int) -> int:
        chunks = [one for one in self._recent if one.at_ms >= from_ms]
        width = min(CUT_WIDTH, len(chunks))
        sums = [
            sum(one.level_dbfs for one in chunks[first : first + width])
            for first in range(len(chunks) - width + 1)
        ]
        # Among equals the last, so that as much as possible stays together.
        best = max(range(len(sums)), key=lambda first: (-sums[first], first))
        return chunks[best + width // 2].at_ms

    def _latest(self, count: int) -> list[_Chunk]:
        size = len(self._recent)
        return [self._recent[at] for at in range(max(0, size - count), size)]
