"""One socket between two processes, the same on both sides: messages out and in, asks and their replies."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import Any, cast

import structlog

from voicewatch.processes.faults import fault
from voicewatch.processes.messages import Ask, Message, Reply, parse_message
from voicewatch.processes.problem import Problem
from voicewatch.processes.wire import BadPeer, Decoder, Payload, encode

log = structlog.get_logger()

TELL_LIMIT_BYTES = 1 << 20
"""With more than this not yet taken by the reader, tells are dropped."""
MAX_ASKS = 1_024
"""Asks waiting for their reply, in each direction; one more is answered 503."""


class Connection(asyncio.Protocol):
    """Made for one socket and gone with it.

    `on_message` gets everything but asks and replies; it may raise BadPeer, which ends the connection. Asks
    are answered by `answer` in tasks of `tasks`, which outlive the connection: a command that was begun is
    finished.
    """

    def __init__(
        self,
        tasks: asyncio.TaskGroup,
        *,
        on_open: Callable[[], object],
        on_message: Callable[[Message, bytes], None],
        answer: Callable[[Message], Awaitable[dict[str, Any]]],
        tell_limit: int = TELL_LIMIT_BYTES,
    ) -> None:
        self.lost = asyncio.Event()
        self.dropped = 0
        self._tasks = tasks
        self._on_open = on_open
        self._on_message = on_message
        self._answer = answer
        self._tell_limit = tell_limit
        self._transport: asyncio.WriteTransport | None = None
        self._decoder = Decoder()
        self._asked: dict[int, asyncio.Future[Reply]] = {}
        self._ask_numbers = itertools.count(1)
        self._answering = 0

    # ------------------------------------------------------------ out

    def send(self, message: Message, payload: Payload = b"") -> bool:
        """Writes whatever the reader has yet to take; False only if the connection is gone."""
        if self._transport is None or self._transport.is_closing():
            return False
        self._transport.write(encode(message, payload))
        return True

    def tell(self, message: Message, payload: Payload = b"") -> bool:
        """At most once and never waiting: False and counted in `dropped` if the reader is behind or gone."""
        behind = self._transport is None or self._transport.get_write_buffer_size() > self._tell_limit
        if behind or not self.send(message, payload):
            self.dropped += 1
            return False
        return True

    async def ask(self, command: Message, timeout_s: float) -> dict[str, Any]:
        """The reply; Problem as the other side raised it, 503 if that is gone, 504 if it is late."""
        if len(self._asked) >= MAX_ASKS:
            raise Problem(503, "Too busy", f"{MAX_ASKS} commands wait for their reply", retry_after_s=1)
        number = next(self._ask_numbers)
        reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._asked[number] = reply
        try:
            if not self.send(Ask(id=number, command=command.model_dump(mode="json"))):
                raise _gone()
            async with asyncio.timeout(timeout_s):
                answer = await reply
        except TimeoutError:
            raise Problem(
                504,
                "No reply in time",
                f"{command.type} had no reply within {timeout_s:g} s",
                retry_after_s=1,
            ) from None
        finally:
            del self._asked[number]
        if answer.problem is not None:
            raise Problem.from_dict(answer.problem)
        return answer.result

    async def close(self) -> None:
        """Ends the connection at once and waits until it is ended; what is unsent is lost."""
        if self._transport is not None:
            self._transport.abort()
            await self.lost.wait()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # ------------------------------------------------------------ in (called by the event loop)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)
        self._on_open()

    def connection_lost(self, exc: Exception | None) -> None:
        for reply in self._asked.values():
            if not reply.done():
                reply.set_exception(_gone())
        self.lost.set()

    def data_received(self, data: bytes) -> None:
        try:
            for message, payload in self._decoder.feed(data):
                self._receive(message, payload)
        except BadPeer as refusal:
            log.error("peer_refused", reason=str(refusal))
            self.abort()

    def _receive(self, message: Message, payload: bytes) -> None:
        if isinstance(message, Ask):
            self._tasks.create_task(self._reply_to(message))
        elif isinstance(message, Reply):
            waiting = self._asked.get(message.id)  # None: asked too long ago, nobody waits any more
            if waiting is not None and not waiting.done():
                waiting.set_result(message)
        else:
            try:
                self._on_message(message, payload)
            except BadPeer:
                raise
            except Exception as error:  # boundary: a handler's mistake must not end the link
                log.error("message_failed", message=message.type, **fault(error))

    async def _reply_to(self, ask: Ask) -> None:
        kind = ask.command.get("type")
        self._answering += 1
        try:
            if self._answering > MAX_ASKS:
                raise Problem(503, "Too busy", f"{MAX_ASKS} commands are being carried out", retry_after_s=1)
            reply = encode(Reply(id=ask.id, result=await self._answer(_command(ask))))
        except Problem as problem:
            reply = encode(Reply(id=ask.id, problem=problem.as_dict()))
        except Exception as error:  # boundary: the asker gets an answer whatever happened
            log.error("ask_failed", command=kind, **fault(error))
            failed = Problem(500, "Internal error", f"{kind} failed; the log says more")
            reply = encode(Reply(id=ask.id, problem=failed.as_dict()))
        finally:
            self._answering -= 1
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(reply)


def _command(ask: Ask) -> Message:
    try:
        return parse_message(ask.command)
    except ValueError:
        raise Problem(400, "Bad command", f"{ask.command.get('type')!r} is unknown or lacks fields") from None


def _gone() -> Problem:
    return Problem(
        503, "Not connected", "the process that answers is not connected just now", retry_after_s=1
    )
