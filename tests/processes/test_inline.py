"""All processes in one event loop, as other tests use them."""

from __future__ import annotations

import asyncio

import httpx

from voicewatch.app import run_inline
from voicewatch.settings import Settings

WAIT_S = 30.0


async def test_an_inline_house_comes_up_whole_and_leaves_nothing(settings: Settings) -> None:
    async with (
        run_inline(settings) as house,
        httpx.AsyncClient(base_url=house.url, trust_env=False, timeout=WAIT_S) as http,
    ):
        async with asyncio.timeout(WAIT_S):
            while (health := (await http.get("/api/health")).json())["status"] != "ok":  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert set(health["processes"]) >= {"front", "media-0", "model", "recorder"}
        run_dir = house.sockets.run_dir
    assert not run_dir.exists()
    assert (settings.data / "journal").is_dir()
