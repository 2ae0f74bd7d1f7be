"""What a worker may say, and how often."""

from __future__ import annotations

import json
from typing import Any

from tests.server.house import House, until


async def test_a_worker_that_talks_nonsense_is_told_so_and_stays(house: House) -> None:
    call = await house.call()
    bot = await house.worker()
    await until(lambda: bot.of("invite"))
    other = await house.worker("other")
    mine = {"call_id": call["call_id"]}
    said = {"type": "said", "text": "hello", **mine}
    nonsense: list[dict[str, Any]] = [
        {"type": ["said"], **mine},
        {"type": None},
        {"type": "said", "call_id": ["x"], "text": "x"},
        {**said, "start_ms": 0, "end_ms": 10_000_000},
        {**said, "start_ms": 9, "end_ms": 8},
        {**said, "start_ms": -1, "end_ms": 8},
        {**said, "start_ms": float("inf"), "end_ms": 8},
        {**said, "duration_ms": 10**18},
        {**said, "text": "x" * 4_001, "duration_ms": 1},
        {"type": "confidence", "value": float("nan"), **mine},
        {"type": "mark", "surprise": 1, **mine},
    ]
    for message in nonsense:
        await bot.socket.send(json.dumps(message))
    await bot.socket.send(b"\0\xff")
    await until(lambda: len(bot.of("problem")) == len(nonsense) + 1)
    assert {told["status"] for told in bot.of("problem")} == {400}
    for kind in ("mark", "leave"):
        await other.socket.send(json.dumps({"type": kind, **mine}))
    await until(lambda: len(other.of("problem")) == 2)
    assert {told["status"] for told in other.of("problem")} == {404}
    for feed in (bot, other):
        await feed.close()


async def test_a_flood_of_marks_is_cut_and_other_calls_are_not(house: House) -> None:
    calls = [await house.call(), await house.call()]
    bot, eyes = await house.worker(), await house.watch(house.token("supervisor"))
    await until(lambda: len(bot.of("invite")) == 2)
    flooded, quiet = (call["call_id"] for call in calls)
    for _ in range(300):
        await bot.socket.send(json.dumps({"type": "mark", "call_id": flooded}))
    await bot.socket.send(json.dumps({"type": "mark", "call_id": quiet}))
    await eyes.fact("ai_reported", call_id=quiet)
    marks = [fact for fact in eyes.facts("ai_reported") if fact["call_id"] == flooded]
    problems = bot.of("problem")
    assert len(marks) + len(problems) == 300
    assert 100 <= len(marks) < 200
    assert {(told["status"], told["retry_after_s"]) for told in problems} == {(429, 1)}
    for feed in (bot, eyes):
        await feed.close()
