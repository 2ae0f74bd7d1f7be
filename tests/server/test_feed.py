"""The event feed: nothing missed, nothing twice, nothing that is not one's own."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from base64 import b64encode
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.server.house import House, until
from voicewatch.core.events import Interim, Levels, Role
from voicewatch.server import feed as feed_module


async def test_a_reconnected_dashboard_has_no_gap_and_nothing_twice(house: House) -> None:
    token = house.token("supervisor", "Sam")
    all_along = await house.watch(token)
    seen: list[tuple[str, int]] = []
    cursor: str | None = None
    call = await house.call()
    for turn in range(6):
        viewer = await house.watch(token, after=cursor)
        snapshot = viewer.messages[0]
        assert snapshot["resumed"] is (cursor is not None)
        assert ("utterances" in snapshot["calls"][0]) is (cursor is None)
        if cursor is None:
            seen = [(call["call_id"], seq) for seq in range(1, snapshot["calls"][0]["last_seq"] + 1)]
        house.says(call, f"number {turn}", start_ms=turn * 1_000)
        await viewer.fact("utterance_final", start_ms=turn * 1_000)
        house.says(call, f"behind {turn}", start_ms=turn * 1_000 + 500)
        await viewer.close()
        facts = viewer.of("fact")
        seen += [(fact["event"]["call_id"], fact["event"]["seq"]) for fact in facts]
        cursor = facts[-1]["cursor"]
        await all_along.fact("utterance_final", start_ms=turn * 1_000 + 500)
    last = await house.watch(token, after=cursor)
    await until(lambda: len([m for m in last.messages if m["type"] == "fact"]) or None)
    seen += [(fact["event"]["call_id"], fact["event"]["seq"]) for fact in last.of("fact")]
    assert len(seen) == len(set(seen))
    final = max(seq for _, seq in seen)
    assert sorted(seen) == [(call["call_id"], seq) for seq in range(1, final + 1)]
    for unknown in ("999999999", "-1", "x", "١"):
        viewer = await house.watch(token, after=unknown)
        assert viewer.messages[0]["resumed"] is False
        await viewer.close()
    for viewer in (all_along, last):
        await viewer.close()


async def test_words_are_masked_without_the_grant(house: House) -> None:
    masked = await house.watch(house.token("supervisor", "Sam"))
    plain = await house.watch(house.token("supervisor", "Ann", "unmask"))
    call = await house.call(customer_name="Robin Example")
    words = "my card number is 4111 1111 1111 1111"
    house.says(call, words)
    house.model.link.signal(
        [
            Interim(
                call_id=call["call_id"],
                utterance_id="u",
                seat_id=call["seat_id"],
                role=Role.CUSTOMER,
                start_ms=5_000,
                committed=words,
                tail="",
            )
        ]
    )
    assert (await plain.fact("utterance_final"))["text"] == words
    shown = await masked.fact("utterance_final")
    await until(lambda: [one for one in masked.of("signal") if one["event"]["type"] == "interim"])
    await until(lambda: [one for one in masked.of("call") if one["view"]["last"]])
    path = f"/api/calls/{call['call_id']}"
    others = [
        (await house.ask("GET", path + tail, house.token("supervisor", "Sam"))).text
        for tail in ("", "/events")
    ]
    for text in (shown["text"], json.dumps(masked.messages), *others):
        assert "4111" not in text
        assert "Robin Example" not in text
    for viewer in (masked, plain):
        await viewer.close()


async def test_an_agent_sees_his_calls_and_no_others(house: House) -> None:
    dana = await house.watch(house.token("agent", "Dana"), presence="available")
    ann = await house.watch(house.token("agent", "Ann"))
    mine, other = await house.call(), await house.call()
    house.says(other, "quite a private matter")
    house.says(mine, "I want to talk to a human being now")
    offer = await dana.fact("offer_made")
    assert offer["call_id"] == mine["call_id"]
    token = house.token("agent", "Dana")
    assert (await house.ask("GET", f"/api/calls/{mine['call_id']}", token)).status_code == 200
    assert (await house.ask("GET", f"/api/calls/{other['call_id']}", token)).status_code == 404
    stranger = await house.ask("POST", f"/api/offers/{offer['offer_id']}/accept", house.token("agent", "Ann"))
    assert stranger.status_code == 404
    for action, body in (("handback", None), ("nudge", {"text": "x"}), ("end", None)):
        answer = await house.ask("POST", f"/api/calls/{mine['call_id']}/{action}", token, body)
        assert answer.status_code == 404, action
    no = await house.ask("POST", f"/api/offers/{offer['offer_id']}/decline", token, {"reason": "busy"})
    assert no.status_code == 204
    await dana.fact("offer_changed", state="rejected")
    await until(lambda: dana.of("gone"))
    assert (await house.ask("GET", f"/api/calls/{mine['call_id']}", token)).status_code == 404
    assert {fact["call_id"] for fact in dana.facts()} == {mine["call_id"]}
    assert not ann.facts()
    assert {one["agent_id"] for message in ann.of("agents") for one in message["agents"]} <= {"agent-ann"}
    for viewer in (dana, ann):
        await viewer.close()


async def test_a_customer_is_told_who_speaks_and_no_more(house: House) -> None:
    call = await house.call(customer_name="Robin Example")
    mine = await house.watch(call["seat_token"])
    house.says(call, "hello there")
    ended = await house.ask("POST", f"/api/calls/{call['call_id']}/end", house.token("supervisor"))
    assert ended.status_code == 204
    await until(lambda: mine.messages[-1]["view"]["state"] == "ended")
    assert {message["type"] for message in mine.messages} == {"call"}
    shown = {"call_id", "state", "voice", "voice_name", "on_hold"}
    assert all(set(message["view"]) == shown for message in mine.messages)
    await mine.close()


async def test_neither_customers_nor_one_person_keep_the_others_out(house: House, monkeypatch: Any) -> None:
    monkeypatch.setattr(feed_module, "VIEWERS_LIMIT", 4)
    monkeypatch.setattr(feed_module, "VIEWERS_PER_ACCOUNT", 3)
    calls = [await house.call(), await house.call()]
    windows = [await house.watch(calls[0]["seat_token"]) for _ in range(3)]

    async def refused(token: str) -> str:
        socket = await connect(f"ws://127.0.0.1:{house.port}/api/events", proxy=None)
        await socket.send(json.dumps({"type": "hello", "token": token}))
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1013
        return closed.value.rcvd.reason

    assert "Too many windows" in await refused(calls[0]["seat_token"])
    windows.append(await house.watch(calls[1]["seat_token"]))
    assert "Too many viewers" in await refused(calls[1]["seat_token"])
    windows += [await house.watch(house.token("supervisor", "Sam")) for _ in range(3)]
    assert "Too many windows" in await refused(house.token("supervisor", "Sam"))
    windows.append(await house.watch(house.token("supervisor", "Kim")))
    for window in windows:
        await window.close()


async def test_signals_reach_those_who_see_the_call_and_come_again_in_snapshots(house: House) -> None:
    call = await house.call()
    sam = await house.watch(house.token("supervisor", "Sam"))
    dana = await house.watch(house.token("agent", "Dana"))
    levels = Levels(call_id=call["call_id"], dbfs={call["seat_id"]: -30.0})
    house.media.link.signal([levels, Levels(call_id="unknown", dbfs={})])
    await until(lambda: sam.of("signal"))
    late = await house.watch(house.token("supervisor", "Late"))
    await until(lambda: late.of("signal"))
    for viewer in (sam, late):
        assert [one["event"]["call_id"] for one in viewer.of("signal")] == [call["call_id"]]
    assert not dana.of("signal")
    for viewer in (sam, dana, late):
        await viewer.close()


async def deaf_viewer(house: House) -> socket.socket:
    """A WebSocket client that says hello and then never reads."""
    loop = asyncio.get_running_loop()
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    deaf.setblocking(False)
    await loop.sock_connect(deaf, ("127.0.0.1", house.port))
    handshake = (
        f"GET /api/events HTTP/1.1\r\nHost: 127.0.0.1:{house.port}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: {b64encode(bytes(16)).decode()}\r\n\r\n"
    )
    await loop.sock_sendall(deaf, handshake.encode())
    assert b"101" in await loop.sock_recv(deaf, 400)
    hello = json.dumps(
        {"type": "hello", "after": None, "token": house.token("supervisor", "Deaf", "unmask")}
    ).encode()
    await loop.sock_sendall(deaf, struct.pack("!BBH4x", 0x81, 0x80 | 126, len(hello)) + hello)
    return deaf


async def test_one_who_does_not_read_is_let_go_and_holds_nobody_up(house: House, monkeypatch: Any) -> None:
    monkeypatch.setattr(feed_module, "FACTS_LIMIT", 50)
    good = await house.watch(house.token("supervisor", "Sam", "unmask"))
    deaf = await deaf_viewer(house)

    async def viewers() -> int:
        text = (await house.http.get("/metrics")).text
        return int(float(next(line for line in text.splitlines() if 'kind="events"' in line).split()[-1]))

    async def viewers_are(count: int) -> None:
        async with asyncio.timeout(10):
            while await viewers() != count:  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async def written(count: int) -> None:
        await until(lambda: len(good.facts("utterance_final")) == count, 20)

    try:
        await viewers_are(2)
        call = await house.call()
        size, batches, batch = 40_000, 12, 20
        for number in range(batches):
            for part in range(batch):
                house.says(call, "x" * size, start_ms=(number * batch + part) * 100)
            await written((number + 1) * batch)
        await viewers_are(1)
    finally:
        deaf.close()
        await good.close()


def test_a_viewer_too_far_behind_is_told_to_come_back() -> None:
    from voicewatch.core.events import SilenceBegan
    from voicewatch.server.auth import new_account
    from voicewatch.server.feed import FACTS_LIMIT, Telling, Viewer

    viewer = Viewer(new_account("supervisor"))
    for number in range(FACTS_LIMIT):
        viewer.tell(Telling(SilenceBegan(call_id="c", since_ms=0), number))
    for value in ("old", "new"):
        viewer.offer("call c", lambda value=value: value)  # type: ignore[misc]
    assert viewer.closing is None
    assert (len(viewer.facts), len(viewer.latest)) == (FACTS_LIMIT, 1)
    viewer.tell(Telling(SilenceBegan(call_id="c", since_ms=0), FACTS_LIMIT))
    assert viewer.closing is not None
    assert viewer.closing[0] == 1013
    assert viewer.next_text() is None
