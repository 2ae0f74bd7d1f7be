"""One media process on one core: mixing, forwarding, many legs, delay, floods; Janus beside it.

mixed       rooms of two, both talking all the time, nothing forwarded, the complexity fixed; Janus:
            audiobridge, 16 kHz, quality 4, the same bitrate. The delay is from burst sent to burst heard
full        a core full of such legs; the ladder chooses the complexity
forward     packets passed on, nothing decoded; Janus: echotest. No call of ours goes undecoded: see monitored
monitored   calls of two legs of which one talks: decoded, listened to, passed on
flood       one peer sends 10^5 packets, one leg sends none, the model takes nothing: what the others lose

The server runs alone on the last core, the generator on the others, both real-time where that is allowed.
CPU is the server's own (user and system, /proc); arrival times are the kernel's. The complexity in force at
the end stands with every figure. With --rounds ours and Janus take turns, and the median counts.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import shutil
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.benches.media_servers_host import (
    ALL_CORES,
    BITRATE_BPS,
    QUALITY,
    Janus,
    Ours,
    Refused,
    Server,
    hasten,
)
from voicewatch.load.figures import Tally
from voicewatch.load.leg import LoadLeg, delays_ms
from voicewatch.load.pace import Pacer
from voicewatch.load.talk import Ear, bursts, silence, speech

SETTLE_S = 2.0
AT_ONCE = 6
"""Handshakes that go on at the same time."""
PROBES = 5
"""Rooms in which the delay is measured: one talks in bursts."""
FLOOD_PACKETS = 100_000


@dataclass(frozen=True)
class Work:
    """What one bench asks of a server."""

    name: str
    legs: int
    options: dict[str, Any]
    peer: str = ""
    """Janus' plugin for the same work."""
    talk: str = "both"
    """both: without pauses; one: the customer says nothing."""
    probes: bool = True
    floods: bool = False
    notes: list[str] = field(default_factory=list)


def works(arguments: argparse.Namespace) -> list[Work]:
    legs, fixed = arguments.legs, {"complexity": arguments.complexity, "bitrate_bps": BITRATE_BPS}
    return [
        Work("mixed", legs or 50, fixed, "audiobridge"),
        Work("full", legs or 100, {**fixed, "adapts": True}),
        Work("forward", legs or 100, {**fixed, "forwards": True, "bare": True}, "echotest", probes=False),
        Work(
            "monitored", legs or 300, {**fixed, "forwards": True, "adapts": True}, talk="one", probes=False
        ),
        Work(
            "flood", legs or 20, {**fixed, "forwards": True, "model_hangs": True, "ring_s": 2},
            probes=False, floods=True,
        ),
    ]  # fmt: skip


class Run:
    """One server under one work, from its start to its end."""

    def __init__(self, server: Server, work: Work, seconds: float, address: str) -> None:
        self._server, self._work, self._seconds, self._address = server, work, seconds, address
        self._pacer = Pacer()
        self._said, self._bursts, self._silence = speech(), bursts(), silence()
        self._carried = 0
        self._probes: list[tuple[LoadLeg, LoadLeg]] = []
        """Who hears the bursts and who makes them."""

    async def measure(self) -> dict[str, Any]:
        pid = await self._server.start()
        sending = asyncio.create_task(self._pacer.run())
        try:
            await self._connect()
            await asyncio.sleep(SETTLE_S + (self._work.options.get("ring_s", 0) if self._work.floods else 0))
            self._pacer.late_ms = 0.0
            before_mb = resident_mb(pid)
            start_ns, start_cpu_s = time.monotonic_ns(), cpu_s(pid)
            await self._hold()
            end_ns, end_cpu_s = time.monotonic_ns(), cpu_s(pid)
            grown_mb = resident_mb(pid) - before_mb
            status = await self._server.status()
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            await self._server.stop()
        found = self._tally(start_ns, end_ns)
        await asyncio.gather(*(leg.close() for leg in self._pacer.legs))
        took_s = (end_ns - start_ns) / 1e9
        return {
            **found,
            "cpu_ms_per_leg_second": (end_cpu_s - start_cpu_s) * 1000 / self._carried / took_s,
            "carried": self._carried,
            "core_used": (end_cpu_s - start_cpu_s) / took_s,
            "complexity": status["complexity"],
            "skipped_ticks": status.get("skipped_ticks"),
            "forwarding": status.get("forwarding"),
            "grown_mb": grown_mb,
            "generator_late_ms": self._pacer.late_ms,
        }

    async def _connect(self) -> None:
        turn = asyncio.Semaphore(AT_ONCE)

        async def one(room: int) -> None:
            async with turn:
                with contextlib.suppress(Refused):
                    await self._join(room)

        await asyncio.gather(*(one(room) for room in range(self._work.legs // 2)))
        self._carried = len(self._pacer.legs) + self._work.floods

    async def _join(self, room: int) -> None:
        """Both legs of a room, talking as the work says."""
        probed = self._work.probes and room < PROBES
        turned = room * 7 % len(self._said)
        talk = self._said[turned:] + self._said[:turned]
        first = self._silence if self._work.talk == "one" else talk
        customer = LoadLeg(f"{room} customer", first, Ear() if probed else None)
        ai = LoadLeg(f"{room} ai", self._bursts if probed else talk)
        for leg, seat in ((customer, "customer"), (ai, "ai")):
            await leg.connect(self._server.answerer(room, seat), self._address)
            self._pacer.legs.append(leg)
        if probed:
            self._probes.append((customer, ai))
        if self._work.floods and room == 1:
            self._pacer.legs.remove(ai)  # silent from now on, and listening

    async def _hold(self) -> None:
        if not self._work.floods:
            await asyncio.sleep(self._seconds)
            return
        flooder = self._pacer.legs[0]
        sent, start = 0, time.monotonic()
        while (passed := time.monotonic() - start) < self._seconds:
            due = min(FLOOD_PACKETS, int(FLOOD_PACKETS * passed / self._seconds) + 1)
            while sent < due:
                flooder.spam(sent)
                sent += 1
            await asyncio.sleep(0.002)
        while sent < FLOOD_PACKETS:
            flooder.spam(sent)
            sent += 1

    def _tally(self, start_ns: int, end_ns: int) -> dict[str, Any]:
        tally = Tally()
        flooded = self._pacer.legs[0].name.split()[0] if self._work.floods else ""
        for leg in self._pacer.legs:
            if leg.name.split()[0] != flooded:
                tally.add(leg.stream, start_ns, end_ns)
        for listener, talker in self._probes:
            heard = [at for at in listener.burst_heard_ns if at > start_ns]
            tally.delays.update(round(10 * ms) for ms in delays_ms(talker.burst_sent_ns, heard))
        return tally.summary()


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def own_address() -> str:
    """An address of this machine but loopback, which Janus does not gather; routed over lo all the same."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])
    return "127.0.0.1"


def machine(is_realtime: bool) -> dict[str, Any]:
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    return {
        "cpu": model,
        "cores": len(ALL_CORES),
        "load_1m": round(os.getloadavg()[0], 2),
        "realtime": is_realtime,
        "python": platform.python_version(),
    }


Reading = Callable[[dict[str, Any]], Any]
READINGS: list[tuple[str, str, Reading]] = [
    ("cpu_ms_per_leg_second", "ms", lambda one: one["cpu_ms_per_leg_second"]),
    ("carried", "legs", lambda one: one["carried"]),
    ("core_used", "", lambda one: one["core_used"]),
    ("delivered", "%", lambda one: one["delivered_percent"]),
    ("sequence_breaks", "", lambda one: one["sequence_breaks"]),
    *((f"gap_{p}", "ms", lambda one, p=p: one["gap_ms"][p]) for p in ("p50", "p99", "max")),
    *((f"delay_{p}", "ms", lambda one, p=p: one["delay_ms"][p]) for p in ("p50", "p99")),
    ("complexity", "", lambda one: one["complexity"]),
    ("forwarding", "mixes", lambda one: one["forwarding"]),
    ("skipped_ticks", "", lambda one: one["skipped_ticks"]),
    ("grown", "MB", lambda one: one["grown_mb"]),
    ("generator_late", "ms", lambda one: one["generator_late_ms"]),
]


def measures(work: Work, found: list[dict[str, Any]], peer: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The contract's rows: medians of the rounds."""
    rows = []
    for name, unit, reading in READINGS:
        value = median([reading(one) for one in found])
        if value is None:
            continue
        row: dict[str, Any] = {"name": f"{work.name}_{work.legs}_{name}", "value": value, "unit": unit}
        beside = median([reading(one) for one in peer])
        if beside is not None:
            row["peer"] = {"name": "janus", "value": beside}
            if name == "cpu_ms_per_leg_second" and beside:
                row["ratio"] = round(value / beside, 2)
        rows.append(row)
    return rows


def median(values: list[Any]) -> float | None:
    known = [value for value in values if value is not None]
    return round(statistics.median(known), 2) if known else None


async def bench(
    work: Work, arguments: argparse.Namespace, address: str, has_janus: bool
) -> list[dict[str, Any]]:
    found, peer = [], []
    for _ in range(arguments.rounds):
        found.append(await Run(Ours(address, **work.options), work, arguments.seconds, address).measure())
        if work.peer and has_janus:
            with tempfile.TemporaryDirectory() as folder:
                janus = Janus(Path(folder), work.peer)
                peer.append(await Run(janus, work, arguments.seconds, address).measure())
    return measures(work, found, peer)


async def main(arguments: argparse.Namespace) -> None:
    address = own_address()
    is_realtime = hasten()
    if len(ALL_CORES) > 1:
        os.sched_setaffinity(0, set(ALL_CORES[:-1]))
    has_janus = shutil.which("janus") is not None and address != "127.0.0.1" and not arguments.no_janus
    if not has_janus:
        print("janus is not run (not installed, or no address but loopback)", file=sys.stderr)
    report = {"schema": 1, "bench": "media", "machine": machine(is_realtime), "measures": []}
    if not arguments.json:
        print(report["machine"])
    for work in works(arguments):
        if work.name in arguments.only:
            rows = await bench(work, arguments, address, has_janus)
            report["measures"] += rows
            if not arguments.json:
                show(rows)
    if arguments.json:
        print(json.dumps(report))


def show(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        peer = f"   janus {row['peer']['value']}" if "peer" in row else ""
        ratio = f"   ratio {row['ratio']}" if "ratio" in row else ""
        print(f"{row['name']:36}{row['value']!s:>9} {row['unit']}{peer}{ratio}", flush=True)


NAMES = ["mixed", "full", "forward", "monitored", "flood"]

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, metavar="BENCH")
    parser.add_argument("--legs", type=int, help="of each bench; each has its own number otherwise")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--complexity", type=int, default=QUALITY)
    parser.add_argument("--no-janus", action="store_true")
    parser.add_argument("--json", action="store_true")
    asyncio.run(main(parser.parse_args()))
