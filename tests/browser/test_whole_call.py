"""The three pages in a real browser: a customer calls, the dashboard shows it, an agent is heard.

Judged by sound: what the customer's page plays is compared with the clip the agent's page was given to say.
Screenshots are left in out/screenshots.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser

from tests.support.browser import Visitor, chromium
from tests.support.house import House, house
from voicewatch.demo.crowd import AIWorker
from voicewatch.demo.scenarios import load_scenario

pytestmark = pytest.mark.browser
SCENARIO = load_scenario("once")
PICTURES = Path(__file__).parents[2] / "out" / "screenshots"


@contextlib.asynccontextmanager
async def an_ai(home: House) -> AsyncIterator[None]:
    worker = asyncio.ensure_future(AIWorker(home.url, home.token("ai")).run())
    try:
        yield
    finally:
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)


async def link_for(home: House, role: str, name: str, path: str) -> str:
    async with home.api("admin") as admin:
        made = await admin.call("POST", "/api/codes", role=role, name=name, path=path)
    return str(made["url"])


async def gets_through(speaker: Visitor, line_id: str, *listeners: Visitor) -> bool:
    """Said again to whom it did not reach: a machine with four browsers on it may stand still for a word."""
    for _ in range(3):
        await speaker.say(line_id)
        if all([await heard(listener, line_id) for listener in listeners]):
            return True
    return False


async def heard(visitor: Visitor, line_id: str, timeout_s: float = 8.0) -> bool:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if await visitor.has_heard(line_id):
            return True
        await asyncio.sleep(0.3)
    return False


async def arrive(browser: Browser, home: House, role: str, name: str, path: str) -> Visitor:
    return await Visitor.arrive(browser, SCENARIO, await link_for(home, role, name, path))


async def test_a_customer_is_heard_watched_and_helped(data: Path) -> None:
    async with house(data) as home, an_ai(home), chromium() as browser:
        supervisor = await arrive(browser, home, "supervisor", "Noor", "/dashboard")
        await supervisor.see("system-state", state="live")
        agent = await arrive(browser, home, "agent", "Ines", "/agent")
        await agent.press("presence-available")
        await agent.see("agent-state", state="available")

        customer = await arrive(browser, home, "customer", "", "/call")
        await customer.press("call-start")
        await customer.see("call-state", state="in-call", timeout_s=15)
        await supervisor.see("call-row")
        await supervisor.press("call-row")

        await customer.say("third-time")
        await supervisor.page.wait_for_selector('[data-testid="utterance"][data-role="customer"]')
        await supervisor.picture(PICTURES / "dashboard-talking.png")
        await customer.say("ask-human")
        await agent.see("offer")
        await agent.picture(PICTURES / "agent-ringing.png")
        assert await agent.page.inner_text('[data-testid="briefing-why"]')
        await asyncio.sleep(0.5)  # an offer cannot be accepted in its first 0.4 s
        await agent.press("offer-accept")
        await agent.see("agent-state", state="on-call", timeout_s=15)
        await customer.see("call-voice", voice="agent", timeout_s=15)

        assert await gets_through(agent, "agent-hello", customer)
        await customer.picture(PICTURES / "customer-in-call.png")
        await agent.picture(PICTURES / "agent-on-call.png")
        await supervisor.press("rung-monitor")
        assert await gets_through(customer, "money-back", agent, supervisor)
        await supervisor.picture(PICTURES / "dashboard-monitoring.png")

        await agent.press("hand-back")
        await customer.see("call-voice", voice="ai", timeout_s=15)
        await customer.press("call-end")
        await customer.see("call-state", state="ended")
        for visitor in (supervisor, agent, customer):
            assert visitor.complaints == []
            await visitor.leave()
