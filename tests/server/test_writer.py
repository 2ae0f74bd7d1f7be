"""A language model on the briefing card: prose if it comes in time, masked text out, never in the way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.server.house import House, open_house, until
from tests.server.test_queues import waiting


class Model:
    """A server of OpenAI's chat completions that says what it is told to, after a while."""

    def __init__(self, says: str, after_s: float = 0.0, status: str = "200 OK") -> None:
        self.says, self.after_s, self.status = says, after_s, status
        self.asked: list[str] = []
        self.answering: set[asyncio.Task[None]] = set()

    def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.answering.add(asyncio.ensure_future(self._answer(reader, writer)))

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = int(head.lower().split("content-length:")[1].split("\r\n")[0])
            self.asked.append(head + (await reader.readexactly(length)).decode())
            await asyncio.sleep(self.after_s)
            body = json.dumps(
                {"choices": [{"message": {"role": "assistant", "content": self.says}}]}
            ).encode()
            writer.write(f"HTTP/1.1 {self.status}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def house_with(model: Model, data: Path, run_dir: Path, timeout_s: float = 5.0) -> AsyncIterator[House]:
    server = await asyncio.start_server(model.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    judgement = {
        "briefing_url": f"http://127.0.0.1:{port}/v1",
        "briefing_model": "small",
        "briefing_key": "secret-key",
        "briefing_timeout_s": timeout_s,
    }
    try:
        async with open_house(data, run_dir, judgement=judgement) as house:
            yield house
    finally:
        server.close()
        await asyncio.gather(*model.answering)


async def test_the_model_reads_masked_text_and_its_prose_comes_after_the_card(
    tmp_path: Path, run_dir: Path
) -> None:
    model = Model("The customer\x00 was charged twice.\n\nHe wants [card number] refunded.")
    async with house_with(model, tmp_path / "data", run_dir) as house:
        eyes = await house.watch(house.token("supervisor"))
        call, bot = await waiting(house, number="4111111111111111")
        first = await eyes.fact("briefing_ready")
        assert first["briefing"]["summary"] == ""
        told = await until(
            lambda: [one for one in eyes.facts("briefing_ready") if one["briefing"]["summary"]]
        )
        assert told[0]["briefing"]["summary"] == (
            "The customer was charged twice. He wants [card number] refunded."
        )
        assert told[0]["briefing"]["why_now"] == first["briefing"]["why_now"]
        assert "Bearer secret-key" in model.asked[0]
        assert "human being" in model.asked[0]
        assert "4111" not in model.asked[0]
        house.says(call, "I am still waiting for somebody")  # the card is written anew: its prose stays
        view = (await house.ask("GET", f"/api/calls/{call['call_id']}", house.token("supervisor"))).json()
        assert view["briefing"]["summary"].startswith("The customer was charged twice.")
        for one in (eyes, bot):
            await one.close()


@pytest.mark.parametrize(
    "model",
    [Model("too late", after_s=1.0), Model("sorry", status="500 Oops"), Model("x" * 100_000)],
    ids=["slow", "failing", "endless"],
)
async def test_a_card_without_prose_is_a_whole_card(model: Model, tmp_path: Path, run_dir: Path) -> None:
    async with house_with(model, tmp_path / "data", run_dir, timeout_s=0.3) as house:
        eyes = await house.watch(house.token("supervisor"))
        _, bot = await waiting(house)
        card = (await eyes.fact("briefing_ready"))["briefing"]
        assert card["why_now"]
        await until(lambda: model.asked)
        await asyncio.sleep(0.4)  # past the writer's own limit
        assert not any(one["briefing"]["summary"] for one in eyes.facts("briefing_ready"))
        for one in (eyes, bot):
            await one.close()


async def test_earlier_calls_of_the_customer_are_on_the_card(house: House) -> None:
    boss = house.token("supervisor")
    eyes = await house.watch(boss)
    first, bot = await waiting(house, customer_id="c-17", topic="billing")
    await eyes.fact("escalation_raised")
    await house.ask("POST", f"/api/calls/{first['call_id']}/end", boss)
    await eyes.fact("call_ended", call_id=first["call_id"])
    await bot.close()
    stranger, bot = await waiting(house, customer_id="c-18")
    assert (await eyes.fact("briefing_ready", call_id=stranger["call_id"]))["briefing"]["history"] == []
    await house.ask("POST", f"/api/calls/{stranger['call_id']}/end", boss)
    await bot.close()
    second, bot = await waiting(house, customer_id="c-17")
    card = (await eyes.fact("briefing_ready", call_id=second["call_id"]))["briefing"]
    assert len(card["history"]) == 1
    assert "billing; escalated: asks human; the AI alone" in card["history"][0]
    for one in (eyes, bot):
        await one.close()
