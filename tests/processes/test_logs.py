"""Log lines whose disk or reader does not take them."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from pathlib import Path

from voicewatch.processes.logs import Lines


def test_a_reader_who_stops_reading_holds_up_nobody_and_is_told_what_he_missed() -> None:
    reading, writing = os.pipe()
    lines = Lines(writing, "media-0")
    line = "x" * 1_000 + "\n"
    for _ in range(200):  # a pipe holds 64 KiB: without care this would wait for ever
        lines.write(line)
    taken = b""
    while select.select([reading], [], [], 0)[0]:
        taken += os.read(reading, 65_536)
    kept = taken.count(b"\n")
    assert kept < 200
    lines.write("and again\n")
    told, last = os.read(reading, 65_536).decode().splitlines()
    missed = {"event": "log_lines_lost", "lines": 200 - kept, "level": "warning", "process": "media-0"}
    assert json.loads(told) == missed
    assert last == "and again"
    os.close(reading)
    lines.write("nobody reads this\n")
    os.close(writing)


WRITER = """
import resource, structlog
from voicewatch.processes import logs

def limit_files_to(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

logs.configure("info", "front")
log = structlog.get_logger()
limit_files_to(1_000)
for number in range(50):
    log.info("tick", number=number)
limit_files_to(resource.RLIM_INFINITY)
log.info("tick", number=50)
"""


def test_a_full_disk_stops_nothing_and_no_line_is_glued_to_a_torn_one(tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk."""
    file = tmp_path / "log"
    with file.open("ab") as log:
        subprocess.run([sys.executable, "-c", WRITER], stderr=log, check=True)
    *before, torn, told, last = file.read_text().splitlines()
    numbers = [json.loads(line)["number"] for line in before]
    assert numbers == list(range(len(before)))
    assert len("".join(f"{line}\n" for line in before) + torn) == 1_000
    assert json.loads(told)["lines"] == 50 - len(numbers)
    assert json.loads(last)["number"] == 50
