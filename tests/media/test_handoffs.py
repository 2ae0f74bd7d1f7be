"""Handoffs from every kind of bot, real bridge, stock peers; the long run is scripts/bench handoff."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from tests.media.conftest import Stage
from tests.support.handoffs import AGENT_HZ, BOT_HZ, CASES, Arrival, agent_of, bot_of, look_at
from tests.support.peers import Caller, tone
from voicewatch.core.audibility import Occupant, Table, audibility, fallbacks
from voicewatch.core.events import Mode, Role
from voicewatch.media.engine import Engine
from voicewatch.processes.messages import SetAudibility

PEOPLE = [Occupant("customer", Role.CUSTOMER), Occupant("ai", Role.AI)]
AGENT = Occupant("agent", Role.AGENT, Mode.TAKEOVER)

STALLED_MS = 60.0
"""A tick so late says that the machine stood still; the peers, in this process, did so at other times."""


def command(version: int, people: Sequence[Occupant], **more: str) -> SetAudibility:
    def plain(table: Table) -> dict[str, list[str]]:
        return {listener: sorted(heard) for listener, heard in table.items()}

    return SetAudibility(
        call_id="call",
        version=version,
        hears=plain(audibility(people)),
        fallbacks={seat: plain(table) for seat, table in fallbacks(people).items()},
        **more,
    )


class Ticks:
    """When each tick was over."""

    def __init__(self, engine: Engine) -> None:
        self.latest_ms = 0.0
        after = engine.after_tick

        def note(tick: int, due_ns: int) -> None:
            self.latest_ms = max(self.latest_ms, (time.monotonic_ns() - due_ns) / 1e6)
            after(tick, due_ns)

        engine.after_tick = note


async def one_handoff(stage: Stage, case: str) -> bool:
    """There and back again, judged by what the customer received.

    False if the machine stopped this process for so long that a tick was late or left out: nothing is judged.
    """
    skipped = stage.engine.counters.skipped_ticks
    stage.open()
    customer = await stage.attach("customer", Role.CUSTOMER, tone(440))
    bot_voice = bot_of(case)
    bot = Caller(track=bot_voice)
    await stage.connect(bot, "ai", Role.AI)
    stage.bridge.set_audibility(command(1, PEOPLE))
    await stage.happens("leg_live", seat_id="ai")
    await asyncio.sleep(0.6)
    if case == "bot finished":
        bot_voice.finish()
    elif case == "bot idle":
        bot_voice.idle()
    ticks = Ticks(stage.engine)
    await stage.connect(Caller(track=agent_of(case)), "agent", Role.AGENT)
    clause = {} if case == "mid-word" else {"after_clause_of": "ai"}
    stage.bridge.set_audibility(command(2, [*PEOPLE, AGENT], needs_live="agent", **clause))
    changed = await stage.happens("audibility_changed", version=2)
    taken_ns = stage.bridge.calls["call"].zero_mono_ns + changed.at_ms * 1_000_000
    await asyncio.sleep(1.2)
    stage.bridge.set_audibility(command(3, PEOPLE))
    changed = await stage.happens("audibility_changed", version=3)
    back_ns = stage.bridge.calls["call"].zero_mono_ns + changed.at_ms * 1_000_000
    await asyncio.sleep(1.2)
    heard = [Arrival(int(one.at_s * 1e9), one.packet) for one in customer.heard]
    was_stalled = stage.engine.counters.skipped_ticks > skipped or ticks.latest_ms > STALLED_MS
    for at_ns, hz in () if was_stalled else ((taken_ns, AGENT_HZ), (back_ns, BOT_HZ)):
        change = look_at(heard, at_ns, hz)
        assert change.breaks == 0, case
        assert change.both_ms <= 40, case
        assert change.step <= 1.0, case
        # The peers share this process: what holds it up makes a packet leave late, and be seen late.
        assert change.gap_ms <= 25 + 2 * ticks.latest_ms, case
        if hz == AGENT_HZ:
            assert change.new_voice_ms < 400, case
    stage.bridge.close_call("call", "done")
    stage.facts.clear()
    return not was_stalled


async def test_no_customer_notices_a_handoff(stage: Stage) -> None:
    for case in CASES:
        for _ in range(3):
            if await one_handoff(stage, case):
                break
        else:
            raise AssertionError(f"{case}: the machine stalled three times")
