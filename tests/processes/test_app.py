"""A process as the keeper starts it, with a room of our own in place of the real ones."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from voicewatch import app
from voicewatch.processes.keeper import Keeper, Plan
from voicewatch.processes.sockets import Sockets
from voicewatch.settings import Settings

ROOT = Path(__file__).parents[2]
WAIT_S = 20.0

PROGRAM = """
    import asyncio, sys
    from voicewatch import app
    from voicewatch.processes.link import Link, LinkServer
    from voicewatch.processes.messages import ForgetCall
    from voicewatch.settings import BadSettings

    async def room(settings, sockets, name):
        {room}

    app._room = lambda name: room
    sys.exit(app.run_process(sys.argv[1]))
"""
LIVING = 'print("alive", flush=True); await asyncio.Event().wait()'
FAILING = 'raise ValueError("my number is 4417")'
MISCONFIGURED = 'raise BadSettings("setting judgement.rules: line 3 is wrong")'


def program(room: str) -> str:
    return textwrap.dedent(PROGRAM).format(room=room)


def keeper_of(run_dir: Path, settings: Settings, room: str) -> Keeper:
    def command(name: str) -> list[str]:
        return [sys.executable, "-c", program(room), name]

    return Keeper([Plan("model", ("model",))], settings, Sockets(run_dir), "EPOCH", command=command)


async def outcome(
    room: str, run_dir: Path, settings: Settings, until: str
) -> tuple[int, list[dict[str, Any]]]:
    """A keeper as a process of its own, told to end once `until` was printed: status and the JSON lines."""
    house = f"""
        import asyncio, pathlib, signal, sys
        from voicewatch.processes import logs
        from voicewatch.processes.sockets import Sockets
        from voicewatch.settings import Settings
        from tests.processes.test_app import keeper_of

        async def run():
            settings = Settings.model_validate_json({settings.model_dump_json()!r})
            keeper = keeper_of(pathlib.Path({str(run_dir)!r}), settings, {room!r})
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, keeper.stop)
            return await keeper.run()

        logs.configure("debug", "keeper")
        sys.exit(asyncio.run(run()))
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", textwrap.dedent(house)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=ROOT,
    )
    assert process.stdout is not None
    lines = []
    async with asyncio.timeout(WAIT_S):
        async for line in process.stdout:
            lines.append(line.decode())
            if until in lines[-1]:
                process.terminate()
        status = await process.wait()
    return status, [json.loads(line) for line in lines if line.startswith("{")]


async def test_a_process_lives_until_sigterm_and_ends_well(run_dir: Path, settings: Settings) -> None:
    status, lines = await outcome(LIVING, run_dir, settings, until="alive")
    assert status == 0
    assert [line["process"] for line in lines if line["event"] == "ended"] == ["model"]
    assert not [line for line in lines if line["level"] in ("warning", "error", "critical")]


async def test_a_failure_is_logged_by_place_and_without_its_text(run_dir: Path, settings: Settings) -> None:
    status, lines = await outcome(FAILING, run_dir, settings, until="process_died")
    assert status == 0
    failed = next(line for line in lines if line["event"] == "process_failed")
    assert failed["error"] == "ValueError"
    assert failed["where"].endswith(" room")
    assert "4417" not in str(lines)


async def test_wrong_settings_end_the_house_with_their_text(run_dir: Path, settings: Settings) -> None:
    status, lines = await outcome(MISCONFIGURED, run_dir, settings, until="no such line")
    assert status == 2
    wrong = [line["reason"] for line in lines if line["event"] == "bad_settings"]
    assert wrong == ["setting judgement.rules: line 3 is wrong"]


def test_a_flood_of_stray_errors_is_a_few_lines_and_a_count() -> None:
    """asyncio tells two thousand times a second that no descriptor is free."""
    strays, loop = app.Strays(), cast(asyncio.AbstractEventLoop, SimpleNamespace(time=lambda: now_s))
    with capture_logs() as lines:
        now_s = 7.1
        for _ in range(2_000):
            strays(loop, {"message": "accept() out of system resource", "exception": OSError()})
        now_s = 8.0
        strays(loop, {"message": "another"})
    assert [line["left_out"] for line in lines] == [0] * app.Strays.A_SECOND + [2_000 - app.Strays.A_SECOND]


@pytest.mark.parametrize(("name", "given"), [("front", None), ("front", "{}"), ("", None)])
def test_nobody_else_starts_a_process(name: str, given: str | None) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "VOICEWATCH_PROCESS"}
    if given is not None:
        environment["VOICEWATCH_PROCESS"] = given
    ended = subprocess.run(
        [sys.executable, "-m", "voicewatch.app", name],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith("voicewatch: ")
    assert ended.stderr.count("\n") == 1


def test_what_a_killed_keeper_left_is_removed_and_what_a_living_one_holds_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    dead, foreign = tmp_path / "voicewatch-dead", tmp_path / "voicewatch-foreign"
    dead.mkdir()
    (dead / "front.sock").touch()
    (dead / app.LOCK).touch()
    foreign.mkdir()
    with app._run_folder() as living, app._run_folder() as later:
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
            [foreign.name, living.name, later.name]
        )
    assert [path.name for path in tmp_path.iterdir()] == [foreign.name]
