"""Where processes run and how urgently."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from voicewatch.processes.placement import NICENESS, kind_of, lease_folder, media_cores

ROOT = Path(__file__).parents[2]


LEASE = (
    "import sys; from pathlib import Path; from voicewatch.processes.placement import lease_core;"
    "print(lease_core([3, 2], Path(sys.argv[1])), flush=True); sys.stdin.read()"
)


def test_media_is_pinned_only_where_everything_else_can_make_way() -> None:
    assert media_cores(1, [0]) == []
    assert media_cores(1, [0, 1]) == [1]
    assert media_cores(2, [0, 1]) == []
    assert media_cores(2, [0, 1, 2, 3]) == [3, 2, 1]
    assert media_cores(1, [4, 9]) == [9]  # the cores we were given, not those of the machine
    assert kind_of("media-12") == "media"


def test_no_core_is_leased_twice_and_a_dead_holder_frees_his(tmp_path: Path) -> None:
    with ExitStack() as houses:

        def house() -> subprocess.Popen[str]:
            command = [sys.executable, "-c", LEASE, str(tmp_path)]
            pipe = subprocess.PIPE
            return houses.enter_context(
                subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True)
            )

        def told(one: subprocess.Popen[str]) -> str:
            assert one.stdout is not None
            return one.stdout.readline().strip()

        first = house()
        assert told(first) == "3"
        assert told(house()) == "2"
        assert told(house()) == "None"  # it runs unpinned
        first.kill()
        first.wait()
        assert told(house()) == "3"


def test_a_folder_that_others_may_write_is_not_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    folder = lease_folder()
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o777)
    with pytest.raises(OSError, match="not ours alone"):
        lease_folder()


@pytest.mark.parametrize("name", ["front", "model", "recorder", "media-0"])
def test_understanding_makes_way_for_audio(name: str) -> None:
    program = (
        "import json, os, sys; from voicewatch.processes import placement; placement.settle(sys.argv[1], 1);"
        "print(json.dumps(os.getpriority(os.PRIO_PROCESS, 0)))"
    )
    told = subprocess.run([sys.executable, "-c", program, name], cwd=ROOT, capture_output=True, check=True)
    niceness = json.loads(told.stdout.splitlines()[-1])
    if name == "media-0":  # raising it needs a right that few users have: else it stays as it was
        assert niceness in (NICENESS["media"], 0)
    else:
        assert niceness == NICENESS[name]
