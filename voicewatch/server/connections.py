"""HTTP served by uvicorn, known here only, with bounds it lacks: how many connections, how slow a head."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
from collections.abc import Awaitable, Callable, Iterator

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from voicewatch.processes.sockets import BACKLOG
from voicewatch.server.guard import Guard

MESSAGE_LIMIT = 64 * 1024
STOP_WITHIN_S = 3.0

HEAD_WITHIN_S = 10.0
"""A request's line and headers have to be there so long after the connection was opened or the head begun."""
CONNECTIONS_LIMIT = 4_000
"""HTTP connections and WebSockets at once; more are closed as they come, and may come back."""
_DESCRIPTORS_SPARED = 200
"""For the journal, recordings being read, and the other processes."""


def room() -> int:
    """How many connections this process may hold; asks the system for as many descriptors as it gives."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS_LIMIT + _DESCRIPTORS_SPARED
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        return max(1, soft - _DESCRIPTORS_SPARED)
    return CONNECTIONS_LIMIT


class PatientConnection(H11Protocol):
    """uvicorn's HTTP/1.1, which alone would wait for ever for the end of a request's head."""

    most = CONNECTIONS_LIMIT
    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.most:
            transport.abort()
            return
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop_waiting()
        elif self._waiting is None:
            self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait_for_head(self) -> None:
        self._waiting = asyncio.get_running_loop().call_later(HEAD_WITHIN_S, self._give_up)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _give_up(self) -> None:
        """Unless an answer is still on its way: uvicorn's own time limit begins when that is out."""
        self._waiting = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()


class _Server(uvicorn.Server):
    """Leaves signals to whoever runs this process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve_http(app: Guard, listener: socket.socket, say_goodbye: Callable[[], Awaitable[None]]) -> None:
    """Until cancelled. The listener stays open for the next life of this process: a copy is served."""
    PatientConnection.most = room()
    server = _Server(
        uvicorn.Config(
            app,
            http=PatientConnection,
            log_config=None,
            log_level="warning",  # at debug its WebSockets log what is said on them
            access_log=False,
            lifespan="off",
            proxy_headers=False,
            server_header=False,
            backlog=BACKLOG,
            ws_max_size=MESSAGE_LIMIT,
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=1,
        )
    )
    serving = asyncio.ensure_future(server.serve([listener.dup()]))
    try:
        await asyncio.shield(serving)
    finally:
        await say_goodbye()
        server.should_exit = True
        await asyncio.wait([serving], timeout=STOP_WITHIN_S)
