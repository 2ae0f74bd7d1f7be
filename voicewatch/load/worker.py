"""Places calls on a running server and carries their legs: `python -m voicewatch.load.worker`.

The configuration is one JSON line on standard input, the result one on standard output.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import httpx
from pydantic import BaseModel

from voicewatch.demo.links import AILink, Message
from voicewatch.load.figures import Tally
from voicewatch.load.leg import Answerer, LoadLeg, NotConnected, delays_ms
from voicewatch.load.pace import Pacer
from voicewatch.load.talk import Ear, bursts, speech

CONNECT_WITHIN_S = 60.0
SETTLE_S = 2.0
BEFORE_S, AFTER_S = 1.0, 2.0
"""Around a change of mode, for `handoff_gap_ms`."""


class Task(BaseModel):
    """What one worker is to do. `legs`: 1 the customer, 2 with the AI, 3 with a supervisor who takes over."""

    name: str
    server: str
    tokens: dict[str, str]
    """By role: integration, ai, supervisor."""
    calls: int
    legs: int
    seconds: float


class Worker:
    def __init__(self, task: Task) -> None:
        self._task = task
        self._http = httpx.AsyncClient(base_url=task.server, timeout=20, trust_env=False)
        self._speech, self._bursts = speech(), bursts()
        self._pacer = Pacer()
        self._customers: dict[str, LoadLeg] = {}
        self._others: dict[str, LoadLeg] = {}
        """The AI's legs, by call."""
        self._invited: asyncio.Queue[Message] = asyncio.Queue(maxsize=1_000)  # more would wait in the socket
        self._only = "127.0.0.1" if any(name in task.server for name in ("127.0.0.1", "localhost")) else None
        self.tally = Tally()
        self.failures: list[str] = []

    async def run(self) -> dict[str, Any]:
        links = [
            AILink(self._task.server, self._task.tokens["ai"], f"{self._task.name}-{n}", self._take)
            for n in range(0, self._task.calls if self._task.legs > 1 else 0, 50)
        ]
        async with _beside(self._pacer.run(), self._join_ai(), *(link.run() for link in links)):
            for link in links:
                await asyncio.wait_for(link.up.wait(), 10)
            for number in range(self._task.calls):
                await self._place(number)
            await self._until_joined()
            await asyncio.sleep(SETTLE_S)
            self._pacer.late_ms = 0.0
            start_ns = time.monotonic_ns()
            await self._hold()
            end_ns = time.monotonic_ns()
        for leg in (*self._customers.values(), *self._others.values()):
            self.tally.add(leg.stream, start_ns, end_ns)
        for call_id, customer in self._customers.items():
            if call_id in self._others:
                sent = self._others[call_id].burst_sent_ns
                self.tally.delays.update(round(10 * ms) for ms in delays_ms(sent, customer.burst_heard_ns))
        await self._end()
        return {
            "tally": self.tally.to_json(),
            "generator_late_ms": round(self._pacer.late_ms, 1),
            "failures": self.failures,
        }

    async def _place(self, number: int) -> None:
        """One customer; the first one listens for bursts."""
        try:
            call = await self._ask("integration", "POST", "/api/calls", {"attributes": {"topic": "load"}})
            leg = LoadLeg(f"customer {number}", self._speech, Ear() if number == 0 else None)
            await leg.connect(self._whip(call["seat_token"]), self._only)
        except (httpx.HTTPError, NotConnected) as error:
            self.failures.append(f"customer {number}: {error}")
            return
        self._customers[call["call_id"]] = leg
        self._pacer.legs.append(leg)

    async def _join_ai(self) -> None:
        while True:
            invite = await self._invited.get()
            packets = self._bursts if not self._others else self._speech
            leg = LoadLeg("ai", packets)
            try:
                await leg.connect(self._whip(invite["seat_token"]), self._only)
            except (httpx.HTTPError, NotConnected) as error:
                self.failures.append(f"ai: {error}")
                continue
            self._others[invite["call_id"]] = leg
            self._pacer.legs.append(leg)

    async def _take(self, message: Message) -> None:
        if message["type"] == "invite" and not message.get("again"):
            await self._invited.put(message)

    async def _until_joined(self) -> None:
        """Other AI workers may have got some of the calls, so this only waits, and tells no failure."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CONNECT_WITHIN_S if self._task.legs > 1 else 0):
                while not self._customers.keys() <= self._others.keys():  # noqa: ASYNC110 - no event of its own
                    await asyncio.sleep(0.1)

    async def _hold(self) -> None:
        """The measured time; with three legs a supervisor takes over and gives back in the middle of it."""
        if self._task.legs < 3:
            await asyncio.sleep(self._task.seconds)
            return
        until = time.monotonic() + self._task.seconds
        for call_id, customer in list(self._customers.items()):
            if time.monotonic() + 2 * AFTER_S < until:
                await self._take_over(call_id, customer)
        await asyncio.sleep(max(0.0, until - time.monotonic()))

    async def _take_over(self, call_id: str, customer: LoadLeg) -> None:
        path = f"/api/calls/{call_id}/supervise"
        boss = LoadLeg("supervisor", self._speech)
        try:
            seat = await self._ask("supervisor", "POST", path, {"mode": "takeover"})
            await boss.connect(self._whip(seat["seat_token"]), self._only)
            self._pacer.legs.append(boss)
            for change in ("takeover", "handback"):
                if change == "handback":
                    await self._ask("supervisor", "DELETE", path, None)
                at_ns = time.monotonic_ns()
                await asyncio.sleep(AFTER_S)
                start_ns, end_ns = at_ns - int(BEFORE_S * 1e9), at_ns + int(AFTER_S * 1e9)
                self.tally.handoff_gaps[round(10 * customer.stream.largest_gap_ms(start_ns, end_ns))] += 1
        except (httpx.HTTPError, NotConnected) as error:
            self.failures.append(f"takeover: {error}")
        finally:
            if boss in self._pacer.legs:
                self._pacer.legs.remove(boss)
            await boss.close()

    async def _end(self) -> None:
        for call_id in self._customers:
            with contextlib.suppress(httpx.HTTPError):
                await self._ask("supervisor", "POST", f"/api/calls/{call_id}/end", None)
        for leg in (*self._customers.values(), *self._others.values()):
            await leg.close()
        await self._http.aclose()

    def _whip(self, token: str) -> Answerer:
        async def answer(offer: str) -> str:
            reply = await self._http.post(
                "/api/whip",
                content=offer,
                headers={"authorization": f"Bearer {token}", "content-type": "application/sdp"},
            )
            reply.raise_for_status()
            return reply.text

        return answer

    async def _ask(self, role: str, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        headers = {"authorization": f"Bearer {self._task.tokens[role]}"}
        reply = await self._http.request(method, path, json=body, headers=headers)
        reply.raise_for_status()
        return dict(reply.json()) if reply.content else {}


@contextlib.asynccontextmanager
async def _beside(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


if __name__ == "__main__":
    print(json.dumps(asyncio.run(Worker(Task.model_validate_json(sys.stdin.readline())).run())), flush=True)
