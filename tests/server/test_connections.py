"""Connections on which nothing is said, or too slowly, or too many."""

from __future__ import annotations

import asyncio

import pytest

from tests.server.house import House
from voicewatch.server import connections
from voicewatch.server.connections import PatientConnection

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def knock(house: House, begun: bytes) -> Ends:
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    writer.write(begun)
    await writer.drain()
    return reader, writer


async def is_closed(ends: Ends) -> bool:
    """All that comes is read to the end; False if the end does not come."""
    try:
        async with asyncio.timeout(12):
            while await ends[0].read(4_096):
                pass
    except ConnectionError:
        pass
    except TimeoutError:
        return False
    finally:
        ends[1].close()
    return True


async def test_half_a_head_does_not_hold_a_connection(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_WITHIN_S", 0.2)
    whole = b"GET /api/health HTTP/1.1\r\nHost: x\r\n\r\n"
    knocks = [await knock(house, begun) for begun in (b"", b"GET /api/hea", whole + b"GET /")]
    dripping = await knock(house, b"GET / HTTP/1.1\r\n")

    async def drip() -> None:
        for _ in range(20):
            dripping[1].write(b"x")
            await asyncio.sleep(0.1)

    dripper = asyncio.create_task(drip())
    assert all(await asyncio.gather(*map(is_closed, (*knocks, dripping))))
    dripper.cancel()
    assert (await house.http.get("/api/health")).is_success


async def test_beyond_the_limit_connections_are_closed_as_they_come(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = [await knock(house, b"") for _ in range(5)]
    assert (await house.http.get("/api/health")).is_success
    monkeypatch.setattr(PatientConnection, "most", 6)
    assert await is_closed(await knock(house, b""))
    for _, writer in held:
        writer.close()
    monkeypatch.undo()
    assert (await house.http.get("/api/health")).is_success


async def test_head_is_get_without_the_body(house: House) -> None:
    for path in ("/", "/api/health"):
        answer = await house.http.head(path)
        assert answer.status_code == (await house.http.get(path)).status_code
        assert answer.content == b""
    assert (await house.http.head("/api/calls")).status_code == 401
