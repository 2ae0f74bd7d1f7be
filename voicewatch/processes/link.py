"""The one way in which processes speak to each other: reports, asks and tells over a Unix socket.

    connecting side (`Link`)                listening side (`LinkServer`, one `Peer` per connection)
        connects                        ->
                                        <-  Welcome, once it is there to read
        Hello with its present state    ->  on_hello
        Report, oldest first            ->  on_report; when that returns, the facts are durable
                                        <-  Ack

One batch of reports is under way at a time, so they are acknowledged in order and what is reported
meanwhile travels together. An Ack below the batch says that it failed; it is sent again a little later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from socket import socket
from typing import Any

import structlog

from voicewatch.core.events import Event, parse_event
from voicewatch.processes.connection import TELL_LIMIT_BYTES, Connection
from voicewatch.processes.faults import fault
from voicewatch.processes.messages import PROTOCOL, Ack, Hello, Message, Report, Signals, Welcome
from voicewatch.processes.problem import Problem
from voicewatch.processes.spool import Spool
from voicewatch.processes.wire import BadPeer, Payload

log = structlog.get_logger()

BATCH_EVENTS = 200
"""Events in one Report; with 16 MiB a message each may have 80 kB, far more than any has."""
RECONNECT_S = (0.05, 1.0)
REPORT_AGAIN_S = (0.2, 5.0)
ACCEPT_AGAIN_S = 0.1

Handler = Callable[[Message, bytes], None]
Answer = Callable[[Message], Awaitable[dict[str, Any]]]


class Delay:
    """Doubles from the first of `range_s` to the second."""

    def __init__(self, range_s: tuple[float, float]) -> None:
        self._first_s, self._longest_s = range_s
        self._next_s = self._first_s

    def next_s(self) -> float:
        now_s = self._next_s
        self._next_s = min(now_s * 2, self._longest_s)
        return now_s

    def reset(self) -> None:
        self._next_s = self._first_s


class Link:
    """The connecting side. `run` keeps it connected until cancelled; the rest may be called at any time.

    `on_message`, `on_up`, `on_down` and `on_ack` (with the highest durable seq) are called in the event loop
    and must not wait; `on_ask` is awaited and may raise Problem.
    """

    def __init__(
        self,
        path: Path,
        process: str,
        epoch: str,
        *,
        state: Callable[[], dict[str, Any]] = dict,
        on_message: Handler | None = None,
        on_ask: Answer | None = None,
        on_up: Callable[[], None] | None = None,
        on_down: Callable[[], None] | None = None,
        on_ack: Callable[[int], None] | None = None,
        tell_limit: int = TELL_LIMIT_BYTES,
        spool: Spool | None = None,
    ) -> None:
        self.dropped = 0
        """Tells dropped since the start."""
        self._path = path
        self._process = process
        self._epoch = epoch
        self._state = state
        self._on_message = on_message
        self._on_ask = on_ask
        self._on_up = on_up
        self._on_down = on_down
        self._on_ack = on_ack
        self._tell_limit = tell_limit
        self._spool = Spool() if spool is None else spool  # an empty one is false
        self._connection: Connection | None = None  # only while welcomed
        self._reconnect = Delay(RECONNECT_S)
        self._again = Delay(REPORT_AGAIN_S)
        self._under_way = 0  # last seq of the batch not yet acknowledged, 0: none
        self._flush_due: asyncio.Handle | None = None
        self._all_durable = asyncio.Event()
        self._all_durable.set()

    @property
    def connected(self) -> bool:
        return self._connection is not None

    # ------------------------------------------------------------ saying something

    def report(self, event: Event) -> int:
        """Takes over the delivery of a fact, in order and at least once; gives its number."""
        seq = self._spool.add(event)
        if self._spool.dropped == 1:
            log.warning("spool_full", link=self._path.stem, remedy="the oldest facts are being lost")
        self._all_durable.clear()
        self._flush_soon()
        return seq

    def acknowledged(self) -> int:
        """The highest number up to which all reports are durable, 0 at first."""
        return self._spool.acknowledged

    @property
    def waiting(self) -> int:
        """Reports that are not yet durable."""
        return len(self._spool)

    @property
    def lost(self) -> int:
        """Reports that fell out of a full spool since the start."""
        return self._spool.dropped

    async def settled(self, timeout_s: float) -> bool:
        """Waits until every report is durable; False if that took longer."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._all_durable.wait()
        except TimeoutError:
            return False
        return True

    def signal(self, events: Sequence[Event]) -> None:
        """Tells the latest values; lost if the other side is not there or behind."""
        if events:
            self.tell(Signals(events=[event.model_dump(mode="json") for event in events]))

    def tell(self, message: Message, payload: Payload = b"") -> bool:
        """At most once and never waiting; False and counted in `dropped` if not connected or not read."""
        if self._connection is None or not self._connection.tell(message, payload):
            self.dropped += 1
            return False
        return True

    async def ask(self, command: Message, timeout_s: float = 5.0) -> dict[str, Any]:
        """The reply; raises the other side's Problem, or one with 503 (not connected) or 504 (late)."""
        if self._connection is None:
            raise Problem(
                503,
                "Not connected",
                f"the {self._path.stem} process is not connected just now",
                retry_after_s=1,
            )
        return await self._connection.ask(command, timeout_s)

    # ------------------------------------------------------------ keeping the connection

    async def run(self) -> None:
        """Connects, and again for ever. Cancelled by its owner."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                await self._connect_once(tasks)
                await asyncio.sleep(self._reconnect.next_s())

    async def _connect_once(self, tasks: asyncio.TaskGroup) -> None:
        connection = Connection(
            tasks,
            on_open=lambda: None,  # the listening side speaks first
            on_message=lambda message, payload: self._receive(connection, message, payload),
            answer=self._answer,
            tell_limit=self._tell_limit,
        )
        try:
            await asyncio.get_running_loop().create_unix_connection(lambda: connection, str(self._path))
            await connection.lost.wait()
        except OSError:
            return
        finally:
            await connection.close()
            self._down()

    def _receive(self, connection: Connection, message: Message, payload: bytes) -> None:
        if isinstance(message, Welcome):
            self._up(connection, message)
        elif self._connection is None:
            raise BadPeer(f"{message.type} came before the welcome")
        elif isinstance(message, Ack):
            self._acknowledge(message)
        elif self._on_message is not None:
            self._on_message(message, payload)

    def _up(self, connection: Connection, welcome: Welcome) -> None:
        if welcome.protocol != PROTOCOL:
            raise BadPeer(f"the peer speaks protocol {welcome.protocol}, this process {PROTOCOL}")
        try:
            hello = Hello(process=self._process, epoch=self._epoch, state=self._state())
        except Exception:
            connection.abort()  # without its hello a connection is of no use: try again
            raise
        self._connection = connection
        self._reconnect.reset()
        connection.send(hello)
        log.info("link_up", link=self._path.stem, waiting=len(self._spool))
        self._flush_soon()
        if self._on_up is not None:
            self._on_up()

    def _down(self) -> None:
        was_up, self._connection = self._connection is not None, None
        self._under_way = 0
        self._cancel_flush()
        if was_up:
            log.info("link_down", link=self._path.stem)
            try:
                if self._on_down is not None:
                    self._on_down()
            except Exception as error:  # boundary: as for messages
                log.error("down_failed", link=self._path.stem, **fault(error))

    async def _answer(self, command: Message) -> dict[str, Any]:
        if self._on_ask is None:
            raise Problem(400, "Bad command", f"{self._process} takes no commands")
        return await self._on_ask(command)

    # ------------------------------------------------------------ reports

    def _flush_soon(self, delay_s: float = 0.0) -> None:
        if self._connection is None or self._under_way or self._flush_due is not None:
            return
        loop = asyncio.get_running_loop()
        self._flush_due = loop.call_later(delay_s, self._flush) if delay_s else loop.call_soon(self._flush)

    def _cancel_flush(self) -> None:
        if self._flush_due is not None:
            self._flush_due.cancel()
            self._flush_due = None

    def _flush(self) -> None:
        self._flush_due = None
        first_seq, events = self._spool.pending(BATCH_EVENTS)
        if events and self._connection is not None:
            self._connection.send(Report(epoch=self._epoch, first_seq=first_seq, events=events))
            self._under_way = first_seq + len(events) - 1

    def _acknowledge(self, ack: Ack) -> None:
        if ack.epoch != self._epoch or not self._under_way:
            return
        failed, self._under_way = ack.seq < self._under_way, 0
        if failed:
            self._flush_soon(self._again.next_s())
            return
        self._again.reset()
        self._spool.acknowledge(ack.seq)
        if not len(self._spool):
            self._all_durable.set()
        self._flush_soon()
        if self._on_ack is not None:
            self._on_ack(ack.seq)


class Peer:
    """A process that connected to a `LinkServer`. `process` and `epoch` are empty until its Hello."""

    def __init__(self, connection: Connection) -> None:
        self.process = ""
        self.epoch = ""
        self.connection = connection

    @property
    def dropped(self) -> int:
        """Tells dropped on this connection."""
        return self.connection.dropped

    def tell(self, message: Message, payload: Payload = b"") -> bool:
        """At most once and never waiting; False if it was dropped."""
        return self.connection.tell(message, payload)

    async def ask(self, command: Message, timeout_s: float = 5.0) -> dict[str, Any]:
        """The reply; raises the peer's Problem, or one with 503 (gone) or 504 (late)."""
        return await self.connection.ask(command, timeout_s)


class LinkServer:
    """The listening side.

    `on_hello`, `on_gone` and `on_message` must not wait. `on_report(peer, epoch, first_seq, events)` makes
    facts durable: `events[0]` has the number `first_seq` of that life of the process, the rest follow by one;
    a jump means that the sender's spool overflowed. It is called for one batch of a process at a time, and
    never again for facts that an earlier call of this server's life took; raising means "send it again".
    """

    def __init__(
        self,
        *,
        on_hello: Callable[[Peer, Hello], None],
        on_gone: Callable[[Peer], None],
        on_message: Callable[[Peer, Message, bytes], None],
        on_report: Callable[[Peer, str, int, list[Event]], Awaitable[None]],
        on_ask: Callable[[Peer, Message], Awaitable[dict[str, Any]]] | None = None,
        tell_limit: int = TELL_LIMIT_BYTES,
    ) -> None:
        self.peers: dict[str, Peer] = {}
        """Those that said hello, by process."""
        self._on_hello = on_hello
        self._on_gone = on_gone
        self._on_message = on_message
        self._on_report = on_report
        self._on_ask = on_ask
        self._tell_limit = tell_limit
        self._durable: dict[str, tuple[str, int]] = {}  # process -> epoch and seq, for this server's life
        self._turns: dict[str, asyncio.Lock] = {}
        self._open: set[Connection] = set()

    async def serve(self, listener: socket) -> None:
        """Accepts until cancelled. The listener stays open: it may be accepted on again."""
        listener.setblocking(False)
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as tasks:
            try:
                while True:
                    try:
                        accepted, _ = await loop.sock_accept(listener)
                    except OSError as error:  # out of file descriptors, or the peer is gone already
                        log.warning("accept_failed", reason=error.strerror)
                        await asyncio.sleep(ACCEPT_AGAIN_S)
                        continue
                    peer = self._new_peer(tasks)
                    self._open.add(peer.connection)
                    tasks.create_task(self._converse(peer, accepted))
            finally:
                for connection in self._open:
                    connection.abort()  # before the tasks end: what arrives now has nobody to take it

    def _new_peer(self, tasks: asyncio.TaskGroup) -> Peer:
        async def answer(command: Message) -> dict[str, Any]:
            if self._on_ask is None:
                raise Problem(400, "Bad command", "this process takes no commands here")
            return await self._on_ask(peer, command)

        def receive(message: Message, payload: bytes) -> None:
            self._receive(tasks, peer, message, payload)

        connection = Connection(
            tasks,
            on_open=lambda: connection.send(Welcome()),
            on_message=receive,
            answer=answer,
            tell_limit=self._tell_limit,
        )
        peer = Peer(connection)
        return peer

    async def _converse(self, peer: Peer, accepted: socket) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(lambda: peer.connection, accepted)
            await peer.connection.lost.wait()
        finally:
            await peer.connection.close()
            self._open.discard(peer.connection)
            self._forget(peer)

    def _receive(self, tasks: asyncio.TaskGroup, peer: Peer, message: Message, payload: bytes) -> None:
        if isinstance(message, Hello):
            self._greet(peer, message)
        elif not peer.process:
            raise BadPeer(f"{message.type} came before the hello")
        elif isinstance(message, Report):
            tasks.create_task(self._take(peer, message))
        else:
            self._on_message(peer, message, payload)

    def _greet(self, peer: Peer, hello: Hello) -> None:
        if hello.protocol != PROTOCOL:
            raise BadPeer(f"{hello.process} speaks protocol {hello.protocol}, this process {PROTOCOL}")
        if (earlier := self.peers.get(hello.process)) is not None:
            earlier.connection.abort()
            self._forget(earlier)
        peer.process, peer.epoch = hello.process, hello.epoch
        self.peers[peer.process] = peer
        log.info("peer_up", peer=peer.process, epoch=peer.epoch)
        self._on_hello(peer, hello)

    def _forget(self, peer: Peer) -> None:
        if self.peers.get(peer.process) is not peer:
            return  # it never said hello, or a later connection took its place
        del self.peers[peer.process]
        log.info("peer_gone", peer=peer.process)
        try:
            self._on_gone(peer)
        except Exception as error:  # boundary: as for messages
            log.error("gone_failed", peer=peer.process, **fault(error))

    async def _take(self, peer: Peer, report: Report) -> None:
        """Hands a batch on and acknowledges it; the sender has one under way, so tasks of these are few."""
        last_seq = report.first_seq + len(report.events) - 1
        try:
            async with self._turns.setdefault(peer.process, asyncio.Lock()):
                await self._make_durable(peer, report, last_seq)
        except Exception as error:  # boundary: whatever failed, the sender tries again
            log.error("report_failed", peer=peer.process, first_seq=report.first_seq, **fault(error))
            last_seq = report.first_seq - 1
        peer.connection.send(Ack(epoch=report.epoch, seq=last_seq))

    async def _make_durable(self, peer: Peer, report: Report, last_seq: int) -> None:
        epoch, durable = self._durable.get(peer.process, ("", 0))
        if epoch != report.epoch:
            durable = 0
        first_new = max(report.first_seq, durable + 1)
        events = [parse_event(event) for event in report.events[first_new - report.first_seq :]]
        if events:
            await self._on_report(peer, report.epoch, first_new, events)
            self._durable[peer.process] = (report.epoch, last_seq)
