"""A model process whose recogniser does as the first word of its last argument says.

model_host.py RUN_DIR LISTENER WORKS | HANGS | RAISES | SLOW    HANGS: from the second final on
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from pathlib import Path

from audio_models.scripted import ScriptedTranscriber
from voicewatch.processes.sockets import Sockets
from voicewatch.settings import Settings
from voicewatch.speech.process import run

WORDS = ["i", "was", "charged", "twice", "and", "i", "want", "to", "speak", "to", "a", "real", "person"]
NORMAL_S, SLOW_S = 0.1, 1.0


class Fault:
    """What happens before each decode."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._finals = 0
        self._lock = threading.Lock()
        self.engine = ScriptedTranscriber(WORDS, before=self._before)

    def _before(self) -> None:
        with self._lock:
            self._finals += self.engine.calls[-1][2]
            finals = self._finals
        time.sleep(SLOW_S if self._kind == "SLOW" else NORMAL_S)
        if self._kind == "RAISES":
            raise RuntimeError("out of order")
        if self._kind == "HANGS" and finals > 1:
            threading.Event().wait()


async def main() -> None:
    run_dir, listener, kind = sys.argv[1:]
    sockets = Sockets.inherited(Path(run_dir), {"model": int(listener)})
    await run(Settings(), sockets, "model", Fault(kind).engine)


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except BaseException as error:  # as voicewatch.app does
        print(repr(error), file=sys.stderr)
        os._exit(1)
