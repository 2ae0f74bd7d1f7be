"""Commands that run a server, or speak to one."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from voicewatch.cli.options import (
    ConfigOption,
    DataOption,
    HostOption,
    JsonOption,
    Mistake,
    PortOption,
    settings_of,
)

app = typer.Typer()


@app.command()
def serve(
    config: ConfigOption = None,
    host: HostOption = None,
    port: PortOption = None,
    data: DataOption = None,
    end_with: Annotated[int, typer.Option(hidden=True, help="End when this parent process does.")] = 0,
) -> None:
    """Run the server until Ctrl-C.

    Settings come from the file, then `VOICEWATCH_…` variables, then these options.

    Example: `voicewatch serve --port 8080 --data /srv/voicewatch`
    """
    from voicewatch.app import serve as run_server
    from voicewatch.processes.placement import die_with_parent

    if end_with:
        die_with_parent(end_with)
    raise typer.Exit(run_server(settings_of(config, host, port, data)))


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
    if json_file is not None and not json_file.absolute().parent.is_dir():
        raise Mistake(f"cannot write {json_file}: there is no folder {json_file.absolute().parent}")
    raise typer.Exit(
        run_demo(settings_of(config, host, port, data), calls=calls, once=once, json_file=json_file)
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
    from voicewatch.server.auth import KEY_FILE, mint

    folder = settings_of(config, data=data).data
    is_new = not (folder / KEY_FILE).exists()
    try:
        made = mint(folder, role, name, minutes, grant or ())
    except ValueError as error:
        raise Mistake(str(error)) from None
    except OSError as error:
        raise Mistake(
            f"cannot use the data folder {folder}: {error.strerror}; name the server's with --data"
        ) from None
    if is_new:
        print(
            f"voicewatch: {folder} had no signing key, so one was made: the token is good only for a server "
            "started on this folder; name another with --data",
            file=sys.stderr,
        )
    print(made)


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

    settings = settings_of(config, data=data)
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

    findings = examine(settings_of(config, host, port, data))
    if as_json:
        print(json.dumps({"schema": 1, "checks": [vars(finding) for finding in findings]}))
    else:
        for finding in findings:
            print(f"{finding.state:5}{finding.check:9}{finding.detail}")
            if finding.remedy:
                print(f"{'':14}-> {finding.remedy}")
    raise typer.Exit(int(any(finding.state == "fail" for finding in findings)))
