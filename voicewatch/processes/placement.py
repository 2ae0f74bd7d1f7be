"""Where and how urgently a process runs, so that understanding never delays audio."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable, Sequence

import structlog

log = structlog.get_logger()

NICENESS = {"media": -10, "front": 0, "recorder": 5, "model": 10}
MEDIA_REALTIME_PRIORITY = 1
"""The lowest of SCHED_RR: above everything ordinary, below everything that asked for more."""
_PR_SET_PDEATHSIG = 1


def kind_of(name: str) -> str:
    """`media-0` is a `media`."""
    return name.partition("-")[0]


def media_core(index: int, media_processes: int, cores: Sequence[int]) -> int | None:
    """The core of media process `index`, None to leave it to the scheduler. Pure.

    Pinned, because a Python process that wanders over two cores was measured 1.75 times as costly as on one.
    From the last core downwards, because interrupts and most other programs begin with the first. Only with
    at least two cores for every media process: everything else stays free to move, so it makes way for the
    pinned ones; with fewer, pinning would hold media to a core that others cannot leave.
    """
    if len(cores) < 2 * media_processes:
        return None
    return sorted(cores)[-1 - index % len(cores)]


def settle(name: str, media_processes: int) -> None:
    """Gives the calling process its niceness and core.

    Called before anything big is imported: libraries start threads when they are, and threads inherit.
    """
    kind = kind_of(name)
    _try("priority", lambda: os.setpriority(os.PRIO_PROCESS, 0, NICENESS[kind]))
    if kind == "media" and sys.platform == "linux":
        core = media_core(int(name.partition("-")[2]), media_processes, sorted(os.sched_getaffinity(0)))
        if core is not None:
            _try("core", lambda: os.sched_setaffinity(0, {core}))


def hasten(name: str) -> None:
    """Makes the calling thread of a media process a real-time one, if it may; threads to come are not."""
    if kind_of(name) == "media" and sys.platform == "linux":
        policy = os.SCHED_RR | os.SCHED_RESET_ON_FORK
        _try("realtime", lambda: os.sched_setscheduler(0, policy, os.sched_param(MEDIA_REALTIME_PRIORITY)))


def die_with_parent(parent_pid: int) -> None:
    """Asks the kernel for SIGTERM when the parent dies, however it dies. SystemExit if it is dead already."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent_pid:
        raise SystemExit(0)


def _try(what: str, act: Callable[[], None]) -> None:
    try:
        act()
    except OSError as error:  # an ordinary user may not raise priorities: it runs well without
        log.debug("placement_skipped", what=what, reason=error.strerror)
