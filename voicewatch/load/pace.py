"""Sends for many legs, one packet each every 20 ms, and takes what comes."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Sequence

from voicewatch.load.leg import LoadLeg

_TICK_S = 0.02


class Pacer:
    """Its legs may grow while it runs. Late ticks are made good, so the pace stays true."""

    def __init__(self) -> None:
        self.legs: list[LoadLeg] = []
        self.late_ms = 0.0
        """The latest tick: a generator that is late itself measures nothing."""

    async def run(self) -> None:
        """Until cancelled."""
        gc.freeze()
        start, tick = time.monotonic(), 0
        while True:
            tick += 1
            behind = time.monotonic() - start - tick * _TICK_S
            self.late_ms = max(self.late_ms, behind * 1000)
            await asyncio.sleep(max(0.0, -behind))
            for leg in self.legs:
                leg.send()
            drain(self.legs)


def drain(legs: Sequence[LoadLeg]) -> None:
    for leg in legs:
        leg.drain()
