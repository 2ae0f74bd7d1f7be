"""The HTTP application: errors as problem details, who is asking, WebSockets, pages. See `routes.py`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from fastapi import Depends, FastAPI, Path, Request, Response, WebSocket, WebSocketDisconnect
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from voicewatch.processes.problem import Problem
from voicewatch.server.ai_seat import AISeats
from voicewatch.server.auth import COOKIE, Account, Codes, Tokens, check_origin, is_loopback
from voicewatch.server.calls import Calls
from voicewatch.server.feed import Feed
from voicewatch.server.guard import Guard, problem_body
from voicewatch.server.insights import Insights
from voicewatch.server.metrics import Metrics
from voicewatch.server.pages import Pages, not_found
from voicewatch.server.presence import Presences
from voicewatch.server.queues import Queues
from voicewatch.server.recordings import Recordings
from voicewatch.server.requests import AIHello, Body, FeedHello, first_problem, problem_of
from voicewatch.server.review import Review
from voicewatch.server.rules import Rules
from voicewatch.server.status import Status
from voicewatch.server.websocket import (
    HELLO_WITHIN_S,
    OVERLOADED,
    REFUSED,
    Socket,
    SocketClosed,
    close_reason,
)
from voicewatch.settings import AccessSettings


@dataclass(frozen=True)
class Front:
    """All that routes work with."""

    public_url: str
    access: AccessSettings
    tokens: Tokens
    codes: Codes
    calls: Calls
    queues: Queues
    review: Review
    insights: Insights
    feed: Feed
    ai_seats: AISeats
    presences: Presences
    status: Status
    metrics: Metrics
    rules: Rules
    pages: Pages
    recordings: Recordings

    @property
    def is_https(self) -> bool:
        return self.public_url.startswith("https://")

    def check_origin(self, headers: Any, *, required: bool) -> None:
        """Problem 403 for an Origin that is neither the server's own nor allowed."""
        own = f"{'https' if self.is_https else 'http'}://{headers.get('host', '')}"
        check_origin(headers.get("origin"), own, [self.public_url, *self.access.allowed_origins], required)


def make_app(front: Front) -> Guard:
    """The ASGI application."""
    from voicewatch.server.routes import add_routes  # it needs the dependencies below

    app = FastAPI(title="VoiceWatch", openapi_url=None, docs_url=None, redoc_url=None)
    app.state.front = front
    app.add_exception_handler(Problem, _answer_problem)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_exception_handler(Exception, _answer_fault)
    add_routes(app)
    _add_sockets(app)
    _add_pages(app)
    return Guard(app)


# ---------------------------------------------------------------- who is asking


def front_of(request: Request) -> Front:
    found = request.app.state.front
    assert isinstance(found, Front)
    return found


FrontOf = Annotated[Front, Depends(front_of)]


def signed_in(request: Request, front: FrontOf) -> Account:
    """Whoever the bearer token or the session cookie speaks for; Problem 401 if there is neither."""
    authorization = request.headers.get("authorization")
    if authorization is not None:
        return front.tokens.verify(_bearer(authorization))
    cookie = request.cookies.get(COOKIE)
    if cookie is None:
        raise Problem(401, "Not signed in", "Sign in by a link, or send a token: Authorization: Bearer …")
    if request.method not in ("GET", "HEAD"):
        front.check_origin(request.headers, required=True)
    return front.tokens.verify(cookie)


def any_session(account: Annotated[Account, Depends(signed_in)]) -> Account:
    """A person or program; a seat token opens its seat and nothing else."""
    if account.kind != "access":
        raise Problem(403, "Not allowed", "A seat token opens its seat and nothing else.")
    return account


def seat_token(account: Annotated[Account, Depends(signed_in)]) -> Account:
    if account.kind != "seat":
        raise Problem(403, "Not allowed", "This route takes the token of a seat.")
    return account


def only(*roles: str, grant: str | None = None) -> Any:
    """A dependency: the account, if it has one of these roles (and the grant); Problem 403 otherwise."""

    def check(account: Annotated[Account, Depends(any_session)]) -> Account:
        if account.role not in roles:
            raise Problem(403, "Not allowed", f"This is for: {', '.join(roles)}. You are {account.role}.")
        if grant is not None and grant not in account.grants:
            raise Problem(403, "Not allowed", f"This needs the grant {grant}.")
        return account

    return Depends(check)


Agent = Annotated[Account, only("agent")]
Watcher = Annotated[Account, only("supervisor", "admin")]
Staff = Annotated[Account, only("agent", "supervisor", "admin")]
"""Whether the call is theirs is checked where the work is done."""
CallId = Annotated[str, Path(max_length=64)]


def from_here(request: Request) -> bool:
    """True for a request from this machine to this machine, and not passed on by a proxy."""
    host = request.client.host if request.client else ""
    passed_on = any(name in request.headers for name in ("forwarded", "x-forwarded-for", "x-real-ip"))
    return not passed_on and is_loopback(host, request.headers.get("host", ""))


def _bearer(authorization: str) -> str:
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Problem(401, "Not signed in", "Send a token: Authorization: Bearer …")
    return token.strip()


# ---------------------------------------------------------------- errors


def problem_response(problem: Problem) -> Response:
    body = problem_body(problem.status, problem.title, problem.detail, problem.field)
    headers = {}
    if problem.retry_after_s is not None:
        headers["retry-after"] = str(problem.retry_after_s)
    if problem.status == 401:
        headers["www-authenticate"] = "Bearer"
    return Response(body, problem.status, headers, "application/problem+json")


async def _answer_problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return problem_response(error)


async def _answer_invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return problem_response(Problem(400, "Bad JSON", "The body is not valid JSON."))
    problem = problem_of(error.errors())
    field = problem.field or str(first["loc"][0])  # all of the body is to blame
    return problem_response(Problem(422, "Bad request", problem.detail, field=field))


async def _answer_http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 400:
        # The framework's word for a body that could not be parsed at all.
        return problem_response(Problem(400, "Bad request", "The body cannot be read; send valid JSON."))
    response = problem_response(
        Problem(error.status_code, str(error.detail), "See /api/docs for what there is.")
    )
    response.headers.update(error.headers or {})
    return response


async def _answer_fault(_: Request, error: Exception) -> Response:
    return problem_response(Problem(500, "Internal error", "Something failed here; the log says more."))


# ---------------------------------------------------------------- WebSockets

Hello = TypeVar("Hello", bound=Body)


class _StarletteSocket:
    """`Socket` over Starlette's."""

    def __init__(self, carrier: WebSocket) -> None:
        self._carrier = carrier

    async def receive(self) -> dict[str, Any]:
        message = await self._carrier.receive()
        if message["type"] != "websocket.receive":
            raise SocketClosed
        try:
            told = json.loads(message.get("text") or "")
        except (ValueError, RecursionError):
            told = None
        if not isinstance(told, dict):
            raise Problem(400, "Bad message", "Messages are JSON objects in text frames.")
        return told

    async def send(self, text: str) -> None:
        try:
            await self._carrier.send_text(text)
        except (WebSocketDisconnect, RuntimeError, OSError):
            raise SocketClosed from None

    async def close(self, code: int, reason: str = "") -> None:
        try:
            await self._carrier.close(code, reason)
        except (WebSocketDisconnect, RuntimeError, OSError):
            return  # it was closed already


async def _talk(
    carrier: WebSocket, kind: type[Hello], serve: Callable[[Socket, Account, Hello], Awaitable[None]]
) -> None:
    """Accepts, takes the hello, and serves; a refusal is a close frame that says why."""
    front: Front = carrier.app.state.front
    try:
        front.check_origin(carrier.headers, required=False)
    except Problem:
        await carrier.close()  # before it is accepted: the handshake is answered 403
        return
    await carrier.accept()
    socket = _StarletteSocket(carrier)
    try:
        async with asyncio.timeout(HELLO_WITHIN_S):
            message = await socket.receive()
        hello = kind.model_validate(message)
        account = _account_of(carrier, front, getattr(hello, "token", None))
        await serve(socket, account, hello)
    except TimeoutError:
        await socket.close(REFUSED, "no hello in time")
    except ValidationError as error:
        await socket.close(REFUSED, close_reason(first_problem(error)))
    except Problem as problem:
        await socket.close(OVERLOADED if problem.status == 503 else REFUSED, close_reason(problem))
    except SocketClosed:
        return


def _account_of(carrier: WebSocket, front: Front, token: str | None) -> Account:
    """By the token in the hello or in the header; by the cookie only for pages of our own origin."""
    if token:
        return front.tokens.verify(token)
    if (authorization := carrier.headers.get("authorization")) is not None:
        return front.tokens.verify(_bearer(authorization))
    if (cookie := carrier.cookies.get(COOKIE)) is not None:
        front.check_origin(carrier.headers, required=True)
        return front.tokens.verify(cookie)
    raise Problem(401, "Not signed in", "Send a token in the hello.")


def _add_sockets(app: FastAPI) -> None:
    @app.websocket("/api/events")
    async def events(carrier: WebSocket) -> None:
        await _talk(carrier, FeedHello, carrier.app.state.front.feed.serve)

    @app.websocket("/api/ai")
    async def ai(carrier: WebSocket) -> None:
        await _talk(carrier, AIHello, carrier.app.state.front.ai_seats.serve)


# ---------------------------------------------------------------- pages


def _add_pages(app: FastAPI) -> None:
    @app.get("/{path:path}", include_in_schema=False)
    def page(path: str, request: Request, front: FrontOf) -> Response:
        is_api = path.startswith("api/")
        found = None if is_api else front.pages.find(f"/{path}")
        if found is None and not is_api and "text/html" in request.headers.get("accept", ""):
            found = not_found()
        if found is None:
            raise Problem(404, "Not found", "There is nothing here; see /api/docs for what there is.")
        return Response(
            found.body, found.status, {"cache-control": found.cache_control}, media_type=found.content_type
        )
