"""What several commands share: options, settings, and how a user's mistake is told."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from audio_models.api import MissingModel, UnsupportedLanguage
from voicewatch.core.rule_language import BadRule
from voicewatch.processes.sockets import CannotListen
from voicewatch.settings import BadSettings, Settings, load_settings


class Mistake(Exception):
    """Something the user can put right; the text names it and the remedy."""


MISTAKES = (Mistake, BadSettings, CannotListen, MissingModel, UnsupportedLanguage, BadRule)

ConfigOption = Annotated[
    Path | None, typer.Option("--config", "-c", help="TOML file of settings.", show_default=False)
]
DataOption = Annotated[
    Path | None,
    typer.Option("--data", help="Folder that holds everything the server keeps.", show_default=False),
]
HostOption = Annotated[str | None, typer.Option("--host", help="Address to listen on.", show_default=False)]
PortOption = Annotated[
    int | None, typer.Option("--port", help="Port to listen on; 0 takes a free one.", show_default=False)
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
JsonlOption = Annotated[bool, typer.Option("--jsonl", help="One JSON object a line, in and out.")]


def settings_of(
    config: Path | None = None, host: str | None = None, port: int | None = None, data: Path | None = None
) -> Settings:
    return load_settings(config, {"host": host, "port": port, "data": data})


def write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Mistake(f"cannot write {path}: {error.strerror}") from None


def text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Mistake(
            f"cannot read {path}: {getattr(error, 'strerror', None) or 'it is not UTF-8 text'}"
        ) from None
