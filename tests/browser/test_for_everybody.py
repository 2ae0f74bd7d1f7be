"""The pages for those who see badly or use no mouse: axe-core finds nothing, and keys do what they say.

Apart from the tests that judge sound: looking through a page takes the processor for a moment.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urljoin

import pytest

from tests.browser.test_whole_call import SCENARIO, an_ai, arrive
from tests.support.browser import AXE, Visitor, chromium
from tests.support.house import house

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not AXE.exists(), reason="axe-core comes with what builds the pages"),
]


async def test_nothing_hinders_anybody_from_ring_to_replay(data: Path) -> None:
    async with house(data) as home, an_ai(home), chromium() as browser:
        supervisor = await arrive(browser, home, "supervisor", "Noor", "/dashboard")
        await supervisor.see("system-state", state="live")
        agent = await arrive(browser, home, "agent", "Ines", "/agent")
        await agent.press("presence-available")
        customer = await arrive(browser, home, "customer", "", "/call")
        assert await customer.hindrances() == []
        await customer.press("call-start")
        await customer.see("call-state", state="in-call", timeout_s=15)
        await customer.say("ask-human")
        await agent.see("offer")
        assert await agent.hindrances() == []
        await agent.page.keyboard.press("Space")
        await agent.see("agent-state", state="on-call", timeout_s=15)
        await supervisor.press("call-row")
        await supervisor.page.keyboard.press("1")
        await supervisor.see("rung-monitor", state="active")
        await agent.page.keyboard.press("k")
        await agent.see("keypad-keys")
        for visitor in (agent, customer, supervisor):
            assert await visitor.hindrances() == []

        await agent.page.keyboard.press("b")
        await agent.see("agent-state", state="wrap-up")
        assert await agent.hindrances() == []
        await customer.press("call-end")
        call = await supervisor.page.get_attribute('[data-testid="call-row"]', "data-call-id")
        for path in (f"/calls/{call}", "/rules", "/"):
            await supervisor.page.goto(urljoin(home.url, path))
            await supervisor.page.wait_for_selector("h1")
            for summary in await supervisor.page.query_selector_all("summary"):
                await summary.evaluate("element => { element.parentElement.open = true; }")
            assert await supervisor.hindrances() == []
        assert [supervisor.complaints, agent.complaints, customer.complaints] == [[], [], []]


async def test_who_is_not_signed_in_is_told_so(data: Path) -> None:
    async with house(data) as home, chromium() as browser:
        visitor = await Visitor.arrive(browser, SCENARIO, home.url)
        for path in ("/", "/dashboard", "/agent", "/call", "/rules", "/calls/nobody", "/nowhere"):
            await visitor.page.goto(urljoin(home.url, path))
            await visitor.page.wait_for_selector("h1")
            assert await visitor.hindrances() == []


async def test_space_on_decline_declines_and_keys_can_be_put_off(data: Path) -> None:
    """Whoever goes by keys alone must not accept a call by pressing the other button."""
    async with house(data) as home, an_ai(home), chromium() as browser:
        agent = await arrive(browser, home, "agent", "Ines", "/agent")
        await agent.press("presence-available")
        await agent.press("keys-act")
        customer = await arrive(browser, home, "customer", "", "/call")
        await customer.press("call-start")
        await customer.see("call-state", state="in-call", timeout_s=15)
        await customer.say("ask-human")
        await agent.see("offer")
        await agent.page.evaluate("() => document.activeElement?.blur()")
        await agent.page.keyboard.press("Escape")
        await agent.see("agent-state", state="ringing")
        await agent.press("keys-act")
        await agent.page.focus('[data-testid="offer-decline"]')
        await agent.page.keyboard.press("Space")
        await agent.see("agent-state", state="available")
