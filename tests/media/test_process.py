"""The media process between real links: commands in, facts out, audio to a model that dies and comes back."""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.peers import Caller, tone, until
from voicewatch.core.events import Event, Role
from voicewatch.media.process import run
from voicewatch.processes.link import LinkServer, Peer
from voicewatch.processes.messages import (
    AttachLeg,
    Audio,
    CloseCall,
    Heard,
    Hello,
    Message,
    OpenCall,
    OpenStream,
    Packets,
    SetAudibility,
    TrickleLeg,
)
from voicewatch.processes.problem import Problem
from voicewatch.processes.sockets import Sockets
from voicewatch.settings import Settings


class Listener:
    """A process that media connects to; it may be stopped and started again on the same socket."""

    def __init__(self, sockets: Sockets, name: str) -> None:
        self.peer: Peer | None = None
        self.hellos: list[Hello] = []
        self.facts: list[Event] = []
        self.told: list[tuple[Message, bytes]] = []
        self._listener = sockets.listener(name)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        server = LinkServer(
            on_hello=self._greet,
            on_gone=lambda peer: setattr(self, "peer", None),
            on_message=lambda peer, message, payload: self.told.append((message, payload)),
            on_report=self._keep,
        )
        self._task = asyncio.create_task(server.serve(self._listener))

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def _greet(self, peer: Peer, hello: Hello) -> None:
        self.peer = peer
        self.hellos.append(hello)

    async def _keep(self, peer: Peer, epoch: str, first_seq: int, events: list[Event]) -> None:
        self.facts += events

    def happened(self, kind: str) -> bool:
        return any(fact.type == kind for fact in self.facts)

    def chunks(self) -> list[int]:
        """at_ms of each chunk taken, in order."""
        return [
            struct.unpack_from("!HIBb", payload, start)[1]
            for message, payload in self.told
            if isinstance(message, Audio)
            for start in range(0, len(payload), 648)
        ]


class Trio:
    def __init__(self, sockets: Sockets) -> None:
        self.front, self.model, self.recorder = (
            Listener(sockets, name) for name in ("front", "model", "recorder")
        )
        self.caller = Caller(tone(400))

    async def call(self) -> None:
        """One customer, connected and live."""
        assert self.front.peer is not None
        ask = self.front.peer.ask
        await ask(OpenCall(call_id="call", zero_mono_ns=time.monotonic_ns()))
        attach = AttachLeg(
            call_id="call", seat_id="c", role=Role.CUSTOMER, leg_id="leg", sdp=await self.caller.offer()
        )
        answer = await ask(attach)
        await self.caller.accept(answer["sdp"])
        await ask(TrickleLeg(leg_id="leg", fragment="a=end-of-candidates\r\n"))
        await until(lambda: self.front.happened("leg_live"), "the leg is live")


@pytest.fixture
async def trio(tmp_path: Path) -> AsyncIterator[Trio]:
    sockets = Sockets(tmp_path)
    trio = Trio(sockets)
    for listener in (trio.front, trio.model, trio.recorder):
        listener.start()
    media = asyncio.create_task(run(Settings(), sockets, "media-0"))
    await until(lambda: trio.front.peer is not None, "media said hello")
    yield trio
    await trio.caller.close()
    media.cancel()
    await asyncio.gather(media, return_exceptions=True)
    for listener in (trio.front, trio.model, trio.recorder):
        await listener.stop()
    sockets.close()


async def test_a_call_is_reported_fed_and_recorded(trio: Trio) -> None:
    await trio.call()
    await until(lambda: len(trio.model.chunks()) > 50, "the model is fed")
    chunks = trio.model.chunks()
    assert chunks == list(range(chunks[0], chunks[0] + 20 * len(chunks), 20))
    assert any(isinstance(message, Packets) for message, _ in trio.recorder.told)
    signals = {event["type"] for message, _ in trio.front.told for event in getattr(message, "events", [])}
    assert signals >= {"levels"}
    assert trio.front.peer is not None
    with pytest.raises(Problem) as refused:
        await trio.front.peer.ask(SetAudibility(call_id="other", version=1, hears={}))
    assert (refused.value.status, refused.value.field) == (404, "call_id")
    await trio.front.peer.ask(CloseCall(call_id="call"))
    await until(lambda: trio.caller.pc.connectionState == "closed", "the caller was said goodbye")


async def test_a_model_that_died_is_fed_from_what_was_durable(trio: Trio) -> None:
    await trio.call()
    await until(lambda: len(trio.model.chunks()) > 50, "the model is fed")
    durable_ms = trio.model.chunks()[30]
    opening = next(message for message, _ in trio.model.told if isinstance(message, OpenStream))
    assert trio.model.peer is not None
    trio.model.peer.tell(Heard(stream=opening.stream, upto_ms=durable_ms))
    await asyncio.sleep(0.2)
    await trio.model.stop()
    await asyncio.sleep(0.5)
    trio.model.told.clear()
    trio.model.start()
    await until(lambda: len(trio.model.chunks()) > 80, "the new model is fed")
    again = next(message for message, _ in trio.model.told if isinstance(message, OpenStream))
    assert again.replay_from_ms == durable_ms
    chunks = trio.model.chunks()
    assert chunks == list(range(durable_ms, durable_ms + 20 * len(chunks), 20))


async def test_front_may_come_back_and_is_told_what_is_there(trio: Trio) -> None:
    await trio.call()
    await trio.front.stop()
    heard = len(trio.caller.heard)
    await until(lambda: len(trio.caller.heard) > heard + 25, "the call goes on without front")
    trio.front.start()
    await until(lambda: len(trio.front.hellos) == 2, "media said hello again")
    (call,) = trio.front.hellos[1].state["calls"]
    assert call["call_id"] == "call"
    assert call["seats"] == [{"seat_id": "c", "leg_id": "leg", "state": "live"}]
