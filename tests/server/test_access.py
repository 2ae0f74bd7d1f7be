"""Who may do what: every route with every role, sessions, and what hostile requests get."""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.server.house import OFFER, House
from voicewatch.server.auth import ROLES

EVERYBODY = set(ROLES)
WATCHERS = {"supervisor", "admin"}
IN_CALLS = {"agent", "supervisor", "admin"}
CALL = "/api/calls/01K0000000000000000000000X"

ROUTES: list[tuple[str, str, Any, set[str]]] = [
    ("POST", "/api/codes", {"role": "agent"}, {"admin", "integration"}),
    ("GET", "/api/session", None, EVERYBODY),
    ("POST", "/api/calls", {"surprise": 1}, {"customer", "integration", "admin"}),
    ("GET", "/api/calls", None, WATCHERS),
    ("GET", CALL, None, IN_CALLS),
    ("GET", f"{CALL}/events", None, WATCHERS),
    ("GET", f"{CALL}/recordings", None, set()),
    ("GET", f"{CALL}/recordings/x/y.opus", None, set()),
    ("GET", f"{CALL}/recordings/mix", None, set()),
    ("POST", f"{CALL}/recording", {"state": "paused"}, IN_CALLS),
    ("POST", "/api/erase", {"call_id": "x"}, {"admin"}),
    ("GET", "/api/erasures", None, {"admin"}),
    ("PUT", "/api/presence", {"state": "asleep"}, {"agent"}),
    ("POST", "/api/offers/x/accept", None, {"agent"}),
    ("POST", "/api/offers/x/decline", None, {"agent"}),
    ("POST", f"{CALL}/supervise", {"mode": "monitor"}, WATCHERS),
    ("DELETE", f"{CALL}/supervise", None, WATCHERS),
    ("POST", f"{CALL}/handback", None, IN_CALLS),
    ("POST", f"{CALL}/escalate", None, WATCHERS),
    ("POST", f"{CALL}/hold", None, IN_CALLS),
    ("DELETE", f"{CALL}/hold", None, IN_CALLS),
    ("PUT", f"{CALL}/mute", {"muted": True}, IN_CALLS),
    ("POST", f"{CALL}/dtmf", {"digits": "1"}, IN_CALLS),
    ("POST", f"{CALL}/nudge", {"text": "x"}, IN_CALLS),
    ("POST", f"{CALL}/alerts/x/dismiss", {"reason": "x"}, WATCHERS),
    ("POST", f"{CALL}/end", None, IN_CALLS),
    ("POST", f"{CALL}/disposition", {"code": "resolved"}, {"agent"}),
    ("GET", "/api/queue", None, IN_CALLS),
    ("POST", f"{CALL}/claim", None, {"agent"}),
    ("POST", f"{CALL}/release", None, WATCHERS),
    ("POST", f"{CALL}/callback", {"when": "soon"}, IN_CALLS),
    ("GET", "/api/callbacks", None, IN_CALLS),
    ("POST", CALL.replace("calls", "callbacks"), {"outcome": "reached"}, IN_CALLS),
    ("POST", f"{CALL}/labels", {"about": "call", "value": "fine"}, IN_CALLS),
    ("GET", "/api/review", None, WATCHERS),
    ("GET", "/api/insights", None, WATCHERS),
    ("POST", "/api/whip", None, set()),
    ("PATCH", "/api/whip/x", None, set()),
    ("DELETE", "/api/whip/x", None, set()),
    ("GET", "/api/rules", None, WATCHERS),
    ("GET", "/api/schema", None, EVERYBODY),
    ("GET", "/api/openapi.json", None, EVERYBODY),
    ("GET", "/api/docs", None, EVERYBODY),
]


async def test_each_role_may_do_what_the_table_says_and_no_more(house: House) -> None:
    wrong = []
    for (method, path, body, allowed), role in itertools.product(ROUTES, ROLES):
        answer = await house.ask(method, path, house.token(role, "Matrix"), body)
        if (answer.status_code != 403) != (role in allowed) or answer.status_code in (401, 500):
            wrong.append(f"{role} {method} {path}: {answer.status_code}")
    for method, path, body, _ in ROUTES:
        answer = await house.http.request(method, path, json=body)
        if answer.status_code != 401 or answer.headers["content-type"] != "application/problem+json":
            wrong.append(f"nobody {method} {path}: {answer.status_code}")
    assert not wrong


async def test_the_table_of_routes_is_complete(house: House) -> None:
    described = (await house.ask("GET", "/api/openapi.json", house.token("admin"))).json()["paths"]
    known = {(method, path.split("?")[0]) for method, path, _, _ in ROUTES}
    free = {("GET", "/api/health"), ("POST", "/api/session"), ("DELETE", "/api/session"), ("GET", "/metrics")}

    def covered(method: str, path: str) -> bool:
        parts = path.replace("{call_id}", CALL.rpartition("/")[2]).split("/")
        return (method, path) in free or any(
            method == other
            and len(parts) <= len(there := where.split("/"))
            and all(a == b or a.startswith("{") for a, b in zip(parts, there, strict=False))
            for other, where in known
        )

    assert [
        f"{method.upper()} {path}"
        for path, operations in described.items()
        for method in operations
        if not covered(method.upper(), path)
    ] == []


async def test_a_seat_token_opens_its_seat_and_nothing_else(house: House) -> None:
    call, other = await house.call(), await house.call()
    for method, path, body, _ in ROUTES:
        if not path.startswith("/api/whip"):
            answer = await house.ask(method, path, call["seat_token"], body)
            assert answer.status_code == 403, (method, path)
    leg = (await house.attach(call["seat_token"])).headers["location"]
    for method in ("PATCH", "DELETE"):
        answer = await house.http.request(
            method,
            leg,
            content="a=x",
            headers={
                "authorization": f"Bearer {other['seat_token']}",
                "content-type": "application/trickle-ice-sdpfrag",
            },
        )
        assert answer.status_code == 404


async def signed_in(house: House, role: str = "supervisor") -> dict[str, Any]:
    made = await house.ask("POST", "/api/codes", house.token("admin"), {"role": role, "name": "Sam"})
    assert made.status_code == 201, made.text
    code = made.json()["code"]
    assert made.json()["url"] == f"{house.url}/dashboard#code={code}"
    answer = await house.http.post("/api/session", json={"code": code}, headers={"origin": house.url})
    assert answer.status_code == 200, answer.text
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    again = await house.http.post("/api/session", json={"code": code})
    assert again.status_code == 403
    who: dict[str, Any] = answer.json()
    return who


async def test_a_session_by_cookie_needs_the_right_origin_to_change_anything(house: House) -> None:
    who = await signed_in(house)
    assert (await house.http.get("/api/session")).json() == {
        "role": "supervisor",
        "name": "Sam",
        "sub": who["sub"],
        "grants": [],
    }
    path = f"{CALL}/escalate"
    assert (await house.http.post(path)).status_code == 403
    assert (await house.http.post(path, headers={"origin": "http://evil.test"})).status_code == 403
    assert (await house.http.post(path, headers={"origin": "null"})).status_code == 403
    assert (await house.http.post(path, headers={"origin": house.url})).status_code == 404


async def test_signing_out_ends_the_session_and_its_feed(house: House) -> None:
    await signed_in(house)
    cookie = "; ".join(f"{one.name}={one.value}" for one in house.http.cookies.jar)
    url = f"ws://127.0.0.1:{house.port}/api/events"
    hello = json.dumps({"type": "hello", "after": None})
    headers = {"cookie": cookie}
    async with connect(url, proxy=None, additional_headers=headers, origin=house.url) as socket:  # type: ignore[arg-type]
        await socket.send(hello)
        assert json.loads(await socket.recv())["you"]["name"] == "Sam"
        assert (await house.http.delete("/api/session", headers={"origin": house.url})).status_code == 204
        async with asyncio.timeout(5):
            await socket.wait_closed()
        assert socket.close_code == 1008
    answer = await house.http.get("/api/session", headers={"cookie": cookie})
    assert answer.status_code == 401


async def test_websockets_check_origin_token_and_role(house: House) -> None:
    url = f"ws://127.0.0.1:{house.port}/api/events"
    with pytest.raises(InvalidStatus) as refused:
        await connect(url, proxy=None, origin="http://evil.test")  # type: ignore[arg-type]
    assert refused.value.response.status_code == 403

    async def refusal(first: str, path: str = "/api/events") -> str:
        async with connect(f"ws://127.0.0.1:{house.port}{path}", proxy=None) as socket:
            await socket.send(first)
            with pytest.raises(ConnectionClosed) as closed:
                async with asyncio.timeout(5):
                    await socket.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008
        return closed.value.rcvd.reason

    call = await house.call()
    assert "Not signed in" in await refusal('{"type": "hello"}')
    assert "Not signed in" in await refusal('{"type": "hello", "token": "x"}')
    assert "type" in await refusal('{"type": "hi"}')
    assert "Bad message" in await refusal("[" * 5_000)
    assert "not known" in await refusal('{"type": "hello", "surprise": 1}')
    for role in ("customer", "ai", "integration"):
        told = json.dumps({"type": "hello", "token": house.token(role)})
        assert "Not allowed" in await refusal(told)
    hello = {"type": "hello", "name": "x", "capacity": 1, "supplies_text": True}
    for token in (house.token("supervisor"), house.token("admin"), call["seat_token"]):
        assert "Not allowed" in await refusal(json.dumps({**hello, "token": token}), "/api/ai")


async def test_nobody_passes_on_more_than_he_has(house: House) -> None:
    async def make(token: str, **body: Any) -> int:
        return (await house.ask("POST", "/api/codes", token, body)).status_code

    integration, admin = house.token("integration"), house.token("admin")
    assert await make(integration, role="admin") == 403
    assert await make(admin, role="supervisor", grants=["unmask"]) == 403
    assert await make(house.token("admin", "Full", "unmask"), role="supervisor", grants=["unmask"]) == 201
    assert await make(admin, role="ai") == 422
    assert await make(admin, role="agent", path="//evil.test") == 422


async def test_codes_are_taken_from_this_machine_only(house: House) -> None:
    code = (await house.ask("POST", "/api/codes", house.token("admin"), {"role": "agent"})).json()["code"]
    for headers in (
        {"host": "rebound.test"},
        {"host": "[::1"},
        {"x-forwarded-for": "127.0.0.1"},
        {"origin": "http://evil.test"},
    ):
        answer = await house.http.post("/api/session", json={"code": code}, headers=headers)
        assert answer.status_code == 403
    assert (await house.http.post("/api/session", json={"code": code})).status_code == 200


async def test_what_is_wrong_is_named(house: House) -> None:
    token = house.token("integration")
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}

    async def problem(method: str, path: str, content: bytes, status: int, **more: str) -> dict[str, Any]:
        answer = await house.http.request(method, path, content=content, headers={**headers, **more})
        assert answer.headers["content-type"] == "application/problem+json"
        told: dict[str, Any] = answer.json()
        assert (answer.status_code, told["status"]) == (status, status), told
        assert told["title"]
        assert told["detail"]
        return told

    await problem("POST", "/api/calls", b"{", 400)
    await problem("POST", "/api/calls", b"[" * 100_000, 400)
    await problem("POST", "/api/calls", b"\xff\xfe", 400)
    assert (await problem("POST", "/api/calls", b'{"surprise": 1}', 422))["field"] == "surprise"
    wrong = await problem("POST", "/api/calls", b'{"attributes": {"tier": 5}}', 422)
    assert wrong["field"] == "attributes.tier"
    assert (await problem("POST", "/api/calls", b"[]", 422))["field"] == "body"
    assert (await problem("POST", "/api/calls", b"", 422))["field"] == "body"
    await problem("POST", "/api/calls", b'{"customer_name": "' + b"x" * 1_048_576 + b'"}', 413)
    await problem("GET", "/api/nothing", b"", 404)
    await problem("GET", "/nothing.js", b"", 404)
    await problem("GET", "/../../pyproject.toml", b"", 404)
    await problem("DELETE", "/api/calls", b"", 405)
    await problem("GET", f"{CALL}/events?after=-1", b"", 422, authorization=f"Bearer {house.token('admin')}")
    call = await house.call()
    seat = {"authorization": f"Bearer {call['seat_token']}"}
    await problem("POST", "/api/whip", OFFER.encode(), 415, **seat)
    sdp = {**seat, "content-type": "application/sdp"}
    await problem("POST", "/api/whip", b"", 400, **sdp)
    await problem("POST", "/api/whip", b"\xff", 400, **sdp)
    await problem("POST", "/api/whip", b"v=0\r\n", 400, **sdp)
    await problem("POST", "/api/whip", b"v" * 65_537, 413, **sdp)


async def test_every_answer_is_guarded(house: House) -> None:
    page, api = await house.http.get("/call"), await house.http.get("/api/health")
    for answer in (page, api):
        assert "script-src 'self'" in answer.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "microphone=(self)" in answer.headers["permissions-policy"]
    assert api.headers["cache-control"] == "no-store"
    assert page.headers["content-type"].startswith("text/html")
    measures = (await house.http.get("/metrics")).text
    assert 'voicewatch_process_up{process="media-0"} 1.0' in measures
    elsewhere = await house.http.get("/metrics", headers={"x-forwarded-for": "10.0.0.1"})
    assert elsewhere.status_code == 401


async def test_a_flood_of_offers_is_slowed_for_its_seat_alone(house: House) -> None:
    flooding, other = await house.call(), await house.call()
    answers = [await house.attach(flooding["seat_token"]) for _ in range(15)]
    assert {answer.status_code for answer in answers[:10]} == {201}
    assert (answers[-1].status_code, answers[-1].json()["title"]) == (429, "Too many offers")
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 2
    assert (await house.attach(other["seat_token"])).status_code == 201
