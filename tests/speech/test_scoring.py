"""The queue in front of the scorer: order, batches, and what happens when it fails or falls behind."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from audio_models.api import Scorer, ScoreRequest, Scores, load_scorer
from voicewatch.speech.scoring import BATCH, MAX_WAITING, Scoring


class Held:
    """The real scorer behind a gate, with the sizes of the batches it was given; `fails` breaks it."""

    sentiment_name = uncertainty_name = "held"

    def __init__(self) -> None:
        self._scorer = load_scorer()
        self.gate = threading.Event()
        self.sizes: list[int] = []
        self.fails = False

    def score(self, request: ScoreRequest) -> Scores:
        return self._scorer.score(request)

    def score_batch(self, requests: Sequence[ScoreRequest]) -> list[Scores]:
        assert self.gate.wait(10)
        self.sizes.append(len(requests))
        if self.fails:
            raise RuntimeError("out of order")
        return self._scorer.score_batch(requests)


@asynccontextmanager
async def running(scorer: Scorer) -> AsyncIterator[Scoring]:
    scoring = Scoring()
    task = asyncio.create_task(scoring.run(lambda: scorer))
    yield scoring
    task.cancel()


async def test_scores_are_told_in_order_and_read_together() -> None:
    held, told = Held(), list[tuple[int, Scores]]()
    done = asyncio.Event()
    async with running(held) as scoring:
        for number in range(BATCH + 3):
            text = "let me speak to a person" if number % 2 else "what is my balance"
            scoring.submit(ScoreRequest(text), lambda scores, n=number: told.append((n, scores)))  # type: ignore[misc]
        scoring.submit(ScoreRequest("that is all"), lambda _: done.set())
        held.gate.set()
        await asyncio.wait_for(done.wait(), 20)
    assert [number for number, _ in told] == list(range(BATCH + 3))
    assert max(held.sizes) > 1
    assert all((scores.cues.get("wants_human", 0) > 0.5) == bool(number % 2) for number, scores in told)


async def test_a_scorer_that_fails_is_told_of_and_recovers() -> None:
    held, told = Held(), asyncio.Queue[Scores]()
    held.gate.set()
    async with running(held) as scoring:
        held.fails = True
        scoring.submit(ScoreRequest("it is broken"), told.put_nowait)
        failed = await asyncio.wait_for(told.get(), 20)
        assert failed.sentiment is None
        assert failed.not_scored["sentiment"] == "the scorer failed"
        assert scoring.degraded == ["the scorer failed"]
        held.fails = False
        scoring.submit(ScoreRequest("it is broken"), told.put_nowait)
        assert (await asyncio.wait_for(told.get(), 20)).sentiment is not None
        assert scoring.degraded == []


async def test_what_is_too_much_goes_on_unscored() -> None:
    told: list[Scores] = []
    scoring = Scoring()
    for _ in range(MAX_WAITING + 1):
        scoring.submit(ScoreRequest("hello there"), told.append)
    assert [one.not_scored["cues"] for one in told] == ["the scorer is behind"]
    assert scoring.degraded


async def test_wordings_to_look_for_are_found_by_meaning_and_may_change() -> None:
    told = asyncio.Queue[Scores]()
    async with running(load_scorer()) as scoring:

        async def meanings_of(text: str) -> dict[str, float]:
            scoring.submit(ScoreRequest(text), told.put_nowait)
            return dict((await asyncio.wait_for(told.get(), 20)).meanings)

        assert await meanings_of("i would like to close my account") == {}
        scoring.look_for({"leaving": ["I want to cancel my contract", "close my account please"]})
        assert (await meanings_of("i would like to close my account"))["leaving"] > 0.5
        assert (await meanings_of("what is the weather like in berlin"))["leaving"] < 0.5
        scoring.look_for({"nothing": ["?"]})  # no word in it: rules hear that it was not evaluated
        assert await meanings_of("i would like to close my account") == {}
