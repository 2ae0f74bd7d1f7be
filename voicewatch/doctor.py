"""`voicewatch doctor`: whether this machine can run a server, and what to do where it cannot."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Literal

from audio_models.api import MissingModel, UnsupportedLanguage, missing_engine
from audio_models.hardware import here
from voicewatch.media.opus import OpusError, OpusLibrary
from voicewatch.processes.sockets import CannotListen, bind_tcp
from voicewatch.settings import Settings
from voicewatch.speech.recogniser import load_recogniser

FREE_BYTES_WANTED = 2 << 30
"""A call with recordings takes some 0.4 MB a minute: this is three days of one call."""
FREE_BYTES_NEEDED = 1 << 20
"""With less the journal's own files find no place, and the server does not start."""
LONGEST_TEMPORARY_FOLDER = 70
"""A Unix socket's path has at most 107 bytes, of which ours need some 35."""


@dataclass(frozen=True)
class Finding:
    """`ok`, `warn` (it runs, but) or `fail`; `remedy` is empty where nothing needs to be done."""

    check: str
    state: Literal["ok", "warn", "fail"]
    detail: str
    remedy: str = ""


def examine(settings: Settings) -> list[Finding]:
    """Every check, in the order in which a server needs the things."""
    return [check(settings) for check in CHECKS]


def _python(_: Settings) -> Finding:
    running = ".".join(map(str, sys.version_info[:3]))  # an older one than 3.11 cannot even install us
    if sys.platform != "linux":
        return Finding("python", "warn", f"{running} on {sys.platform}", "only Linux is tested")
    return Finding("python", "ok", running)


def _cores(settings: Settings) -> Finding:
    cores, media = len(os.sched_getaffinity(0)), settings.media.processes
    detail = f"{cores} usable, {media} for media"
    if cores < 2:
        remedy = "give it two or more: understanding and audio share one, transcripts will be late under load"
        return Finding("cores", "warn", detail, remedy)
    if media >= cores:
        return Finding(
            "cores", "warn", detail, f"set media.processes below {cores}, to leave one for the models"
        )
    return Finding("cores", "ok", detail)


def _libraries(_: Settings) -> Finding:
    """aiortc's private media surface is used: another version than the pinned one may not carry audio."""
    try:
        installed = version("aiortc")
        pinned = [line for line in requires("voicewatch") or () if line.startswith("aiortc==")]
    except PackageNotFoundError as missing:
        if missing.name != "voicewatch":
            return Finding("webrtc", "fail", "aiortc is not installed", "pip install voicewatch")
        return Finding("webrtc", "ok", f"aiortc {version('aiortc')}")
    if pinned and pinned[0] != f"aiortc=={installed}":
        return Finding("webrtc", "fail", f"aiortc {installed}", f"pip install {pinned[0]}")
    return Finding("webrtc", "ok", f"aiortc {installed}")


def _opus(_: Settings) -> Finding:
    try:
        library = OpusLibrary()
    except OpusError as error:
        return Finding("libopus", "fail", "not found", str(error))
    return Finding("libopus", "ok", f"{library.version}, {library.path}")


def _recogniser(settings: Settings) -> Finding:
    try:
        transcriber = load_recogniser(settings.speech)
    except (MissingModel, UnsupportedLanguage) as error:
        return Finding("speech", "fail", "no recogniser can be loaded", str(error))
    detail = f"{transcriber.name}: {transcriber.description}"
    if transcriber.low_fidelity:
        remedy = 'for real voices: `voicewatch models pull small.en`, then set speech.model = "small.en"'
        return Finding("speech", "warn", detail, remedy)
    return Finding("speech", "ok", detail)


def _heavier(settings: Settings) -> Finding:
    """Other engines than our own, where the settings name some."""
    speech = settings.speech
    named = {"speech.sentiment_model": speech.sentiment_model, "speech.voice_model": speech.voice_model}
    asked = {setting: name for setting, name in named.items() if name}
    if not asked:
        return Finding("scores", "ok", "VoiceWatch's own models")
    for setting, name in asked.items():
        if lacking := missing_engine(name):
            return Finding("scores", "fail", f"{setting} cannot be loaded", lacking)
    return Finding("scores", "ok", ", ".join(asked.values()))


def _speed(_: Settings) -> Finding:
    """What a Whisper runs on here; taken without being asked."""
    chosen = here()
    detail = f"{chosen.compute_type} on {chosen.device}, {chosen.batch} decoded at once"
    if chosen.device == "cpu" and chosen.compute_type != "int8":
        remedy = "this CPU has no fast int8: reckon with a third of the calls"
        return Finding("whisper", "warn", detail, remedy)
    return Finding("whisper", "ok", detail)


def _port(settings: Settings) -> Finding:
    try:
        bind_tcp(settings.host, settings.port).close()
    except CannotListen as error:
        return Finding("port", "fail", f"{settings.host}:{settings.port}", str(error))
    return Finding("port", "ok", f"{settings.host}:{settings.port} is free")


def _data(settings: Settings) -> Finding:
    folder = settings.data.absolute()
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        remedy = f"make {existing} writable for this user, or choose another folder with --data"
        return Finding("data", "fail", f"cannot write {existing}", remedy)
    free = shutil.disk_usage(existing).free
    detail = f"{folder}, {free / (1 << 30):.1f} GiB free"
    if free < FREE_BYTES_NEEDED:
        return Finding("data", "fail", detail, "free some space there, or choose another folder with --data")
    if free < FREE_BYTES_WANTED:
        return Finding("data", "warn", detail, "make room: recordings stop when the disk is full")
    return Finding("data", "ok", detail)


def _temporary(_: Settings) -> Finding:
    folder = tempfile.gettempdir()
    if len(folder) > LONGEST_TEMPORARY_FOLDER:
        return Finding(
            "sockets", "fail", f"{folder} is too long a path", "set TMPDIR to a shorter one, such as /tmp"
        )
    return Finding("sockets", "ok", f"in {folder}")


def _pages(_: Settings) -> Finding:
    built = Path(__file__).parent / "web" / "dist" / "index.html"
    if not built.is_file():
        return Finding(
            "pages", "warn", "the web pages are not built", "run `scripts/run` once, which builds them"
        )
    return Finding("pages", "ok", "built")


CHECKS: tuple[Callable[[Settings], Finding], ...] = (
    _python,
    _cores,
    _libraries,
    _opus,
    _recogniser,
    _heavier,
    _speed,
    _port,
    _data,
    _temporary,
    _pages,
)
