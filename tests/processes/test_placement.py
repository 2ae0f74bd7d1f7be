"""Where processes run and how urgently."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from voicewatch.processes.placement import NICENESS, kind_of, media_core


def test_media_is_pinned_only_where_everything_else_can_make_way() -> None:
    assert media_core(0, 1, [0]) is None
    assert media_core(0, 1, [0, 1]) == 1
    assert media_core(0, 2, [0, 1]) is None
    assert [media_core(index, 2, [0, 1, 2, 3]) for index in range(2)] == [3, 2]
    assert media_core(0, 1, [4, 9]) == 9  # the cores we were given, not those of the machine
    assert kind_of("media-12") == "media"


@pytest.mark.parametrize("name", ["front", "model", "recorder", "media-0"])
def test_understanding_makes_way_for_audio(name: str) -> None:
    program = (
        "import json, os, sys; from voicewatch.processes import placement; placement.settle(sys.argv[1], 1);"
        "print(json.dumps(os.getpriority(os.PRIO_PROCESS, 0)))"
    )
    root = Path(__file__).parents[2]
    told = subprocess.run([sys.executable, "-c", program, name], cwd=root, capture_output=True, check=True)
    niceness = json.loads(told.stdout.splitlines()[-1])
    if name == "media-0":  # raising it needs a right that few users have: else it stays as it was
        assert niceness in (NICENESS["media"], 0)
    else:
        assert niceness == NICENESS[name]
