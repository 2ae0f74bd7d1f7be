"""The two WebSockets of the API as a client uses them: they come back by themselves and miss nothing."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

Message = dict[str, Any]
_RETRY_S = 0.3


class ServerLink:
    """A WebSocket that is opened again whenever it breaks, with a fresh first message each time."""

    def __init__(
        self, server: str, path: str, on_message: Callable[[Message], Awaitable[None] | None]
    ) -> None:
        self._url = server.replace("http", "ws", 1) + path
        self._on_message = on_message
        self._socket: ClientConnection | None = None
        self.up = asyncio.Event()
        """Set once the first message of the first connection is sent."""

    def hello(self) -> Message:
        """The first message of a connection; subclasses give it."""
        raise NotImplementedError

    async def run(self) -> None:
        """Serve until cancelled; raises PermissionError when the server refuses the token."""
        while True:
            try:
                async with connect(self._url, proxy=None, open_timeout=5) as socket:
                    await socket.send(json.dumps(self.hello()))
                    self._socket = socket
                    self.up.set()
                    async for text in socket:
                        await self._take(json.loads(text))
            except ConnectionClosed as closed:
                if closed.rcvd is not None and closed.rcvd.code == 1008:
                    raise PermissionError(closed.rcvd.reason or "the server refused the token") from None
            except InvalidStatus as refused:
                if refused.response.status_code in (401, 403):
                    raise PermissionError(f"{self._url}: {refused.response.status_code}") from None
            except (OSError, TimeoutError, WebSocketException):
                pass  # the server restarts: try again
            finally:
                self._socket = None
            await asyncio.sleep(_RETRY_S)

    async def _take(self, message: Message) -> None:
        waiting = self._on_message(message)
        if waiting is not None:
            await waiting

    async def send(self, message: Message) -> bool:
        """False if the link is down: the message is not kept."""
        if self._socket is None:
            return False
        with contextlib.suppress(ConnectionClosed):
            await self._socket.send(json.dumps(message))
            return True
        return False


class EventLink(ServerLink):
    """`/api/events`: resumes behind the last cursor seen."""

    def __init__(
        self, server: str, token: str, on_message: Callable[[Message], Awaitable[None] | None]
    ) -> None:
        super().__init__(server, "/api/events", on_message)
        self._token = token
        self._cursor: str | None = None

    def hello(self) -> Message:
        return {"type": "hello", "after": self._cursor, "token": self._token}

    async def _take(self, message: Message) -> None:
        self._cursor = message.get("cursor", self._cursor)
        await super()._take(message)


class AILink(ServerLink):
    """`/api/ai`: the AI's seat."""

    def __init__(
        self, server: str, token: str, name: str, on_message: Callable[[Message], Awaitable[None] | None]
    ) -> None:
        super().__init__(server, "/api/ai", on_message)
        self._token = token
        self._name = name

    def hello(self) -> Message:
        return {
            "type": "hello",
            "token": self._token,
            "name": self._name,
            "capacity": 50,
            "supplies_text": True,
        }
