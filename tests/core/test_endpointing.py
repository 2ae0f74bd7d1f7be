import itertools

from hypothesis import given
from hypothesis import strategies as st

from voicewatch.core.endpointing import Boundary, Ended, Endpointer, EndpointSettings, Paused, Started

SETTINGS = EndpointSettings()


def chunks(pattern: str, at_ms: int = 0) -> list[tuple[int, bool, int]]:
    """`#` is 100 ms of speech, `.` 100 ms of silence, `-` a quiet 100 ms inside speech."""
    levels = {"#": (True, -20), ".": (False, -70), "-": (True, -45)}
    return [
        (at_ms + place * 100 + step * 20, *levels[sign])
        for place, sign in enumerate(pattern)
        for step in range(5)
    ]


def run(pushed: list[tuple[int, bool, int]], settings: EndpointSettings = SETTINGS) -> list[Boundary]:
    endpointer = Endpointer(settings)
    found = [boundary for chunk in pushed for boundary in endpointer.push(*chunk)]
    return found + endpointer.close()


def test_an_utterance_has_pre_roll_and_ends_after_the_hangover() -> None:
    endpointer = Endpointer(SETTINGS)
    found = [(chunk[0] + 20, one) for chunk in chunks("....#####.....") for one in endpointer.push(*chunk)]
    assert found == [
        (460, Started(100, 400)),
        (1100, Paused(100, 1100)),
        (1400, Ended(100, 1100, 400, 900, 500, "silence")),
    ]


def test_a_click_is_no_speech() -> None:
    clicks = [(at, at % 200 in (0, 20), -20) for at in range(0, 2000, 20)]
    assert run(clicks) == []


def test_a_short_pause_does_not_part_an_utterance() -> None:
    ends = [one for one in run(chunks("####....####......")) if isinstance(one, Ended)]
    assert [(one.start_ms, one.speech_end_ms) for one in ends] == [(0, 1200)]


def test_an_unfinished_number_is_waited_for() -> None:
    endpointer = Endpointer(SETTINGS)
    ends = []
    for chunk in chunks("####.......###......"):
        for one in endpointer.push(*chunk):
            if isinstance(one, Paused):
                endpointer.wait_longer(250 if one.end_ms < 1000 else 0)
            if isinstance(one, Ended):
                ends.append(one)
    assert [(one.start_ms, one.speech_end_ms) for one in ends] == [(0, 1400)]


def test_a_long_utterance_is_cut_where_it_is_quietest_and_goes_on() -> None:
    settings = EndpointSettings(max_utterance_ms=3_000)
    found = run(chunks("#" * 20 + "-" + "#" * 19 + "......"), settings)
    ends = [one for one in found if isinstance(one, Ended)]
    assert [(one.start_ms, one.end_ms, one.reason) for one in ends] == [
        (0, 2040, "cut"),
        (2040, 4200, "silence"),
    ]
    assert sum(one.voiced_ms for one in ends) == 4000


def test_a_gap_ends_the_utterance_and_a_lost_chunk_does_not() -> None:
    speech = chunks("####")
    ends = [one for one in run(speech + chunks("####", 460)) if isinstance(one, Ended)]
    assert [one.reason for one in ends] == ["closed"]
    ends = [one for one in run(speech + chunks("####......", 2000)) if isinstance(one, Ended)]
    assert [(one.start_ms, one.end_ms, one.reason) for one in ends] == [
        (0, 400, "gap"),
        (2000, 2600, "silence"),
    ]


def test_old_chunks_are_ignored() -> None:
    endpointer = Endpointer(SETTINGS, floor_ms=1000)
    for chunk in chunks("#####"):
        assert endpointer.push(*chunk) == []
    assert endpointer.push(1000, True, -20) == []
    assert endpointer.now_ms == 1020


PATTERNS = st.lists(st.tuples(st.booleans(), st.integers(1, 60)), max_size=30)


def voiced_chunks(pattern: list[tuple[bool, int]]) -> list[tuple[int, bool, int]]:
    flags = [voiced for voiced, count in pattern for _ in range(count)]
    return [(at * 20, voiced, -20 if voiced else -70) for at, voiced in enumerate(flags)]


@given(PATTERNS)
def test_utterances_follow_one_another_within_their_length(pattern: list[tuple[bool, int]]) -> None:
    settings = EndpointSettings(max_utterance_ms=3_000)
    ends = [one for one in run(voiced_chunks(pattern), settings) if isinstance(one, Ended)]
    for one in ends:
        assert one.start_ms <= one.onset_ms <= one.speech_end_ms <= one.end_ms
        assert one.end_ms - one.start_ms <= 3_000
    assert all(one.end_ms <= other.start_ms for one, other in itertools.pairwise(ends))


@given(PATTERNS, st.data())
def test_a_replay_from_what_is_no_longer_needed_gives_the_same_rest(
    pattern: list[tuple[bool, int]], data: st.DataObject
) -> None:
    pushed = voiced_chunks(pattern)
    stop = data.draw(st.integers(0, len(pushed)))
    first = Endpointer(SETTINGS)
    for chunk in pushed[:stop]:
        first.push(*chunk)
    needed_ms = first.needed_from_ms
    rest = [one for chunk in pushed[stop:] for one in first.push(*chunk)]
    again = Endpointer(SETTINGS, floor_ms=needed_ms)
    replayed = [one for chunk in pushed for one in again.push(*chunk)]
    ends = [one.start_ms for one in rest if isinstance(one, Ended)]
    assert [one.start_ms for one in replayed if isinstance(one, Ended)] == ends
