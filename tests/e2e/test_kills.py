"""Any process may be killed in the middle of a call, and the call goes on.

One real server in its own processes for each test; customer, AI and (where needed) agent are stock WebRTC
peers, who judge by what they hear.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import pytest

from tests.support.house import House, house, until
from voicewatch.demo.links import AILink, EventLink, Message
from voicewatch.demo.scenarios import load_scenario
from voicewatch.demo.stage import Actor
from voicewatch.record.archive import Archive

pytestmark = pytest.mark.e2e
SCENARIO = load_scenario("once")
CUSTOMER_LINES = ("charged", "third-time", "nobody-helps")


def nothing(what: str, **evidence: Any) -> None:
    """A report nobody reads: these tests look at the actors themselves."""


@dataclass
class Call:
    """A call with a customer and an AI, watched by a supervisor."""

    house: House
    customer: Actor
    ai: Actor
    call_id: str
    facts: list[dict[str, Any]] = field(default_factory=list)
    offers: asyncio.Queue[dict[str, Any]] = field(default_factory=lambda: asyncio.Queue(100))
    ai_messages: list[Message] = field(default_factory=list)

    def facts_of(self, kind: str, **fields: Any) -> list[dict[str, Any]]:
        return [
            fact
            for fact in self.facts
            if fact["type"] == kind and all(fact.get(key) == value for key, value in fields.items())
        ]

    def assert_nothing_lost_or_doubled(self) -> None:
        numbers = [fact["seq"] for fact in self.facts if fact["call_id"] == self.call_id]
        assert numbers == sorted(set(numbers))
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))

    def assert_customer_undisturbed(self, longest_gap_ms: float = 120.0) -> None:
        """No packet is missing or late beyond what a receiver's buffer covers.

        23 to 33 ms on an idle machine (`--once` reports the figure); more is allowed for a busy one.
        """
        assert self.customer.peer is not None
        wire = self.customer.peer.continuity
        assert (wire.sequence_breaks, wire.timestamp_breaks, wire.ssrc_changes) == (0, 0, 0)
        assert wire.largest_gap_ms() <= longest_gap_ms


@contextlib.asynccontextmanager
async def running(*works: Any) -> AsyncIterator[None]:
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def a_call(data: Path) -> AsyncIterator[Call]:
    async with house(data) as home:
        invites: asyncio.Queue[Message] = asyncio.Queue(10)
        call = Call(
            home,
            Actor(SCENARIO, "customer", home.url, nothing),
            Actor(SCENARIO, "ai", home.url, nothing),
            "",
        )

        def on_ai(message: Message) -> None:
            call.ai_messages.append(message)
            if message["type"] == "invite" and not message.get("again"):
                invites.put_nowait(message)

        def on_event(message: Message) -> None:
            if message["type"] == "fact":
                call.facts.append(message["event"])

        ai_link = AILink(home.url, home.token("ai"), "test", on_ai)
        watching = EventLink(home.url, home.token("supervisor"), on_event)
        async with home.api("customer") as api, running(ai_link.run(), watching.run()):
            await asyncio.wait_for(asyncio.gather(ai_link.up.wait(), watching.up.wait()), 10)
            opened = await api.call("POST", "/api/calls", attributes={"tier": "gold"}, recording_consent=True)
            call.call_id = opened["call_id"]
            async with (
                contextlib.aclosing(await call.customer.join(opened["seat_token"])) as customer,
                contextlib.aclosing(
                    await call.ai.join((await asyncio.wait_for(invites.get(), 10))["seat_token"])
                ) as ai,
            ):
                async with running(customer.keep_alive(), ai.keep_alive()):
                    await call.ai.say("greeting")
                    await until(lambda: call.customer.hearing.has_heard("greeting"), 5)
                    yield call
                await customer.hang_up()
                await until(lambda: call.facts_of("call_ended"), 10)


@contextlib.asynccontextmanager
async def an_agent_takes_over(call: Call) -> AsyncIterator[Actor]:
    """The supervisor asks for a person; an agent accepts and is bridged."""
    offers: asyncio.Queue[dict[str, Any]] = asyncio.Queue(100)

    def on_event(message: Message) -> None:
        if message["type"] == "fact" and message["event"]["type"] == "offer_made":
            offers.put_nowait(message["event"])

    agent = Actor(SCENARIO, "agent", call.house.url, nothing)
    link = EventLink(call.house.url, call.house.token("agent"), on_event)
    async with (
        call.house.api("agent") as api,
        call.house.api("supervisor") as supervisor,
        running(link.run()),
    ):
        await asyncio.wait_for(link.up.wait(), 10)
        await api.call("PUT", "/api/presence", state="available")
        await supervisor.call("POST", f"/api/calls/{call.call_id}/escalate", reason="test")
        offer = await asyncio.wait_for(offers.get(), 15)
        seat = await api.call("POST", f"/api/offers/{offer['offer_id']}/accept")
        async with contextlib.aclosing(await agent.join(seat["seat_token"])):
            await until(lambda: call.facts_of("handoff_changed", state="bridged"), 10)
            yield agent


async def test_model_killed_leaves_audio_whole_and_loses_no_final(data: Path) -> None:
    async with a_call(data) as call:
        await call.customer.say("charged")
        await until(lambda: call.facts_of("utterance_final", role="customer"), 10)
        speaking = asyncio.ensure_future(call.customer.say("third-time"))
        await asyncio.sleep(1.2)  # in the middle of the words
        await call.house.kill_and_await_successor("model")
        await speaking
        await asyncio.sleep(0.8)
        await call.customer.say("nobody-helps")
        await until(
            lambda: (
                len(call.facts_of("utterance_final", role="customer")) + len(call.facts_of("transcript_gap"))
                >= 3
            ),
            30,
        )
        said = [fact["utterance_id"] for fact in call.facts_of("utterance_final")]
        assert len(said) == len(set(said))
        call.assert_customer_undisturbed()
        call.assert_nothing_lost_or_doubled()


async def test_front_killed_leaves_the_bridge_and_the_new_one_shows_the_same_call(data: Path) -> None:
    async with a_call(data) as call:
        async with an_agent_takes_over(call) as agent:
            before = len(call.facts)
            await call.house.kill_and_await_successor("front")
            await agent.say("agent-hello")  # the bridge does not need front
            await until(lambda: call.customer.hearing.has_heard("agent-hello"), 5)
            await call.customer.say("money-back")
            await until(lambda: call.facts_of("utterance_final", role="customer"), 20)
            assert len(call.facts) > before
            async with call.house.api("supervisor") as supervisor:
                view = await supervisor.call("GET", f"/api/calls/{call.call_id}")
            assert view["state"] == "live"
            assert view["voice"] == "agent"
            call.assert_customer_undisturbed()
        call.assert_nothing_lost_or_doubled()


async def test_with_front_dead_media_lets_the_ai_cover_a_lost_agent(data: Path) -> None:
    async with a_call(data) as call, an_agent_takes_over(call) as agent:
        await call.ai.say("stubborn")
        assert not call.customer.hearing.has_heard("stubborn")
        dead = call.house.kill("front")
        assert agent.peer is not None
        await agent.peer.vanish()
        speaking = asyncio.ensure_future(_say_until_heard(call, "back-again"))
        await asyncio.wait_for(speaking, 12)
        await until(lambda: call.house.pid("front") != dead, 20)
        await until(lambda: call.facts_of("audibility_changed", cause="fallback"), 20)
        call.assert_customer_undisturbed()


async def _say_until_heard(call: Call, line_id: str) -> None:
    while not call.customer.hearing.has_heard(line_id):
        await call.ai.say(line_id)


async def test_recorder_killed_leaves_readable_files(data: Path) -> None:
    async with a_call(data) as call:
        await call.customer.say("charged")
        await asyncio.sleep(1.2)  # a page of the recording covers one second
        await call.house.kill_and_await_successor("recorder")
        await call.customer.say("third-time")
        await asyncio.sleep(1.2)
        call.assert_customer_undisturbed()
    archive = Archive(data / "recordings", data / "journal" / "keys.db")
    files = sorted((data / "recordings" / call.call_id).glob("*.sealed"))
    assert len(files) >= 2
    for file in files:
        audio = archive.open(call.call_id, f"{call.call_id}/{file.name}")
        assert audio is not None
        with av.open(io.BytesIO(audio.read(0, audio.size))) as container:
            assert sum(frame.samples for frame in container.decode(audio=0)) > 0
        audio.close()


async def until_degraded(call: Call, *parts: str) -> None:
    """Until the house says that these suffer, and no others."""
    async with call.house.api("supervisor") as api, asyncio.timeout(30):
        while {*(await api.call("GET", "/api/health"))["degraded"]} != {*parts}:  # noqa: ASYNC110 (over HTTP)
            await asyncio.sleep(0.1)


async def test_a_full_disk_leaves_the_call_whole_and_what_was_said_is_written_later(data: Path) -> None:
    async with a_call(data) as call:
        await call.customer.say("charged")
        await until(lambda: call.facts_of("utterance_final", role="customer"), 10)
        with call.house.full_disk():
            await call.customer.say("third-time")
            await call.ai.say("stubborn")
            await until(lambda: call.customer.hearing.has_heard("stubborn"), 5)
            await until_degraded(call, "journal", "recording")
            assert len(call.facts_of("utterance_final", role="customer")) == 1
        await until_degraded(call)
        await until(lambda: len(call.facts_of("utterance_final", role="customer")) == 2, 10)
        await until(lambda: call.facts_of("recording_gap", reason="disk"), 10)
        call.assert_customer_undisturbed()
        call.assert_nothing_lost_or_doubled()


async def test_media_killed_brings_the_legs_back_within_five_seconds(data: Path) -> None:
    async with a_call(data) as call:
        await call.customer.say("charged")
        await until(lambda: call.facts_of("utterance_final", role="customer"), 10)
        peer = call.customer.peer
        assert peer is not None
        call.house.kill("media-0")
        began = asyncio.get_running_loop().time()
        await until(lambda: peer.attachments == 2, 15)
        assert asyncio.get_running_loop().time() - began <= 5.0
        await until(lambda: call.ai.peer is not None and call.ai.peer.attachments == 2, 10)
        await call.customer.say("third-time")
        await until(lambda: len(call.facts_of("utterance_final", role="customer")) >= 2, 20)
        assert call.facts_of("clock_rebased")
        call.assert_nothing_lost_or_doubled()


async def test_an_agent_who_was_lost_comes_back_into_the_same_seat(data: Path) -> None:
    async with a_call(data) as call, an_agent_takes_over(call) as agent:
        assert agent.peer is not None
        token = agent.peer.seat_token
        await agent.peer.vanish()
        await until(lambda: call.facts_of("ai_resumed"), 10)
        [lost] = call.facts_of("leg_lost")
        async with contextlib.aclosing(await agent.join(token)):
            await until(lambda: len(call.facts_of("leg_live", seat_id=lost["seat_id"])) == 2, 10)
            await until(lambda: len(call.facts_of("ai_paused")) == 2, 10)
            async with asyncio.timeout(20):
                while not call.customer.hearing.has_heard("agent-hello"):
                    await agent.say("agent-hello")
            assert call.facts_of("seat_closed") == []
            assert call.facts_of("handoff_changed", state="failed") == []
            call.assert_customer_undisturbed()
