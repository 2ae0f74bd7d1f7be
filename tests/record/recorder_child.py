"""A recorder process, to be killed by the test that started it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from voicewatch.processes.sockets import Sockets
from voicewatch.record.process import run
from voicewatch.settings import Settings

asyncio.run(run(Settings(data=Path(sys.argv[2])), Sockets(Path(sys.argv[1])), "recorder"))
