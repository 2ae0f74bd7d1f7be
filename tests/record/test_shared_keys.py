"""The key table as several processes use it: front writes, recorder looks a key up and closes again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from voicewatch.core.events import CallStarted
from voicewatch.record.journal import Journal

LOOK = """
import sys
from pathlib import Path
from voicewatch.record.sealing import find_key
print(find_key(Path(sys.argv[1]), sys.argv[2]) is not None)
"""


def another_process_finds(keys: Path, call_id: str) -> bool:
    looked = subprocess.run(
        [sys.executable, "-c", LOOK, str(keys), call_id],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return looked.stdout.strip() == "True"


async def test_every_new_key_is_seen_by_another_process_that_comes_and_goes(tmp_path: Path) -> None:
    """A log taken away under the writer would hide all keys after the first look; a crash would lose them."""
    journal = await Journal.open(tmp_path)
    try:
        for call_id in ("one", "two", "three"):
            await journal.append([CallStarted(call_id=call_id, customer_name="Robin Example")])
            assert another_process_finds(tmp_path / "keys.db", call_id), call_id
        assert (tmp_path / "keys.db-wal").exists()
    finally:
        await journal.close()
