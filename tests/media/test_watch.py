from __future__ import annotations

from voicewatch.media.watch import LegNews, LegWatch, SilenceWatch


def news(watch: LegWatch, ticks: list[tuple[float, int]]) -> list[LegNews]:
    told = (watch.tick(quiet_ms, decoded, quiet_ms) for quiet_ms, decoded in ticks)
    return [one for one in told if one is not None]


def watch(speaks: bool = True) -> LegWatch:
    return LegWatch(stalled_ms=1_000, lost_ms=4_000, speaks=speaks)


def test_a_leg_is_proved_stalls_recovers_and_is_lost_once_each() -> None:
    steady = [(20.0, n) for n in range(50)]
    quiet = [(20.0 * n, 50) for n in range(60)]
    back = [(0.0, 50 + n) for n in range(10)]
    gone = [(20.0 * n, 60) for n in range(300)]
    assert news(watch(), steady + quiet + back + gone) == [
        LegNews.LIVE, LegNews.STALLED, LegNews.RECOVERED, LegNews.STALLED, LegNews.LOST,
    ]  # fmt: skip


def test_a_leg_that_never_speaks_is_lost_without_having_been_live() -> None:
    assert news(watch(), [(20.0 * n, 0) for n in range(300)]) == [LegNews.STALLED, LegNews.LOST]


def test_packets_that_do_not_decode_prove_nothing() -> None:
    assert news(watch(), [(0.0, 3)] * 100) == []


def test_a_listener_is_live_at_once_and_held_by_anything_that_comes_from_him() -> None:
    listener = watch(speaks=False)
    consent = [(20.0 * (n % 75), 0) for n in range(1_000)]
    gone = [(20.0 * n, 0) for n in range(300)]
    assert news(listener, consent) == [LegNews.LIVE]
    assert news(listener, gone) == [LegNews.STALLED, LegNews.LOST]
    assert news(listener, consent) == [LegNews.RECOVERED]


def test_a_lost_leg_recovers_when_packets_come_again() -> None:
    one = watch()
    assert news(one, [(0.0, 20), *((20.0 * n, 20) for n in range(400))])[-1] is LegNews.LOST
    assert news(one, [(0.0, 20 + n) for n in range(20)]) == [LegNews.RECOVERED]


def test_a_bot_may_be_idle_while_its_line_is_alive() -> None:
    bot = LegWatch(stalled_ms=1_000, lost_ms=4_000, speaks=True, may_idle=True)
    told = [bot.tick(quiet_ms=20.0 * n, decoded=50, unseen_ms=20.0 * (n % 60)) for n in range(1_000)]
    assert [one for one in told if one] == [LegNews.LIVE, LegNews.STALLED]
    assert bot.tick(quiet_ms=30_000, decoded=50, unseen_ms=4_000) is LegNews.LOST


def test_silence_is_told_once_from_where_it_began() -> None:
    silence = SilenceWatch()
    told = []
    for at_ms in range(0, 10_000, 20):
        spoken = at_ms < 1_000 or at_ms == 6_000
        since_ms = silence.since_ms
        change = silence.tick(at_ms, watched=True, spoken=spoken)
        if change is not None:
            told.append((at_ms, change, silence.since_ms if change else since_ms))
    assert told == [(3_980, True, 980), (6_000, False, 980), (9_000, True, 6_000)]


def test_no_silence_while_nobody_is_there_to_talk_with() -> None:
    silence = SilenceWatch()
    assert all(silence.tick(at, watched=False, spoken=False) is None for at in range(0, 9_000, 20))
    assert silence.tick(9_000, watched=True, spoken=False) is None
