"""What every request passes before any route, as plain ASGI: body limits, security headers, last guard."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import structlog

from voicewatch.processes.faults import fault

log = structlog.get_logger()

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

BODY_LIMIT = 1024 * 1024
SDP_LIMIT = 64 * 1024
BODY_WITHIN_S = 20.0
"""A client that sends its body more slowly holds a connection for nothing: 408."""

LOGGED_PATH = 120

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "media-src 'self' blob: mediastream:",
        "connect-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)

HEADERS: dict[bytes, bytes] = {
    b"content-security-policy": CONTENT_SECURITY_POLICY.encode(),
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"permissions-policy": b"microphone=(self), camera=(), geolocation=()",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
}


def problem_body(status: int, title: str, detail: str, field: str = "") -> bytes:
    """A problem document (RFC 9457) as JSON."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return json.dumps(body | ({"field": field} if field else {})).encode()


class Guard:
    """Wraps an ASGI app: reads the body up to its limit (413 beyond), sets headers on every answer.

    What the app fails with is logged by type and place only: its text may hold what somebody said.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._guard(scope, receive, send)
        except Exception as error:  # boundary: the app has answered 500 already
            log.error("request_failed", path=str(scope.get("path"))[:LOGGED_PATH], **fault(error))

    async def _guard(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = _with_headers(scope["path"], message.get("headers", []))
            await send(message)

        limit = SDP_LIMIT if scope["path"].startswith("/api/whip") else BODY_LIMIT
        try:
            async with asyncio.timeout(BODY_WITHIN_S):
                body = await _read_body(scope, receive, limit)
        except TimeoutError:
            await _refuse(send_guarded, 408, "Body too slow", f"Send it within {BODY_WITHIN_S:.0f} s.")
            return
        if body is None:
            await _refuse(send_guarded, 413, "Body too large", f"This route takes at most {limit} bytes.")
            return
        if scope["method"] == "HEAD":  # as GET; the server below leaves the body out (RFC 9110 §9.3.2)
            scope = {**scope, "method": "GET"}
        await self._app(scope, _replay(body, receive), send_guarded)


def _with_headers(path: str, given: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    names = {name.lower() for name, _ in given}
    wanted = HEADERS | ({b"cache-control": b"no-store"} if path.startswith(("/api", "/metrics")) else {})
    return [*given, *((name, value) for name, value in wanted.items() if name not in names)]


async def _read_body(scope: Scope, receive: Receive, limit: int) -> bytes | None:
    """The whole body, or None if it is longer than `limit` (known from its length header, or found out)."""
    for name, value in scope["headers"]:
        if name == b"content-length" and (not value.isdigit() or int(value) > limit):
            return None
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b"".join(parts)
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            return None
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


def _replay(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def again() -> MutableMapping[str, Any]:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


async def _refuse(send: Send, status: int, title: str, detail: str) -> None:
    body = problem_body(status, title, detail)
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
