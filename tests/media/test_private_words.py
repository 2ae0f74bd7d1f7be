"""A thousand steps of people coming, going, coaching, taking over, holding and muting.

What is said in private reaches neither the customer nor the recording nor the transcript.

Real director, bridge, engine, codec and mixing; only network and clock are left out, so that a step takes no
time. Whoever the customer should not hear says a loud tone that nobody else ever says.
"""

from __future__ import annotations

import asyncio
import random
import struct
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from itertools import count
from typing import Any, ClassVar

import numpy as np

from tests.media.conftest import Pipe
from tests.media.test_room import arrives
from tests.support.peers import level_at
from tests.support.stage import director
from voicewatch.core.audibility import HOLD
from voicewatch.core.director import Refused
from voicewatch.core.events import Fact, Mode, OfferMade, Role
from voicewatch.media import rtp
from voicewatch.media.bridge import Bridge
from voicewatch.media.engine import TICK_NS, Engine
from voicewatch.media.feeds import Feeds
from voicewatch.media.opus import CHUNK_SAMPLES, SAMPLE_RATE_HZ, Decoder, Encoder, OpusLibrary
from voicewatch.media.prompt import Prompts
from voicewatch.media.srtp import Slot
from voicewatch.processes.messages import AttachLeg, Audio, OpenCall, OpenStream, Packets, SetAudibility
from voicewatch.settings import MediaSettings

STEPS, TICKS_A_STEP = 1_000, 8
PRIVATE_HZ, PRIVATE_LEVEL = 1_500, 0.7
OPEN_HZ = {Role.CUSTOMER: 400, Role.AI: 300, Role.AGENT: 500, Role.SUPERVISOR: 600}
OPEN_LEVEL = 0.06
LIMIT_DBFS = -60.0
PAYLOAD_TYPE = 111
CALL = "call"
LIBRARY = OpusLibrary()
MODES = list(Mode)


class Wire:
    """A path without a network: what is sent is kept."""

    payload_type, digits_type, cname, ssrc = PAYLOAD_TYPE, None, b"x", 1
    speaks = listens = True
    keys_busy = False
    sockets = ()

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def follow_nomination(self) -> None: ...

    def unprotect(self, slot: Slot, size: int) -> int:
        return size

    unprotect_rtcp = unprotect

    def seal(self, slot: Slot, size: int) -> bytes:
        payload: bytes = slot.bytes[12:size]
        return payload

    def send(self, sealed: bytes) -> bool:
        self.sent.append(sealed)
        return True

    def send_rtcp(self, packet: bytes) -> bool:
        return True

    def heard(self, ago_ms: float) -> None: ...

    def send_keys(self, digits: str) -> bool:
        return False


class Lines:
    """Stands for WebRTC: whoever offers is connected at once."""

    def __init__(self) -> None:
        self.last = Wire()

    def connection(self, on_connected: Callable[[Wire], None], on_closed: Callable[[], None]) -> Any:
        lines = self

        class Connected:
            async def answer(self, offer: str) -> str:
                lines.last = Wire()
                on_connected(lines.last)
                return ""

            async def close(self) -> None: ...

        return Connected()


class Sound:
    """Tones of a growing stretch of time, phase kept."""

    def __init__(self) -> None:
        self._encoder = Encoder(LIBRARY, 32_000, 2)
        self._pcm = np.zeros(CHUNK_SAMPLES, np.int16)
        self._chunk = 0

    def packet(self, hz: float, level: float) -> bytes:
        at = (np.arange(CHUNK_SAMPLES) + self._chunk * CHUNK_SAMPLES) / SAMPLE_RATE_HZ
        self._chunk += 1
        self._pcm[:] = level * 32_767 * np.sin(2 * np.pi * hz * at)
        return self._encoder.encode(self._pcm.ctypes.data)


class Listener:
    """Decodes a stream of packets, step by step."""

    def __init__(self) -> None:
        self._decoder = Decoder(LIBRARY)
        self._chunk = np.zeros(CHUNK_SAMPLES, np.int16)

    def decode(self, packets: list[bytes]) -> np.ndarray:
        whole = [np.zeros(0, np.int16)]
        for packet in packets:
            self._decoder.decode(packet, self._chunk.ctypes.data, CHUNK_SAMPLES)
            whole.append(self._chunk.copy())
        return np.concatenate(whole)


class Person:
    """One seat's occupant with his line."""

    def __init__(self, seat_id: str, role: Role, leg_id: str, wire: Wire, leg: Any) -> None:
        self.seat_id, self.role, self.leg_id, self.wire, self.leg = seat_id, role, leg_id, wire, leg
        self.sound, self.listener = Sound(), Listener()
        self.sequence = 0


class Walk:
    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.now_ns = time.monotonic_ns()
        self.zero_ns = self.now_ns
        self.facts: list[Fact] = []
        self.model, self.recorder = Pipe(), Pipe()
        self.lines = Lines()
        self.engine = Engine(bitrate_bps=24_000, complexity=2, vad_mode=2, max_legs=24, backdrop_dbfs=-65)
        self.bridge = Bridge(
            self.engine,
            self.lines,  # type: ignore[arg-type]
            Feeds(self.model, self.recorder, self.facts.append, ring_s=5),
            MediaSettings(takeover_limit_ms=400),
            Prompts(),
            process="media-0",
            report=self.facts.append,
            signal=lambda signals: None,
            now_ns=lambda: self.now_ns,
        )
        numbers = count(1)
        self.new_id = lambda: f"id{next(numbers)}"
        self.director = director(self.new_id)
        self.people: dict[str, Person] = {}
        self.version, self.told = 0, object()
        self.listeners: defaultdict[tuple[str, int], Listener] = defaultdict(Listener)
        self.seen: Counter[str] = Counter()

    @property
    def at_ms(self) -> int:
        return (self.now_ns - self.zero_ns) // 1_000_000

    @property
    def call(self) -> Any:
        return self.director.calls[CALL]

    async def begin(self) -> None:
        self.bridge.open_call(OpenCall(call_id=CALL, zero_mono_ns=self.zero_ns))
        self.director.start_call(CALL, 0, zero_mono_ns=self.zero_ns, seat_id="customer")
        self.director.seat_ai(CALL, 0, "ai", "worker", "Ava")
        for agent in ("ana", "ben"):
            self.director.presence(agent, agent, "available", True, mono_ms=self.zero_ns // 1_000_000)
        await self.follow()

    # -------------------------------------------------------------- a step

    async def step(self) -> None:
        """One thing that somebody does, whether it is allowed or not."""
        action = self.dice.choice([*self.ACTIONS])
        try:
            await self.ACTIONS[action](self)
            self.seen[action] += 1
        except Refused:
            self.seen["refused"] += 1
        await self.follow()
        for _ in range(TICKS_A_STEP):
            self.tick()
            await self.follow()

    async def supervise(self) -> None:
        who, mode = self.dice.choice(["sue", "tom"]), self.dice.choice(MODES)
        self.director.supervise(CALL, self.at_ms, who, who, mode, self.new_id())

    async def leave(self) -> None:
        self.director.leave(CALL, self.at_ms, self.dice.choice(["sue", "tom"]))

    async def escalate(self) -> None:
        self.director.escalate(CALL, self.at_ms, "sue", "help")

    async def accept(self) -> None:
        for offer in self.call.pending_offers[:1]:
            made: OfferMade = offer.made
            self.director.accept(made.offer_id, made.agent_id, self.at_ms, self.new_id())

    async def hand_back(self) -> None:
        self.director.hand_back(CALL, self.at_ms, "sue")

    async def hold(self) -> None:
        self.director.hold(CALL, self.at_ms, "sue")

    async def unhold(self) -> None:
        self.director.unhold(CALL, self.at_ms, "sue")

    async def mute(self) -> None:
        who = self.dice.choice(["sue", "tom", "ana", "ben"])
        self.director.mute(CALL, self.at_ms, who, self.dice.random() < 0.5)

    async def come_again(self) -> None:
        """A new leg in a seat, as after a change of network."""
        await self.attach(self.dice.choice(list(self.people)))

    async def hang_up(self) -> None:
        staff = [one for one in self.people.values() if one.role in (Role.AGENT, Role.SUPERVISOR)]
        if staff:
            self.detach(self.dice.choice(staff).seat_id)

    ACTIONS: ClassVar = {
        "supervise": supervise, "coach or not": supervise, "leave": leave, "escalate": escalate,
        "accept": accept, "join": accept, "hand back": hand_back, "hold": hold, "unhold": unhold,
        "mute": mute, "come again": come_again, "hang up": hang_up,
    }  # fmt: skip

    # -------------------------------------------------------------- media and judgement follow each other

    async def follow(self) -> None:
        """Facts to the director, wanted tables to media, people to their seats; then time for who is late."""
        while self.facts:
            self.director.push(self.facts.pop(0))
        self.director.tick({CALL: self.at_ms})
        for seat in self.call.open_seats():
            if seat.seat_id not in self.people and seat.leg != "lost":
                await self.attach(seat.seat_id)
        for seat_id in [one for one in self.people if not self.call.seats[one].is_open]:
            self.detach(seat_id)
        wanted = self.director.wanted(CALL)
        if wanted.version_key != self.told:
            self.told, self.version = wanted.version_key, max(self.version, self.call.table_version) + 1
            self.bridge.set_audibility(
                SetAudibility(
                    call_id=CALL,
                    version=self.version,
                    hears={listener: sorted(heard) for listener, heard in wanted.hears.items()},
                    fallbacks={
                        lost: {listener: sorted(heard) for listener, heard in table.items()}
                        for lost, table in wanted.fallbacks.items()
                    },
                    after_clause_of=wanted.after_clause_of,
                    needs_live=wanted.needs_live,
                    notice="tone" if wanted.takes_over else "none",
                )
            )
        await asyncio.sleep(0)

    async def attach(self, seat_id: str) -> None:
        role, leg_id = self.call.seats[seat_id].role, self.new_id()
        await self.bridge.attach_leg(
            AttachLeg(call_id=CALL, seat_id=seat_id, role=role, leg_id=leg_id, sdp="")
        )
        leg = self.engine.legs[-1]
        leg.last_packet_ms = leg.last_seen_ms = self.now_ns / 1e6
        self.people[seat_id] = Person(seat_id, role, leg_id, self.lines.last, leg)

    def detach(self, seat_id: str) -> None:
        gone = self.people.pop(seat_id)
        if gone.leg in self.engine.legs:
            self.bridge.detach_leg(gone.leg_id, "hangup")

    def is_private(self, person: Person) -> bool:
        """The customer should not hear him, and does not."""
        if person.role in (Role.CUSTOMER, Role.AI):
            return False
        wanted = self.director.wanted(CALL).hears.get("customer", frozenset())
        in_force = (self.call.in_force or {}).get("customer", frozenset())
        return person.seat_id not in wanted | in_force

    def tick(self) -> None:
        self.now_ns += TICK_NS
        for person in self.people.values():
            private = self.is_private(person)
            said = person.sound.packet(
                PRIVATE_HZ if private else OPEN_HZ[person.role], PRIVATE_LEVEL if private else OPEN_LEVEL
            )
            number = person.sequence = person.sequence + 1
            packet = rtp.build(PAYLOAD_TYPE, number & 0xFFFF, number * rtp.TICKS_PER_CHUNK, 9, said)
            arrives(person.leg, packet, self.now_ns / 1e6)
        self.engine.tick += 1
        self.engine.run_tick(self.now_ns)

    # -------------------------------------------------------------- what came of it

    def private_levels(self) -> dict[str, float]:
        """Level of the private tone since the last look, by who got it."""
        heard = {}
        for person in self.people.values():
            packets, person.wire.sent = person.wire.sent, []
            heard[person.seat_id] = _level(person.listener.decode(packets))
        found = {"customer": heard.pop("customer", -120.0)}
        found["others"] = max(heard.values(), default=-120.0)
        found["recording"] = max((_level(pcm) for pcm in self._recorded()), default=-120.0)
        found["transcript"] = max((_level(pcm) for pcm in self._transcribed()), default=-120.0)
        return found

    def _recorded(self) -> list[np.ndarray]:
        by_stream: defaultdict[int, list[bytes]] = defaultdict(list)
        for message, payload in self.recorder.told:
            at = 0
            while isinstance(message, Packets) and at < len(payload):
                stream, _, size = struct.unpack_from("!HIH", payload, at)
                by_stream[stream].append(payload[at + 8 : at + 8 + size])
                at += 8 + size
        self._note_streams(self.recorder)
        return [self.listeners["recording", stream].decode(packets) for stream, packets in by_stream.items()]

    def _transcribed(self) -> list[np.ndarray]:
        by_stream: defaultdict[int, list[np.ndarray]] = defaultdict(list)
        size = 8 + 2 * CHUNK_SAMPLES
        for message, payload in self.model.told:
            for at in range(0, len(payload) if isinstance(message, Audio) else 0, size):
                (stream,) = struct.unpack_from("!H", payload, at)
                by_stream[stream].append(np.frombuffer(payload[at + 8 : at + size], "<i2"))
        self._note_streams(self.model)
        return [np.concatenate(chunks) for chunks in by_stream.values()]

    def _note_streams(self, pipe: Pipe) -> None:
        for message, _ in pipe.told:
            if isinstance(message, OpenStream):
                self.seen[f"stream of {message.role}"] += 1
        pipe.told.clear()


def _level(pcm: np.ndarray) -> float:
    return level_at(pcm, PRIVATE_HZ) if len(pcm) >= 2 * CHUNK_SAMPLES else -120.0


async def test_what_is_said_in_private_is_heard_in_private() -> None:
    walk = Walk(seed=23)
    await walk.begin()
    worst: defaultdict[str, float] = defaultdict(lambda: -120.0)
    for number in range(STEPS):
        await walk.step()
        levels = walk.private_levels()
        for place in ("customer", "recording", "transcript"):
            worst[place] = max(worst[place], levels[place])
            assert levels[place] < LIMIT_DBFS, (number, place, levels, dict(walk.seen))
        walk.seen["coached"] += levels["others"] > -30
        walk.seen["on hold"] += HOLD in (walk.call.in_force or {}).get("customer", ())
        human = walk.call.human_voice()
        walk.seen[f"voice {human.role if human else 'ai'}"] += 1
    print(dict(worst), dict(walk.seen))
    for what in (
        "coached",
        "on hold",
        "voice agent",
        "voice supervisor",
        "voice ai",
        "come again",
        "hang up",
    ):
        assert walk.seen[what] >= 10, (what, dict(walk.seen))
    assert walk.seen["stream of agent"] > 0
    await walk.bridge.close()
