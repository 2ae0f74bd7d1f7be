"""Whether a child's event loop still turns: it writes a byte a second into a pipe that the keeper reads.

A media process that is to leave says that too, so that its successor need not wait for its last call.

A process that hangs is worse than one that dies: nobody takes its place. So one that falls silent after it
has begun to beat is killed and started again. One that never beats (still importing) is left alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable

from voicewatch.processes.bequest import END_NOW

BEAT_S = 1.0
CHECK_S = 5.0
SILENT_CHECKS = {"media": 2}
"""By kind of process: checks in a row without a beat; counted, not timed, so that a keeper that was itself
stopped is fair. Who calls by a media process that stands still hears nothing, and is better off with another.
"""
SILENT_CHECKS_OF_OTHERS = 6
"""Half a minute: libraries may keep the interpreter to themselves, on a busy machine for several seconds."""


_BEAT, _LEAVING = b".", b"-"


class Pulse:
    """The keeper's side, for one life of one child, in an event loop: `on_leaving` is called once at most."""

    def __init__(self, kind: str = "", on_leaving: Callable[[], None] = lambda: None) -> None:
        self._patience = SILENT_CHECKS.get(kind, SILENT_CHECKS_OF_OTHERS)
        self._reading, self.child_end = os.pipe()
        os.set_blocking(self._reading, False)
        os.set_blocking(self.child_end, False)
        self._began = self._heard = False
        self._silent = 0
        self._on_leaving: Callable[[], None] | None = on_leaving
        asyncio.get_running_loop().add_reader(self._reading, self._read)

    def stopped(self) -> bool:
        """To be asked every CHECK_S: True when the child was silent too often."""
        self._read()
        beating, self._heard = self._heard, False
        self._began |= beating
        self._silent = 0 if beating or not self._began else self._silent + 1
        return self._silent >= self._patience

    def _read(self) -> None:
        try:
            heard = os.read(self._reading, 65_536)
        except BlockingIOError:
            return
        self._heard |= bool(heard)
        if _LEAVING in heard and self._on_leaving is not None:
            tell, self._on_leaving = self._on_leaving, None
            tell()

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._reading)
        os.close(self._reading)
        os.close(self.child_end)


async def beat(descriptor: int) -> None:
    """The child's side, until cancelled. A process whose life nobody watches any more asks itself to end."""
    while True:
        try:
            os.write(descriptor, _BEAT)
        except BlockingIOError:
            pass  # the keeper is behind
        except BrokenPipeError:  # it is dead, or had no thread to wait for this life in and begins another
            signal.raise_signal(END_NOW)
            return
        await asyncio.sleep(BEAT_S)


def tell_leaving(descriptor: int) -> None:
    """The child's side: it ends by itself when its work is done, and another may begin."""
    with contextlib.suppress(BlockingIOError, BrokenPipeError):  # keeper hangs, or is dead and we soon too
        os.write(descriptor, _LEAVING)
