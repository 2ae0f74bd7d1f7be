"""The servers that `scripts/bench media` measures: our media process, and Debian's Janus on the same work.

Each runs alone on the last core, real-time where that is allowed. Janus: `apt install janus`; its
configuration is made here: audiobridge at 16 kHz without recording, echotest as it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import platform
import socket
import sys
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from voicewatch.load.leg import Answerer

BITRATE_BPS = 24_000
QUALITY = 4
JANUS_PLUGINS = "/usr/lib/{}-linux-gnu/janus"
ALL_CORES = sorted(os.sched_getaffinity(0))


class Refused(Exception):
    """Admission control: the process carries what it can."""


class Ours:
    """scripts/benches/media_host.py, with its options."""

    name = "voicewatch"

    def __init__(self, address: str, **options: Any) -> None:
        host = str(Path(__file__).with_name("media_host.py"))
        self._command = [sys.executable, host, json.dumps({"address": address, **options})]
        self._turn = asyncio.Lock()

    async def start(self) -> int:
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            *self._command, stdin=pipe, stdout=pipe, limit=1 << 20, preexec_fn=settle_server
        )
        await self.status()
        return self._process.pid

    def answerer(self, room: int, seat: str) -> Answerer:
        async def answer(offer: str) -> str:
            reply = await self._ask({"call": f"c{room}", "seat": seat, "sdp": offer})
            if "refused" in reply:
                raise Refused(reply["refused"])
            return str(reply["sdp"])

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
    """Debian's Janus, driven over its WebSocket: rooms of the audiobridge, or the echotest for each leg."""

    name = "janus"

    def __init__(self, folder: Path, plugin: str) -> None:
        """`plugin`: audiobridge or echotest."""
        self._folder, self._plugin = folder, plugin
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
            f'plugins: {{ disable = "{_others(Path(home) / "plugins", self._plugin)}" }}\n'
            f'transports: {{ disable = "{_others(Path(home) / "transports", "websockets")}" }}\n'
        )
        (self._folder / "janus.transport.websockets.jcfg").write_text(
            f'general: {{ ws = true ws_port = {port} ws_ip = "127.0.0.1" }}\n'
        )
        (self._folder / f"janus.plugin.{self._plugin}.jcfg").write_text("general: { }\n")
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
            plugin = f"janus.plugin.{self._plugin}"
            attach = {"janus": "attach", "plugin": plugin, "session_id": self._session}
            handle = (await self._ask(attach))["data"]["id"]
            if self._plugin == "echotest":
                reply = await self._message(handle, {"audio": True}, offer, is_event=True)
                return str(reply["jsep"]["sdp"])
            if room not in self._rooms:
                self._rooms.add(room)
                create = {"request": "create", "room": room + 1, "sampling_rate": 16_000, "record": False}
                await self._message(handle, create)
            join = {"request": "join", "room": room + 1, "quality": QUALITY, "bitrate": BITRATE_BPS}
            await self._message(handle, join, is_event=True)
            unmute = {"request": "configure", "muted": False}
            reply = await self._message(handle, unmute, offer, is_event=True)
            return str(reply["jsep"]["sdp"])

        return answer

    async def status(self) -> dict[str, Any]:
        return {"complexity": None if self._plugin == "echotest" else QUALITY}

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


def settle_server() -> None:
    """In the server's process, before it begins: the last core, and real-time if that is allowed."""
    os.sched_setaffinity(0, {ALL_CORES[-1]})
    hasten()


def hasten() -> bool:
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except PermissionError:
        return False
    return True


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _others(folder: Path, wanted: str) -> str:
    """All modules of Janus in the folder but one."""
    return ",".join(path.name for path in sorted(folder.glob("*.so")) if path.stem != f"libjanus_{wanted}")
