"""Real peers over a network that loses, delays, reorders and breaks: what the engine makes of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from math import inf

import pytest

from tests.media.conftest import Stage
from tests.support.peers import tone, until
from tests.support.relay import Relay, Weather
from voicewatch.core.events import Event, Role
from voicewatch.media.engine import Engine
from voicewatch.media.leg import Leg

STALL_CHUNKS = 3
"""60 ms: more chunks in a row neither decoded nor concealed are a stall."""


@dataclass
class Log:
    """What each tick played of one leg."""

    leg: Leg
    kinds: list[str] = field(default_factory=list)
    delays_ms: list[int] = field(default_factory=list)
    times_s: list[float] = field(default_factory=list)

    def watch(self, engine: Engine) -> None:
        after = engine.after_tick

        def note(tick: int, due_ns: int) -> None:
            played = "played" if self.leg.packets else "nothing"
            self.kinds.append("concealed" if self.leg.concealed else played)
            self.delays_ms.append(self.leg.buffer.delay_ms)
            self.times_s.append(time.monotonic())
            after(tick, due_ns)

        engine.after_tick = note

    def longest_stall(self) -> int:
        longest = current = 0
        for kind in self.kinds:
            current = current + 1 if kind == "nothing" else 0
            longest = max(longest, current)
        return longest

    def first_played_after(self, moment_s: float) -> float:
        """Seconds from then to the first chunk decoded; infinite while there was none."""
        found = zip(self.times_s, self.kinds, strict=True)
        return next((at - moment_s for at, kind in found if at >= moment_s and kind == "played"), inf)


@dataclass
class Line:
    """A customer behind a relay; `name` is his call's."""

    name: str
    stage: Stage
    relay: Relay
    leg: Leg
    log: Log

    def came_and_played(self) -> tuple[int, int]:
        """(packets of this leg that came in time, packets decoded or waiting for it)."""
        return self.leg.buffer.received, self.leg.decoded + self.leg.buffer.delay_ms // 20

    def told(self, kind: str) -> list[Event]:
        return self.stage.told(kind, call_id=self.name)


Dial = Callable[[str], Awaitable[Line]]


@pytest.fixture
async def dial(stage: Stage) -> AsyncIterator[Dial]:
    relays: list[Relay] = []

    async def connect(name: str) -> Line:
        relays.append(await Relay.open(seed=len(relays)))
        stage.open(name)
        await stage.attach("customer", Role.CUSTOMER, tone(400), call_id=name, relay=relays[-1])
        await stage.happens("leg_live", call_id=name)
        leg = stage.engine.legs[-1]
        log = Log(leg)
        log.watch(stage.engine)
        return Line(name, stage, relays[-1], leg, log)

    yield connect
    for relay in relays:
        relay.close()


async def test_what_comes_in_time_is_played_and_nothing_stalls(stage: Stage, dial: Dial) -> None:
    weathers = {
        "1 %": Weather(loss=0.01),
        "5 %": Weather(loss=0.05),
        "10 %": Weather(loss=0.10),
        "bursts of 3": Weather(loss=0.01, burst=3),
        "all at once": Weather(loss=0.03, delay_ms=30, jitter_ms=15, reorder=0.02, duplicate=0.05),
    }
    lines = [await dial(name) for name in weathers]
    before = [line.came_and_played() for line in lines]
    for line in lines:
        line.relay.up.weather = weathers[line.name]
    await until(
        lambda: all(line.relay.up.lost and len(line.log.kinds) > 300 for line in lines), "6 s of bad weather"
    )
    for line, (came_before, played_before) in zip(lines, before, strict=True):
        came, played = line.came_and_played()
        assert played - played_before >= 0.995 * (came - came_before), line.name
        assert line.leg.buffer.late <= 0.02 * came, line.name  # until the delay has adapted
        assert line.log.longest_stall() <= STALL_CHUNKS, line.name
        assert not line.told("leg_stalled"), line.name


async def test_delay_is_back_within_five_seconds_of_a_single_loss(dial: Dial) -> None:
    """Back to what the network's own jitter asks for; `test_buffer` holds the figure where there is none."""
    line = await dial("call")
    await asyncio.sleep(1)
    start_ms = min(line.log.delays_ms[-25:])
    line.relay.up.weather = Weather(loss=1.0)
    await until(lambda: bool(line.relay.up.lost), "a packet is lost")
    line.relay.up.weather = Weather()
    await asyncio.sleep(4.5)
    assert min(line.log.delays_ms[-25:]) <= max(start_ms, line.leg.buffer.target * 20)
    assert line.log.longest_stall() <= STALL_CHUNKS


async def test_cuts_heal_at_once_and_one_for_ever_is_told_in_time(dial: Dial) -> None:
    short, long, longest, forever = [await dial(name) for name in ("1 s", "3 s", "8 s", "for ever")]
    cut_s = time.monotonic()
    for line in (short, long, longest, forever):
        line.relay.cut()
    await until(lambda: bool(long.told("leg_stalled") and forever.told("leg_stalled")), "stalled is told", 3)
    assert time.monotonic() - cut_s <= 2
    healing_s = {}
    for line, after_s in ((short, 1.0), (long, 3.0), (longest, 8.0)):
        await asyncio.sleep(max(0.0, cut_s + after_s - time.monotonic()))
        line.relay.heal()
        healed_s = time.monotonic()
        back_s = partial(line.log.first_played_after, healed_s)
        await until(lambda back_s=back_s: back_s() < inf, "the voice is back", 3)
        healing_s[line.name] = round(back_s(), 3)
        assert back_s() <= 0.5
        await asyncio.sleep(0.6)
        assert line.log.kinds[-20:] == ["played"] * 20
    print("heals after s:", healing_s)
    for line in (longest, forever):
        [lost] = line.told("leg_lost")
        assert lost.reason == "silent"
        silent_ms = lost.at_ms - line.told("leg_stalled")[0].at_ms + 1_000  # both are looked for every 100 ms
        assert 3_900 <= silent_ms <= 6_000
    assert [len(line.told("leg_recovered")) for line in (short, long, longest, forever)][1:] == [1, 1, 0]
    assert not short.told("leg_lost")
    assert not long.told("leg_lost")
