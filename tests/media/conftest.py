"""A media engine and bridge with nothing around them: reports and taps go to lists."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from tests.support.peers import Caller, until
from tests.support.relay import Relay
from voicewatch.core.events import Event, Fact, Role, Signal
from voicewatch.media.bridge import Bridge
from voicewatch.media.engine import Engine
from voicewatch.media.feeds import Feeds
from voicewatch.media.prompt import Prompts
from voicewatch.media.webrtc import WebRtc
from voicewatch.processes import placement
from voicewatch.processes.messages import AttachLeg, Message, OpenCall, SetAudibility
from voicewatch.settings import MediaSettings


class Pipe:
    """A link that keeps what it is told."""

    def __init__(self) -> None:
        self.connected = True
        self.full = False
        self.told: list[tuple[Message, bytes]] = []

    def tell(self, message: Message, payload: bytes = b"") -> bool:
        if not self.connected or self.full:
            return False
        self.told.append((message, payload))
        return True


@dataclass
class Stage:
    """One media process without its links."""

    bridge: Bridge
    engine: Engine
    model: Pipe
    recorder: Pipe
    facts: list[Fact] = field(default_factory=list)
    signals: list[Signal] = field(default_factory=list)
    callers: list[Caller] = field(default_factory=list)
    legs: int = 0

    def open(self, call_id: str = "call") -> None:
        self.bridge.open_call(OpenCall(call_id=call_id, zero_mono_ns=time.monotonic_ns()))

    async def attach(
        self,
        seat_id: str,
        role: Role,
        pcm: np.ndarray | None = None,
        call_id: str = "call",
        relay: Relay | None = None,
    ) -> Caller:
        """A peer in that seat, connected, through `relay` if given."""
        return await self.connect(Caller(pcm), seat_id, role, call_id, relay)

    async def connect(
        self, caller: Caller, seat_id: str, role: Role, call_id: str = "call", relay: Relay | None = None
    ) -> Caller:
        self.callers.append(caller)
        self.legs += 1
        leg_id = f"leg{self.legs}"
        offer = await caller.offer()
        if relay is not None:
            offer = relay.offer(offer)
        answered = await self.bridge.attach_leg(
            AttachLeg(call_id=call_id, seat_id=seat_id, role=role, leg_id=leg_id, sdp=offer)
        )
        answer = answered["sdp"]
        await caller.accept(answer if relay is None else relay.answer(answer))
        await until(lambda: bool(self.told("leg_connected", leg_id=leg_id)), f"{leg_id} is connected")
        return caller

    def hears(self, version: int, call_id: str = "call", **table: str) -> None:
        """`hears(1, customer="ai agent")`."""
        rows = {listener: heard.split() for listener, heard in table.items()}
        self.bridge.set_audibility(SetAudibility(call_id=call_id, version=version, hears=rows))

    def told(self, kind: str, **fields: object) -> list[Event]:
        return [
            fact
            for fact in self.facts
            if fact.type == kind and all(getattr(fact, name) == value for name, value in fields.items())
        ]

    async def happens(self, kind: str, timeout_s: float = 10.0, **fields: object) -> Event:
        await until(lambda: bool(self.told(kind, **fields)), f"{kind} {fields}", timeout_s)
        return self.told(kind, **fields)[0]


@pytest.fixture
def haste(request: pytest.FixtureRequest) -> Iterator[None]:
    """Real-time for peers and engine where that is allowed, so that a busy machine is no fault of theirs.

    Not for tests that start a browser: it would inherit that.
    """
    policy, priority = os.sched_getscheduler(0), os.sched_getparam(0)
    if request.node.get_closest_marker("browser") is None:
        with contextlib.suppress(PermissionError):
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(placement.MEDIA_REALTIME_PRIORITY))
    yield
    os.sched_setscheduler(0, policy, priority)


@pytest.fixture
async def stage(haste: None) -> AsyncIterator[Stage]:
    settings = MediaSettings()
    engine = Engine(bitrate_bps=24_000, complexity=4, vad_mode=2, max_legs=32, backdrop_dbfs=-65)
    webrtc = WebRtc("127.0.0.1", allow_private=True, max_candidates=16, lull=engine.lull)
    model, recorder = Pipe(), Pipe()
    facts: list[Fact] = []
    signals: list[Signal] = []

    def signal(latest: Sequence[Signal]) -> None:
        signals.extend(latest)

    bridge = Bridge(
        engine,
        webrtc,
        Feeds(model, recorder, facts.append, ring_s=15),
        settings,
        Prompts(),
        process="media-0",
        report=facts.append,
        signal=signal,
        now_ns=time.monotonic_ns,
    )
    stage = Stage(bridge, engine, model, recorder, facts, signals)
    ticking = asyncio.create_task(engine.run())
    yield stage
    await bridge.close()
    for caller in stage.callers:
        await caller.close()
    ticking.cancel()
    await asyncio.gather(ticking, return_exceptions=True)
