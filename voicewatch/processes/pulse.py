"""Whether a child's event loop still turns: it writes a byte a second into a pipe that the keeper reads.

A process that hangs is worse than one that dies: nobody takes its place. So one that falls silent after it
has begun to beat is killed and started again. One that never beats (still importing) is left alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import os

BEAT_S = 1.0
CHECK_S = 5.0
SILENT_CHECKS = 6
"""Checks in a row without a beat; counted, not timed, so that a keeper that was itself stopped is fair.

Thirty seconds: PocketSphinx keeps the interpreter to itself while it decodes, on a busy machine for several.
"""


class Pulse:
    """The keeper's side, for one life of one child."""

    def __init__(self) -> None:
        self._reading, self.child_end = os.pipe()
        os.set_blocking(self._reading, False)
        os.set_blocking(self.child_end, False)
        self._began = False
        self._silent = 0

    def stopped(self) -> bool:
        """To be asked every CHECK_S: True when the child was silent too often."""
        try:
            beating = bool(os.read(self._reading, 65_536))
        except BlockingIOError:
            beating = False
        self._began |= beating
        self._silent = 0 if beating or not self._began else self._silent + 1
        return self._silent >= SILENT_CHECKS

    def close(self) -> None:
        os.close(self._reading)
        os.close(self.child_end)


async def beat(descriptor: int) -> None:
    """The child's side, until cancelled."""
    while True:
        with contextlib.suppress(BlockingIOError, BrokenPipeError):  # keeper behind, or dead and we soon too
            os.write(descriptor, b".")
        await asyncio.sleep(BEAT_S)
