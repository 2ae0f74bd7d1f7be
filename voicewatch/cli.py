"""The command line: `voicewatch --help`. A user's mistake is one clear line and exit status 2, no trace."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from pydantic import BaseModel, ValidationError
from rich.console import Console
from rich.table import Table

from audio_models.api import MissingModel, UnsupportedLanguage
from voicewatch import __version__
from voicewatch.core.rule_language import BadRule
from voicewatch.processes.sockets import CannotListen
from voicewatch.settings import BadSettings, Settings, load_settings


class Mistake(Exception):
    """Something the user can put right; the text names it and the remedy."""


MISTAKES = (Mistake, BadSettings, CannotListen, MissingModel, UnsupportedLanguage, BadRule)

app = typer.Typer(
    name="voicewatch",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="Hears every AI phone call while it happens, knows when it goes wrong and why, "
    "and puts a human into the same call.",
    epilog="Begin with `voicewatch doctor`, then `voicewatch demo`.",
)
models_app = typer.Typer(
    no_args_is_help=True, help="Speech recognisers: which are here, do they work, get another."
)
app.add_typer(models_app, name="models")

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


def main(arguments: list[str] | None = None) -> None:
    """Runs the command in `arguments` (default: those of the process) and exits with its status."""
    try:
        app(arguments)
    except MISTAKES as mistake:
        print(f"voicewatch: {mistake}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # the reader (head, less) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except KeyboardInterrupt:
        sys.exit(130)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"voicewatch {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    _: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


# ---------------------------------------------------------------- the server


@app.command()
def serve(
    config: ConfigOption = None, host: HostOption = None, port: PortOption = None, data: DataOption = None
) -> None:
    """Run the server until Ctrl-C.

    Settings come from the file, then `VOICEWATCH_…` variables, then these options.

    Example: `voicewatch serve --port 8080 --data /srv/voicewatch`
    """
    from voicewatch.app import serve as run_server

    raise typer.Exit(run_server(_settings(config, host, port, data)))


@app.command()
def demo(
    calls: Annotated[int, typer.Option(min=0, max=50, help="Synthetic customers on the line at a time.")] = 3,
    once: Annotated[
        bool, typer.Option("--once", help="One call through its whole life, then a verdict.")
    ] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="With --once: write the report there.", show_default=False)
    ] = None,
    config: ConfigOption = None,
    host: HostOption = None,
    port: PortOption = None,
    data: DataOption = None,
) -> None:
    """Run a server with synthetic customers calling over real WebRTC, and an AI that answers.

    Prints a link for each role. With `--once` one call is placed, escalated, taken over by a human, handed
    back and ended; the exit status is 0 only if every step truly happened.

    Example: `voicewatch demo --once --json report.json`
    """
    from voicewatch.demo.run import run_demo

    if json_file is not None and not once:
        raise Mistake("--json needs --once: only a single call has a report")
    raise typer.Exit(
        run_demo(_settings(config, host, port, data), calls=calls, once=once, json_file=json_file)
    )


@app.command()
def token(
    role: Annotated[
        str, typer.Option(help="customer, ai, agent, supervisor, admin or integration.", show_default=False)
    ],
    name: Annotated[str, typer.Option(help="Shown name; the same name is the same account.")] = "",
    minutes: Annotated[float, typer.Option(min=1, max=1_440, help="How long it is good.")] = 60,
    grant: Annotated[
        list[str] | None, typer.Option(help="unmask or recordings; may be repeated.", show_default=False)
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Print an access token for the HTTP API.

    Whoever has the data folder can make one; give it to a program in its environment, never in a URL.

    Example: `VOICEWATCH_TOKEN=$(voicewatch token --role supervisor --grant unmask)`
    """
    from voicewatch.server.auth import mint

    try:
        print(mint(_settings(config, data=data).data, role, name, minutes, grant or ()))
    except (ValueError, OSError) as error:
        raise Mistake(str(error)) from None


@app.command()
def load(
    calls: Annotated[int, typer.Option(min=1, max=2_000, help="Calls at a time.")],
    seconds: Annotated[float, typer.Option(min=2, help="How long they are measured.")] = 30,
    legs: Annotated[
        int, typer.Option(min=1, max=3, help="1 customer, 2 with an AI, 3 with takeovers by a supervisor.")
    ] = 2,
    server: Annotated[
        str, typer.Option(help="URL of the running server; without it that of the settings.")
    ] = "",
    as_json: JsonOption = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Load a running server with calls over real WebRTC and measure what it delivers.

    The calls are made by processes of their own, of pre-encoded speech; times are the kernel's. The data
    folder must be the server's: tokens are made with its key.

    Example: `voicewatch load --calls 20 --seconds 30 --data /srv/voicewatch`
    """
    import asyncio

    from voicewatch.load.run import LoadFailed, run_load
    from voicewatch.server.process import public_url

    settings = _settings(config, data=data)
    work = run_load(server or public_url(settings), settings.data, calls=calls, seconds=seconds, legs=legs)
    try:
        report = asyncio.run(work)
    except (LoadFailed, ValueError, OSError) as error:
        raise Mistake(str(error)) from None
    if as_json:
        print(json.dumps(report))
        return
    for name, value in report.items():
        shown = ", ".join(f"{key} {one}" for key, one in value.items()) if isinstance(value, dict) else value
        print(f"{name:24}{shown}")


@app.command()
def doctor(
    as_json: JsonOption = False,
    config: ConfigOption = None,
    host: HostOption = None,
    port: PortOption = None,
    data: DataOption = None,
) -> None:
    """Check whether this machine can run a server, and say what to do where it cannot.

    The exit status is 1 if anything failed; a warning is no failure. ffmpeg is not needed.

    Example: `voicewatch doctor --port 8080`
    """
    from voicewatch.doctor import examine

    findings = examine(_settings(config, host, port, data))
    if as_json:
        print(json.dumps({"schema": 1, "checks": [vars(finding) for finding in findings]}))
    else:
        for finding in findings:
            print(f"{finding.state:5}{finding.check:9}{finding.detail}")
            if finding.remedy:
                print(f"{'':14}-> {finding.remedy}")
    raise typer.Exit(int(any(finding.state == "fail" for finding in findings)))


# ---------------------------------------------------------------- understanding without a server


@app.command()
def analyze(
    audio: Annotated[list[Path], typer.Argument(help="WAV, FLAC, Ogg, Opus or MP3.", show_default=False)],
    roles: Annotated[
        str, typer.Option(help="Who speaks on each channel: customer, ai, agent or supervisor.")
    ] = "customer,ai",
    rules: Annotated[
        Path | None, typer.Option(help="TOML file of rules; without it the default set.", show_default=False)
    ] = None,
    realtime: Annotated[
        bool, typer.Option("--realtime", help="Feed the audio at the speed of speech.")
    ] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Transcribe and judge recordings by the same pipeline as live calls.

    Two channels are two legs of the call. With `--json` there is one object per file, one per line.

    Example: `voicewatch analyze call.wav --roles customer,ai`
    """
    from voicewatch.speech.analyze import analyze as analyze_file

    settings = _settings(config)
    rules_text = _read(rules) if rules else None
    for path in audio:
        try:
            result = analyze_file(path, _split(roles), rules_text, settings, realtime=realtime)
        except MISTAKES:
            raise  # no fault of this file
        except (OSError, ValueError) as error:
            raise Mistake(f"{path}: {getattr(error, 'strerror', None) or error}") from None
        print(json.dumps(result, ensure_ascii=False) if as_json else _readable(result), flush=True)


@app.command()
def score(jsonl: JsonlOption = False) -> None:
    """Score utterances from standard input: sentiment, uncertainty, and why.

    Each line is a text of the customer, or with `--jsonl` an object
    `{"id", "text", "role", "context": [{"role", "text"}], "audio", "call"}`: `audio` is a file with the
    customer's voice, and lines of one `call`, in order, are compared with its beginning. What cannot be
    scored is null, with the reason.

    Example: `echo "I want to talk to a real person" | voicewatch score`
    """
    from voicewatch.speech.score import score_lines

    items = (item.model_dump(exclude_none=True) for item in _lines(Utterance, jsonl))
    for scored in score_lines(items):
        print(json.dumps(scored, ensure_ascii=False), flush=True)


@app.command()
def erase(
    call: Annotated[str, typer.Option(help="Id of one call.")] = "",
    customer: Annotated[
        str, typer.Option(help="All calls of a customer: the `customer_id` given with them, or his account.")
    ] = "",
    reason: Annotated[str, typer.Option(help="Why, for the list of what was erased.")] = "",
    as_json: JsonOption = False,
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Erase a call, or all calls of a customer, for good: key, words and recordings.

    What remains is that, when and by whom it was erased. A running server does it itself, and leaves calls
    out that are still going on; the exit status is then 1.

    Example: `voicewatch erase --customer c-1017 --reason "asked on 3 March" --data /srv/voicewatch`
    """
    from voicewatch.app import erase as erase_calls
    from voicewatch.server.erasing import EraseFailed

    if bool(call) == bool(customer):
        raise Mistake("name what to erase: --call ID or --customer ID, one of them")
    try:
        done = erase_calls(_settings(config, data=data).data, reason, call_id=call, customer_id=customer)
    except EraseFailed as error:
        raise Mistake(f"not erased: {error}") from None
    if as_json:
        print(json.dumps(done))
    else:
        for call_id in done["erased"]:
            print(f"erased {call_id}")
        for call_id in done["live"]:
            print(f"still going on, not erased: {call_id}")
        if not done["erased"] and not done["live"]:
            print("no such call" if call else "no call of this customer")
    raise typer.Exit(int(bool(done["live"]) or not done["erased"]))


@app.command()
def backtest(
    rules: Annotated[
        Path | None, typer.Option(help="TOML file of rules; without it the default set.", show_default=False)
    ] = None,
    calls: Annotated[
        Path | None,
        typer.Option(help="A server's data folder, or its journal/journal.db.", show_default=False),
    ] = None,
    jsonl: Annotated[
        Path | None, typer.Option(help="Labelled dialogues, one JSON object a line.", show_default=False)
    ] = None,
    against: Annotated[
        Path | None, typer.Option(help="Another rule file to compare with.", show_default=False)
    ] = None,
    curve: Annotated[str, typer.Option(help="RULE.FIELD: try this number over its whole range.")] = "",
    html: Annotated[
        Path | None, typer.Option(help="Write the report there, with the calls.", show_default=False)
    ] = None,
    miss_cost: Annotated[float, typer.Option(min=0, help="Cost of a call that nobody came to.")] = 10,
    alarm_cost: Annotated[float, typer.Option(min=0, help="Cost of calling a person for nothing.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Replay past calls or labelled dialogues through rules: precision, recall, lead time, alerts.

    The same calls and rules always give the same report. Of a journal's calls, what people did are the
    labels: escalated by hand, took the call, dismissed the alert.

    Example: `voicewatch backtest --jsonl dialogues.jsonl --against old.toml --html report.html`
    """
    from voicewatch.backtest.page import html as page
    from voicewatch.backtest.run import Asked, in_words
    from voicewatch.backtest.run import backtest as run_backtest
    from voicewatch.core.backtest import Costs

    if (calls is None) == (jsonl is None):
        raise Mistake("name what to replay: --calls DATA or --jsonl FILE, one of them")
    asked = Asked(calls, jsonl, rules, against, curve, Costs(miss_cost, alarm_cost))
    try:
        done = run_backtest(asked)
        if html is not None:
            html.write_text(page(done), encoding="utf-8")
    except BadRule:
        raise
    except UnicodeDecodeError:
        raise Mistake("a file is not UTF-8 text") from None
    except OSError as error:
        raise Mistake(f"{error.filename}: {error.strerror}") from None
    except ValueError as error:
        raise Mistake(str(error)) from None
    print(json.dumps(done.report, ensure_ascii=False) if as_json else in_words(done.report))


@app.command("export")
def export_calls(
    data: DataOption = None,
    config: ConfigOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="File to write; else standard output.", show_default=False)
    ] = None,
    labelled: Annotated[
        bool, typer.Option("--labelled", help="Only calls of which people said something.")
    ] = False,
) -> None:
    """Past calls as labelled data (JSON lines, always masked), as `backtest --jsonl` reads them."""
    from voicewatch.backtest.export import exported
    from voicewatch.backtest.journals import NoJournal, read_calls

    try:
        cases = read_calls(_settings(config, data=data).data)
    except NoJournal as error:
        raise Mistake(str(error)) from None
    lines = (json.dumps(line, ensure_ascii=False) for line in exported(cases, only_labelled=labelled))
    if out is None:
        for line in lines:
            print(line)
        return
    try:
        with out.open("w", encoding="utf-8") as file:
            written = sum(bool(file.write(line + "\n")) for line in lines)
    except OSError as error:
        raise Mistake(f"cannot write {out}: {error.strerror}") from None
    print(f"{written} calls written to {out}", file=sys.stderr)


@app.command()
def redact(jsonl: JsonlOption = False) -> None:
    """Mask what identifies people in texts from standard input.

    Each line is a text, or with `--jsonl` an object `{"id", "text", "context": [{"role", "text"}]}`;
    the answer then names the spans found, in characters of the input.

    Example: `echo "my number is four four one seven" | voicewatch redact`
    """
    from voicewatch.core.redaction import find_spans, mask

    for item in _lines(Utterance, jsonl):
        spans = find_spans(item.text, [(turn.role, turn.text) for turn in item.context])
        masked = mask(item.text, spans)
        if jsonl:
            found = [span.model_dump() for span in spans]
            print(json.dumps({"id": item.id, "text": masked, "spans": found}, ensure_ascii=False), flush=True)
        else:
            print(masked, flush=True)


# ---------------------------------------------------------------- models


@models_app.command("list")
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


@models_app.command("check")
def models_check(
    name: Annotated[str, typer.Argument(help="Model to check; without it the one in the settings.")] = "",
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Load a recogniser, let it transcribe a bundled clip of synthetic speech, and say what it costs here.

    Example: `voicewatch models check tiny-whisper`
    """
    from dataclasses import asdict

    from audio_models.catalogue import self_test
    from voicewatch.speech.recogniser import load_recogniser

    speech = _settings(config).speech
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


@models_app.command("pull")
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


# ---------------------------------------------------------------- reading what the user gave


class Turn(BaseModel):
    role: str
    text: str


class Utterance(BaseModel):
    """A line for `score` and `redact`."""

    id: str | int | None = None
    text: str
    role: str = "customer"
    language: str = "en"
    context: list[Turn] = []
    audio: str | None = None
    call: str | None = None


Line = TypeVar("Line", bound=Utterance)


def _lines(kind: type[Line], jsonl: bool) -> Iterator[Line]:
    """Standard input, line by line as it comes; empty lines are passed over."""
    for number, line in enumerate(sys.stdin, start=1):
        if not line.strip():
            continue
        try:
            yield kind.model_validate_json(line) if jsonl else kind(id=number, text=line.rstrip("\n"))
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            field = ".".join(map(str, first["loc"])) or "the line"
            remedy = 'expected an object such as {"id": 1, "text": "hello"}'
            raise Mistake(f"line {number}: {field}: {first['msg']}; {remedy}") from None


def _settings(
    config: Path | None = None, host: str | None = None, port: int | None = None, data: Path | None = None
) -> Settings:
    return load_settings(config, {"host": host, "port": port, "data": data})


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Mistake(
            f"cannot read {path}: {getattr(error, 'strerror', None) or 'it is not UTF-8 text'}"
        ) from None


def _split(roles: str) -> list[str]:
    return [role.strip() for role in roles.split(",") if role.strip()]


def _readable(result: dict[str, Any]) -> str:
    """The analysis of one file for people: what was said, how it was meant, what it set off."""
    lines = [f"{result['audio']}  {_clock(result['duration_ms'])}  {result['engine']['asr_model']}"]
    happened = [(one["start_ms"], _said(one)) for one in result["utterances"]]
    happened += [(one["at_ms"], f"{'!':>10}  {one['severity']}: {one['rule']}") for one in result["alerts"]]
    lines += [f"{_clock(at_ms)} {text}" for at_ms, text in sorted(happened, key=lambda one: one[0])]
    return "\n".join(lines)


def _said(utterance: dict[str, Any]) -> str:
    scores = [
        f"{name} {part['score']:{form}}"
        for name, form in (("sentiment", "+.1f"), ("uncertainty", ".2f"))
        if (part := utterance.get(name))
    ]
    return f"{utterance['role']:>10}  {utterance['text']}" + (f"  [{', '.join(scores)}]" if scores else "")


def _clock(at_ms: int) -> str:
    return f"{at_ms // 60_000:02}:{at_ms % 60_000 / 1000:04.1f}"
