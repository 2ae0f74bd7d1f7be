"""SIGTERM to a house with a call in it: no new calls, the call goes on, and the end comes with its end."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from pathlib import Path

import httpx

from tests.e2e.test_kills import a_call
from tests.support.house import House, house, until


def keeper_of(child: int) -> int:
    return int(Path(f"/proc/{child}/stat").read_text().rsplit(")", 1)[1].split()[1])


async def test_a_call_is_let_finish_and_nobody_new_is_let_in(data: Path) -> None:
    async with house(data) as home, home.api("customer") as customer, home.api("supervisor") as supervisor:
        call = await customer.call("POST", "/api/calls", recording_consent=True)
        keeper = keeper_of(home.pid("front"))
        os.kill(keeper, signal.SIGTERM)
        refused = None
        async with httpx.AsyncClient() as http:
            for _ in range(50):
                refused = await http.post(
                    f"{home.url}/api/calls",
                    json={},
                    headers={"authorization": f"Bearer {home.token('integration')}"},
                )
                if refused.status_code == 503:
                    break
                await asyncio.sleep(0.1)
        assert refused is not None
        assert refused.status_code == 503, refused.text
        assert int(refused.headers["retry-after"]) > 0
        await asyncio.sleep(1)
        view = await supervisor.call("GET", f"/api/calls/{call['call_id']}")
        assert view["state"] == "live"
        for other in (await supervisor.call("GET", "/api/calls"))["calls"]:
            await supervisor.call("POST", f"/api/calls/{other['call_id']}/end")
        ended_s = time.monotonic()
        await until(lambda: not Path(f"/proc/{keeper}").exists(), timeout_s=15)
        assert time.monotonic() - ended_s < 12


async def calls_carried(home: House) -> dict[str, int]:
    """By media process."""
    headers = {"authorization": f"Bearer {home.token('supervisor')}"}
    async with httpx.AsyncClient() as http:
        text = (await http.get(f"{home.url}/metrics", headers=headers)).text
    found = re.findall(r'^voicewatch_media_calls\{process="(.*?)"\} ([\d.]+)', text, re.MULTILINE)
    return {process: int(float(count)) for process, count in found}


async def test_a_media_process_ends_after_its_call_while_another_takes_the_next(data: Path) -> None:
    async with a_call(data) as call, call.house.api("customer") as another:
        leaving = call.house.pid("media-0")
        os.kill(leaving, signal.SIGTERM)
        await another.call("POST", "/api/calls", recording_consent=True)  # again while nobody can take it
        async with asyncio.timeout(10):
            while await calls_carried(call.house) != {"media-0": 1, "media-1": 1}:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        await call.ai.say("stubborn")
        await until(lambda: call.customer.hearing.has_heard("stubborn"), 10)
        assert call.facts_of("leg_lost") == []
        call.assert_customer_undisturbed()
        assert call.house.pid("media-0") == leaving
    await until(lambda: not Path(f"/proc/{leaving}").exists(), 10)
