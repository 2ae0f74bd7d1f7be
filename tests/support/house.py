"""A whole server in processes of its own, as `voicewatch serve` starts it, with handles to hurt it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from voicewatch.demo.parts import Api
from voicewatch.demo.server import demonstration_speech, running_server
from voicewatch.server.auth import mint
from voicewatch.settings import Settings, SpeechSettings


@dataclass(frozen=True)
class House:
    """A running server."""

    url: str
    data: Path

    def token(self, role: str, name: str = "") -> str:
        return mint(self.data, role, name or f"test {role}", 30, [])

    @contextlib.asynccontextmanager
    async def api(self, role: str, name: str = "") -> AsyncIterator[Api]:
        api = Api(self.url, self.token(role, name))
        try:
            yield api
        finally:
            await api.close()

    def pid(self, process: str) -> int:
        """Of the child of this house with that name. Raises LookupError while there is none."""
        ours = str(self.data).encode()
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                command = (folder / "cmdline").read_bytes().split(b"\0")
                is_named = command[-3:-1] == [b"voicewatch.app", process.encode()]
                if is_named and ours in (folder / "environ").read_bytes():
                    return int(folder.name)
        raise LookupError(f"no process {process} of this house")

    def kill(self, process: str) -> int:
        """kill -9; the pid that died."""
        pid = self.pid(process)
        os.kill(pid, signal.SIGKILL)
        return pid

    @contextlib.contextmanager
    def full_disk(self) -> Iterator[None]:
        """Nothing that front and recorder write is taken: no file may become longer than nothing."""
        unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        pids = [self.pid(process) for process in ("front", "recorder")]
        for pid in pids:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        try:
            yield
        finally:
            for pid in pids:
                resource.prlimit(pid, resource.RLIMIT_FSIZE, unlimited)

    async def kill_and_await_successor(self, process: str, timeout_s: float = 20.0) -> None:
        dead = self.kill(process)

        def is_back() -> bool:
            with contextlib.suppress(LookupError):
                return self.pid(process) != dead
            return False

        await until(is_back, timeout_s)


@contextlib.asynccontextmanager
async def house(data: Path) -> AsyncIterator[House]:
    """A server on a free port, understanding with the bundled small Whisper."""
    settings = Settings(port=0, data=data, speech=demonstration_speech(SpeechSettings()), log_level="warning")
    async with running_server(settings) as url:
        yield House(url, data)


async def until(condition: Callable[[], object], timeout_s: float = 10.0) -> None:
    """Wait for something that has no event of its own (another process's life, a sound)."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.05)
