"""Appends to a journal for ever and prints what was acknowledged; killed by the test that started it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from voicewatch.core.events import SilenceBegan, UtteranceFinal
from voicewatch.record.journal import Journal, Source


async def main(folder: Path, life: str) -> None:
    journal = await Journal.open(folder)

    async def write(lane: int) -> None:
        for number in range(1, 1_000_000):
            name = f"{life}-{lane}-{number}"
            said = UtteranceFinal(
                call_id=f"call{lane}",
                utterance_id=name,
                seat_id="s",
                role="customer",
                start_ms=0,
                end_ms=0,
                text=f"secret words {name}",
            )
            also = SilenceBegan(call_id=f"call{lane}", since_ms=number)
            await journal.append([said, also], Source(f"p{lane}", life, number))
            print(name, flush=True)

    await asyncio.gather(*(write(lane) for lane in range(4)))


asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
