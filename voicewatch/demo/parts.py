"""The four parts of `--once`, each run in a process of its own: `python -m voicewatch.demo.parts`.

The first line on standard input is the configuration (JSON: role, server, token, scenario); every
observation is one JSON line on standard output. When standard input ends, so does the part.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from voicewatch.demo.links import AILink, EventLink, Message
from voicewatch.demo.peer import Refused
from voicewatch.demo.scenarios import load_scenario
from voicewatch.demo.stage import Actor, Report

_WAIT_S = 40.0


class Api:
    """The HTTP side of a part; retries while the server restarts."""

    def __init__(self, server: str, token: str) -> None:
        self._http = httpx.AsyncClient(
            base_url=server, headers={"authorization": f"Bearer {token}"}, timeout=10, trust_env=False
        )

    async def call(self, method: str, path: str, /, **body: Any) -> dict[str, Any]:
        """The JSON answer; raises Refused with the server's own words."""
        deadline = time.monotonic() + 10
        while True:
            try:
                answer = await self._http.request(method, path, json=body or None)
            except httpx.TransportError:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.3)
                continue
            if answer.status_code == 503 and time.monotonic() < deadline:
                await asyncio.sleep(0.3)
                continue
            if answer.is_error:
                raise Refused(answer.status_code, answer.text)
            return dict(answer.json()) if answer.content else {}

    async def close(self) -> None:
        await self._http.aclose()


class Happenings:
    """Facts received on a socket, with a way to wait for one."""

    def __init__(self, report: Report, verbose: bool) -> None:
        self._report = report
        self._verbose = verbose
        self._seen: list[dict[str, Any]] = []  # one short call: at most a few hundred
        self._changed = asyncio.Event()

    def take(self, message: Message) -> None:
        if message["type"] not in ("fact", "signal"):
            if self._verbose and message["type"] == "snapshot":
                self._report("snapshot", resumed=message.get("resumed"), system=message.get("system"))
            return
        event = message["event"]
        if self._verbose and event["type"] not in ("levels", "leg_stats"):
            self._report("event", event=event)
        if message["type"] == "fact":
            self._seen.append(event)
            self._changed.set()

    async def wait(
        self, accept: Callable[[dict[str, Any]], bool], timeout_s: float = _WAIT_S
    ) -> dict[str, Any]:
        """The first fact, past or future, that is accepted. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            while True:
                for event in self._seen:
                    if accept(event):
                        return event
                self._changed.clear()
                await self._changed.wait()


def _is_bridged(event: dict[str, Any]) -> bool:
    return (event["type"], event.get("state")) == ("handoff_changed", "bridged")


async def customer(actor: Actor, api: Api, token: str) -> None:
    scenario = actor.scenario
    attributes = {key: value for key, value in scenario.attributes.items() if key != "customer_name"}
    call = await api.call(
        "POST",
        "/api/calls",
        attributes={**attributes, "language": scenario.language},
        customer_name=scenario.attributes.get("customer_name", ""),
        recording_consent=True,
    )
    actor.report("call", call_id=call["call_id"])
    peer = await actor.join(call["seat_token"])
    async with _companion(peer.keep_alive()):
        await actor.say_after("greeting", "charged")
        await actor.say_after("unsure", "third-time")
        await actor.say_after("account-number", "nobody-helps")
        await asyncio.sleep(1.0)
        await actor.say("ask-human")
        await actor.say_after("agent-hello", "money-back")
        await actor.say_after("supervisor-hello", "relieved")
        await actor.say_after("back-again", "that-is-all")
        await actor.say_after("goodbye", "customer-goodbye")
        await asyncio.sleep(1.2)  # let the last words be understood
    wire = peer.continuity
    actor.report(
        "wire",
        packets=wire.packets,
        sequence_breaks=wire.sequence_breaks,
        timestamp_breaks=wire.timestamp_breaks,
        ssrc_changes=wire.ssrc_changes,
        largest_gap_ms=wire.largest_gap_ms(),
        attachments=peer.attachments,
        arrivals_ns=list(wire.arrivals_ns),
    )
    await peer.hang_up()
    actor.report("hung_up")


async def ai(actor: Actor, api: Api, token: str) -> None:
    invited: asyncio.Queue[Message] = asyncio.Queue(maxsize=100)
    resumed = asyncio.Event()
    ended = asyncio.Event()

    async def on_message(message: Message) -> None:
        match message["type"]:
            case "invite" if not message.get("again"):
                await invited.put(message)
            case "paused":
                assert actor.peer is not None
                actor.report("ai_paused", why=message.get("why"))
                actor.peer.microphone.hush()
            case "resumed":
                actor.report("ai_resumed", turns=len(message.get("transcript", [])))
                resumed.set()
            case "ended":
                ended.set()

    link = AILink(actor.server, token, "once", on_message)

    async def say(line_id: str) -> None:
        start = time.monotonic()
        await actor.say(line_id)
        duration_ms = int((time.monotonic() - start) * 1000)
        text = actor.line(line_id).text
        await link.send({"type": "said", "call_id": call_id, "text": text, "duration_ms": duration_ms})
        await link.send({"type": "mark", "call_id": call_id})

    async def answer(heard: str, line_id: str) -> None:
        await actor.hearing.wait_for_end_of(heard)
        await asyncio.sleep(0.4)
        await say(line_id)

    async with _companion(link.run()):
        invite = await asyncio.wait_for(invited.get(), _WAIT_S)
        call_id = invite["call_id"]
        peer = await actor.join(invite["seat_token"])
        async with _companion(peer.keep_alive()):
            await asyncio.sleep(0.3)
            await say("greeting")
            await answer("charged", "unsure")
            await answer("third-time", "account-number")
            await answer("ask-human", "connect-you")
            # A bot that does not keep silent when told: the audibility table has to do it.
            await actor.say_after("money-back", "stubborn")
            await asyncio.wait_for(resumed.wait(), _WAIT_S)
            await asyncio.sleep(0.4)
            await say("back-again")
            await answer("that-is-all", "goodbye")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), 15)
        await peer.aclose()


async def agent(actor: Actor, api: Api, token: str) -> None:
    happenings = Happenings(actor.report, verbose=False)
    link = EventLink(actor.server, token, happenings.take)
    async with _companion(link.run()):
        await asyncio.wait_for(link.up.wait(), _WAIT_S)
        await api.call("PUT", "/api/presence", state="available")
        actor.report("available")
        offer = await happenings.wait(lambda event: event["type"] == "offer_made")
        actor.report("offered", offer_id=offer["offer_id"])
        accepted_ns = time.monotonic_ns()
        seat = await api.call("POST", f"/api/offers/{offer['offer_id']}/accept")
        actor.report("accepted", at_ns=accepted_ns, briefing=seat["briefing"])
        peer = await actor.join(seat["seat_token"])
        async with _companion(peer.keep_alive()):
            await happenings.wait(_is_bridged)
            await actor.say("agent-hello")
            await actor.say_after("offer-credit", "refund")
            await actor.hearing.wait_for_end_of("relieved")
            await asyncio.sleep(0.5)
            await api.call(
                "POST", f"/api/calls/{seat['call_id']}/handback", note="Refund and a credit are on their way."
            )
            actor.report("handed_back")
        await peer.hang_up()
        await api.call("POST", f"/api/calls/{seat['call_id']}/disposition", code="refund")


async def supervisor(actor: Actor, api: Api, token: str) -> None:
    happenings = Happenings(actor.report, verbose=True)
    link = EventLink(actor.server, token, happenings.take)
    async with _companion(link.run()):
        await asyncio.wait_for(link.up.wait(), _WAIT_S)
        actor.report("watching")
        bridged = await happenings.wait(_is_bridged)
        supervise = f"/api/calls/{bridged['call_id']}/supervise"
        seat = await api.call("POST", supervise, mode="monitor")
        peer = await actor.join(seat["seat_token"])
        async with _companion(peer.keep_alive()):
            await actor.hearing.wait_for_end_of("money-back")
            await api.call("POST", supervise, mode="coach")
            await asyncio.sleep(0.3)
            await actor.say("offer-credit")
            await actor.hearing.wait_for_end_of("refund")
            await api.call("POST", supervise, mode="barge")
            await asyncio.sleep(0.3)
            await actor.say("supervisor-hello")
            await actor.hearing.wait_for_end_of("relieved")
            await api.call("POST", supervise, mode="monitor")
            await happenings.wait(lambda event: event["type"] == "call_ended")
            with contextlib.suppress(TimeoutError):
                await happenings.wait(lambda event: event["type"] == "record_complete", 15)
        await peer.aclose()


PARTS: dict[str, Callable[[Actor, Api, str], Awaitable[None]]] = {
    "customer": customer,
    "ai": ai,
    "agent": agent,
    "supervisor": supervisor,
}


@contextlib.asynccontextmanager
async def _companion(work: Any) -> Any:
    """Run `work` beside the body; a fault in it ends the body, the body's end cancels it."""
    task = asyncio.ensure_future(work)
    owner = asyncio.current_task()
    assert owner is not None

    def on_done(done: asyncio.Future[None]) -> None:
        if not done.cancelled() and done.exception() is not None:
            owner.cancel()

    task.add_done_callback(on_done)
    try:
        yield
    except asyncio.CancelledError:
        if task.done() and not task.cancelled() and (fault := task.exception()):
            raise fault from None
        raise
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def play(config: dict[str, Any], report: Report) -> None:
    """Run the configured part to its end."""
    actor = Actor(load_scenario(config["scenario"]), config["role"], config["server"], report)
    api = Api(config["server"], config["token"])
    try:
        await PARTS[config["role"]](actor, api, config["token"])
    finally:
        report("summary", heard=actor.summary())
        if actor.peer is not None:
            await actor.peer.aclose()
        await api.close()


async def _main() -> int:
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(commands), sys.stdin
    )
    config = json.loads(await commands.readline())

    def report(what: str, **evidence: Any) -> None:
        evidence.setdefault("at_ns", time.monotonic_ns())
        print(json.dumps({"part": config["role"], "what": what, **evidence}), flush=True)

    parent_gone = asyncio.ensure_future(commands.read())
    playing = asyncio.ensure_future(play(config, report))
    await asyncio.wait([playing, parent_gone], return_when=asyncio.FIRST_COMPLETED)
    if not playing.done():
        playing.cancel()
    outcome = (await asyncio.gather(playing, return_exceptions=True))[0]
    parent_gone.cancel()
    if outcome is not None:
        report("fault", error=f"{type(outcome).__name__}: {outcome}"[:500])
    report("done", ok=outcome is None)
    return 0 if outcome is None else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(_main()))
