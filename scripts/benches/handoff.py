"""A hundred handoffs and as many ways back, on the real bridge with real peers; what the customer gets of it.

Five calls at once, one of each kind: the bot speaks at 24 kHz mono; its track has ended; it is idle (its
`recv` waits); it is taken in the middle of a word; the agent sends 48 kHz stereo. Every handoff has a new
agent who connects, takes over and is let go. Bots and agents are stock aiortc peers; the customer's packets
are stamped by the kernel (SO_TIMESTAMPNS).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaBlackhole

from tests.support.handoffs import (
    AFTER_NS,
    AGENT_HZ,
    BEFORE_NS,
    BOT_HZ,
    CASES,
    Arrival,
    Change,
    agent_of,
    bot_of,
    look_at,
)
from voicewatch.core.audibility import Occupant, Table, audibility, fallbacks
from voicewatch.core.events import Mode, Role
from voicewatch.load.leg import LoadLeg
from voicewatch.load.pace import Pacer
from voicewatch.load.talk import Ear, speech
from voicewatch.media import rtp
from voicewatch.processes.messages import AttachLeg, DetachLeg, Message, OpenCall, SetAudibility

CORES = sorted(os.sched_getaffinity(0))
BARS = {"handoff_gap_ms": 25.0, "breaks": 0.0, "both_voices_ms": 40.0, "click": 1.0}
"""Largest value allowed."""
STAGGER_S = 0.37
UNDISTURBED = "no time stolen"
LED_S, TAIL_S = 1.2, 2.1


class Host:
    """handoff_host.py in a process of its own."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._facts: list[tuple[int, dict[str, Any]]] = []
        self._told = asyncio.Condition()
        self._ready = asyncio.Event()
        self.ticks: list[tuple[int, float, float]] = []
        """When due (CLOCK_MONOTONIC, ns), how late its packets were out, what of that was computing, ms."""

    async def start(self) -> None:
        pipe = asyncio.subprocess.PIPE
        path = str(Path(__file__).with_name("handoff_host.py"))
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            path,
            self._address,
            stdin=pipe,
            stdout=pipe,
            limit=1 << 24,
            preexec_fn=settle_server,
        )
        self._reading = asyncio.create_task(self._read())
        await asyncio.wait_for(self._ready.wait(), 30)
        self.is_realtime = os.sched_getscheduler(self._process.pid) == os.SCHED_RR

    async def ask(self, message: Message) -> dict[str, Any]:
        number = len(self._waiting)
        self._waiting[number] = asyncio.get_running_loop().create_future()
        assert self._process.stdin is not None
        line = json.dumps({"id": number, "message": message.model_dump(mode="json")})
        self._process.stdin.write(line.encode() + b"\n")
        return await asyncio.wait_for(self._waiting[number], 20)

    async def happens(self, kind: str, **fields: Any) -> int:
        """When (CLOCK_MONOTONIC) the fact was told."""

        def found() -> int | None:
            return next(
                (
                    at
                    for at, fact in self._facts
                    if fact["type"] == kind and all(fact[name] == value for name, value in fields.items())
                ),
                None,
            )

        async with self._told:
            async with asyncio.timeout(20):
                await self._told.wait_for(lambda: found() is not None)
        at_ns = found()
        assert at_ns is not None
        return at_ns

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            said = json.loads(line)
            if "fact" in said:
                async with self._told:
                    self._facts.append((said["mono_ns"], said["fact"]))
                    self._told.notify_all()
            elif "ticks" in said:
                self.ticks = [(due, late, computed) for due, late, computed in said["ticks"]]
            elif "reply" in said:
                self._waiting[said["reply"]].set_result(said["result"])
            else:
                self._ready.set()

    async def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()
        await self._reading  # to the last line

    def latest(self, start_ns: int, end_ns: int) -> tuple[float, float]:
        """Of the ticks between: the latest one's lateness, and what of it was computing, ms."""
        between = [(late, computed) for due, late, computed in self.ticks if start_ns <= due <= end_ns]
        return max(between, default=(0.0, 0.0))


class Customer(LoadLeg):
    """Keeps every packet, as it was received."""

    def __init__(self, name: str, packets: list[bytes]) -> None:
        super().__init__(name, packets, Ear())
        self.heard: list[Arrival] = []

    def _listen(self, data: bytes, at_ns: int) -> None:
        packet = rtp.parse(self._rx.unprotect(data))
        assert packet is not None
        self.heard.append(Arrival(at_ns, packet))


class Peer:
    """A stock aiortc peer that sends `voice`."""

    def __init__(self, voice: MediaStreamTrack) -> None:
        self.voice = voice
        self._pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._sink = MediaBlackhole()
        self._pc.on("track", self._sink.addTrack)
        self._pc.addTrack(voice)

    async def connect(self, host: Host, call_id: str, seat_id: str, role: Role, leg_id: str) -> None:
        await self._pc.setLocalDescription(await self._pc.createOffer())
        answer = await host.ask(
            AttachLeg(
                call_id=call_id, seat_id=seat_id, role=role, leg_id=leg_id, sdp=self._pc.localDescription.sdp
            )
        )
        await self._pc.setRemoteDescription(RTCSessionDescription(answer["sdp"], "answer"))
        await self._sink.start()

    async def close(self) -> None:
        await self._sink.stop()
        self.voice.stop()
        await self._pc.close()


def plain(table: Table) -> dict[str, list[str]]:
    return {listener: sorted(heard) for listener, heard in table.items()}


def table_of(version: int, call_id: str, agent: str | None, *, mid_word: bool) -> SetAudibility:
    """The agent's takeover, or the AI's call."""
    people = [Occupant("customer", Role.CUSTOMER), Occupant("ai", Role.AI)]
    if agent is not None:
        people.append(Occupant(agent, Role.AGENT, Mode.TAKEOVER))
    return SetAudibility(
        call_id=call_id,
        version=version,
        hears=plain(audibility(people)),
        fallbacks={seat: plain(table) for seat, table in fallbacks(people).items()},
        after_clause_of=None if mid_word or agent is None else "ai",
        needs_live=agent,
    )


Moments = list[tuple[int, float]]
"""When the table changed (CLOCK_MONOTONIC, ns) and whose tone came."""


async def one_call(
    host: Host, case: str, handoffs: int, pacer: Pacer, said: list[bytes]
) -> tuple[Customer, Moments]:
    """All handoffs of one kind, one after the other; takeovers and ways back alternate in the moments."""
    call_id = case.replace(" ", "-")
    await host.ask(OpenCall(call_id=call_id, zero_mono_ns=time.monotonic_ns()))

    async def answer(offer: str) -> str:
        wanted = AttachLeg(
            call_id=call_id, seat_id="customer", role=Role.CUSTOMER, leg_id=f"{call_id}-customer", sdp=offer
        )
        return str((await host.ask(wanted))["sdp"])

    customer = Customer(call_id, said)
    await customer.connect(answer, None)
    pacer.legs.append(customer)
    bot = Peer(bot_of(case))
    await bot.connect(host, call_id, "ai", Role.AI, f"{call_id}-bot")
    await host.ask(table_of(1, call_id, None, mid_word=True))
    await host.happens("leg_live", leg_id=f"{call_id}-bot")
    await asyncio.sleep(1 + CASES.index(case) * STAGGER_S)
    if case == "bot finished":
        bot.voice.finish()  # type: ignore[attr-defined]
    elif case == "bot idle":
        bot.voice.idle()  # type: ignore[attr-defined]
    moments: Moments = []
    for number in range(handoffs):
        agent, seat_id, leg_id = Peer(agent_of(case)), f"agent{number}", f"{call_id}-agent{number}"
        await agent.connect(host, call_id, seat_id, Role.AGENT, leg_id)
        taking = table_of(2 * number + 2, call_id, seat_id, mid_word=case == "mid-word")
        await host.ask(taking)
        at_ns = await host.happens("audibility_changed", call_id=call_id, version=taking.version)
        moments.append((at_ns, AGENT_HZ))
        await asyncio.sleep(LED_S)
        back = table_of(2 * number + 3, call_id, None, mid_word=True)
        await host.ask(back)
        moments.append(
            (await host.happens("audibility_changed", call_id=call_id, version=back.version), BOT_HZ)
        )
        await asyncio.sleep(0.3)
        await host.ask(DetachLeg(leg_id=leg_id))
        await agent.close()
    await asyncio.sleep(TAIL_S)
    await bot.close()
    return customer, moments


@dataclass(frozen=True)
class Lateness:
    """Around one change: of the latest tick when its packets were out, and what was stolen."""

    late_ms: float
    computing_ms: float
    stolen_ms: int


async def measure(
    host: Host, thief: Thief, handoffs: int
) -> tuple[dict[str, list[Change]], dict[str, list[Lateness]], float]:
    """By kind, and of those in whose time nothing was stolen; how late server and generator were."""
    pacer = Pacer()
    await host.start()
    sending = asyncio.gather(pacer.run(), thief.watch())
    said = speech()
    try:
        calls = await asyncio.gather(*(one_call(host, case, handoffs, pacer, said) for case in CASES))
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        await asyncio.gather(*(leg.close() for leg in pacer.legs))
        await host.stop()
    found = {
        case: [look_at(customer.heard, at_ns, hz) for at_ns, hz in moments]
        for case, (customer, moments) in zip(CASES, calls, strict=True)
    }
    windows = {
        case: [(at_ns - BEFORE_NS, at_ns + AFTER_NS) for at_ns, _ in moments]
        for case, (_, moments) in zip(CASES, calls, strict=True)
    }
    lateness = {
        case: [Lateness(*host.latest(*window), thief.took_ms(*window)) for window in windows[case]]
        for case in CASES
    }
    found[UNDISTURBED] = [
        change
        for case in CASES
        for change, late in zip(found[case], lateness[case], strict=True)
        if late.stolen_ms == 0
    ]
    return found, lateness, pacer.late_ms


def settle_server() -> None:
    """In the server's process: the last core, and real-time where that is allowed."""
    os.sched_setaffinity(0, {CORES[-1]})
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))


class Thief:
    """What the machine's own host took from the server's core (/proc/stat), to tell its gaps from ours."""

    EVERY_S = 0.05

    def __init__(self) -> None:
        self._samples: list[tuple[int, int]] = []

    async def watch(self) -> None:
        while True:
            self._samples.append((time.monotonic_ns(), _stolen_ms()))
            await asyncio.sleep(self.EVERY_S)

    def took_ms(self, start_ns: int = 0, end_ns: int = 1 << 63) -> int:
        """Between the samples around."""
        before = [stolen for at, stolen in self._samples if at <= start_ns] or [self._samples[0][1]]
        after = [stolen for at, stolen in self._samples if at >= end_ns] or [self._samples[-1][1]]
        return after[0] - before[-1]


def _stolen_ms() -> int:
    lines = Path("/proc/stat").read_text().splitlines()
    mine = next(line for line in lines if line.startswith(f"cpu{CORES[-1]} "))
    return int(mine.split()[8]) * 1000 // os.sysconf("SC_CLK_TCK")


def spread(values: Sequence[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {
        "p50": round(ordered[len(ordered) // 2], 2),
        "p99": round(ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))], 2),
        "max": round(ordered[-1], 2),
    }


def rows_of(found: dict[str, list[Change]]) -> list[dict[str, Any]]:
    """The measures of all, then of each kind."""
    groups = {"all": [one for case in CASES for one in found[case]], **found}
    rows = []
    for group, changes in groups.items():
        if not changes:
            continue
        spreads = {
            "handoff_gap_ms": (spread([one.gap_ms for one in changes]), "ms"),
            "both_voices_ms": (spread([one.both_ms for one in changes]), "ms"),
            "click": (spread([one.step for one in changes]), "of a steady voice's step"),
            "breaks": ({"all": sum(one.breaks for one in changes)}, "breaks"),
        }
        for name, (values, unit) in spreads.items():
            bar = BARS[name]
            rows += [
                {"name": f"{name}_{which}, {group}", "value": value, "unit": unit, "changes": len(changes)}
                | ({"bar": bar, "reached": value <= bar} if which in ("max", "all") else {})
                for which, value in values.items()
            ]
    return rows


def lateness_rows(lateness: dict[str, list[Lateness]]) -> list[dict[str, Any]]:
    """The latest tick around each change: its lateness, and how much of that we computed."""
    every = [one for case in CASES for one in lateness[case]]
    measured = {
        "latest_tick_ms": [one.late_ms for one in every],
        "latest_tick_computing_ms": [one.computing_ms for one in every],
        "latest_tick_kept_waiting_ms": [one.late_ms - one.computing_ms for one in every],
    }
    return [
        {"name": f"{name}_{which}, all", "value": value, "unit": "ms", "changes": len(every)}
        for name, values in measured.items()
        for which, value in spread(values).items()
    ]


async def main(arguments: argparse.Namespace) -> None:
    if len(CORES) > 1:  # not real-time: what counts is stamped by the kernel as it leaves the server
        os.sched_setaffinity(0, set(CORES[:-1]))
    load = round(os.getloadavg()[0], 2)
    host, thief = Host("127.0.0.1"), Thief()
    found, lateness, late_ms = await measure(host, thief, arguments.each)
    rows = rows_of(found) + lateness_rows(lateness)
    machine = {
        "cores": len(CORES),
        "load_1m_before": load,
        "server_realtime": host.is_realtime,
        "stolen_ms": thief.took_ms(),
        "python": platform.python_version(),
        "generator_late_ms": round(late_ms, 1),
    }
    if arguments.json:
        details = {
            case: [asdict(one) | asdict(late) for one, late in zip(found[case], lateness[case], strict=True)]
            for case in CASES
        }
        print(
            json.dumps(
                {"schema": 1, "bench": "handoff", "machine": machine, "measures": rows, "changes": details}
            )
        )
        return
    print(machine)
    for row in rows:
        bar = f"bar {row['bar']:<5} {'' if row['reached'] else 'MISSED'}" if "bar" in row else ""
        print(f"{row['name']:44}{row['value']:>8} {row['unit']:26} {bar}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--each", type=int, default=20, help="handoffs of each of the five kinds")
    parser.add_argument("--json", action="store_true")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(parser.parse_args()))
