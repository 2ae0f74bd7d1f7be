"""Real aiortc peers over loopback, bridged by the real engine: who hears whom, and without a seam."""

from __future__ import annotations

import asyncio

from tests.media.conftest import Stage
from tests.support.peers import level_at, tone
from voicewatch.core.events import Role

CUSTOMER_HZ, AI_HZ, AGENT_HZ, COACH_HZ = 400, 700, 1_000, 1_500


async def test_two_hear_each_other_and_not_themselves(stage: Stage) -> None:
    stage.open()
    customer = await stage.attach("customer", Role.CUSTOMER, tone(CUSTOMER_HZ))
    ai = await stage.attach("ai", Role.AI, tone(AI_HZ))
    stage.hears(1, customer="ai", ai="customer")
    await stage.happens("audibility_changed", version=1)
    await stage.happens("leg_live", seat_id="customer")
    await stage.happens("leg_live", seat_id="ai")
    await asyncio.sleep(1.5)
    for hearer, own_hz, other_hz in ((customer, CUSTOMER_HZ, AI_HZ), (ai, AI_HZ, CUSTOMER_HZ)):
        pcm = hearer.pcm(last_s=0.8)
        assert level_at(pcm, other_hz) > -16
        assert level_at(pcm, own_hz) < -60
        assert hearer.breaks() == (0, 0, 0)
