"""RTCP with a stock peer over a network with delay and loss: what each is told of the other's stream."""

from __future__ import annotations

import asyncio

from tests.media.conftest import Stage
from tests.support.peers import tone, until
from tests.support.relay import Relay, Weather
from voicewatch.core.events import Role

DELAY_MS = 30


async def test_a_stock_peer_learns_its_loss_and_both_sides_the_way_there_and_back(stage: Stage) -> None:
    relay = await Relay.open(seed=5)
    try:
        stage.open()
        caller = await stage.attach("customer", Role.CUSTOMER, tone(400), relay=relay)
        await stage.happens("leg_live")
        relay.up.weather = Weather(loss=0.1, delay_ms=DELAY_MS)
        relay.down.weather = Weather(delay_ms=DELAY_MS)
        [leg] = stage.engine.legs
        await asyncio.sleep(4.0)
        relay.up.weather = Weather(delay_ms=DELAY_MS)
        await until(lambda: (leg.round_trip_ms or 0) > 1.5 * DELAY_MS, "our round trip is known")
        assert leg.round_trip_ms is not None
        assert 2 * DELAY_MS - 5 <= leg.round_trip_ms <= 2 * DELAY_MS + 60

        async def told() -> dict[str, object]:
            stats = (await caller.pc.getStats()).values()
            return next(vars(one) for one in stats if one.type == "remote-inbound-rtp")

        await asyncio.sleep(1.5)
        report = await told()
        lost = len(relay.up.lost)
        assert lost > 5
        assert abs(int(str(report["packetsLost"])) - lost) <= 2
        assert 2 * DELAY_MS - 5 <= float(str(report["roundTripTime"])) * 1_000 <= 2 * DELAY_MS + 60
        print(
            "lost",
            lost,
            "told",
            report["packetsLost"],
            "round trip",
            report["roundTripTime"],
            leg.round_trip_ms,
        )
    finally:
        relay.close()
