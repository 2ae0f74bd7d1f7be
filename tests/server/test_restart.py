"""Front and media dying and coming back: the same calls, the same seats, nothing decided twice."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.server.house import House, open_house, until
from voicewatch.processes.sockets import Sockets, bind_tcp
from voicewatch.record.ledger import JournalFailed
from voicewatch.server import process
from voicewatch.settings import BadSettings, load_settings


async def restart_front(house: House) -> None:
    await house.end("front")
    house.start_front()
    await house.healthy()


async def test_a_restarted_front_goes_on_with_the_call(house: House) -> None:
    token = house.token("supervisor", "Sam")
    bot = await house.worker()
    call = await house.call()
    call_id = call["call_id"]
    await house.attach(call["seat_token"])
    invite = (await until(lambda: bot.of("invite")))[0]
    await house.attach(invite["seat_token"])
    await until(lambda: house.media.tables[call_id].hears.get(call["seat_id"]) == [invite["seat_id"]])
    house.says(call, "hello there")
    viewer = await house.watch(token)
    await until(lambda: viewer.messages[0]["calls"])
    async with asyncio.timeout(5):
        while True:
            before = (await house.ask("GET", f"/api/calls/{call_id}", token)).json()
            if all(seat["leg"] == "live" for seat in before["seats"]):
                break
            await asyncio.sleep(0.02)
    cursor = viewer.messages[0]["cursor"]

    await house.end("front")
    await viewer.socket.wait_closed()
    assert viewer.socket.close_code == 1001
    house.says(call, "are you still there", start_ms=60_000)
    version = house.media.tables[call_id].version
    house.start_front()
    await house.healthy()

    resumed = await house.watch(token, after=cursor)
    assert resumed.messages[0]["resumed"] is True
    await resumed.fact("utterance_final", text="are you still there")
    after = (await house.ask("GET", f"/api/calls/{call_id}", token)).json()
    assert after["started_at"] == before["started_at"]
    assert after["seats"] == before["seats"]
    assert [one["text"] for one in after["utterances"]] == ["hello there", "are you still there"]
    await until(lambda: house.media.tables[call_id].version > version)
    assert house.media.tables[call_id].hears == before["hears"]
    again = await house.worker()
    invited = (await until(lambda: again.of("invite")))[0]
    assert (invited["again"], invited["seat_id"]) == (True, invite["seat_id"])

    leg = next(leg_id for leg_id, one in house.media.legs.items() if one.seat_id == call["seat_id"])
    assert (await house.ask("DELETE", f"/api/whip/{leg}", call["seat_token"])).status_code == 200
    await resumed.fact("record_complete")
    for feed in (viewer, resumed, bot, again):
        await feed.close()


async def test_calls_survive_the_death_of_their_media_process(house: House) -> None:
    viewer = await house.watch(house.token("supervisor", "Sam"))
    call = await house.call()
    await house.attach(call["seat_token"])
    await viewer.fact("leg_live")
    await house.new_media()
    lost = await viewer.fact("leg_lost")
    assert lost["reason"] == "media_died"
    rebased = await viewer.fact("clock_rebased")
    assert rebased["epoch"] == house.media.epoch
    answer = await house.attach(call["seat_token"])
    assert answer.status_code == 201
    assert house.media.calls[call["call_id"]].zero_mono_ns
    await until(lambda: len(viewer.facts("leg_live")) == 2)
    assert call["call_id"] in house.media.tables
    await viewer.close()


async def test_while_media_is_away_clients_are_asked_to_wait(house: House) -> None:
    call = await house.call()
    await house.end("media")

    async def is_away() -> None:
        while (await house.http.get("/api/health")).json()["processes"]["media-0"] != "down":
            pass

    await is_away()
    for answer in (
        await house.attach(call["seat_token"]),
        await house.ask("POST", "/api/calls", house.token("integration"), {}),
    ):
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "1"
    assert (await house.http.get("/api/health")).json()["status"] == "degraded"


@pytest.mark.parametrize("in_good_order", [False, True])
async def test_a_call_nobody_holds_any_more_ends_as_interrupted(
    data: Path, run_dir: Path, in_good_order: bool
) -> None:
    async with open_house(data, run_dir, judgement={"customer_grace_s": 2}) as house:
        call = await house.call()
        await house.attach(call["seat_token"])
        if in_good_order:
            eyes = await house.watch(house.token("supervisor"))
            leg_id, leg = next(iter(house.media.legs.items()))
            house.media.say(house.media._lost(leg, leg_id, "closed"))
            await eyes.fact("leg_lost")
            await eyes.close()
        await house.end("front")
        await house.new_media()
        house.start_front()
        await house.healthy()
        viewer = await house.watch(house.token("supervisor"))

        def view() -> dict[str, Any] | None:
            shown = [*viewer.messages[0]["calls"], *(message["view"] for message in viewer.of("call"))]
            return next((one for one in shown if one["state"] == "interrupted"), None)

        assert (await until(view))["call_id"] == call["call_id"]
        await viewer.close()


async def test_a_worker_gets_no_more_than_it_can_take_and_waiting_calls_are_not_forgotten(
    house: House,
) -> None:
    waiting = [await house.call() for _ in range(3)]
    first = await house.worker("first", capacity=2)
    await until(lambda: len(first.of("invite")) == 2)
    second = await house.worker("second", capacity=5)
    await until(lambda: len(second.of("invite")) == 1)
    invited = {message["call_id"] for message in first.of("invite") + second.of("invite")}
    assert invited == {call["call_id"] for call in waiting}
    foreign = second.of("invite")[0]["call_id"]
    for message in (
        {"type": "said", "call_id": foreign, "text": "x", "duration_ms": 5},
        {"type": "said", "call_id": first.of("invite")[0]["call_id"], "text": "x"},
        {"type": "sing", "call_id": foreign},
        {"type": "tool", "call_id": foreign, "name": "x"},
    ):
        await first.socket.send(json.dumps(message))
    await until(lambda: len(first.of("problem")) == 4)
    assert [problem["status"] for problem in first.of("problem")] == [404, 400, 400, 400]
    for worker in (first, second):
        await worker.close()


async def test_a_full_disk_refuses_commands_keeps_facts_and_recovers(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    from voicewatch.record.journal import Journal

    viewer = await house.watch(house.token("supervisor", "Sam"))
    call = await house.call()
    append, full = Journal.append, [True]

    async def failing(self: Journal, facts: Any, source: Any = None) -> Any:
        if full[0]:
            raise JournalFailed("the disk is full")
        return await append(self, facts, source)

    monkeypatch.setattr(Journal, "append", failing)
    house.says(call, "nobody writes this down yet")
    refused = await house.ask("POST", "/api/calls", house.token("integration"), {})
    assert refused.status_code == 503
    await until(
        lambda: any(
            "journal" in m["event"]["degraded"] for m in viewer.of("signal") if "degraded" in m["event"]
        )
    )
    assert not viewer.facts("utterance_final")
    full[0] = False
    await viewer.fact("utterance_final", text="nobody writes this down yet")
    assert len(viewer.facts("utterance_final")) == 1
    await until(lambda: viewer.of("signal")[-1]["event"]["degraded"] == [])
    await viewer.close()


async def test_nothing_said_is_logged(house: House, capfd: pytest.CaptureFixture[str], caplog: Any) -> None:
    caplog.set_level(logging.DEBUG)
    for client in ("websockets.client", "httpx", "httpcore"):
        caplog.set_level(logging.WARNING, client)
    viewer = await house.watch(house.token("supervisor", "Sam"))
    bot = await house.worker()
    call = await house.call(customer_name="Zebulon Quux")
    ai_seat = (await until(lambda: bot.of("invite")))[0]["seat_id"]
    await viewer.fact("audibility_changed", hears={call["seat_id"]: [ai_seat], ai_seat: [call["seat_id"]]})
    house.says(call, "the xylophone is broken")
    said = {"type": "said", "call_id": call["call_id"], "text": "which xylophone", "duration_ms": 0}
    await bot.socket.send(json.dumps(said))
    await bot.socket.send(json.dumps({**said, "duration_ms": "xylophone"}))
    await until(lambda: len(viewer.facts("utterance_final")) == 2 and bot.of("problem"))
    await house.ask(
        "POST", f"/api/calls/{call['call_id']}/nudge", house.token("supervisor"), {"text": "xylophone"}
    )
    output = "".join(capfd.readouterr()) + caplog.text
    assert "xylophone" not in output
    assert "Zebulon" not in output
    for feed in (viewer, bot):
        await feed.close()


def _folder(run_dir: Path, name: str) -> Path:
    (run_dir / name).mkdir()
    return run_dir / name


def _tear(file: Path) -> None:
    file.write_bytes(b"torn" * 3_000)


def _shorten(file: Path) -> None:
    file.write_bytes(b"short")


@pytest.mark.parametrize(
    ("file", "spoil", "said"),
    [
        ("journal/journal.db", _tear, r"journal\.db.*damaged.*backup"),
        ("journal/keys.db", _tear, r"keys\.db.*damaged.*backup"),
        ("signing.key", _shorten, r"signing\.key is damaged"),
    ],
)
async def test_a_damaged_data_folder_is_explained_once(
    tmp_path: Path, run_dir: Path, file: str, spoil: Callable[[Path], None], said: str
) -> None:
    async with open_house(tmp_path / "data", _folder(run_dir, "first")):
        pass
    for left in (tmp_path / "data" / "journal").glob("*-*"):
        left.unlink()
    spoil(tmp_path / "data" / file)
    sockets = Sockets(run_dir, {"http": bind_tcp("127.0.0.1", 0)})
    try:
        with pytest.raises(BadSettings, match=said):
            await process.run(load_settings(None, {"data": tmp_path / "data"}), sockets, "front")
    finally:
        sockets.close()


async def test_an_ended_call_that_cannot_be_read_stops_nothing(tmp_path: Path, run_dir: Path) -> None:
    async with open_house(tmp_path / "data", _folder(run_dir, "first")) as house:
        for _ in range(2):
            call = await house.call(customer_name="Robin")
            house.says(call, "hello")
            supervisor = house.token("supervisor")
            ended = await house.ask("POST", f"/api/calls/{call['call_id']}/end", supervisor)
            assert ended.status_code == 204
    with contextlib.closing(sqlite3.connect(tmp_path / "data/journal/keys.db")) as keys, keys:
        keys.execute("DELETE FROM keys WHERE call_id != ?", (call["call_id"],))
    async with open_house(tmp_path / "data", _folder(run_dir, "second")) as house:
        told = (await house.ask("GET", "/api/calls", house.token("supervisor"))).json()["calls"]
        assert [one["call_id"] for one in told] == [call["call_id"]]
