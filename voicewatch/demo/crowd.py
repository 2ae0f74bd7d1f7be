"""Synthetic customers who keep calling, and the AI worker that answers them.

`python -m voicewatch.demo.crowd` with one line of JSON on standard input: `{"what": "customers" | "ai",
"server", "token", "calls"}`. Each call is a real WebRTC peer; turns are taken by listening, so that a person
who takes over is answered like the AI was.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import sys
import time
from typing import Any

import httpx

from voicewatch.demo.links import AILink, Message
from voicewatch.demo.parts import Api
from voicewatch.demo.peer import ClientPeer, Refused
from voicewatch.demo.scenarios import Line, Scenario, clip_samples, list_scenarios, load_scenario
from voicewatch.demo.turns import TurnListener

_LOOK_S = 0.1
_LONGEST_CALL_S = 240.0
_SCRIPTED_ELSEWHERE = {"once"}


class Speaker:
    """One leg that takes turns."""

    def __init__(self, server: str, seat_token: str) -> None:
        self._listener = TurnListener()
        self.peer = ClientPeer(server, seat_token, self._listener.hear)

    async def turn(self, patient: bool = False) -> None:
        """Return when it is one's turn: the others have paused, or (unless patient) say nothing for long."""
        self._listener.start_waiting()
        while not self._listener.turn_is_over:
            if self._listener.nobody_speaks and not patient:
                return
            await asyncio.sleep(_LOOK_S)  # sound arrives on its own clock; nothing tells us of silence

    async def say(self, line: Line) -> None:
        await self.peer.microphone.say(clip_samples(line))


async def _customers(server: str, token: str, calls: int) -> None:
    names = [name for name in list_scenarios() if name not in _SCRIPTED_ELSEWHERE]
    api = Api(server, token)
    try:
        async with asyncio.TaskGroup() as group:
            for line in range(calls):
                group.create_task(_customer_line(api, server, names, first=line))
    finally:
        await api.close()


async def _customer_line(api: Api, server: str, names: list[str], first: int) -> None:
    """One telephone line: a call, a short pause, the next call, for ever."""
    await asyncio.sleep(first * 4.0)
    turn = first
    while True:
        try:
            async with asyncio.timeout(_LONGEST_CALL_S):
                await _customer_call(api, server, load_scenario(names[turn % len(names)]))
        except (Refused, httpx.HTTPError, TimeoutError) as error:
            print(f"a synthetic customer's call broke off: {error}", file=sys.stderr)
        turn += 1
        await asyncio.sleep(random.uniform(2, 6))


async def _customer_call(api: Api, server: str, scenario: Scenario) -> None:
    attributes = {key: value for key, value in scenario.attributes.items() if key != "customer_name"}
    call = await api.call(
        "POST",
        "/api/calls",
        attributes={**attributes, "language": scenario.language, "scenario": scenario.name},
        customer_name=scenario.attributes.get("customer_name", ""),
        recording_consent=True,
    )
    speaker = Speaker(server, call["seat_token"])
    await speaker.peer.connect()
    keeper = asyncio.ensure_future(speaker.peer.keep_alive())
    try:
        previous: Line | None = None
        for line in scenario.lines_of("customer"):
            if previous is None or not _follow_directly(scenario, previous, line):
                await speaker.turn()
            await speaker.say(line)
            previous = line
        await asyncio.sleep(2.5)
    finally:
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)
        await speaker.peer.hang_up()


def _follow_directly(scenario: Scenario, before: Line, line: Line) -> bool:
    return scenario.lines.index(line) == scenario.lines.index(before) + 1


class AIWorker:
    """Answers every invitation with the AI's lines of the call's scenario."""

    def __init__(self, server: str, token: str) -> None:
        self._server = server
        self._link = AILink(server, token, "Ava", self._take)
        self._calls: dict[str, _AICall] = {}

    async def run(self) -> None:
        try:
            await self._link.run()
        finally:
            for call in self._calls.values():
                call.task.cancel()
            await asyncio.gather(*(call.task for call in self._calls.values()), return_exceptions=True)

    async def _take(self, message: Message) -> None:
        call_id = str(message.get("call_id", ""))
        if message["type"] == "invite" and call_id not in self._calls:
            self._calls[call_id] = _AICall(self._server, self._link, message)
            self._calls[call_id].task.add_done_callback(lambda _: self._calls.pop(call_id, None))
        elif call_id in self._calls:
            self._calls[call_id].take(message)


class _AICall:
    """One conversation of the AI."""

    def __init__(self, server: str, link: AILink, invite: Message) -> None:
        self._link = link
        self._call_id: str = invite["call_id"]
        name = invite.get("attributes", {}).get("scenario", "")
        self._scenario = load_scenario(name if name in list_scenarios() else "address_change")
        self._speaker = Speaker(server, invite["seat_token"])
        self._may_speak = asyncio.Event()
        self._may_speak.set()
        self._was_paused = False
        self.task = asyncio.ensure_future(self._talk())

    def take(self, message: Message) -> None:
        match message["type"]:
            case "paused":
                self._may_speak.clear()
                self._was_paused = True
                self._speaker.peer.microphone.hush()
            case "resumed":
                self._may_speak.set()
            case "ended":
                self.task.cancel()

    async def _talk(self) -> None:
        await self._speaker.peer.connect()
        keeper = asyncio.ensure_future(self._speaker.peer.keep_alive())
        try:
            lines = list(self._scenario.lines_of("ai", "ai") + self._scenario.lines_of("ai", "closing"))
            await asyncio.sleep(0.4)
            await self._say(lines.pop(0))
            while not keeper.done():
                await self._may_speak.wait()
                if self._was_paused:
                    self._was_paused = False
                    lines = list(self._scenario.lines_of("ai", "handback")) + lines
                else:
                    await self._speaker.turn(patient=True)
                    if not self._may_speak.is_set():
                        continue
                if lines:
                    await self._say(lines.pop(0))
        finally:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
            await self._speaker.peer.aclose()

    async def _say(self, line: Line) -> None:
        start = time.monotonic()
        await self._speaker.say(line)
        duration_ms = int((time.monotonic() - start) * 1000)
        said = {"type": "said", "call_id": self._call_id, "text": line.text, "duration_ms": duration_ms}
        await self._link.send(said)
        await self._link.send({"type": "mark", "call_id": self._call_id})


async def _main() -> None:
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(commands), sys.stdin
    )
    config: dict[str, Any] = json.loads(await commands.readline())
    if config["what"] == "ai":
        work = asyncio.ensure_future(AIWorker(config["server"], config["token"]).run())
    else:
        work = asyncio.ensure_future(_customers(config["server"], config["token"], config["calls"]))
    parent_gone = asyncio.ensure_future(commands.read())
    await asyncio.wait([work, parent_gone], return_when=asyncio.FIRST_COMPLETED)
    parent_gone.cancel()
    work.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await work


if __name__ == "__main__":
    asyncio.run(_main())
