"""Composition root: the only place that knows which room runs in which process.

`python -m voicewatch.app NAME` runs one process, started by the keeper; `serve` runs the keeper;
`run_inline` runs the same processes in one event loop, for tests.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from voicewatch.core.ids import ulid
from voicewatch.processes import logs, placement
from voicewatch.processes.bequest import END_NOW, EXIT_BAD_SETTINGS, Bequest, NoBequest
from voicewatch.processes.faults import fault
from voicewatch.processes.keeper import Keeper, Plan
from voicewatch.processes.pulse import beat, tell_leaving
from voicewatch.processes.sockets import Sockets, bind_tcp
from voicewatch.settings import BadSettings, Settings, cannot_write

log = structlog.get_logger()

Room = Callable[..., Coroutine[Any, Any, None]]
"""Takes settings, sockets, name; media also `leave`, which is set when it is to end after its calls."""


def plans(settings: Settings) -> list[Plan]:
    """The processes of a server, in the order in which they are started."""
    media = [Plan(f"media-{index}") for index in range(settings.media.processes)]
    return [
        Plan("front", ("http", "front")),
        Plan("model", ("model",)),
        Plan("recorder", ("recorder",)),
        *media,
    ]


def _room(name: str) -> Room:
    """What process `name` runs. Imported here, since each process loads only its own room."""
    match placement.kind_of(name):
        case "front":
            from voicewatch.server import process as front

            return front.run
        case "media":
            from voicewatch.media import process as media

            return media.run
        case "model":
            from voicewatch.speech import process as model

            return model.run
        case "recorder":
            from voicewatch.record import process as recorder

            return recorder.run
        case other:
            raise ValueError(f"there is no process {other!r}")


# ---------------------------------------------------------------- one process, started by the keeper


def run_process(name: str) -> int:
    """Runs process `name` until it is told to end; the exit status."""
    try:
        bequest = Bequest.received()
    except NoBequest as error:
        print(f"voicewatch: {error}", file=sys.stderr)
        return 2
    placement.die_with_parent(bequest.keeper_pid)
    logs.configure(bequest.settings.log_level, name)
    placement.settle(name, bequest.settings.media.processes)
    sockets = Sockets.inherited(Path(bequest.run_dir), bequest.descriptors)
    try:
        room = _room(name)
        placement.hasten(name)  # now that all that is slow to import is here
        leave = asyncio.Event() if placement.kind_of(name) == "media" else None
        if leave is not None:
            room = partial(room, leave=leave)
        asyncio.run(_until_told(room(bequest.settings, sockets, name), bequest.pulse, leave))
    except BadSettings as error:
        log.error("bad_settings", reason=str(error))
        return EXIT_BAD_SETTINGS
    except Exception as error:  # boundary: the log gets its place but not its text
        log.critical("process_failed", **fault(_innermost(error)))
        return 1
    return 0


async def _until_told(
    running: Coroutine[Any, Any, None], pulse: int, leave: asyncio.Event | None = None
) -> None:
    """Until END_NOW or SIGTERM; with `leave` the first SIGTERM only sets that."""
    task = asyncio.create_task(running)

    def asked_to_end() -> None:
        if leave is None or leave.is_set():
            task.cancel()
            return
        leave.set()
        placement.give_up_core()
        tell_leaving(pulse)

    beating = asyncio.create_task(beat(pulse))
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(Strays())
    loop.add_signal_handler(signal.SIGTERM, asked_to_end)
    loop.add_signal_handler(END_NOW, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        log.info("ended")
    finally:
        beating.cancel()


class Strays:
    """Logs exceptions that no task's owner asked for: mistakes, but such as need not end the process.

    So many a second at most: asyncio tells of a want of descriptors by the thousand.
    """

    A_SECOND = 5

    def __init__(self) -> None:
        self._second = self._logged = self._left_out = 0

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if int(loop.time()) != self._second:
            self._second, self._logged = int(loop.time()), 0
        if self._logged == self.A_SECOND:
            self._left_out += 1
            return
        error = context.get("exception")
        where = fault(_innermost(error)) if error else {}
        log.error("stray_error", what=context.get("message"), left_out=self._left_out, **where)
        self._logged, self._left_out = self._logged + 1, 0


def _innermost(error: BaseException) -> BaseException:
    """The first cause inside exception groups: that is where somebody has to look."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


# ---------------------------------------------------------------- all of them

LOCK = "serve.lock"
"""In the data folder, which it keeps for one server and where it says how that is reached; and in the run
folder."""
RUN_FOLDER = "voicewatch-"


def serve(settings: Settings) -> int:
    """Runs a server until SIGTERM (the calls there are may end first) or Ctrl-C; the exit status.

    CannotListen if the address is taken, BadSettings if the data or the temporary folder cannot be used.
    """
    _open_standard_streams()
    with _data_folder(settings.data), _run_folder() as run_dir:
        sockets = Sockets(run_dir, {"http": bind_tcp(settings.host, settings.port)})
        try:
            settings = _with_real_port(settings, sockets)
            _tell_address(settings)
            logs.configure(settings.log_level, "keeper")
            return asyncio.run(_keep(settings, sockets))
        finally:
            sockets.close()


def _open_standard_streams() -> None:
    """Those that we were started without: the next file or socket would get their number, and the log."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
            os.set_inheritable(opened, True)


def erase(data: Path, reason: str, *, call_id: str = "", customer_id: str = "") -> dict[str, list[str]]:
    """{erased, live}: by the server that runs on this data folder, or without one.

    Raises EraseFailed, BadSettings for a folder that holds no record.
    """
    if not (data / "journal" / "journal.db").exists():
        raise BadSettings(f"{data} holds no record of calls; name the server's data folder with --data")
    from voicewatch.record.erasing import erase_here
    from voicewatch.record.journal import JournalFailed
    from voicewatch.server.erasing import ACCOUNT, EraseFailed, erase_there

    wanted = {"reason": reason} | ({"call_id": call_id} if call_id else {"customer_id": customer_id})
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(_held(data / LOCK))
        except BlockingIOError:
            return erase_there((data / LOCK).read_text(), data, wanted)
        try:
            erased = erase_here(data, ACCOUNT, reason, call_id=call_id, customer_id=customer_id)
        except (JournalFailed, OSError) as error:
            raise EraseFailed(str(error)) from None
        return {"erased": erased, "live": []}


async def _keep(settings: Settings, sockets: Sockets) -> int:
    keeper = Keeper(plans(settings), settings, sockets, new_epoch())
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, keeper.drain)
    loop.add_signal_handler(END_NOW, keeper.stop)  # who started us, and asked to end us with him, is dead
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup means what it says
            loop.add_signal_handler(number, keeper.stop)
    log.info("listening", host=settings.host, port=settings.port)
    return await keeper.run()


@dataclass(frozen=True)
class Inline:
    """A server running in this event loop."""

    settings: Settings
    """With the port that was found free."""
    sockets: Sockets

    @property
    def url(self) -> str:
        return _url(self.settings)


@asynccontextmanager
async def run_inline(settings: Settings) -> AsyncIterator[Inline]:
    """The same processes over the same sockets, in this event loop, until the context is left.

    What a room raises is raised on leaving. A request made at once waits until front answers.
    """
    with _data_folder(settings.data), _run_folder() as run_dir:
        sockets = Sockets(run_dir, {"http": bind_tcp(settings.host, settings.port)})
        settings = _with_real_port(settings, sockets)
        _tell_address(settings)
        planned = plans(settings)
        for plan in planned:
            for name in plan.listeners:
                sockets.listener(name)
        rooms = {
            plan.name: asyncio.create_task(_room(plan.name)(settings, sockets, plan.name), name=plan.name)
            for plan in planned
        }
        try:
            yield Inline(settings, sockets)
        finally:
            front = rooms.pop("front")
            await _end(*rooms.values())  # front last, as in keeper.py
            await _end(front)
            sockets.close()


async def _end(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, Exception):
            raise result


def new_epoch() -> str:
    """Names one life of a process."""
    return ulid(time.time_ns() // 1_000_000, secrets.token_bytes(10))


def _with_real_port(settings: Settings, sockets: Sockets) -> Settings:
    return settings.model_copy(update={"port": sockets.listener("http").getsockname()[1]})


def _tell_address(settings: Settings) -> None:
    """To whoever finds the data folder in use."""
    try:
        (settings.data / LOCK).write_text(_url(settings))
    except OSError as error:
        raise cannot_write(settings.data, error) from None


def _url(settings: Settings) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{settings.port}"


@contextmanager
def _run_folder() -> Iterator[Path]:
    """For the Unix sockets; mode 0700, so that only this user can speak to the processes.

    Held by a lock: what a killed keeper left is known by nobody holding it, and is removed by the next one.
    """
    with contextlib.ExitStack() as held:
        try:
            folder = Path(held.enter_context(tempfile.TemporaryDirectory(prefix=RUN_FOLDER)))
            _remove_stale(folder)
            held.enter_context(_held(folder / "starting"))
            (folder / "starting").rename(folder / LOCK)  # seen only when held
        except OSError as error:
            raise BadSettings(
                f"cannot make a folder for sockets in the temporary folder: {error.strerror}; "
                "free some space there, or set TMPDIR to another"
            ) from None
        yield folder


def _remove_stale(own: Path) -> None:
    """Run folders of this user whose server is dead. Without a lock in it a folder is none of ours."""
    for lock in own.parent.glob(f"{RUN_FOLDER}*/{LOCK}"):
        folder = lock.parent
        try:
            if folder != own and folder.stat().st_uid == os.getuid():
                with _held(lock):
                    shutil.rmtree(folder)
        except OSError:  # it is in use, or has just been removed
            continue


@contextmanager
def _held(lock: Path) -> Iterator[None]:
    """OSError if somebody else holds it."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _data_folder(folder: Path) -> Iterator[None]:
    """Makes the data folder and holds it: two servers must not write one journal."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise cannot_write(folder, error) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise BadSettings(
            f"another server uses the data folder {folder}; choose another with --data"
        ) from None
    try:
        yield
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    exit_status = run_process(sys.argv[1] if len(sys.argv) == 2 else "")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(exit_status)  # a thread that hangs in a library must not keep a process that has ended
