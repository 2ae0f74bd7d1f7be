"""Commands about calls that are over: erase, replay, export."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from voicewatch.cli.options import (
    ConfigOption,
    DataOption,
    JsonOption,
    Mistake,
    settings_of,
    write,
)
from voicewatch.core.rule_language import BadRule

app = typer.Typer()


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
        done = erase_calls(settings_of(config, data=data).data, reason, call_id=call, customer_id=customer)
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
    except BadRule:
        raise
    except UnicodeDecodeError:
        raise Mistake("a file is not UTF-8 text") from None
    except OSError as error:
        raise Mistake(f"{error.filename}: {error.strerror}") from None
    except ValueError as error:
        raise Mistake(str(error)) from None
    if html is not None:
        write(html, page(done))
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
        cases = read_calls(settings_of(config, data=data).data)
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
