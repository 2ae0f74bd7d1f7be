"""`voicewatch models`: recognisers on this machine."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from voicewatch.cli.options import ConfigOption, JsonOption, settings_of

app = typer.Typer(no_args_is_help=True, help="Speech recognisers: which are here, do they work, get another.")


@app.command("list")
def models_list(as_json: JsonOption = False) -> None:
    """Show the recognisers on this machine, by the name that `speech.model` takes.

    Example: `voicewatch models list`
    """
    from audio_models.catalogue import found_models

    found = found_models()
    if as_json:
        print(json.dumps({"schema": 1, "models": [vars(model) for model in found]}))
        return
    table = Table("name", "engine", "where", "note", box=None, pad_edge=False)
    for model in found:
        table.add_row(model.name, model.engine, model.where, model.note)
    Console(soft_wrap=True).print(table)


@app.command("check")
def models_check(
    name: Annotated[str, typer.Argument(help="Model to check; without it the one in the settings.")] = "",
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Load a recogniser, let it transcribe a bundled clip of synthetic speech, and say what it costs here.

    Example: `voicewatch models check tiny-whisper`
    """
    from audio_models.catalogue import self_test
    from voicewatch.speech.recogniser import load_recogniser

    speech = settings_of(config).speech
    if name:
        engine = "pocketsphinx" if name == "pocketsphinx" else "faster-whisper"
        speech = speech.model_copy(update={"engine": engine, "model": name})
    transcriber = load_recogniser(speech)
    result = self_test(transcriber, costs=True)
    if as_json:
        told = {"schema": 1, "engine": transcriber.name, "model": transcriber.model}
        print(json.dumps(told | asdict(result)))
        return
    print(f"{transcriber.name}: {transcriber.description}")
    print(f"{result.audio_ms / 1000:.1f} s of speech took {result.took_ms / 1000:.2f} s: {result.text!r}")
    print(f"word error rate {result.wer:.2f} on this one clip")
    table = Table("speech", "final, ms", "partial, ms", box=None, pad_edge=False)
    for cost in result.costs:
        table.add_row(f"{cost.speech_s:g} s", f"{cost.final_ms:g}", f"{cost.partial_ms:g}")
    Console(soft_wrap=True).print(table)
    print(f"about {result.calls_per_core:.0f} calls a core, at 60 % of it, with a partial each second")


@app.command("pull")
def models_pull(name: Annotated[str, typer.Argument(help="Such as small.en, or OWNER/REPOSITORY.")]) -> None:
    """Fetch a CTranslate2 Whisper from the Hugging Face hub; a server never does so by itself.

    Broken off, it goes on where it was when asked again. `HF_ENDPOINT` names a mirror.

    Example: `voicewatch models pull small.en`, then set `speech.model = "small.en"`
    """
    from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn

    from audio_models.hub import pull

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True)) as shown:
        tasks: dict[str, TaskID] = {}

        def progress(file: str, there: int, total: int) -> None:
            task = tasks.setdefault(file, TaskID(-1))
            if task < 0:
                task = tasks[file] = shown.add_task(file, total=total)
            shown.update(task, completed=there)

        folder = pull(name, progress)
    print(f'{folder}\nUse it with speech.model = "{name}"')
