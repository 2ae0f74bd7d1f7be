"""Who may import whom, read from the source (docs/ARCHITECTURE: rooms)."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
COMMON = {"voicewatch.core", "voicewatch.processes", "voicewatch.settings"}

LAYERS: dict[str, set[str]] = {
    "audio_models": {"audio_models"},
    "voicewatch.core": {"voicewatch.core"},
    "voicewatch.settings": set(),
    "voicewatch.processes": COMMON,
    "voicewatch.media": {"voicewatch.media", *COMMON},
    "voicewatch.speech": {"voicewatch.speech", "audio_models.api", *COMMON},
    "voicewatch.gateways": {"voicewatch.gateways", *COMMON},
    "voicewatch.record": {"voicewatch.record", "voicewatch.media.opus", *COMMON},
    "voicewatch.server": {"voicewatch.server", *COMMON},
    "voicewatch.backtest": {
        "voicewatch.backtest",
        "voicewatch.record.journal",
        "voicewatch.speech.conversations",
        "voicewatch.speech.facts",
        "audio_models.api",
        *COMMON,
    },
    "voicewatch.load": {
        "voicewatch.load",
        "voicewatch.demo",
        "voicewatch.media.opus",
        "voicewatch.server.auth",
        *COMMON,
    },
    "voicewatch.demo": {"voicewatch.demo", "voicewatch.server.auth", "audio_models", *COMMON},
}
"""What a room may import of ours. `app`, `cli` and `doctor` put the rooms together: they may import all."""

WIRING = {
    ("voicewatch.server.process", "voicewatch.record.journal"),
    ("voicewatch.server.process", "voicewatch.record.archive"),
}
"""The front process is put together from the server, the journal and the recordings in one module."""

ANYWHERE = {"numpy", "pydantic"}
CORE_THIRD_PARTY = ANYWHERE
SPREAD = {"structlog", "rich", "httpx", "fastapi", "starlette", "websockets", "torch"}
"""Used in several modules of a room by their nature; never in the core."""

HOMES: dict[str, set[str]] = {
    "aiortc": {"voicewatch.media.webrtc", "voicewatch.demo.peer", "voicewatch.load.leg"},
    "aioice": {"voicewatch.media.webrtc", "voicewatch.demo.peer", "voicewatch.load.leg"},
    "av": {"voicewatch.speech.audio_file", "voicewatch.demo"},
    "pylibsrtp": {"voicewatch.media.srtp"},
    "webrtcvad": {"voicewatch.media.voice", "audio_models.vad"},
    "faster_whisper": {"audio_models.whisper"},
    "ctranslate2": {"audio_models.whisper", "audio_models.hardware"},
    "pocketsphinx": {"audio_models.pocketsphinx"},
    "transformers": {"audio_models.hugging_face"},
    "jwt": {"voicewatch.server.auth"},
    "cryptography": {"voicewatch.record.sealing"},
    "uvicorn": {"voicewatch.server.connections"},
    "h11": {"voicewatch.server.connections"},
    "prometheus_client": {"voicewatch.server.metrics"},
    "pydantic_settings": {"voicewatch.settings"},
    "typer": {"voicewatch.cli"},
    "sqlite3": {"voicewatch.record"},
}
"""Third-party libraries (and sqlite3) and where they may be imported: swapping one is a change in one place.
The demonstration is a client, with a stack of its own."""

NEVER_WAITS = {"asyncio", "time", "socket", "threading", "subprocess", "selectors", "signal", "random"}


def modules() -> dict[str, ast.Module]:
    found = {}
    for package in ("voicewatch", "audio_models"):
        for path in sorted((ROOT / package).rglob("*.py")):
            if "node_modules" in path.parts:
                continue
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found[name] = ast.parse(path.read_text(encoding="utf-8"), str(path))
    return found


MODULES = modules()


def imports(tree: ast.Module) -> Iterator[str]:
    """Dotted names imported anywhere in the module; `from a import b` gives `a.b`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def within(name: str, prefixes: set[str]) -> bool:
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)


def room_of(module: str) -> str | None:
    return next((room for room in LAYERS if within(module, {room})), None)


def ours(name: str) -> bool:
    return within(name, {"voicewatch", "audio_models"}) and name != "voicewatch.__version__"


@pytest.mark.parametrize("room", LAYERS)
def test_a_room_imports_only_what_its_layer_allows(room: str) -> None:
    wrong = [
        f"{module} imports {name}"
        for module, tree in MODULES.items()
        if room_of(module) == room
        for name in imports(tree)
        if ours(name)
        and not within(name, LAYERS[room])
        and not any(module == importer and within(name, {allowed}) for importer, allowed in WIRING)
    ]
    assert not wrong


def test_every_module_has_a_place() -> None:
    top = {"voicewatch", "voicewatch.app", "voicewatch.doctor", "voicewatch.__main__"}
    homeless = [
        module
        for module in MODULES
        if room_of(module) is None and module not in top and not within(module, {"voicewatch.cli"})
    ]
    assert homeless in ([], ["voicewatch.web"])


def test_each_library_has_its_home() -> None:
    wrong = []
    for module, tree in MODULES.items():
        for name in imports(tree):
            library = name.partition(".")[0]
            if library in ("voicewatch", "audio_models") or (
                library in sys.stdlib_module_names and library not in HOMES
            ):
                continue
            homes = HOMES.get(library, set())
            if not within(module, homes) and library not in ANYWHERE | SPREAD:
                wrong.append(f"{module} imports {library}, whose home is {homes or 'not named in this test'}")
    assert not wrong


def test_the_core_never_waits() -> None:
    wrong = []
    for module, tree in MODULES.items():
        if room_of(module) != "voicewatch.core":
            continue
        for name in imports(tree):
            library = name.partition(".")[0]
            foreign = not ours(name) and library not in sys.stdlib_module_names | CORE_THIRD_PARTY
            if library in NEVER_WAITS or foreign:
                wrong.append(f"{module} imports {name}")
        waits = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)
        wrong += [f"{module}:{node.lineno} waits" for node in ast.walk(tree) if isinstance(node, waits)]
    assert not wrong
