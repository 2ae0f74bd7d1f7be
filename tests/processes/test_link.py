"""Two processes speaking over a real Unix socket, through deaths, deafness and mistakes."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from voicewatch.core.events import CallEnded, Event, Levels
from voicewatch.processes.link import Link, LinkServer, Peer
from voicewatch.processes.messages import Audio, ForgetCall, Hello, Message, Signals, Welcome
from voicewatch.processes.problem import Problem
from voicewatch.processes.sockets import Sockets
from voicewatch.processes.spool import Spool
from voicewatch.processes.wire import Decoder, encode

WAIT_S = 5.0


def fact(number: int) -> CallEnded:
    return CallEnded(call_id="call", at_ms=number, reason="customer_hangup")


class Front:
    """A listening side that remembers what it was told; one object is one life."""

    def __init__(self, on_ask: Callable[[Peer, Message], Awaitable[dict[str, Any]]] | None = None) -> None:
        self.hellos: list[Hello] = []
        self.gone: list[str] = []
        self.told: list[tuple[Message, bytes]] = []
        self.reported: list[int] = []
        self.failures = 0
        self.server = LinkServer(
            on_hello=lambda _, hello: self.hellos.append(hello),
            on_gone=lambda peer: self.gone.append(peer.process),
            on_message=lambda _, message, payload: self.told.append((message, payload)),
            on_report=self._make_durable,
            on_ask=on_ask,
        )

    async def _make_durable(self, peer: Peer, epoch: str, first_seq: int, events: list[Event]) -> None:
        assert [event.at_ms for event in events] == list(range(first_seq, first_seq + len(events)))
        await asyncio.sleep(0)
        if self.failures:
            self.failures -= 1
            raise RuntimeError("the customer said: my number is 4417")
        self.reported += [event.at_ms for event in events]


@asynccontextmanager
async def running(work: Awaitable[None]) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.ensure_future(work)
    assert isinstance(task, asyncio.Task)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not true():  # noqa: ASYNC110 (one wait for whatever either side did)
            await asyncio.sleep(0.002)


@pytest.fixture
async def sockets(run_dir: Path) -> AsyncIterator[Sockets]:
    sockets = Sockets(run_dir)
    sockets.listener("front")
    yield sockets
    sockets.close()


def link_to(sockets: Sockets, **handlers: Any) -> Link:
    return Link(sockets.path("front"), "media-0", "EPOCH", **handlers)


async def test_hello_tells_the_state_of_the_moment_in_which_somebody_listens(sockets: Sockets) -> None:
    calls = ["old"]
    ups: list[str] = []
    link = link_to(sockets, state=lambda: {"calls": list(calls)}, on_up=lambda: ups.append("up"))
    async with running(link.run()):
        await asyncio.sleep(0.02)  # connected to the socket, where nobody reads yet
        assert not link.connected
        assert not link.tell(Audio(count=1))
        calls[0] = "new"
        front = Front()
        async with running(front.server.serve(sockets.listener("front"))):
            await until(lambda: bool(front.hellos))
            assert front.hellos[0].state == {"calls": ["new"]}
            assert (ups, link.connected, list(front.server.peers)) == (["up"], True, ["media-0"])
        await until(lambda: not link.connected)
        assert front.gone == ["media-0"]


async def test_no_report_is_lost_or_reordered_when_the_server_dies_again_and_again(sockets: Sockets) -> None:
    link = link_to(sockets)
    lives: list[Front] = []
    sent = 0
    async with running(link.run()):
        for _ in range(6):
            front = Front()
            lives.append(front)
            async with running(front.server.serve(sockets.listener("front"))):
                await until(lambda: link.connected)
                for _ in range(150):
                    sent += 1
                    assert link.report(fact(sent)) == sent
                    if sent % 7 == 0:
                        await asyncio.sleep(0)  # so that a life ends with a batch under way
        last = Front()
        lives.append(last)
        async with running(last.server.serve(sockets.listener("front"))):
            assert await link.settled(WAIT_S)
    for life in lives:  # no gap and no repetition within a life
        assert (
            life.reported == list(range(life.reported[0], life.reported[-1] + 1)) if life.reported else True
        )
    assert sorted({number for life in lives for number in life.reported}) == list(range(1, sent + 1))
    assert sum(bool(life.reported) for life in lives) > 1
    assert link.acknowledged() == sent


async def test_a_report_that_could_not_be_written_is_sent_again(sockets: Sockets) -> None:
    front = Front()
    front.failures = 2
    durable: list[int] = []
    link = link_to(sockets, on_ack=durable.append)
    with capture_logs() as lines:
        async with running(front.server.serve(sockets.listener("front"))), running(link.run()):
            link.report(fact(1))
            link.report(fact(2))
            assert await link.settled(WAIT_S)
    assert (front.reported, durable) == ([1, 2], [2])
    failures = [line for line in lines if line["event"] == "report_failed"]
    assert len(failures) == 2
    assert failures[0]["error"] == "RuntimeError"
    assert "4417" not in str(failures)  # what failed may hold a customer's words


async def test_a_full_spool_loses_the_oldest_and_says_so_once(sockets: Sockets) -> None:
    link = link_to(sockets, spool=Spool(capacity=3))
    with capture_logs() as lines:
        for number in range(1, 8):
            link.report(fact(number))
    assert [line["event"] for line in lines] == ["spool_full"]
    front = Front()
    async with running(front.server.serve(sockets.listener("front"))), running(link.run()):
        assert await link.settled(WAIT_S)
    assert front.reported == [5, 6, 7]


async def test_tells_are_dropped_and_never_wait_when_nobody_reads(sockets: Sockets) -> None:
    link = link_to(sockets, tell_limit=100_000)
    async with running(link.run()):
        loop = asyncio.get_running_loop()
        deaf, _ = await loop.sock_accept(sockets.listener("front"))
        with deaf:
            await loop.sock_sendall(deaf, encode(Welcome()))
            await until(lambda: link.connected)
            began = time.perf_counter()
            taken = sum(link.tell(Audio(count=1), bytes(10_000)) for _ in range(1_000))
            assert time.perf_counter() - began < 1.0
            assert 0 < taken < 100
            assert link.dropped == 1_000 - taken
    assert not link.connected


async def test_signals_and_payloads_arrive(sockets: Sockets) -> None:
    front = Front()
    async with running(front.server.serve(sockets.listener("front"))):
        link = link_to(sockets)
        async with running(link.run()):
            await until(lambda: link.connected)
            link.signal([Levels(call_id="call", dbfs={"seat": -20.0})])
            link.tell(Audio(count=2), b"\x00\xff")
            await until(lambda: len(front.told) == 2)
    signals, audio = front.told
    assert isinstance(signals[0], Signals)
    assert signals[0].events[0]["dbfs"] == {"seat": -20.0}
    assert audio == (Audio(count=2), b"\x00\xff")


async def test_both_sides_ask_and_problems_travel(sockets: Sockets) -> None:
    async def answer(command: Message) -> dict[str, Any]:
        if command == ForgetCall(call_id="busy"):
            raise Problem(409, "Busy", "wait a little", field="call_id", retry_after_s=3)
        if command == ForgetCall(call_id="broken"):
            raise KeyError("the customer's words")
        if command == ForgetCall(call_id="slow"):
            await asyncio.Event().wait()
        return {"done": command.type}

    front = Front(on_ask=lambda _, command: answer(command))
    link = link_to(sockets, on_ask=answer)
    with pytest.raises(Problem, match="front process is not connected") as early:
        await link.ask(ForgetCall(call_id="x"))
    assert early.value.status == 503
    async with running(link.run()):
        async with running(front.server.serve(sockets.listener("front"))):
            await until(lambda: bool(front.server.peers) and link.connected)
            for side in (link, front.server.peers["media-0"]):
                assert await side.ask(ForgetCall(call_id="x")) == {"done": "forget_call"}
                with pytest.raises(Problem) as busy:
                    await side.ask(ForgetCall(call_id="busy"))
                assert busy.value.as_dict() == {
                    "status": 409,
                    "title": "Busy",
                    "detail": "wait a little",
                    "field": "call_id",
                    "retry_after_s": 3,
                }
                with pytest.raises(Problem) as broken:
                    await side.ask(ForgetCall(call_id="broken"))
                assert (broken.value.status, "words" in str(broken.value)) == (500, False)
                with pytest.raises(Problem, match="no reply within"):
                    await side.ask(ForgetCall(call_id="slow"), timeout_s=0.02)
            waiting = asyncio.create_task(link.ask(ForgetCall(call_id="slow"), timeout_s=60))
            await asyncio.sleep(0)
        with pytest.raises(Problem) as gone:
            await waiting
        assert gone.value.status == 503


async def test_a_handlers_mistake_is_logged_and_the_link_lives_on(sockets: Sockets) -> None:
    def stumble(message: Message, payload: bytes) -> None:
        raise ValueError("the customer's words")

    front = Front()
    link = link_to(sockets, on_message=stumble, on_ask=lambda _: _answer())
    async with running(front.server.serve(sockets.listener("front"))), running(link.run()):
        await until(lambda: bool(front.server.peers))
        peer = front.server.peers["media-0"]
        with capture_logs() as lines:
            assert peer.tell(ForgetCall(call_id="x"))
            assert await peer.ask(ForgetCall(call_id="x")) == {}
    assert [(line["event"], line["message"]) for line in lines] == [("message_failed", "forget_call")]
    assert "words" not in str(lines)


async def _answer() -> dict[str, Any]:
    return {}


@pytest.mark.parametrize(
    ("opening", "complaint"),
    [
        (b"\x00\x00\x00\x30\x02", "speaks protocol 2, this process 1"),
        (encode(Hello(process="media-0", epoch="E", protocol=2)), "media-0 speaks protocol 2"),
        (encode(Audio(count=1)), "audio came before the hello"),
    ],
)
async def test_a_stranger_is_refused_and_the_others_are_served(
    sockets: Sockets, opening: bytes, complaint: str
) -> None:
    front = Front()
    async with running(front.server.serve(sockets.listener("front"))):
        with capture_logs() as lines:
            reader, writer = await asyncio.open_unix_connection(sockets.path("front"))
            writer.write(opening)
            left = await asyncio.wait_for(reader.read(), WAIT_S)
            writer.close()
            await writer.wait_closed()
        assert Decoder().feed(left) == [(Welcome(), b"")]
        assert [line["event"] for line in lines] == ["peer_refused"]
        assert complaint in lines[0]["reason"]
        assert not front.gone
        link = link_to(sockets)
        async with running(link.run()):
            await until(lambda: link.connected)


async def test_a_process_that_comes_again_takes_the_place_of_its_former_self(sockets: Sockets) -> None:
    front = Front()
    async with running(front.server.serve(sockets.listener("front"))):
        with socket.socket(socket.AF_UNIX) as former:  # dead without having closed its socket
            former.connect(str(sockets.path("front")))
            former.send(encode(Hello(process="media-0", epoch="OLD")))
            await until(lambda: len(front.hellos) == 1)
            link = link_to(sockets)
            async with running(link.run()):
                await until(lambda: len(front.hellos) == 2)
                assert front.gone == ["media-0"]
                assert front.server.peers["media-0"].epoch == "EPOCH"
                await asyncio.sleep(0)
                assert front.server.peers["media-0"].tell(ForgetCall(call_id="x"))
