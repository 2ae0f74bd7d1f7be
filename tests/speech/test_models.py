"""Fetching models from a hub (a real server with its routes), checking them, choosing what they run on."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from audio_models import hub
from audio_models.api import BUNDLED_FOLDER, MissingModel, load_transcriber
from audio_models.catalogue import Cost, calls_per_core, found_models, self_test, word_error_rate
from audio_models.hardware import choose, here

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPOSITORY = "somebody/whisper-ours"


class Hub(ThreadingHTTPServer):
    """The bundled model as a repository. `breaks`: so many answers for model.bin end in the middle."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {path.name: path.read_bytes() for path in BUNDLED_FOLDER.iterdir() if path.is_file()}
        self.breaks = 0
        self.damages = False
        self.ranges = True
        self.asked: list[tuple[str, str]] = []

    def siblings(self) -> list[dict[str, object]]:
        listed: list[dict[str, object]] = [{"rfilename": "README.md", "size": 1, "blobId": "0" * 40}]
        for name, content in self.files.items():
            git = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
            one: dict[str, object] = {"rfilename": name, "size": len(content), "blobId": git}
            if name == "model.bin":
                one["lfs"] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
            listed.append(one)
        return listed


class Handler(BaseHTTPRequestHandler):
    server: Hub

    def do_GET(self) -> None:
        server = self.server
        asked_range = self.headers.get("Range", "")
        server.asked.append((self.path, asked_range))
        if self.path.startswith(f"/api/models/{REPOSITORY}/revision/main"):
            self._send(200, json.dumps({"sha": COMMIT, "siblings": server.siblings()}).encode())
            return
        name = self.path.removeprefix(f"/{REPOSITORY}/resolve/{COMMIT}/")
        content = server.files.get(name)
        if content is None:
            self._send(404, b"{}")
            return
        if name == "model.bin" and server.damages:
            content = content[:-1] + b"?"
        start = int(asked_range.removeprefix("bytes=").rstrip("-") or 0) if server.ranges else 0
        broken = name == "model.bin" and server.breaks > 0
        server.breaks -= broken
        self._send(206 if start else 200, content[start:], (len(content) - start) // 2 if broken else None)

    def _send(self, status: int, body: bytes, cut: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:cut])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    with Hub() as made:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{made.server_port}/")
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.delenv("HF_TOKEN", raising=False)
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def files_asked(server: Hub) -> list[tuple[str, str]]:
    return [(path.rpartition("/")[2], asked) for path, asked in server.asked if "/resolve/" in path]


def test_a_model_is_fetched_whole_and_found_by_its_name(
    server: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told: dict[str, tuple[int, int]] = {}
    folder = hub.pull(REPOSITORY, lambda file, there, total: told.update({file: (there, total)}))
    for name in ("model.bin", "config.json", "tokenizer.json"):
        assert (folder / name).read_bytes() == server.files[name]
        assert told[name] == (len(server.files[name]),) * 2
    assert not (folder / "README.md").exists()
    assert (tmp_path / "hub" / "models--somebody--whisper-ours" / "refs" / "main").read_text() == COMMIT
    assert REPOSITORY in [one.name for one in found_models()]
    before = len(files_asked(server))
    assert hub.pull(REPOSITORY) == folder
    assert len(files_asked(server)) == before, "what is there is not fetched again"
    assert load_transcriber("faster-whisper", str(folder)).transcribe is not None


def test_a_broken_pull_goes_on_where_it_was(server: Hub) -> None:
    server.breaks = 2
    folder = hub.pull(REPOSITORY)
    assert (folder / "model.bin").read_bytes() == server.files["model.bin"]
    half, size = len(server.files["model.bin"]) // 2, len(server.files["model.bin"])
    asked = [asked for name, asked in files_asked(server) if name == "model.bin"]
    assert asked == ["", f"bytes={half}-", f"bytes={half + (size - half) // 2}-"]


def test_a_server_without_ranges_is_asked_for_the_whole(server: Hub) -> None:
    server.breaks, server.ranges = 1, False
    folder = hub.pull(REPOSITORY)
    assert (folder / "model.bin").read_bytes() == server.files["model.bin"]


def test_a_pull_that_stays_broken_says_so_and_keeps_what_it_has(server: Hub, tmp_path: Path) -> None:
    server.breaks = 100
    with pytest.raises(MissingModel, match="goes on where it stopped"):
        hub.pull(REPOSITORY)
    server.breaks = 0
    hub.pull(REPOSITORY)
    assert [asked for name, asked in files_asked(server) if name == "model.bin"][-1].startswith("bytes=")


def test_a_damaged_file_is_thrown_away(server: Hub, tmp_path: Path) -> None:
    server.damages = True
    with pytest.raises(MissingModel, match="checksum"):
        hub.pull(REPOSITORY)
    assert not list((tmp_path / "hub").rglob("*.incomplete"))
    assert REPOSITORY not in [one.name for one in found_models()]


def test_what_is_wrong_is_said_with_the_remedy(server: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingModel, match=r"small\.en"):
        hub.pull("smal.en")
    with pytest.raises(MissingModel, match="unknown model"):
        hub.pull("../../etc")
    with pytest.raises(MissingModel, match="has no model"):
        hub.pull("nobody/nothing")
    del server.files["model.bin"]
    with pytest.raises(MissingModel, match="no CTranslate2 Whisper"):
        hub.pull(REPOSITORY)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(MissingModel, match="Is this machine online"):
        hub.pull(REPOSITORY)


def test_a_check_says_how_right_and_how_dear_a_model_is() -> None:
    result = self_test(load_transcriber("faster-whisper", str(BUNDLED_FOLDER)), costs=True)
    assert result.wer < 0.2
    assert [cost.speech_s for cost in result.costs] == [1, 2, 3, 5, 8, 12]
    assert all(cost.final_ms > 0 for cost in result.costs)
    assert result.calls_per_core > 5


def test_calls_per_core_by_hand() -> None:
    # 4 s of speech: one final of 100 ms and three partials of 20 ms; 40 % talk: 16 ms a second; of 600 ms.
    assert calls_per_core((Cost(1, 100, 20), Cost(12, 100, 20))) == pytest.approx(37.5)


@pytest.mark.parametrize(
    ("said", "heard", "rate"),
    [("a b c d", "a b c d", 0), ("a b c d", "a x c", 0.5), ("a", "", 1), ("a", "b a", 1)],
)
def test_word_error_rate(said: str, heard: str, rate: float) -> None:
    assert word_error_rate(said, heard) == rate


@pytest.mark.parametrize(
    ("gpus", "supported", "device", "compute_type"),
    [
        (0, {"cpu": {"int8", "float32"}}, "cpu", "int8"),
        (0, {"cpu": {"float32"}}, "cpu", "float32"),
        (1, {"cpu": {"int8"}, "cuda": {"float16", "int8", "float32"}}, "cuda", "float16"),
        (1, {"cpu": {"int8"}, "cuda": {"float32"}}, "cuda", "float32"),
        (1, {"cpu": {"int8"}, "cuda": set()}, "cpu", "int8"),
    ],
)
def test_what_a_model_runs_on(
    gpus: int, supported: dict[str, set[str]], device: str, compute_type: str
) -> None:
    chosen = choose(gpus, supported)
    assert (chosen.device, chosen.compute_type) == (device, compute_type)
    assert here().batch >= 1
