"""SIGTERM to a house with a call in it: no new calls, the call goes on, and the end comes with its end."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import httpx

from tests.support.house import house, until


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
