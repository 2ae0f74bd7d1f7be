"""The threads around a recogniser."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from audio_models.api import DecodeRequest, Transcript
from audio_models.scripted import ScriptedTranscriber
from voicewatch.speech import jobs as jobs_module
from voicewatch.speech.jobs import Job, Kind
from voicewatch.speech.ladder import Step
from voicewatch.speech.scheduler import RecogniserHung, Scheduler


def job(name: str, kind: Kind = Kind.FINAL) -> Job:
    return Job(kind, 1, name, 0, 1000, lambda: np.ones(16_000, np.float32))


class Outcome:
    """What the scheduler told."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []
        self._changed = asyncio.Event()

    def transcript(self, one: Job, _: Transcript) -> None:
        self._note(one, "decoded")

    def given_up(self, one: Job, reason: str) -> None:
        self._note(one, reason)

    def _note(self, one: Job, what: str) -> None:
        self.said.append((one.utterance_id, what))
        self._changed.set()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.said) < count:
                self._changed.clear()
                await self._changed.wait()


def made(outcome: Outcome, workers: int = 1) -> Scheduler:
    return Scheduler(workers, on_transcript=outcome.transcript, on_given_up=outcome.given_up)


def engine(before: Callable[[], None]) -> ScriptedTranscriber:
    return ScriptedTranscriber(answer=lambda _, __: Transcript("yes"), before=before)


async def test_what_came_before_the_model_was_loaded_is_decoded_in_order() -> None:
    outcome = Outcome()
    scheduler = made(outcome)
    for name in "abc":
        scheduler.submit(job(name))
    assert outcome.said == []
    scheduler.start(engine(lambda: None))
    await outcome.until(3)
    assert outcome.said == [(name, "decoded") for name in "abc"]
    scheduler.close()


async def test_one_bad_item_does_not_stop_the_others() -> None:
    outcome = Outcome()
    fails = iter([True, False, True, False])

    def before() -> None:
        if next(fails):
            raise RuntimeError

    scheduler = made(outcome)
    scheduler.submit(job("bad"))
    scheduler.submit(job("good"))
    scheduler.start(engine(before))
    await outcome.until(2)
    assert outcome.said == [("good", "decoded"), ("bad", "recogniser_failed")]
    scheduler.close()


async def test_a_decode_that_hangs_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_module, "HUNG_UNKNOWN_S", 0.1)
    monkeypatch.setattr(jobs_module, "HUNG_LEAST_S", 0.1)
    monkeypatch.setattr(jobs_module, "HUNG_TIMES", 0.0)
    outcome = Outcome()
    go_on = threading.Event()
    first = threading.Event()

    def before() -> None:
        if not first.is_set():
            first.set()
            go_on.wait(10)

    scheduler = made(outcome)
    scheduler.submit(job("hangs"))
    scheduler.submit(job("next"))
    scheduler.start(engine(before))
    async with asyncio.timeout(5):
        while len(outcome.said) < 2:
            scheduler.check()
            await asyncio.sleep(0.02)
    assert outcome.said == [("next", "decoded"), ("hangs", "decoded")], "tried once more, behind the other"
    go_on.set()
    scheduler.close()
    assert len(outcome.said) == 2, "the late answer is ignored"
    assert scheduler.counts.hung == 1


async def test_a_recogniser_that_only_hangs_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_module, "HUNG_UNKNOWN_S", 0.01)
    outcome = Outcome()
    go_on = threading.Event()
    scheduler = made(outcome)
    scheduler.start(engine(lambda: bool(go_on.wait(10))))  # type: ignore[arg-type, return-value]
    for name in range(3):
        scheduler.submit(job(str(name)))

    async def watch() -> None:
        while True:
            scheduler.check()
            await asyncio.sleep(0.02)

    with pytest.raises(RecogniserHung):
        await asyncio.wait_for(watch(), 5)
    go_on.set()
    scheduler.close()


async def test_a_batch_that_raises_is_decoded_one_by_one() -> None:
    outcome = Outcome()

    class Picky(ScriptedTranscriber):
        """Takes up to four at once, and none that is loud."""

        max_batch = 4

        def window_of(self, length_ms: int) -> int:
            return 0

        def transcribe_batch(self, requests: Sequence[DecodeRequest]) -> list[Transcript]:
            if any(request.samples.max() > 0.9 for request in requests):
                raise RuntimeError
            return [Transcript("yes") for _ in requests]

    scheduler = made(outcome)
    scheduler.submit(job("loud"))
    for name in "abc":
        quiet = job(name)
        quiet.audio = lambda: np.full(16_000, 0.1, np.float32)
        scheduler.submit(quiet)
    scheduler.start(Picky())
    await outcome.until(4)
    assert outcome.said == [
        ("a", "decoded"),
        ("b", "decoded"),
        ("c", "decoded"),
        ("loud", "recogniser_failed"),
    ]
    assert scheduler.counts.batches == 2, "all four, then the loud one once more"
    scheduler.close()


async def test_overload_takes_the_smaller_model_and_marks_what_it_decodes() -> None:
    seen: list[tuple[str, ...]] = []
    outcome = Outcome()
    scheduler = Scheduler(
        1,
        on_transcript=lambda one, transcript: (
            seen.append(one.degraded),
            outcome.transcript(one, transcript),
        ),  # type: ignore[arg-type, return-value]
        on_given_up=outcome.given_up,
    )
    large, small = engine(lambda: None), engine(lambda: None)
    scheduler.jobs.step = Step.OTHER_MODEL
    scheduler.start(large, small)
    scheduler.submit(job("a"))
    await outcome.until(1)
    scheduler.jobs.step = Step.NORMAL
    scheduler.submit(job("b"))
    await outcome.until(2)
    assert seen == [("light", "other_model"), ()]
    assert (len(small.calls), len(large.calls)) == (1, 1)
    scheduler.close()


async def test_a_taker_that_fails_leaves_the_others_their_transcripts() -> None:
    outcome = Outcome()

    def take(one: Job, transcript: Transcript) -> None:
        if one.utterance_id == "bad":
            raise RuntimeError
        outcome.transcript(one, transcript)

    scheduler = Scheduler(1, on_transcript=take, on_given_up=outcome.given_up)
    for name in ("bad", "good"):
        scheduler.submit(job(name))
    scheduler.start(engine(lambda: None))
    await outcome.until(1)
    assert outcome.said == [("good", "decoded")]
    scheduler.close()
