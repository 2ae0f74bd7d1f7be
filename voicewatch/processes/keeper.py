"""The keeper: starts the processes of a server, watches them, starts again what died, ends them together.

It owns every listening socket, so a child that dies takes no address with it: peers and browsers wait in the
socket's backlog until its successor accepts them.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count

import structlog

from voicewatch.processes.bequest import END_NOW, EXIT_BAD_SETTINGS, Bequest
from voicewatch.processes.link import Link
from voicewatch.processes.messages import CallsLeft, ChildStatus, HouseStatus, Message
from voicewatch.processes.placement import kind_of
from voicewatch.processes.pulse import CHECK_S, Pulse
from voicewatch.processes.restart import RestartPolicy
from voicewatch.processes.sockets import Sockets
from voicewatch.settings import Settings

log = structlog.get_logger()

END_OTHERS_S = 6.0
"""So long the others have to end when told, front being there to write down what they still report."""
END_FRONT_S = 3.0
FRONT = "front"


@dataclass(frozen=True)
class Plan:
    """A process to run and the listening sockets it accepts on."""

    name: str
    listeners: tuple[str, ...] = ()


def python_child(name: str) -> list[str]:
    return [sys.executable, "-m", "voicewatch.app", name]


class Child:
    """One planned process and its present life."""

    def __init__(self, plan: Plan, on_change: Callable[[], None], restarts: int = 0) -> None:
        self.name = plan.name
        self.listeners = plan.listeners
        self.status = ChildStatus(state="starting", restarts=restarts)
        self.successor = ""
        """Set when it is leaving: it ends by itself after its last call, and does not run again."""
        self.policy = RestartPolicy()
        self.ended = asyncio.Event()
        """It will not run again."""
        self._process: asyncio.subprocess.Process | None = None
        self._on_change = on_change
        self._told: signal.Signals | None = None

    async def start(
        self, command: list[str], environment: dict[str, str], descriptors: Sequence[int]
    ) -> asyncio.subprocess.Process:
        """Begins a life. OSError or RuntimeError if the machine has no room for another process."""
        self.policy.started(time.monotonic())
        self._process = await asyncio.create_subprocess_exec(
            *command,
            env=environment,
            pass_fds=descriptors,
            stdin=asyncio.subprocess.DEVNULL,
            process_group=0,  # Ctrl-C is for the keeper alone; one session, so that niceness compares
        )
        log.info("process_started", child=self.name, pid=self._process.pid)
        self.change("up", self._process.pid)
        if self._told is not None:  # it was to end while it was being started
            self._process.send_signal(self._told)
        return self._process

    def change(self, state: str, pid: int | None = None, *, restarted: bool = False) -> None:
        restarts = self.status.restarts + restarted
        self.status = ChildStatus.model_validate({"state": state, "pid": pid, "restarts": restarts})
        self._on_change()

    def kill(self) -> None:
        """Ends this life; another follows."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    def end(self, number: signal.Signals) -> None:
        """Signals this life, or the one that is just being started; no other follows."""
        self._told = number
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)


class Keeper:
    """`run` until `stop`, or until a child says in its first life that its settings are wrong."""

    def __init__(
        self,
        plans: Sequence[Plan],
        settings: Settings,
        sockets: Sockets,
        epoch: str,
        *,
        command: Callable[[str], list[str]] = python_child,
    ) -> None:
        self._children = [Child(plan, self._tell) for plan in plans]
        self._settings = settings
        self._sockets = sockets
        self._command = command
        self._stop = asyncio.Event()
        self._draining = False
        self._exit_status = 0
        self._wrong = ""
        self._link = Link(
            sockets.path(FRONT),
            "keeper",
            epoch,
            on_up=self._tell,
            on_message=lambda message, _: self._heard(message),
        )
        for plan in plans:
            for name in plan.listeners:
                sockets.listener(name)

    @property
    def processes(self) -> dict[str, ChildStatus]:
        return {child.name: child.status for child in self._children}

    def drain(self) -> None:
        """Takes no new calls, and ends everything after the last one or `drain_limit_s`; twice: at once."""
        if self._draining or self._settings.drain_limit_s == 0:
            self.stop()
            return
        self._draining = True
        log.info("draining", limit_s=self._settings.drain_limit_s)
        asyncio.get_running_loop().call_later(self._settings.drain_limit_s, self.stop)
        self._tell()
        if not self._link.connected:  # nobody is there to know of calls
            self.stop()

    def _heard(self, message: Message) -> None:
        if isinstance(message, CallsLeft) and message.count == 0 and self._draining:
            self.stop()

    def stop(self, exit_status: int = 0) -> None:
        """Ends everything; may be called in a signal handler of the event loop."""
        if not self._stop.is_set():
            self._exit_status = exit_status
            self._stop.set()

    async def run(self) -> int:
        """Runs everything; the exit status: 0, or 2 if the settings of a child are wrong."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            link = tasks.create_task(self._link.run())
            for child in self._children:
                tasks.create_task(self._keep(child))
            try:
                await self._stop.wait()
            finally:
                await self._end_all()
                link.cancel()
        if self._wrong:  # said last, where it is looked for
            log.error("settings_wrong", child=self._wrong, remedy="see its line bad_settings above")
        return self._exit_status

    async def _keep(self, child: Child) -> None:
        """Lives of one child, one after the other.

        Wrong settings stop a server that has not begun; calls under way go on while they are put right.
        """
        try:
            while not self._stop.is_set():
                code = await self._live(child)
                if self._stop.is_set():
                    break
                if child.successor:
                    log.info("process_left", child=child.name, successor=child.successor, status=code)
                    self._children.remove(child)
                    break
                if code == EXIT_BAD_SETTINGS and not child.status.restarts:
                    self._wrong = child.name
                    self.stop(2)
                    break
                await self._mourn(child, code)
        finally:
            child.change("stopped")
            child.ended.set()

    async def _live(self, child: Child) -> int:
        """One life: its exit status, negative for a signal."""
        descriptors = {name: self._sockets.listener(name).fileno() for name in child.listeners}
        pulse = Pulse(kind_of(child.name), lambda: self._succeed(child))
        bequest = Bequest(
            settings=self._settings,
            run_dir=str(self._sockets.run_dir),
            descriptors=descriptors,
            pulse=pulse.child_end,
            keeper_pid=os.getpid(),
        )
        try:
            process = await child.start(
                self._command(child.name), bequest.environment(), [*descriptors.values(), pulse.child_end]
            )
            watching = asyncio.create_task(_kill_when_silent(child, pulse))
            try:
                return await process.wait()
            finally:
                watching.cancel()
        except (OSError, RuntimeError) as error:  # the latter: no thread for asyncio, which waits in one
            log.error("process_not_started", child=child.name, reason=str(error))
            return os.EX_OSERR
        finally:
            pulse.close()

    def _succeed(self, child: Child) -> None:
        """That child takes no new calls: another one begins to, under the lowest number that is free."""
        if self._draining or self._stop.is_set():
            return
        taken = {one.name for one in self._children}
        kind = kind_of(child.name)
        name = next(name for number in count() if (name := f"{kind}-{number}") not in taken)
        child.successor = name
        successor = Child(Plan(name, child.listeners), self._tell, child.status.restarts + 1)
        self._children.append(successor)
        log.info("process_leaves", child=child.name, successor=name)
        self._tasks.create_task(self._keep(successor))

    async def _mourn(self, child: Child, code: int) -> None:
        delay_s = child.policy.died(time.monotonic())
        cause = signal.Signals(-code).name if code < 0 else f"exit status {code}"
        log.warning("process_died", child=child.name, cause=cause, again_in_s=delay_s)
        if child.policy.troubled:
            log.error("process_keeps_dying", child=child.name, deaths=child.policy.deaths, remedy=_REMEDY)
        child.change("down" if child.policy.troubled else "starting", restarted=True)
        try:
            async with asyncio.timeout(delay_s):
                await self._stop.wait()
        except TimeoutError:
            return

    async def _end_all(self) -> None:
        """Front last: it journals what the others report while they end."""
        self._stop.set()  # also when run was cancelled: nobody is started again
        log.info("stopping")
        self._tell()
        front = [child for child in self._children if child.name == FRONT]
        await _end([child for child in self._children if child not in front], END_OTHERS_S)
        await _end(front, END_FRONT_S)

    def _tell(self) -> None:
        if self._link.connected:
            stopping = self._draining or self._stop.is_set()
            self._link.tell(HouseStatus(processes=self.processes, stopping=stopping))


_REMEDY = "look at its lines above and run `voicewatch doctor`"


async def _kill_when_silent(child: Child, pulse: Pulse) -> None:
    while not pulse.stopped():  # noqa: ASYNC110 (a pipe is looked into now and then, nothing is awaited)
        await asyncio.sleep(CHECK_S)
    log.error("process_hung", child=child.name, remedy="it is killed and started again")
    child.kill()


async def _end(children: Sequence[Child], patience_s: float) -> None:
    for child in children:
        child.end(END_NOW)
    try:
        async with asyncio.timeout(patience_s):
            await _all_ended(children)
    except TimeoutError:
        for child in children:
            if not child.ended.is_set():
                log.warning("process_killed", child=child.name, reason=f"did not end within {patience_s:g} s")
                child.end(signal.SIGKILL)
        await _all_ended(children)


async def _all_ended(children: Sequence[Child]) -> None:
    for child in children:
        await child.ended.wait()
