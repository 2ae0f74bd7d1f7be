"""A WebSocket as the feed and the AI's seat see it, whatever carries it."""

from __future__ import annotations

from typing import Any, Protocol

from voicewatch.processes.problem import Problem

GOING_AWAY = 1001
REFUSED = 1008
"""Not allowed, or not understood: coming back the same way is of no use."""
OVERLOADED = 1013
"""Behind, or too many: come back and resume."""

HELLO_WITHIN_S = 5.0


class SocketClosed(Exception):
    """The other side is gone."""


class Socket(Protocol):
    """`receive` gives one JSON object, raises Problem 400 for anything else and SocketClosed at the end."""

    async def receive(self) -> dict[str, Any]: ...
    async def send(self, text: str) -> None: ...
    async def close(self, code: int, reason: str = "") -> None: ...


def close_reason(problem: Problem) -> str:
    """What fits into a close frame (123 bytes)."""
    return f"{problem.title}: {problem.detail}".encode()[:120].decode(errors="ignore")
