"""The queue of decodes by a clock that the test turns."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicewatch.speech.jobs import MAX_WAITING_MS, Batch, Job, JobQueue, Kind
from voicewatch.speech.ladder import Step


def job(kind: Kind, stream: int = 1, start_ms: int = 0, end_ms: int = 1000) -> Job:
    return Job(kind, stream, f"u{stream}-{start_ms}", start_ms, end_ms, lambda: np.zeros(1, np.float32))


def taken(queue: JobQueue, now_s: float) -> Job | None:
    """The next job of a queue without batches."""
    batch = queue.take(now_s)
    return None if batch is None else batch.jobs[0]


def fail(queue: JobQueue, reason: str) -> None:
    """The batch that runs raises."""
    batch = queue.running[0]
    queue.done(batch, 0.0)
    for one in batch.jobs:
        queue.failed(one, reason)


def test_a_final_of_any_leg_goes_before_every_partial() -> None:
    queue = JobQueue()
    for stream in (1, 2):
        queue.add(job(Kind.PARTIAL, stream), 0.0)
    queue.add(job(Kind.FINAL, 3), 1.0)
    queue.add(job(Kind.FINAL, 4), 2.0)
    assert [(one.kind, one.stream) for one in _drain(queue)] == [
        (Kind.FINAL, 3),
        (Kind.FINAL, 4),
        (Kind.PARTIAL, 1),
        (Kind.PARTIAL, 2),
    ]


def test_a_leg_has_one_partial_waiting_and_it_is_the_newest() -> None:
    queue = JobQueue()
    queue.add(job(Kind.PARTIAL, end_ms=500), 0.0)
    queue.add(job(Kind.PARTIAL, end_ms=1000), 0.5)
    assert [one.end_ms for one in _drain(queue)] == [1000]
    assert queue.shed == 1


def test_a_final_takes_over_the_early_decode_of_its_audio() -> None:
    queue = JobQueue()
    early = job(Kind.EARLY)
    queue.add(early, 0.0)
    batch = queue.take(0.0)
    assert batch is not None
    assert batch.jobs == [early]
    queue.add(job(Kind.FINAL), 0.3)
    assert queue.take(0.3) is None
    assert early.kind is Kind.FINAL
    assert queue.done(batch, 0.4)


def test_a_final_that_fails_is_tried_once_more_and_then_given_up() -> None:
    queue = JobQueue()
    queue.add(job(Kind.FINAL), 0.0)
    for _ in range(2):
        assert queue.take(0.0) is not None
        fail(queue, "recogniser_failed")
    assert queue.take(0.0) is None
    assert [reason for _, reason in queue.given_up] == ["recogniser_failed"]


def test_a_decode_that_hangs_is_tried_once_more_alone_then_given_up_and_its_late_answer_ignored() -> None:
    queue = JobQueue()
    queue.add(job(Kind.FINAL), 0.0)
    first = queue.take(0.0)
    assert first is not None
    assert queue.overdue(14.0) == []
    assert queue.overdue(16.0) == [first]
    assert not queue.done(first, 17.0)
    second = queue.take(17.0)
    assert second is not None
    assert second.jobs[0].alone
    assert queue.overdue(33.0) == [second]
    assert [reason for _, reason in queue.given_up] == ["recogniser_hung"]


def test_what_hangs_is_told_by_what_decodes_cost() -> None:
    queue = JobQueue(seconds_per_audio_s=0.02)
    queue.add(job(Kind.FINAL), 0.0)
    queue.take(0.0)
    assert queue.overdue(3.9) == []
    assert len(queue.overdue(4.1)) == 1
    slow = JobQueue(seconds_per_audio_s=1.0)
    slow.add(job(Kind.FINAL), 0.0)
    slow.take(0.0)
    assert slow.overdue(19.0) == []


def test_when_too_much_waits_the_oldest_final_is_given_up_not_lost() -> None:
    queue = JobQueue()
    count = MAX_WAITING_MS // 12_000 + 3
    for stream in range(count):
        queue.add(job(Kind.FINAL, stream, 0, 12_000), float(stream))
    assert [(one.stream, reason) for one, reason in queue.given_up] == [
        (0, "overload"),
        (1, "overload"),
        (2, "overload"),
    ]
    assert len(queue.waiting_finals) + len(queue.given_up) == count


def test_a_partial_that_would_take_too_long_is_shed() -> None:
    queue = JobQueue(seconds_per_audio_s=0.2)
    queue.add(job(Kind.PARTIAL, end_ms=1_500), 0.0)
    assert queue.take(0.0) is not None
    queue.add(job(Kind.PARTIAL, end_ms=5_000), 1.0)
    assert queue.take(1.0) is None
    assert queue.shed == 1


def test_legs_take_turns() -> None:
    queue = JobQueue()
    served = dict.fromkeys(range(50), 0)
    for now in range(1, 401):
        for stream in served:
            queue.add(job(Kind.PARTIAL, stream), float(now))
        batch = queue.take(float(now))
        assert batch is not None
        served[batch.jobs[0].stream] += 1
        queue.done(batch, float(now))
    assert max(served.values()) - min(served.values()) <= 1


STEPS = st.lists(
    st.tuples(st.sampled_from(["partial", "early", "final", "take", "done", "fail"]), st.integers(0, 3)),
    max_size=60,
)


@given(STEPS, st.integers(1, 3))
def test_every_final_is_decoded_or_given_up_exactly_once(steps: list[tuple[str, int]], together: int) -> None:
    queue = JobQueue(max_batch=together)
    asked, settled = 0, 0
    for now, (step, stream) in enumerate(steps):
        if step in ("partial", "early", "final"):
            queue.add(job(Kind(step), stream, now, now + 1000), float(now))
            asked += step == "final"
        elif step == "take":
            queue.take(float(now))
        elif queue.running and step == "done":
            batch = queue.running[0]
            queue.done(batch, float(now))
            settled += sum(one.kind is Kind.FINAL for one in batch.jobs)
        elif queue.running:
            fail(queue, "recogniser_failed")
    for one in [*(one for batch in queue.running for one in batch.jobs), *_drain(queue)]:
        settled += one.kind is Kind.FINAL
    assert settled + len(queue.given_up) == asked


# ---------------------------------------------------------------- together


def test_what_has_one_window_is_decoded_together() -> None:
    queue = JobQueue(max_batch=8, window_of=lambda length_ms: length_ms // 2_000)
    queue.add(job(Kind.PARTIAL, 9), 0.0)
    for stream, end_ms in ((1, 1_000), (2, 5_000), (3, 1_500)):
        queue.add(job(Kind.FINAL, stream, 0, end_ms), float(stream))
    queue.add(job(Kind.EARLY, 4, 0, 1_200), 4.0)
    assert [[one.stream for one in batch.jobs] for batch in _batches(queue)] == [[1, 3, 9, 4], [2]]


def waiting(stream: int, end_ms: int, kind: Kind = Kind.PARTIAL) -> Job:
    one = job(kind, stream, 0, end_ms)
    one.ahead_s = one.patience_s = 0.2
    return one


def test_a_shorter_partial_is_padded_where_that_is_cheaper_and_a_final_never_is() -> None:
    queue = JobQueue(max_batch=8, window_of=lambda length_ms: 100 * (1 + length_ms // 1_000))
    for stream, end_ms in ((1, 2_500), (2, 1_500), (3, 8_500)):
        queue.add(job(Kind.PARTIAL, stream, 0, end_ms), 0.0)
    queue.add(job(Kind.FINAL, 4, 0, 1_600), 0.0)
    queue.add(job(Kind.FINAL, 5, 0, 2_600), 0.0)
    batches = _batches(queue)
    assert [[(one.stream, one.window) for one in batch.jobs] for batch in batches] == [
        [(4, 200), (2, 200)],
        [(5, 300), (1, 300)],
        [(3, 900)],
    ]


def test_a_partial_waits_for_company_only_while_another_leg_speaks() -> None:
    queue = JobQueue(max_batch=8)
    queue.add(waiting(1, 1_000), 0.0)
    assert queue.take(0.19) is None  # asked ahead of its time
    assert queue.leaves_s(0.19) == 0.2
    alone = queue.take(0.2)
    assert alone is not None
    queue.done(alone, 0.3)
    queue.add(waiting(2, 1_000), 0.5)
    assert queue.leaves_s(0.5) == pytest.approx(0.9)
    assert queue.take(0.8) is None
    queue.add(waiting(3, 1_000), 0.8)
    together = queue.take(0.91)
    assert together is not None
    assert [one.stream for one in together.jobs] == [2, 3]


def test_a_final_takes_what_waits_for_company_along() -> None:
    queue = JobQueue(max_batch=8)
    queue.add(waiting(1, 1_000), 0.0)
    queue.add(job(Kind.FINAL, 2), 0.1)
    batch = queue.take(0.1)
    assert batch is not None
    assert [one.stream for one in batch.jobs] == [2, 1]


def test_languages_are_not_mixed_and_what_failed_goes_alone() -> None:
    queue = JobQueue(max_batch=8)
    german, bad = job(Kind.FINAL, 2), job(Kind.FINAL, 3)
    german.language = "de"
    bad.alone = True
    for one in (job(Kind.FINAL, 1), german, bad, job(Kind.FINAL, 4)):
        queue.add(one, 0.0)
    assert [[one.stream for one in batch.jobs] for batch in _batches(queue)] == [[1, 4], [2], [3]]


def test_a_batch_does_not_grow_so_dear_that_a_final_would_wait_for_it() -> None:
    queue = JobQueue(max_batch=8, seconds_per_audio_s=0.1)
    for stream in range(8):
        queue.add(job(Kind.FINAL, stream), 0.0)
    batch = queue.take(0.0)
    assert batch is not None
    assert len(batch.jobs) == 3
    queue.step = Step.LATE_FINALS
    rest = queue.take(0.0)
    assert rest is not None
    assert len(rest.jobs) == 5


# ---------------------------------------------------------------- too much to do


def test_partials_come_slower_then_not_at_all() -> None:
    queue = JobQueue(step=Step.SLOWER_PARTIALS)
    served = 0
    for tenth in range(100):
        queue.add(job(Kind.PARTIAL), tenth / 10)
        batch = queue.take(tenth / 10)
        if batch is not None:
            served += 1
            queue.done(batch, tenth / 10)
    assert served == 5
    queue.step = Step.NO_PARTIALS
    queue.add(job(Kind.PARTIAL), 20.0)
    queue.add(job(Kind.EARLY, 2), 20.0)
    assert queue.take(20.0) is None
    queue.add(job(Kind.FINAL), 20.0)
    assert taken(queue, 20.0) is not None


def test_what_nobody_wants_any_more_is_left_out() -> None:
    queue = JobQueue()
    over = job(Kind.EARLY, 1)
    over.audio = lambda: None
    queue.add(over, 0.0)
    queue.add(job(Kind.PARTIAL, 2), 1.0)
    next_one = taken(queue, 1.0)
    assert next_one is not None
    assert next_one.stream == 2
    assert queue.shed == 1


def _batches(queue: JobQueue) -> list[Batch]:
    found = []
    while (batch := queue.take(100.0)) is not None:
        found.append(batch)
    return found


def _drain(queue: JobQueue) -> list[Job]:
    return [one for batch in _batches(queue) for one in batch.jobs]


def test_what_costs_little_waits_little_for_company() -> None:
    queue = JobQueue(max_batch=4, seconds_per_audio_s=0.01)
    queue.add(job(Kind.FINAL, stream=2), 9.9)
    taken(queue, 9.9)
    queue.add(waiting(1, 1_000), 10.0)
    assert queue.leaves_s(10.0) == pytest.approx(10.0 + 0.2 + 4 * 0.01), "0.2 ahead of its time"
    queue.seconds_per_audio_s = 0.3
    assert queue.leaves_s(10.0) == pytest.approx(10.0 + 0.2 + 0.2)
