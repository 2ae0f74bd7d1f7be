"""Where and how urgently a process runs, so that understanding never delays audio."""

from __future__ import annotations

import ctypes
import fcntl
import os
import resource
import stat
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from voicewatch.processes.bequest import END_NOW

log = structlog.get_logger()

NICENESS = {"media": -10, "front": 0, "recorder": 5, "model": 10}
MEDIA_REALTIME_PRIORITY = 1
"""The lowest of SCHED_RR: above everything ordinary, below everything that asked for more."""
DESCRIPTORS = 20_000
_PR_SET_PDEATHSIG = 1

_leases: list[int] = []
"""Open files whose locks say that a core is ours; the kernel frees them however this process ends."""


def kind_of(name: str) -> str:
    """`media-0` is a `media`."""
    return name.partition("-")[0]


def media_cores(media_processes: int, cores: Sequence[int]) -> list[int]:
    """The cores to which a media process may be pinned, best first; none: leave it to the scheduler. Pure.

    Pinned, because a Python process that wanders over two cores was measured 1.75 times as costly as on one.
    From the last core downwards, because interrupts and most other programs begin with the first, and never
    that one. Only with at least two cores for every media process: everything else stays free to move, so it
    makes way for the pinned ones; with fewer, pinning would hold media to a core that others cannot leave.
    """
    return [] if len(cores) < 2 * media_processes else sorted(cores)[:0:-1]


def lease_core(candidates: Sequence[int], folder: Path) -> int | None:
    """The first of these cores that no other media process of this user holds; ours until we end.

    Two houses on one machine would else pin themselves to the same core, in real time, and starve each other.
    OSError when the folder cannot be used.
    """
    for core in candidates:
        lease = os.open(
            folder / f"core-{core}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
        )
        try:
            fcntl.flock(lease, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lease)
            continue
        _leases.append(lease)
        return core
    return None


def lease_folder() -> Path:
    """Where this user's processes see each other's leases. OSError if somebody else made it."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    parent = Path(runtime) if runtime and Path(runtime).is_dir() else Path(tempfile.gettempdir())
    folder = parent / f"voicewatch-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise OSError(f"{folder} is not ours alone")
    return folder


def settle(name: str, media_processes: int) -> None:
    """Gives the calling process its niceness, core and as many descriptors as the system grants.

    Called before anything big is imported: libraries start threads when they are, and threads inherit.
    """
    kind = kind_of(name)
    _try("descriptors", _more_descriptors)
    _try("priority", lambda: os.setpriority(os.PRIO_PROCESS, 0, NICENESS[kind]))
    if kind == "media" and sys.platform == "linux":
        _try("core", lambda: _pin(media_cores(media_processes, sorted(os.sched_getaffinity(0)))))


def _more_descriptors() -> None:
    """A leg takes a socket, and many systems give a process no more than 1024 unless it asks."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _pin(candidates: Sequence[int]) -> None:
    core = lease_core(candidates, lease_folder()) if candidates else None
    if core is not None:
        os.sched_setaffinity(0, {core})


def give_up_core() -> None:
    """Leaves the core to a successor; who gives it up stays on it too, until it ends."""
    while _leases:
        os.close(_leases.pop())


def hasten(name: str) -> None:
    """Makes the calling thread of a media process a real-time one, if it may; threads to come are not."""
    if kind_of(name) == "media" and sys.platform == "linux":
        policy = os.SCHED_RR | os.SCHED_RESET_ON_FORK
        _try("realtime", lambda: os.sched_setscheduler(0, policy, os.sched_param(MEDIA_REALTIME_PRIORITY)))


def die_with_parent(parent_pid: int) -> None:
    """Asks the kernel for END_NOW when the parent dies, however it dies. SystemExit if it is dead already."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, END_NOW, 0, 0, 0)
    if os.getppid() != parent_pid:
        raise SystemExit(0)


def _try(what: str, act: Callable[[], None]) -> None:
    try:
        act()
    except OSError as error:  # an ordinary user may not raise priorities: it runs well without
        log.debug("placement_skipped", what=what, reason=error.strerror or str(error))
