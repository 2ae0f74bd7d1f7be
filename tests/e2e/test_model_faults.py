"""A model process that is slowed ten times, then stops dead: the call does not hear it, and nothing is lost.

The process is stopped and let go by signals, as a machine with something else to do would treat it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.test_kills import Call, a_call, running
from tests.support.house import until
from voicewatch.demo.links import EventLink, Message

pytestmark = pytest.mark.e2e
RUNS_S, STOPS_S = 0.01, 0.09
DEGRADED_WITHIN_S = 3.0


@contextlib.asynccontextmanager
async def slowed(pid: int) -> AsyncIterator[None]:
    """A tenth of the time is its own."""

    async def hold_up() -> None:
        while True:
            os.kill(pid, signal.SIGSTOP)
            await asyncio.sleep(STOPS_S)
            os.kill(pid, signal.SIGCONT)
            await asyncio.sleep(RUNS_S)

    task = asyncio.create_task(hold_up())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        os.kill(pid, signal.SIGCONT)


class Watch:
    """What a supervisor's page is told of the house."""

    def __init__(self) -> None:
        self.degraded: list[str] = []

    def on_event(self, message: Message) -> None:
        if message["type"] == "signal" and message["event"]["type"] == "system":
            self.degraded = message["event"]["degraded"]


def settled(call: Call) -> int:
    """Utterances of the customer that came to something: a final, or a gap that says so."""
    return len(call.facts_of("utterance_final", role="customer")) + len(call.facts_of("transcript_gap"))


async def test_a_slow_and_then_a_stopped_model_process_is_not_heard_and_loses_nothing(data: Path) -> None:
    watch = Watch()
    async with a_call(data) as call:
        link = EventLink(call.house.url, call.house.token("supervisor"), watch.on_event)
        async with running(link.run()):
            await asyncio.wait_for(link.up.wait(), 10)
            await _suffer(call, watch)


async def _suffer(call: Call, watch: Watch) -> None:
    model = call.house.pid("model")
    await call.customer.say("charged")
    await until(lambda: settled(call) == 1, 15)
    async with slowed(model):
        await call.customer.say("third-time")
        await until(lambda: settled(call) >= 2, 30)
    await until(lambda: not watch.degraded, 30)
    os.kill(model, signal.SIGSTOP)
    try:
        await until(lambda: watch.degraded, DEGRADED_WITHIN_S)
        await call.customer.say("nobody-helps")
        await asyncio.sleep(1.0)
    finally:
        os.kill(model, signal.SIGCONT)
    await until(lambda: settled(call) >= 3, 20)
    await until(lambda: not watch.degraded, 30)
    assert call.house.pid("model") == model
    assert not call.facts_of("transcript_gap")
    call.assert_customer_undisturbed()
    call.assert_nothing_lost_or_doubled()
