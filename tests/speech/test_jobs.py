"""The queue of decodes by a clock that the test turns."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from voicewatch.speech.jobs import MAX_WAITING_MS, Job, JobQueue, Kind


def job(kind: Kind, stream: int = 1, start_ms: int = 0, end_ms: int = 1000) -> Job:
    return Job(kind, stream, f"u{stream}-{start_ms}", start_ms, end_ms, lambda: np.zeros(1, np.float32))


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
    assert queue.take(0.0) is early
    queue.add(job(Kind.FINAL), 0.3)
    assert queue.take(0.3) is None
    assert early.kind is Kind.FINAL
    assert queue.done(early, 0.4)


def test_a_final_that_fails_is_tried_once_more_and_then_given_up() -> None:
    queue = JobQueue()
    queue.add(job(Kind.FINAL), 0.0)
    for _ in range(2):
        taken = queue.take(0.0)
        assert taken is not None
        queue.failed(taken, "recogniser_failed")
    assert queue.take(0.0) is None
    assert [reason for _, reason in queue.given_up] == ["recogniser_failed"]


def test_a_hung_decode_is_given_up_and_its_late_answer_ignored() -> None:
    queue = JobQueue()
    queue.add(job(Kind.FINAL), 0.0)
    taken = queue.take(0.0)
    assert taken is not None
    assert queue.overdue(19.0, 20.0) == []
    assert queue.overdue(21.0, 20.0) == [taken]
    assert not queue.done(taken, 22.0)
    assert [reason for _, reason in queue.given_up] == ["recogniser_hung"]


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
        taken = queue.take(float(now))
        assert taken is not None
        served[taken.stream] += 1
        queue.done(taken, float(now))
    assert max(served.values()) - min(served.values()) <= 1


STEPS = st.lists(
    st.tuples(st.sampled_from(["partial", "early", "final", "take", "done", "fail"]), st.integers(0, 3)),
    max_size=60,
)


@given(STEPS)
def test_every_final_is_decoded_or_given_up_exactly_once(steps: list[tuple[str, int]]) -> None:
    queue = JobQueue()
    asked, settled = 0, 0
    for now, (step, stream) in enumerate(steps):
        if step in ("partial", "early", "final"):
            queue.add(job(Kind(step), stream, now, now + 1000), float(now))
            asked += step == "final"
        elif step == "take":
            queue.take(float(now))
        elif queue.running:
            running = queue.running[0]
            if step == "done":
                settled += queue.done(running, float(now)) and running.kind is Kind.FINAL
            else:
                queue.failed(running, "recogniser_failed")
    for taken in [*queue.running, *_drain(queue)]:
        settled += taken.kind is Kind.FINAL
    assert settled + len(queue.given_up) == asked


def _drain(queue: JobQueue) -> list[Job]:
    taken = []
    while (one := queue.take(100.0)) is not None:
        taken.append(one)
    return taken
