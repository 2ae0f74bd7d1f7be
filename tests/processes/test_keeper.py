"""The keeper with real processes: trivial ones that say what they were given."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import textwrap
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from voicewatch.processes.bequest import END_NOW
from voicewatch.processes.keeper import Keeper, Plan
from voicewatch.processes.link import LinkServer, Peer
from voicewatch.processes.messages import HouseStatus, Message
from voicewatch.processes.pulse import Pulse, beat
from voicewatch.processes.sockets import Sockets, bind_tcp
from voicewatch.settings import Settings

WAIT_S = 15.0

OBEDIENT = """
    import json, os, signal, socket, sys, time
    told = json.loads(os.environ["VOICEWATCH_PROCESS"])
    signal.signal(signal.SIGUSR1, lambda *_: sys.exit(0))
    for descriptor in told["descriptors"].values():
        socket.socket(fileno=descriptor).getsockname()
    with open(told["run_dir"] + "/" + sys.argv[1], "a") as file:
        print(json.dumps({"pid": os.getpid(), **told}), file=file)
    signal.pause()
"""
STUBBORN = OBEDIENT.replace("lambda *_: sys.exit(0)", "signal.SIG_IGN").replace(
    "signal.pause()", "while True: time.sleep(1)"
)
HANGING = OBEDIENT.replace("signal.pause()", 'os.write(told["pulse"], b"."); time.sleep(3600)')
LEAVING = OBEDIENT.replace("signal.pause()", 'os.write(told["pulse"], b"-"); signal.pause()')
FAILING = "import sys; sys.exit(3)"
MISCONFIGURED = "import sys; sys.exit(78)"


def running_programs(programs: dict[str, str]) -> Callable[[str], list[str]]:
    return lambda name: [sys.executable, "-c", textwrap.dedent(programs[name]), name]


@asynccontextmanager
async def kept(keeper: Keeper) -> AsyncIterator[asyncio.Task[int]]:
    task = asyncio.create_task(keeper.run())
    try:
        yield task
    finally:
        keeper.stop()
        await asyncio.wait_for(task, WAIT_S)


async def lives(run_dir: Path, name: str, count: int) -> list[dict[str, object]]:
    """What the first `count` lives of process `name` wrote down."""
    async with asyncio.timeout(WAIT_S):
        while True:
            file = run_dir / name
            lines = file.read_text().splitlines() if file.exists() else []
            if len(lines) >= count:
                return [json.loads(line) for line in lines]
            await asyncio.sleep(0.02)


def exists(pid: object) -> bool:
    """Also a zombie exists."""
    assert isinstance(pid, int)
    return Path(f"/proc/{pid}").exists()


@pytest.fixture
async def sockets(run_dir: Path) -> AsyncIterator[Sockets]:
    sockets = Sockets(run_dir, {"http": bind_tcp("127.0.0.1", 0)})
    yield sockets
    sockets.close()


async def test_a_killed_child_is_started_again_with_the_same_sockets(
    settings: Settings, sockets: Sockets
) -> None:
    plans = [Plan("front", ("http", "front")), Plan("media-0")]
    programs = running_programs({"front": OBEDIENT, "media-0": OBEDIENT})
    keeper = Keeper(plans, settings, sockets, "EPOCH", command=programs)
    async with kept(keeper) as task:
        [first] = await lives(sockets.run_dir, "front", 1)
        assert set(first["descriptors"]) == {"http", "front"}  # type: ignore[call-overload]
        assert Settings.model_validate(first["settings"]) == settings
        pid = first["pid"]
        assert isinstance(pid, int)
        os.kill(pid, signal.SIGKILL)
        _, second = await lives(sockets.run_dir, "front", 2)
        assert second["descriptors"] == first["descriptors"]
        assert keeper.processes["front"].restarts == 1
        [media] = await lives(sockets.run_dir, "media-0", 1)
        assert keeper.processes["media-0"].restarts == 0
        keeper.stop()
        assert await asyncio.wait_for(task, WAIT_S) == 0
    assert not [life["pid"] for life in (first, second, media) if exists(life["pid"])]
    assert {status.state for status in keeper.processes.values()} == {"stopped"}


async def test_what_does_not_end_is_killed(
    settings: Settings, sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voicewatch.processes.keeper.END_OTHERS_S", 0.2)
    programs = running_programs({"front": OBEDIENT, "model": STUBBORN})
    plans = [Plan("front", ("front",)), Plan("model", ("model",))]
    keeper = Keeper(plans, settings, sockets, "EPOCH", command=programs)
    with capture_logs() as lines:
        async with kept(keeper):
            [model] = await lives(sockets.run_dir, "model", 1)
    assert not exists(model["pid"])
    assert [line["child"] for line in lines if line["event"] == "process_killed"] == ["model"]


async def test_a_child_that_cannot_live_is_reported_and_does_not_stop_the_others(
    settings: Settings, sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voicewatch.processes.restart.FIRST_DELAY_S", 0.01)
    programs = running_programs({"front": OBEDIENT, "model": FAILING})
    plans = [Plan("front", ("front",)), Plan("model", ("model",))]
    keeper = Keeper(plans, settings, sockets, "EPOCH", command=programs)
    with capture_logs() as lines:
        async with kept(keeper):
            async with asyncio.timeout(WAIT_S):
                while keeper.processes["model"].state != "down":  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            assert keeper.processes["front"].state == "up"
    trouble = [line for line in lines if line["event"] == "process_keeps_dying"]
    assert trouble[0]["child"] == "model"
    assert {line["cause"] for line in lines if line["event"] == "process_died"} == {"exit status 3"}


async def test_a_child_whose_loop_stops_is_replaced(
    settings: Settings, sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voicewatch.processes.keeper.CHECK_S", 0.02)
    programs = running_programs({"front": OBEDIENT, "model": HANGING})
    plans = [Plan("front", ("front",)), Plan("model", ("model",))]
    keeper = Keeper(plans, settings, sockets, "EPOCH", command=programs)
    with capture_logs() as lines:
        async with kept(keeper):
            await lives(sockets.run_dir, "model", 2)
            assert keeper.processes["front"].restarts == 0  # it never beat: nothing is expected of it
    assert {line["child"] for line in lines if line["event"] == "process_hung"} == {"model"}


async def test_a_machine_without_room_for_a_thread_does_not_end_the_house(
    settings: Settings, sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, refused = asyncio.create_subprocess_exec, ["once"]

    async def begin(*command: str, **how: Any) -> asyncio.subprocess.Process:
        if refused:
            raise RuntimeError(f"can't start new thread {refused.pop()}")
        return await real(*command, **how)

    monkeypatch.setattr("asyncio.create_subprocess_exec", begin)
    programs = running_programs({"model": OBEDIENT})
    keeper = Keeper([Plan("model", ("model",))], settings, sockets, "EPOCH", command=programs)
    with capture_logs() as lines:
        async with kept(keeper):
            await lives(sockets.run_dir, "model", 1)
    assert [line["reason"] for line in lines if line["event"] == "process_not_started"] == [
        "can't start new thread once"
    ]


@pytest.mark.parametrize(("kind", "checks"), [("media", 2), ("model", 6)])
async def test_callers_wait_for_media_only_a_third_as_long(kind: str, checks: int) -> None:
    pulse = Pulse(kind)
    try:
        assert not any(pulse.stopped() for _ in range(20))  # it has not begun
        os.write(pulse.child_end, b".")
        assert [pulse.stopped() for _ in range(checks + 1)] == [False] * checks + [True]
    finally:
        pulse.close()


async def test_a_life_that_nobody_watches_asks_itself_to_end() -> None:
    """Such as one that was begun when no thread was left to wait for it in: another is begun in its place."""
    pulse, told, loop = Pulse("front"), asyncio.Event(), asyncio.get_running_loop()
    loop.add_signal_handler(END_NOW, told.set)
    held = os.dup(pulse.child_end)
    beating = asyncio.create_task(beat(held))
    try:
        await asyncio.sleep(0)
        assert not pulse.stopped()
        assert not told.is_set()
        pulse.close()
        await asyncio.wait_for(told.wait(), 5)
        await beating
    finally:
        beating.cancel()
        loop.remove_signal_handler(END_NOW)
        os.close(held)


async def test_a_program_that_is_not_there_is_tried_again(settings: Settings, sockets: Sockets) -> None:
    keeper = Keeper([Plan("model")], settings, sockets, "EPOCH", command=lambda _: ["/no/such/program"])
    with capture_logs() as lines:
        async with kept(keeper), asyncio.timeout(WAIT_S):
            while keeper.processes["model"].restarts < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    assert "process_not_started" in [line["event"] for line in lines]


async def test_wrong_settings_end_the_house(settings: Settings, sockets: Sockets) -> None:
    programs = running_programs({"front": MISCONFIGURED, "media-0": OBEDIENT})
    keeper = Keeper(
        [Plan("front", ("front",)), Plan("media-0")], settings, sockets, "EPOCH", command=programs
    )
    assert await asyncio.wait_for(keeper.run(), WAIT_S) == 2


async def test_settings_spoilt_while_calls_are_under_way_end_nothing(
    settings: Settings, sockets: Sockets
) -> None:
    spoilt_later = """
        import json, os, signal, sys
        told = json.loads(os.environ["VOICEWATCH_PROCESS"])
        with open(told["run_dir"] + "/front", "a+") as file:
            print("{}", file=file, flush=True)
            file.seek(0)
            life = len(file.readlines())
        if life < 3:
            sys.exit(78 if life == 2 else 1)
        signal.signal(signal.SIGUSR1, lambda *_: sys.exit(0))
        signal.pause()
    """
    programs = running_programs({"front": spoilt_later, "media-0": OBEDIENT})
    keeper = Keeper([Plan("front"), Plan("media-0")], settings, sockets, "E", command=programs)
    async with kept(keeper) as running:
        await lives(sockets.run_dir, "front", 3)
        assert not running.done()
        assert keeper.processes["media-0"].restarts == 0


async def test_front_is_told_of_its_fellows_and_of_the_end(settings: Settings, sockets: Sockets) -> None:
    told: list[HouseStatus] = []

    def remember(peer: Peer, message: Message, payload: bytes) -> None:
        assert peer.process == "keeper"
        assert isinstance(message, HouseStatus)
        told.append(message)

    async def nothing(*_: object) -> None:
        raise AssertionError("the keeper reports no facts")

    server = LinkServer(
        on_hello=lambda *_: None, on_gone=lambda _: None, on_message=remember, on_report=nothing
    )
    serving = asyncio.create_task(server.serve(sockets.listener("front")))
    keeper = Keeper(
        [Plan("media-0")], settings, sockets, "EPOCH", command=running_programs({"media-0": OBEDIENT})
    )
    async with kept(keeper):
        [life] = await lives(sockets.run_dir, "media-0", 1)
        async with asyncio.timeout(WAIT_S):
            while not (told and told[-1].processes["media-0"].pid == life["pid"]):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert not told[-1].stopping
    assert told[-1].stopping
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)


async def test_children_die_with_a_keeper_that_was_killed(run_dir: Path) -> None:
    keeper = f"""
        import asyncio, pathlib, sys
        from voicewatch.processes.keeper import Keeper, Plan
        from voicewatch.processes.sockets import Sockets
        from voicewatch.settings import Settings
        child = '''
        import os, pathlib, signal
        from voicewatch.processes.placement import die_with_parent
        die_with_parent(os.getppid())
        pathlib.Path({str(run_dir / "pid")!r}).write_text(str(os.getpid()) + chr(10))
        signal.pause()
        '''
        import textwrap
        command = lambda name: [sys.executable, "-c", textwrap.dedent(child)]
        sockets = Sockets(pathlib.Path({str(run_dir)!r}))
        keeper = Keeper([Plan("media-0")], Settings(), sockets, "E", command=command)
        asyncio.run(keeper.run())
    """
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", textwrap.dedent(keeper))
    async with asyncio.timeout(WAIT_S):
        while not (run_dir / "pid").exists() or not (run_dir / "pid").read_text():  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        pid = int((run_dir / "pid").read_text())
        process.kill()
        await process.wait()
        while is_running(pid):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def is_running(pid: int) -> bool:
    """Not dead; an orphan's zombie is not ours to reap."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_one_that_leaves_has_a_successor_at_once_and_is_not_started_again(
    settings: Settings, sockets: Sockets
) -> None:
    plans = [Plan("front", ("front",)), Plan("media-0"), Plan("media-1")]
    programs = {"front": OBEDIENT, "media-0": LEAVING, "media-1": OBEDIENT, "media-2": OBEDIENT}
    keeper = Keeper(plans, settings, sockets, "EPOCH", command=running_programs(programs))
    async with kept(keeper):
        [leaving] = await lives(sockets.run_dir, "media-0", 1)
        await lives(sockets.run_dir, "media-2", 1)
        assert exists(leaving["pid"])
        assert keeper.processes["media-2"].restarts == 1
        os.kill(int(str(leaving["pid"])), signal.SIGUSR1)  # its last call is over
        async with asyncio.timeout(WAIT_S):
            while "media-0" in keeper.processes:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert keeper.processes.keys() == {"front", "media-1", "media-2"}
