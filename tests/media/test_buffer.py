"""The receive buffer: order, no stall, and a delay that goes up and comes back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from voicewatch.media.buffer import CAPACITY, MAX_HOLD, MAX_TARGET, MIN_TARGET, Kind, Play, ReceiveBuffer

TICK_MS = 20


def payload(number: int) -> bytes:
    return number.to_bytes(4, "big")


def played(plays: list[Play]) -> list[int]:
    """Numbers of the packets played, in order."""
    packets = []
    for play in plays:
        if play.kind in (Kind.PLAY, Kind.SQUEEZE):
            packets.append(int.from_bytes(play.packet, "big"))
        if play.kind is Kind.SQUEEZE:
            packets.append(int.from_bytes(play.second, "big"))
    return packets


def run(arrivals: dict[int, float], ticks: int, first: int = 65_500, quiet: bool = True) -> tuple:
    """Packet n is sent at n x 20 ms and comes `arrivals[n]` ms later; one pull each 20 ms."""
    buffer = ReceiveBuffer()
    due = sorted((n * TICK_MS + delay, n) for n, delay in arrivals.items())
    plays: list[Play] = []
    for tick in range(ticks):
        now_ms = tick * TICK_MS
        while due and due[0][0] <= now_ms:
            at_ms, n = due.pop(0)
            buffer.push((first + n) & 0xFFFF, (4_294_000_000 + n * 960) & 0xFFFFFFFF, payload(n), at_ms)
        plays.append(buffer.pull(quiet))
    return plays, buffer


def test_steady_stream_is_played_whole_with_two_packets_of_delay() -> None:
    plays, buffer = run(dict.fromkeys(range(200), 5.0), 210)
    assert played(plays) == list(range(200))
    assert buffer.target == MIN_TARGET
    assert plays.index(next(p for p in plays if p.kind is Kind.PLAY)) <= 3
    assert buffer.lost == buffer.late == 0


def test_one_lost_packet_costs_one_chunk_and_no_delay() -> None:
    plays, buffer = run({n: 5.0 for n in range(300) if n != 100}, 203)
    kinds = [p.kind for p in plays if p.kind is not Kind.WAIT]
    assert kinds.count(Kind.RECOVER) == 1
    assert kinds[99:102] == [Kind.PLAY, Kind.RECOVER, Kind.PLAY]
    assert played(plays) == [n for n in range(len(kinds)) if n != 100]
    assert (buffer.lost, buffer.concealed) == (1, 1)


def test_reordered_packets_are_put_in_order() -> None:
    arrivals = dict.fromkeys(range(100), 5.0)
    arrivals[50] = 26.0  # after packet 51
    plays, buffer = run(arrivals, 110)
    assert played(plays) == list(range(100))
    assert buffer.lost == 0


def test_delay_rises_with_jitter_and_returns() -> None:
    arrivals = dict.fromkeys(range(1000), 5.0)
    for n in range(100, 110):
        arrivals[n] = 5.0 + 20 * (110 - n)  # all ten come at once: a burst after 200 ms of nothing
    plays, buffer = run(arrivals, 400)
    assert played(plays)[-1] > 380
    depths = []
    buffer = ReceiveBuffer()
    due = sorted((n * TICK_MS + d, n) for n, d in arrivals.items())
    for tick in range(600):
        while due and due[0][0] <= tick * TICK_MS:
            at_ms, n = due.pop(0)
            buffer.push(n, n * 960, payload(n), at_ms)
        buffer.pull(quiet=True)
        depths.append(buffer.delay_ms)
    assert max(depths[112:150]) >= 100
    assert max(depths[110 + 350 :]) <= 2 * TICK_MS


def test_pause_and_resume_begins_anew() -> None:
    buffer = ReceiveBuffer()
    kinds = []
    number = 0
    for tick in range(300):
        if not 50 <= tick < 150:
            buffer.push(number, tick * 960, payload(number), tick * TICK_MS)
            number += 1
        kinds.append(buffer.pull().kind)
    assert kinds[70 + MAX_HOLD : 149] == [Kind.WAIT] * (79 - MAX_HOLD)
    assert Kind.PLAY in kinds[150:155] + kinds[155:165]
    assert kinds[-50:] == [Kind.PLAY] * 50


def test_burst_after_an_outage_does_not_add_its_delay() -> None:
    arrivals = {n: 0.0 if n < 50 else max(0.0, (100 - n) * 20.0) for n in range(300)}
    _, buffer = run(arrivals, 200)
    assert buffer.delay_ms <= (MAX_TARGET + 1) * TICK_MS
    assert buffer.discarded > 0


def test_another_stream_takes_over_when_two_packets_confirm_it() -> None:
    buffer = ReceiveBuffer()
    for n in range(10):
        buffer.push(n, n * 960, payload(n), n * 20.0)
        buffer.pull()
    assert buffer.push(30_000, 0, b"stray", 200.0) is None
    assert buffer.push(40_000, 0, b"a", 220.0) is None
    assert buffer.push(40_001, 960, b"b", 240.0) is not None
    assert buffer.push(40_002, 1_920, b"c", 260.0) is not None
    buffer.pull()
    assert buffer.pull().packet in (b"b", b"c")


@given(
    st.lists(
        st.tuples(st.floats(0, 400), st.booleans(), st.booleans()),  # delay, lost, sent twice
        min_size=1,
        max_size=120,
    ),
    st.integers(0, 65_535),
    st.booleans(),
)
def test_each_packet_in_time_is_played_once_in_order(
    network: list[tuple[float, bool, bool]], first: int, quiet: bool
) -> None:
    buffer = ReceiveBuffer()
    due = sorted(
        (n * TICK_MS + delay, n)
        for n, (delay, lost, twice) in enumerate(network)
        if not lost
        for _ in range(2 if twice else 1)
    )
    plays: list[Play] = []
    accepted: list[int] = []
    for tick in range(len(network) + 80):
        while due and due[0][0] <= tick * TICK_MS:
            at_ms, n = due.pop(0)
            if buffer.push((first + n) & 0xFFFF, n * 960, payload(n), at_ms) is not None:
                accepted.append(n)
        plays.append(buffer.pull(quiet))
        assert buffer.delay_ms <= CAPACITY * TICK_MS
    heard = played(plays)
    assert heard == sorted(set(heard))
    assert set(heard) <= set(accepted)
    assert len(heard) + buffer.discarded == len(accepted) == buffer.received
    assert not due


@given(st.sets(st.integers(20, 180), max_size=60))
def test_loss_alone_never_stalls(lost: set[int]) -> None:
    """With packets lost but none delayed, each packet that came is played when it would have been."""
    plays, buffer = run({n: 5.0 for n in range(200) if n not in lost}, 230, quiet=False)
    assert played(plays) == [n for n in range(200) if n not in lost] or buffer.discarded > 0
    begin = next(i for i, p in enumerate(plays) if p.kind is Kind.PLAY)
    if not _has_long_run(lost):
        for n in range(200):
            if n not in lost:
                assert int.from_bytes(plays[begin + n].packet, "big") == n


def _has_long_run(lost: set[int]) -> bool:
    return any(all(n + k in lost for k in range(2)) for n in lost)
