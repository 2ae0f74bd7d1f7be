"""One leg, chunk by chunk, with transcripts handed to it as the test likes."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from audio_models.api import Transcript
from voicewatch.core.endpointing import Ended
from voicewatch.core.events import Role
from voicewatch.settings import SpeechSettings
from voicewatch.speech.jobs import Job, Kind
from voicewatch.speech.pipeline import Heard, Output, Pipeline, Revised, Shown, Stream

Chunk = tuple[int, bytes, bool, int]
STREAM = Stream(1, "call", "seat", Role.CUSTOMER)


def feed(pipeline: Pipeline, chunks: list[Chunk]) -> list[Output]:
    return [out for at_ms, pcm, voiced, dbfs in chunks for out in pipeline.push(at_ms, pcm, voiced, dbfs)]


def jobs(outputs: list[Output], kind: Kind) -> list[Job]:
    return [one for one in outputs if isinstance(one, Job) and one.kind is kind]


def audio_of(job: Job) -> NDArray[np.float32]:
    audio = job.audio()
    assert audio is not None
    return audio


@pytest.fixture
def pipeline() -> Pipeline:
    return Pipeline(STREAM, SpeechSettings())


def test_the_first_partial_is_due_within_half_a_second_of_speech(
    pipeline: Pipeline, call_chunks: list[Chunk]
) -> None:
    for chunk in call_chunks:
        found = jobs(feed(pipeline, [chunk]), Kind.PARTIAL)
        if found:
            assert pipeline.now_ms - 820 in range(450, 520)
            return
    pytest.fail("no partial was asked for")


def test_a_partial_hears_the_newest_audio_when_it_is_taken(
    pipeline: Pipeline, call_chunks: list[Chunk]
) -> None:
    partial = jobs(feed(pipeline, call_chunks[:80]), Kind.PARTIAL)[0]
    feed(pipeline, call_chunks[80:100])
    assert len(audio_of(partial)) == (2_000 - partial.start_ms) * 16
    feed(pipeline, call_chunks[100:])
    assert partial.audio() is None, "the utterance is over: nothing to decode"


def test_the_final_hears_what_the_early_decode_heard(pipeline: Pipeline, call_chunks: list[Chunk]) -> None:
    early_audio, outputs = b"", []
    for chunk in call_chunks[: len(call_chunks) // 2]:
        outputs += (found := feed(pipeline, [chunk]))
        for early in jobs(found, Kind.EARLY):
            early_audio = audio_of(early).tobytes()
    early, final = jobs(outputs, Kind.EARLY)[-1], jobs(outputs, Kind.FINAL)[0]
    assert (early.start_ms, early.end_ms) == (final.start_ms, final.end_ms)
    assert early_audio == audio_of(final).tobytes()
    assert early.audio() is None, "the final hears it: nobody wants the early one any more"


def test_an_early_decode_that_holds_is_the_final(pipeline: Pipeline, call_chunks: list[Chunk]) -> None:
    found: list[Output] = []
    for chunk in call_chunks[: len(call_chunks) // 2]:
        outputs = feed(pipeline, [chunk])
        found += outputs
        for job in jobs(outputs, Kind.EARLY):
            found += pipeline.decoded(job, Transcript("thank you"))
    assert not jobs(found, Kind.FINAL)
    heard = [one for one in found if isinstance(one, Heard)]
    assert [one.transcript.text for one in heard] == ["thank you"]
    assert heard[0].ended_ms - heard[0].span.speech_end_ms == 500
    assert pipeline.idle


def test_a_pause_after_a_number_is_waited_for_longer(pipeline: Pipeline, call_chunks: list[Chunk]) -> None:
    for chunk in call_chunks[: len(call_chunks) // 2]:
        outputs = feed(pipeline, [chunk])
        for job in jobs(outputs, Kind.EARLY):
            pipeline.decoded(job, Transcript("my number is four seven"))
        ended = [one for one in outputs if isinstance(one, Ended)]
        if ended:
            assert pipeline.now_ms - ended[0].speech_end_ms == 900
            return
    pytest.fail("it never ended")


def test_interim_text_that_comes_to_nothing_is_taken_back(
    pipeline: Pipeline, call_chunks: list[Chunk]
) -> None:
    outputs = feed(pipeline, call_chunks[: len(call_chunks) // 2])
    partial, final = jobs(outputs, Kind.PARTIAL)[0], jobs(outputs, Kind.FINAL)[0]
    assert pipeline.decoded(partial, Transcript("late")) == [], "the utterance was over"
    assert pipeline.decoded(final, Transcript("", flags=("no_speech",))) == []

    again = Pipeline(STREAM, SpeechSettings())
    outputs = feed(again, call_chunks[:100])
    (shown,) = again.decoded(jobs(outputs, Kind.PARTIAL)[0], Transcript("you"))
    assert isinstance(shown, Shown)
    assert (shown.committed, shown.tail, shown.first) == ("", "you", True)
    final = jobs(feed(again, call_chunks[100:290]), Kind.FINAL)[0]
    (taken_back,) = again.decoded(final, Transcript("", flags=("no_speech",)))
    assert isinstance(taken_back, Shown)
    assert (taken_back.committed, taken_back.tail) == ("", "")


def test_suspect_partials_are_not_shown(pipeline: Pipeline, call_chunks: list[Chunk]) -> None:
    partial = jobs(feed(pipeline, call_chunks[:100]), Kind.PARTIAL)[0]
    assert pipeline.decoded(partial, Transcript("no no no no", flags=("loop",))) == []


def test_a_gap_ends_the_utterance_and_keeps_the_clock(pipeline: Pipeline, call_chunks: list[Chunk]) -> None:
    before = feed(pipeline, call_chunks[:100])
    later = [(at_ms + 60_000, pcm, voiced, dbfs) for at_ms, pcm, voiced, dbfs in call_chunks]
    finals = jobs(before + feed(pipeline, later), Kind.FINAL)
    assert [final.utterance_id for final in finals] == ["seat-820", "seat-60820", "seat-66460"]
    assert len(audio_of(finals[0])) == (2_000 - finals[0].start_ms) * 16
    straight = jobs(feed(Pipeline(STREAM, SpeechSettings()), call_chunks), Kind.FINAL)
    heard = [audio_of(final).tobytes() for final in finals[1:]]
    assert heard == [audio_of(final).tobytes() for final in straight]


def test_a_lost_chunk_is_silence(pipeline: Pipeline, call_chunks: list[Chunk]) -> None:
    whole = jobs(feed(Pipeline(STREAM, SpeechSettings()), call_chunks[:280]), Kind.FINAL)[0]
    holed = jobs(feed(pipeline, call_chunks[:100] + call_chunks[101:280]), Kind.FINAL)[0]
    assert len(audio_of(holed)) == len(audio_of(whole))
    missing = slice((2_000 - holed.start_ms) * 16, (2_020 - holed.start_ms) * 16)
    assert not audio_of(holed)[missing].any()
    assert audio_of(whole)[missing].any()


def test_what_is_kept_stays_small(pipeline: Pipeline, call_chunks: list[Chunk]) -> None:
    quiet = [(at * 20, bytes(640), False, -96) for at in range(5_000)]
    feed(pipeline, quiet)
    assert pipeline.needed_from_ms == 100_000 - 400
    assert len(pipeline._pcm) < 2_000 * 32  # private: memory is what this is about


def test_a_final_that_changes_settled_words_says_so_first(
    pipeline: Pipeline, call_chunks: list[Chunk]
) -> None:
    told: list[Output] = []
    for chunk in call_chunks[: len(call_chunks) // 2]:
        for job in (one for one in feed(pipeline, [chunk]) if isinstance(one, Job)):
            text = "I was charged twice" if job.kind is not Kind.FINAL else "I was charge twice"
            told += pipeline.decoded(job, Transcript(text)) if job.kind is not Kind.EARLY else []
    revised, heard = told[-2:]
    assert isinstance(revised, Revised)
    assert isinstance(heard, Heard)
    assert (revised.committed, revised.text) == ("I was charged twice", "I was charge twice")
    assert (revised.changed, heard.revised_words, heard.committed_words) == (1, 1, 4)
