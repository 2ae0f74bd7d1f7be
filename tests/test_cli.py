"""The command line as people and programs meet it."""

from __future__ import annotations

import asyncio
import io
import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import audio_models
from voicewatch import __version__
from voicewatch.cli import main
from voicewatch.processes.sockets import bind_tcp

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `voicewatch ARGUMENTS` with `given` on standard input: exit status, output, errors."""

    def run_main(*arguments: str, given: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(given))
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        out, errors = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, out, errors

    return run_main


def test_version_and_help(run: Run) -> None:
    assert run("--version") == (0, f"voicewatch {__version__}\n", "")
    status, out, _ = run("--help")
    assert status == 0
    for command in ("serve", "demo", "analyze", "score", "redact", "doctor", "models", "token"):
        assert re.search(rf"\b{command}\b", out), command
        assert "Example" in run(*([command, "list"] if command == "models" else [command]), "--help")[1]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["serve", "--port", "99999"], "setting port: .*65535"),
        (["serve", "--config", "/none.toml"], "cannot read the settings file /none.toml"),
        (["demo", "--json", "x.json"], "--json needs --once"),
        (["demo", "--once", "--json", "/none/x.json"], "cannot write /none/x.json: there is no folder /none"),
        (["backtest", "--jsonl", "/dev/null"], "/dev/null holds no dialogue"),
        (
            ["token", "--role", "admin", "--data", "/proc/none"],
            "cannot use the data folder /proc/none",
        ),
        (["token", "--role", "king"], "unknown role 'king'; known: customer"),
        (["models", "check", "/none"], "there is no folder /none"),
        (["erase", "--data", "/none"], "--call ID or --customer ID"),
        (["erase", "--call", "x", "--data", "/none"], "/none holds no record of calls"),
        (["analyze", "/none.wav", "--rules", "/none.toml"], "cannot read /none.toml: No such file"),
    ],
)
def test_a_mistake_is_one_line_with_its_remedy(
    run: Run, arguments: list[str], complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    status, out, errors = run(*arguments)
    assert (status, out) == (2, "")
    assert re.fullmatch(rf"voicewatch: .*{complaint}.*\n", errors), errors


def test_serve_says_when_its_port_or_its_data_folder_is_taken(run: Run, data: Path) -> None:
    with bind_tcp("127.0.0.1", 0) as taken:
        port = str(taken.getsockname()[1])
        status, _, errors = run("serve", "--port", port, "--data", str(data))
    assert (status, f"port {port} on 127.0.0.1 is in use" in errors) == (2, True)
    file = data.parent / "file"
    file.touch()
    status, _, errors = run("serve", "--port", "0", "--data", str(file / "data"))
    assert (status, "cannot write the data folder" in errors) == (2, True)


def test_serve_says_when_the_disk_is_full(run: Run, data: Path) -> None:
    data.mkdir()
    (data / "serve.lock").symlink_to("/dev/full")
    status, _, errors = run("serve", "--port", "0", "--data", str(data))
    assert (status, "No space left on device; free some space there" in errors) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "where"),
    [("--version", "where the output goes"), ("backtest --jsonl {dialogues} --html /dev/full", "/dev/full")],
)
def test_a_full_disk_under_the_output_is_a_line_and_no_trace(
    tmp_path: Path, arguments: str, where: str
) -> None:
    dialogue = {"id": "a", "turns": [{"role": "customer", "text": "hello"}]}
    dialogues = tmp_path / "dialogues"
    dialogues.write_text(json.dumps(dialogue) + "\n")
    command = [sys.executable, "-m", "voicewatch", *arguments.format(dialogues=dialogues).split()]
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert ended.returncode == 2
    assert re.fullmatch(rf"voicewatch: .*{where}: No space left on device.*\n", ended.stderr)


def standard_streams_of(pid: int) -> list[Path]:
    return [Path(f"/proc/{pid}/fd/{number}").readlink() for number in range(3)]


async def test_a_server_starts_without_standard_streams(data: Path) -> None:
    """Its sockets and files must not get their numbers: children and libraries write to those."""
    command = f"exec {sys.executable} -m voicewatch serve --port 0 --data {data} <&- >&- 2>&-"
    server = await asyncio.create_subprocess_shell(command)
    try:
        async with asyncio.timeout(30):
            while not (lock := data / "serve.lock").exists() or not lock.read_text():
                assert server.returncode is None
                await asyncio.sleep(0.05)
        assert standard_streams_of(server.pid) == [Path("/dev/null")] * 3
    finally:
        server.send_signal(signal.SIGINT)
        await server.wait()


def test_redact_masks_lines_and_names_spans(run: Run) -> None:
    said = "my number is five five five zero one nine nine"
    status, plain, _ = run("redact", given=f"{said}\n\nhello there\n")
    assert status == 0
    assert "five five" not in plain
    assert plain.splitlines()[1] == "hello there"
    _, out, _ = run("redact", "--jsonl", given=json.dumps({"id": "a", "text": said}) + "\n")
    answer = json.loads(out)
    assert answer["id"] == "a"
    [span] = answer["spans"]
    assert said[span["start"] : span["end"]].startswith("five five")


@pytest.mark.parametrize(
    "line", ["{", "[]", '{"id": 1}', '{"text": 3}', '{"text": "x", "context": [{"role": "ai"}]}']
)
@pytest.mark.parametrize("command", ["redact", "score"])
def test_a_bad_line_is_named(run: Run, command: str, line: str) -> None:
    status, _, errors = run(command, "--jsonl", given='{"text": "fine"}\n' + line + "\n")
    assert status == 2
    assert errors.startswith("voicewatch: line 2: ")
    assert errors.count("\n") == 1


def test_score_says_what_and_why(run: Run) -> None:
    given = {
        "id": "a",
        "text": "I want to talk to a real person",
        "context": [{"role": "ai", "text": "Hello."}],
    }
    status, out, _ = run("score", "--jsonl", given=json.dumps(given) + "\n")
    scored = json.loads(out)
    assert (status, scored["id"], scored["escalation"]["reasons"]) == (0, "a", ["asks_human"])
    asked = [piece["quote"] for piece in scored["evidence"] if piece["kind"] == "wants_human"]
    assert "real person" in asked[0]


def test_analyze_reads_a_recording_and_explains_what_it_cannot_read(run: Run, tmp_path: Path) -> None:
    clip = Path(audio_models.__file__).parent / "weights" / "selftest.wav"
    status, out, _ = run("analyze", str(clip), "--roles", "customer", "--json")
    analysis = json.loads(out)
    assert (status, analysis["schema"]) == (0, 1)
    assert "charged" in " ".join(utterance["text"] for utterance in analysis["utterances"])
    assert "charged" in run("analyze", str(clip), "--roles", "customer")[1]
    rules = tmp_path / "rules.toml"
    rules.write_text("[[rule]]\n")
    for arguments, complaint in (
        ([str(rules)], "no audio"),
        ([str(clip), "--roles", "king"], "unknown role 'king'"),
        ([str(clip), "--roles", "customer", "--rules", str(rules)], "line 1"),
    ):
        status, _, errors = run("analyze", *arguments)
        assert (status, complaint in errors) == (2, True), errors


def test_doctor_tells_state_and_remedy_of_everything(run: Run, data: Path, tmp_path: Path) -> None:
    with bind_tcp("127.0.0.1", 0) as taken:
        port = str(taken.getsockname()[1])
        status, out, _ = run("doctor", "--json", "--port", port, "--data", str(data))
    checks = {check["check"]: check for check in json.loads(out)["checks"]}
    assert (status, checks["port"]["state"]) == (1, "fail")
    assert "--port" in checks["port"]["remedy"]
    assert checks["libopus"]["state"] == checks["data"]["state"] == "ok"
    assert all(check["state"] == "ok" or check["remedy"] for check in checks.values())
    assert not data.exists()  # it looks and leaves no trace
    _, readable, _ = run("doctor", "--port", "0", "--data", str(data))
    assert re.search(r"^ok +port ", readable, re.MULTILINE)


def test_models_are_listed_and_checked(run: Run) -> None:
    _, out, _ = run("models", "list", "--json")
    assert "pocketsphinx" in [model["name"] for model in json.loads(out)["models"]]
    status, out, _ = run("models", "check", "pocketsphinx", "--json")
    heard = json.loads(out)
    assert status == 0
    assert heard["audio_ms"] > 3_000
    assert {"charged", "want"} & set(heard["text"].split())


def test_a_token_is_made_for_the_data_folder(run: Run, data: Path) -> None:
    asked = ("token", "--role", "supervisor", "--grant", "unmask", "--data", str(data))
    status, out, errors = run(*asked)
    assert (status, out.count(".")) == (0, 2)
    assert "no signing key, so one was made" in errors  # a folder nobody serves may be a slip
    assert (data / "signing.key").stat().st_mode & 0o777 == 0o600
    assert run(*asked)[2] == ""
