"""A whole front on a free port, and the processes around it as plain ends of the real link protocol."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from voicewatch.core.events import (
    AudibilityChanged,
    Fact,
    LegConnected,
    LegLive,
    LegLost,
    RecordingSegment,
    Role,
    UtteranceFinal,
)
from voicewatch.core.ids import ulid
from voicewatch.core.redaction import find_spans
from voicewatch.processes.link import Link
from voicewatch.processes.messages import (
    AttachLeg,
    CloseCall,
    DetachLeg,
    ForgetCall,
    Message,
    OpenCall,
    ScoreText,
    SetAudibility,
)
from voicewatch.processes.problem import Problem
from voicewatch.processes.sockets import Sockets, bind_tcp
from voicewatch.server import process
from voicewatch.server.auth import mint
from voicewatch.settings import Settings, load_settings

ANSWER = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"
OFFER = "v=0\r\no=- 2 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"


async def until(condition: Callable[[], Any], timeout_s: float = 8.0) -> Any:
    """The first true value of `condition`."""
    async with asyncio.timeout(timeout_s):
        while not (value := condition()):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        return value


@dataclass
class Media:
    """A media process without media: answers what it is asked, and its legs are live at once."""

    path: Path
    epoch: str = field(default_factory=lambda: ulid(time.time_ns() // 1_000_000, secrets.token_bytes(10)))
    calls: dict[str, OpenCall] = field(default_factory=dict)
    legs: dict[str, AttachLeg] = field(default_factory=dict)
    tables: dict[str, SetAudibility] = field(default_factory=dict)
    closed: list[str] = field(default_factory=list)
    told: list[Message] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.link = Link(
            self.path,
            "media-0",
            self.epoch,
            state=self._state,
            on_ask=self._ask,
            on_message=lambda message, _: self.told.append(message),
        )

    def _state(self) -> dict[str, Any]:
        return {
            "calls": [
                {
                    "call_id": call_id,
                    "zero_mono_ns": opened.zero_mono_ns,
                    "version": self.tables[call_id].version if call_id in self.tables else 0,
                    "seats": [
                        {"seat_id": leg.seat_id, "leg_id": leg_id, "state": "live"}
                        for leg_id, leg in self.legs.items()
                        if leg.call_id == call_id
                    ],
                }
                for call_id, opened in self.calls.items()
            ]
        }

    def at_ms(self, call_id: str) -> int:
        return (time.monotonic_ns() - self.calls[call_id].zero_mono_ns) // 1_000_000

    def say(self, fact: Fact) -> None:
        self.link.report(fact)

    async def _ask(self, command: Message) -> dict[str, Any]:
        match command:
            case OpenCall():
                self.calls[command.call_id] = command
                return {"call_id": command.call_id}
            case AttachLeg():
                return self._attach(command)
            case DetachLeg():
                leg = self.legs.pop(command.leg_id)
                self.say(self._lost(leg, command.leg_id, command.reason))
                return {}
            case SetAudibility():
                return self._set(command)
            case CloseCall():
                self.calls.pop(command.call_id, None)
                self.closed.append(command.call_id)
                return {}
        raise Problem(400, "Bad command", command.type)

    def _attach(self, wanted: AttachLeg) -> dict[str, Any]:
        if "m=audio" not in wanted.sdp:
            raise Problem(400, "Bad SDP", "there is no audio in it")
        self.legs[wanted.leg_id] = wanted
        at_ms = self.at_ms(wanted.call_id)
        common = {"call_id": wanted.call_id, "seat_id": wanted.seat_id, "leg_id": wanted.leg_id}
        self.say(LegConnected(at_ms=at_ms, **common))
        self.say(LegLive(at_ms=at_ms, **common))
        return {"leg_id": wanted.leg_id, "sdp": ANSWER}

    def _set(self, wanted: SetAudibility) -> dict[str, Any]:
        known = self.tables.get(wanted.call_id)
        if known is not None and known.version >= wanted.version:
            return {"taken": False}
        self.tables[wanted.call_id] = wanted
        at_ms = self.at_ms(wanted.call_id)
        self.say(
            AudibilityChanged(call_id=wanted.call_id, at_ms=at_ms, version=wanted.version, hears=wanted.hears)
        )
        return {"taken": True}

    def _lost(self, leg: AttachLeg, leg_id: str, reason: str) -> LegLost:
        at_ms = self.at_ms(leg.call_id)
        return LegLost(call_id=leg.call_id, at_ms=at_ms, seat_id=leg.seat_id, leg_id=leg_id, reason=reason)


@dataclass
class Helper:
    """The model or the recorder: answers `forget_call`; the recorder then has a file of the customer."""

    path: Path
    name: str
    customers: dict[str, str]
    told: list[Message] = field(default_factory=list)

    def __post_init__(self) -> None:
        epoch = ulid(time.time_ns() // 1_000_000, secrets.token_bytes(10))
        self.link = Link(
            self.path,
            self.name,
            epoch,
            on_ask=self._ask,
            on_message=lambda message, _: self.told.append(message),
        )

    async def _ask(self, command: Message) -> dict[str, Any]:
        assert isinstance(command, ForgetCall)
        if self.name == "recorder" and command.call_id in self.customers:
            seat_id = self.customers[command.call_id]
            segment = {"path": f"{command.call_id}/{seat_id}-0.opus", "start_ms": 0, "duration_ms": 1_000}
            self.link.report(
                RecordingSegment(
                    call_id=command.call_id, seat_id=seat_id, role=Role.CUSTOMER, packets=50, **segment
                )
            )
        return {}

    @property
    def scored(self) -> list[ScoreText]:
        return [message for message in self.told if isinstance(message, ScoreText)]


class Feed:
    """An events socket and all that came over it."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.messages: list[dict[str, Any]] = []
        self._reading = asyncio.ensure_future(self._read())

    async def _read(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for text in self.socket:
                self.messages.append(json.loads(text))

    def facts(self, kind: str | None = None) -> list[dict[str, Any]]:
        events = [message["event"] for message in self.messages if message["type"] == "fact"]
        return [event for event in events if kind is None or event["type"] == kind]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["type"] == kind]

    async def fact(self, kind: str, **values: Any) -> dict[str, Any]:
        def find() -> dict[str, Any] | None:
            return next(
                (one for one in self.facts(kind) if all(one[key] == value for key, value in values.items())),
                None,
            )

        found: dict[str, Any] = await until(find)
        return found

    async def close(self) -> None:
        await self.socket.close()
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)


class House:
    """Front as a task, and its neighbours; each may be stopped and started."""

    def __init__(self, data: Path, run_dir: Path, **settings: Any) -> None:
        self.sockets = Sockets(run_dir, {"http": bind_tcp("127.0.0.1", 0)})
        self.port = self.sockets.listener("http").getsockname()[1]
        self.sockets.listener("front")
        self.data = data
        self.settings: Settings = load_settings(
            None, {"data": data, "port": self.port, "media": {"processes": 1}, **settings}
        )
        self.url = f"http://127.0.0.1:{self.port}"
        self.http = httpx.AsyncClient(base_url=self.url, trust_env=False, timeout=10)
        self.customers: dict[str, str] = {}
        self.media = Media(self.sockets.path("front"))
        self.model = Helper(self.sockets.path("front"), "model", self.customers)
        self.recorder = Helper(self.sockets.path("front"), "recorder", self.customers)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._tokens: dict[tuple[str, str, tuple[str, ...]], str] = {}

    async def start(self) -> None:
        self.start_front()
        for name, part in (("media", self.media), ("model", self.model), ("recorder", self.recorder)):
            self._tasks[name] = asyncio.create_task(part.link.run())
        await self.healthy()

    async def healthy(self) -> None:
        async with asyncio.timeout(8):
            while (await self.http.get("/api/health")).json()["status"] != "ok":  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    def start_front(self) -> None:
        self._tasks["front"] = asyncio.create_task(process.run(self.settings, self.sockets, "front"))

    async def end(self, name: str) -> None:
        task = self._tasks.pop(name)
        task.cancel()
        results = await asyncio.gather(task, return_exceptions=True)
        if isinstance(results[0], Exception):
            raise results[0]

    async def new_media(self) -> None:
        """The media process died and came again."""
        await self.end("media")
        self.media = Media(self.sockets.path("front"))
        self._tasks["media"] = asyncio.create_task(self.media.link.run())

    async def close(self) -> None:
        for name in [name for name in self._tasks if name != "front"]:
            await self.end(name)
        if "front" in self._tasks:
            await self.end("front")
        await self.http.aclose()
        self.sockets.close()

    # ------------------------------------------------------------ people

    def token(self, role: str, name: str = "", *grants: str) -> str:
        key = (role, name, grants)
        if key not in self._tokens:
            self._tokens[key] = mint(self.data, role, name, 60, grants)
        return self._tokens[key]

    async def ask(
        self, method: str, path: str, token: str, body: Any = None, **headers: str
    ) -> httpx.Response:
        return await self.http.request(
            method, path, json=body, headers={"authorization": f"Bearer {token}", **headers}
        )

    async def watch(self, token: str, after: str | None = None, **hello: Any) -> Feed:
        socket = await connect(f"ws://127.0.0.1:{self.port}/api/events", proxy=None)
        await socket.send(json.dumps({"type": "hello", "after": after, "token": token, **hello}))
        feed = Feed(socket)
        await until(lambda: feed.messages)
        return feed

    async def worker(self, name: str = "bot", **hello: Any) -> Feed:
        socket = await connect(f"ws://127.0.0.1:{self.port}/api/ai", proxy=None)
        told = {"type": "hello", "token": self.token("ai", name), "name": name, "capacity": 10}
        await socket.send(json.dumps(told | {"supplies_text": True} | hello))
        feed = Feed(socket)
        await until(lambda: feed.of("welcome"))
        return feed

    async def call(self, **body: Any) -> dict[str, Any]:
        answer = await self.ask("POST", "/api/calls", self.token("integration", "tests"), body)
        assert answer.status_code == 201, answer.text
        told: dict[str, Any] = answer.json()
        self.customers[told["call_id"]] = told["seat_id"]
        return told

    async def attach(self, seat_token: str, sdp: str = OFFER) -> httpx.Response:
        return await self.http.post(
            "/api/whip",
            content=sdp,
            headers={"authorization": f"Bearer {seat_token}", "content-type": "application/sdp"},
        )

    def says(self, call: dict[str, Any], text: str, start_ms: int | None = None) -> None:
        """The customer's words, as the model would report them."""
        at_ms = self.media.at_ms(call["call_id"])
        begin = start_ms if start_ms is not None else max(0, at_ms - 20)
        self.model.link.report(
            UtteranceFinal(
                call_id=call["call_id"],
                at_ms=at_ms,
                utterance_id=f"{call['seat_id']}-{begin}",
                seat_id=call["seat_id"],
                role=Role.CUSTOMER,
                start_ms=begin,
                end_ms=begin + 20,
                text=text,
                mask=find_spans(text) if len(text) < 1_000 else [],
            )
        )


@asynccontextmanager
async def open_house(data: Path, run_dir: Path, **settings: Any) -> AsyncIterator[House]:
    house = House(data, run_dir, **settings)
    await house.start()
    try:
        yield house
    finally:
        await house.close()
