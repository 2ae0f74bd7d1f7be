"""Utterances of all calls on their way through the scorer: read in batches, in a thread, told in order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog

from audio_models.api import MeaningMatcher, Scorer, ScoreRequest, Scores
from voicewatch.processes.faults import fault
from voicewatch.speech.voices import Spoken, score_spoken

log = structlog.get_logger()

BATCH = 16
MAX_WAITING = 512
"""Past that an utterance goes on unscored, saying so: words must not wait for their scores."""
PARTS = ("sentiment", "speaker", "dialogue", "cues", "escalation")
OVERLOADED = "the scorer is behind"
FAILED = "the scorer failed"


@dataclass(frozen=True)
class _Waiting:
    request: ScoreRequest
    tell: Callable[[Scores], None]
    spoken: Spoken | None


class Scoring:
    """Takes requests on the loop's thread and tells their scores there, in the order in which they came."""

    def __init__(self) -> None:
        self.scorer: Scorer | None = None
        """None until it is loaded; what comes before waits."""
        self._waiting: deque[_Waiting] = deque()  # at most MAX_WAITING, see submit
        self._any = asyncio.Event()
        self._trouble = ""
        self._wanted: Mapping[str, Sequence[str]] = {}
        self._matcher: tuple[Mapping[str, Sequence[str]], MeaningMatcher | None] = ({}, None)
        """The phrases it was made of, and the matcher; only the scoring thread touches it."""

    def look_for(self, meanings: Mapping[str, Sequence[str]]) -> None:
        """From now on utterances are compared with these wordings, by name."""
        self._wanted = meanings

    @property
    def degraded(self) -> list[str]:
        """What is wrong with scores at present, for people."""
        return [self._trouble] if self._trouble else []

    def submit(
        self, request: ScoreRequest, tell: Callable[[Scores], None], spoken: Spoken | None = None
    ) -> None:
        """`tell` gets the scores, or the reason why there are none (at once when overloaded).

        With `spoken` the voice is judged too.
        """
        if len(self._waiting) >= MAX_WAITING:
            self._trouble = OVERLOADED
            tell(unscored(OVERLOADED))
            return
        self._waiting.append(_Waiting(request, tell, spoken))
        self._any.set()

    async def run(self, load: Callable[[], Scorer]) -> None:
        """Runs until cancelled. Raises what `load` raises (MissingModel)."""
        self.scorer = await asyncio.to_thread(load)
        while True:
            await self._any.wait()
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            if not self._waiting:
                self._any.clear()
            scores = await asyncio.to_thread(self._scored, self.scorer, batch)
            for one, found in zip(batch, scores, strict=True):
                one.tell(found)

    def _scored(self, scorer: Scorer, batch: Sequence[_Waiting]) -> list[Scores]:
        try:
            scores = score_spoken(scorer, [(one.request, one.spoken) for one in batch])
        except Exception as error:  # boundary: scores that fail must not take the words with them
            log.error("scoring_failed", **fault(error))
            self._trouble = FAILED
            return [unscored(FAILED) for _ in batch]
        self._trouble = ""
        return self._with_meanings(scores, [one.request.text for one in batch])

    def _with_meanings(self, scores: list[Scores], texts: Sequence[str]) -> list[Scores]:
        """Without a matcher rules that ask for a meaning say that it was not evaluated."""
        try:
            matcher = self._matcher_for(self._wanted)
            found = matcher.match(texts) if matcher else [{} for _ in texts]
        except Exception as error:  # boundary: the scores themselves are good
            log.error("meanings_failed", **fault(error))
            return scores
        return [replace(one, meanings=meanings) for one, meanings in zip(scores, found, strict=True)]

    def _matcher_for(self, wanted: Mapping[str, Sequence[str]]) -> MeaningMatcher | None:
        if self._matcher[0] is not wanted:
            self._matcher = (wanted, None)  # what cannot be made is not tried for every utterance
            self._matcher = (wanted, MeaningMatcher(wanted) if wanted else None)
        return self._matcher[1]


def unscored(reason: str) -> Scores:
    """Nothing could be scored: no part has a value, each has the reason."""
    return Scores(not_scored=dict.fromkeys((*PARTS, "recognition"), reason))
