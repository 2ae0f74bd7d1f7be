"""A customer's browser whose network breaks: the page attaches the same seat again by itself."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Route

from tests.browser.test_whole_call import SCENARIO, an_ai, arrive
from tests.support.browser import Visitor, chromium
from tests.support.house import House, house
from tests.support.relay import Relay
from voicewatch.demo.parts import Api

pytestmark = pytest.mark.browser

BACK_WITHIN_S = 3.0 + 1.5
"""The goal, and what the page waits before it believes that a line is dead."""


class Roads:
    """Every leg of a page leads through a relay of its own."""

    def __init__(self) -> None:
        self.relays: list[Relay] = []

    async def lead(self, route: Route) -> None:
        if route.request.method != "POST":
            await route.continue_()
            return
        relay = await Relay.open(seed=len(self.relays))
        answer = await route.fetch(post_data=relay.offer(route.request.post_data or ""))
        sdp = await answer.text()
        self.relays.append(relay)
        await route.fulfill(response=answer, body=relay.answer(sdp) if answer.status == 201 else sdp)


async def facts_of(supervisor: Api, kind: str) -> list[dict[str, Any]]:
    [call] = (await supervisor.call("GET", "/api/calls"))["calls"]
    events = (await supervisor.call("GET", f"/api/calls/{call['call_id']}/events"))["events"]
    customer = next(seat["seat_id"] for seat in call["seats"] if seat["role"] == "customer")
    return [one for one in events if one["type"] == kind and one.get("seat_id") == customer]


async def lives(supervisor: Api, count: int) -> float:
    """When (monotonic) the customer's leg was proved for the `count`-th time."""
    deadline = time.monotonic() + 15
    while len(await facts_of(supervisor, "leg_live")) < count:
        assert time.monotonic() < deadline, "the page did not come back"
        await asyncio.sleep(0.1)
    return time.monotonic()


async def call_through(roads: Roads, browser: Any, home: House) -> Visitor:
    customer = await arrive(browser, home, "customer", "", "/call")
    await customer.page.route("**/api/whip", roads.lead)
    await customer.press("call-start")
    await customer.see("call-state", state="in-call", timeout_s=15)
    return customer


async def test_a_page_whose_network_breaks_takes_its_seat_again(data: Path) -> None:
    roads = Roads()
    async with house(data) as home, an_ai(home), chromium() as browser, home.api("supervisor") as supervisor:
        customer = await call_through(roads, browser, home)
        await lives(supervisor, 1)
        took_s = []
        for turn in (1, 2):
            cut_s = time.monotonic()
            roads.relays[-1].cut()
            took_s.append(round(await lives(supervisor, turn + 1) - cut_s, 2))
        print("back after s:", took_s)
        assert max(took_s) <= BACK_WITHIN_S
        assert len((await supervisor.call("GET", "/api/calls"))["calls"]) == 1
        assert not await facts_of(supervisor, "leg_lost")
        await customer.see("call-state", state="in-call")
        await customer.say(next(line.id for line in SCENARIO.lines if line.role == "customer"))
        assert customer.complaints == []
        await customer.leave()
    for relay in roads.relays:
        relay.close()
