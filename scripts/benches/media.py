"""Mixed legs: rooms of two, both talking all the time; our engine, and Janus' audiobridge on the same work.

Each server runs alone on the last core, the generator on the others, both real-time where that is allowed.
CPU is the server's own (user and system, /proc), arrival times are the kernel's. Janus: `apt install janus`;
its configuration is made here: audiobridge, 16 kHz, quality 4, the same bitrate, no recording.
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
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from voicewatch.load.figures import Tally
from voicewatch.load.leg import Answerer, LoadLeg, delays_ms
from voicewatch.load.pace import Pacer
from voicewatch.load.talk import Ear, bursts, speech

BITRATE_BPS = 24_000
QUALITY = 4
JANUS_PLUGINS = "/usr/lib/{}-linux-gnu/janus"
SETTLE_S = 2.0


class Ours:
    """scripts/benches/media_host.py"""

    name = "voicewatch"

    def __init__(self, address: str, complexity: int) -> None:
        self._arguments = [
            sys.executable,
            str(Path(__file__).with_name("media_host.py")),
            address,
            str(complexity),
        ]
        self._turn = asyncio.Lock()

    async def start(self) -> int:
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            *self._arguments, stdin=pipe, stdout=pipe, limit=1 << 20, preexec_fn=settle_server
        )
        await self._ask({})
        return self._process.pid

    def answerer(self, room: int, seat: str) -> Answerer:
        async def answer(offer: str) -> str:
            return str((await self._ask({"call": f"c{room}", "seat": seat, "sdp": offer}))["sdp"])

        return answer

    async def status(self) -> dict[str, Any]:
        return await self._ask({})

    async def stop(self) -> None:
        self._process.terminate()
        await self._process.wait()

    async def _ask(self, wanted: dict[str, Any]) -> dict[str, Any]:
        async with self._turn:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(json.dumps(wanted).encode() + b"\n")
            return dict(json.loads(await self._process.stdout.readline()))


class Janus:
    """Debian's Janus with the audiobridge plugin, driven over its WebSocket."""

    name = "janus"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._rooms: set[int] = set()
        self._waiting: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._number = 0

    async def start(self) -> int:
        port = free_port()
        home = JANUS_PLUGINS.format(platform.machine())
        (self._folder / "janus.jcfg").write_text(
            f'general: {{ configs_folder = "{self._folder}" plugins_folder = "{home}/plugins"\n'
            f'transports_folder = "{home}/transports" debug_level = 2 session_timeout = 0 }}\n'
            "media: { ipv6 = false }\nnat: { full_trickle = false }\n"
            f'plugins: {{ disable = "{_others(Path(home) / "plugins", "audiobridge")}" }}\n'
            f'transports: {{ disable = "{_others(Path(home) / "transports", "websockets")}" }}\n'
        )
        (self._folder / "janus.transport.websockets.jcfg").write_text(
            f'general: {{ ws = true ws_port = {port} ws_ip = "127.0.0.1" }}\n'
        )
        (self._folder / "janus.plugin.audiobridge.jcfg").write_text("general: { }\n")
        self._log = (self._folder / "log").open("wb")
        self._process = await asyncio.create_subprocess_exec(
            "janus", "-F", str(self._folder), stdout=self._log, stderr=self._log, preexec_fn=settle_server
        )
        self._socket = await self._connected(f"ws://127.0.0.1:{port}")
        self._reading = asyncio.create_task(self._read())
        self._session = (await self._ask({"janus": "create"}))["data"]["id"]
        return self._process.pid

    async def _connected(self, url: str) -> ClientConnection:
        for _ in range(100):
            with contextlib.suppress(OSError):
                return await connect(url, subprotocols=["janus-protocol"], proxy=None)  # type: ignore[list-item]
            await asyncio.sleep(0.1)
        raise SystemExit(f"janus did not come up:\n{(self._folder / 'log').read_text()[-2000:]}")

    def answerer(self, room: int, seat: str) -> Answerer:
        async def answer(offer: str) -> str:
            attach = {"janus": "attach", "plugin": "janus.plugin.audiobridge", "session_id": self._session}
            handle = (await self._ask(attach))["data"]["id"]
            if room not in self._rooms:
                self._rooms.add(room)
                create = {"request": "create", "room": room + 1, "sampling_rate": 16_000, "record": False}
                await self._message(handle, create)
            join = {"request": "join", "room": room + 1, "quality": QUALITY, "bitrate": BITRATE_BPS}
            await self._message(handle, join, is_event=True)
            reply = await self._message(
                handle, {"request": "configure", "muted": False}, offer, is_event=True
            )
            return str(reply["jsep"]["sdp"])

        return answer

    async def status(self) -> dict[str, Any]:
        return {"complexity": QUALITY}

    async def stop(self) -> None:
        self._reading.cancel()
        await self._socket.close()
        self._process.terminate()
        await self._process.wait()
        self._log.close()

    async def _message(
        self, handle: int, body: dict[str, Any], offer: str = "", *, is_event: bool = False
    ) -> dict[str, Any]:
        message = {"janus": "message", "session_id": self._session, "handle_id": handle, "body": body}
        if offer:
            message["jsep"] = {"type": "offer", "sdp": offer}
        return await self._ask(message, is_event)

    async def _ask(self, message: dict[str, Any], is_event: bool = False) -> dict[str, Any]:
        """The reply, or the event that follows the acknowledgement."""
        self._number += 1
        key = str(self._number)
        self._waiting[key] = asyncio.get_running_loop().create_future()
        await self._socket.send(json.dumps(message | {"transaction": key}))
        reply = await asyncio.wait_for(self._waiting[key], 20)
        del self._waiting[key]
        if reply.get("janus") == "error" or "error" in reply.get("plugindata", {}).get("data", {}):
            raise SystemExit(f"janus refused: {reply}")
        return reply

    async def _read(self) -> None:
        async for text in self._socket:
            message = json.loads(text)
            waiting = self._waiting.get(message.get("transaction", ""))
            if waiting is not None and not waiting.done() and message["janus"] != "ack":
                waiting.set_result(message)


Server = Ours | Janus


async def measure(server: Server, legs: int, seconds: float, address: str) -> dict[str, Any]:
    """One run of rooms of two."""
    pid = await server.start()
    pacer = Pacer()
    said, probe = speech(), bursts()
    sending = asyncio.create_task(pacer.run())
    try:
        for room in range(legs // 2):
            for seat in ("customer", "ai"):
                is_probe = room == 0
                leg = LoadLeg(
                    f"{room} {seat}",
                    probe if is_probe and seat == "ai" else said[room * 7 :] + said[: room * 7],
                    Ear() if is_probe and seat == "customer" else None,
                )
                await leg.connect(server.answerer(room, seat), address)
                pacer.legs.append(leg)
        await asyncio.sleep(SETTLE_S)
        pacer.late_ms = 0.0
        start_ns, start_cpu_s = time.monotonic_ns(), cpu_s(pid)
        await asyncio.sleep(seconds)
        end_ns, end_cpu_s = time.monotonic_ns(), cpu_s(pid)
        status = await server.status()
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        await server.stop()
    tally = Tally()
    for leg in pacer.legs:
        tally.add(leg.stream, start_ns, end_ns)
    listener, talker = pacer.legs[0], pacer.legs[1]
    found = delays_ms(talker.burst_sent_ns, [at for at in listener.burst_heard_ns if at > start_ns])
    tally.delays.update(round(10 * ms) for ms in found)
    await asyncio.gather(*(leg.close() for leg in pacer.legs))
    took_s = (end_ns - start_ns) / 1e9
    return {
        **tally.summary(),
        "cpu_ms_per_leg_second": round((end_cpu_s - start_cpu_s) * 1000 / legs / took_s, 2),
        "complexity": status["complexity"],
        "generator_late_ms": round(pacer.late_ms, 1),
    }


def settle_server() -> None:
    """In the server's process, before it begins: the last core, and real-time if that is allowed."""
    cores = sorted(os.sched_getaffinity(0) | set(ALL_CORES))
    os.sched_setaffinity(0, {cores[-1]})
    hasten()


def hasten() -> bool:
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except PermissionError:
        return False
    return True


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _others(folder: Path, wanted: str) -> str:
    """All modules of Janus in the folder but one."""
    return ",".join(path.name for path in sorted(folder.glob("*.so")) if path.stem != f"libjanus_{wanted}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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


def measures(found: dict[str, Any], peer: dict[str, Any] | None, legs: int) -> list[dict[str, Any]]:
    """The contract's rows."""
    units: list[tuple[str, str, Callable[[dict[str, Any]], Any]]] = [
        ("cpu_ms_per_leg_second", "ms", lambda one: one["cpu_ms_per_leg_second"]),
        ("delivered", "%", lambda one: one["delivered_percent"]),
        *((f"gap_{p}", "ms", lambda one, p=p: one["gap_ms"][p]) for p in ("p50", "p99", "max")),
        *((f"delay_{p}", "ms", lambda one, p=p: one["delay_ms"][p]) for p in ("p50", "p99")),
        ("complexity", "", lambda one: one["complexity"]),
        ("generator_late", "ms", lambda one: one["generator_late_ms"]),
    ]
    rows = []
    for name, unit, value in units:
        row: dict[str, Any] = {"name": f"mixed_{legs}_{name}", "value": value(found), "unit": unit}
        if peer is not None:
            row["peer"] = {"name": "janus", "value": value(peer)}
            if name == "cpu_ms_per_leg_second" and value(peer):
                row["ratio"] = round(value(found) / value(peer), 2)
        rows.append(row)
    return rows


async def main(arguments: argparse.Namespace) -> None:
    address = own_address()
    is_realtime = hasten()
    if len(ALL_CORES) > 1:
        os.sched_setaffinity(0, set(ALL_CORES[:-1]))
    rows = []
    has_janus = shutil.which("janus") is not None and address != "127.0.0.1" and not arguments.no_janus
    if not has_janus:
        print("janus is not run (not installed, or no address but loopback)", file=sys.stderr)
    for legs in arguments.legs:
        ours = await measure(Ours(address, arguments.complexity), legs, arguments.seconds, address)
        peer = None
        if has_janus:
            with tempfile.TemporaryDirectory() as folder:
                peer = await measure(Janus(Path(folder)), legs, arguments.seconds, address)
        rows += measures(ours, peer, legs)
    report = {"schema": 1, "bench": "media", "machine": machine(is_realtime), "measures": rows}
    if arguments.json:
        print(json.dumps(report))
        return
    print(report["machine"])
    for row in rows:
        peer_text = f"   janus {row['peer']['value']}" if "peer" in row else ""
        ratio = f"   ratio {row['ratio']}" if "ratio" in row else ""
        print(f"{row['name']:36}{row['value']!s:>9} {row['unit']}{peer_text}{ratio}")


ALL_CORES = sorted(os.sched_getaffinity(0))

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--legs", type=int, nargs="+", default=[50, 100])
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--complexity", type=int, default=QUALITY)
    parser.add_argument("--no-janus", action="store_true")
    parser.add_argument("--json", action="store_true")
    asyncio.run(main(parser.parse_args()))
