"""Commands that understand without a server: recordings and texts."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel, ValidationError

from voicewatch.cli.options import (
    MISTAKES,
    ConfigOption,
    JsonlOption,
    JsonOption,
    Mistake,
    settings_of,
    text_of,
)

app = typer.Typer()


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

    settings = settings_of(config)
    rules_text = text_of(rules) if rules else None
    for path in audio:
        try:
            result = analyze_file(path, _split(roles), rules_text, settings, realtime=realtime)
        except MISTAKES:
            raise  # no fault of this file
        except (OSError, ValueError) as error:
            raise Mistake(f"{path}: {getattr(error, 'strerror', None) or error}") from None
        print(json.dumps(result, ensure_ascii=False) if as_json else _readable(result), flush=True)


@app.command()
def score(jsonl: JsonlOption = False, config: ConfigOption = None) -> None:
    """Score utterances from standard input: sentiment, uncertainty, and why.

    Each line is a text of the customer, or with `--jsonl` an object
    `{"id", "text", "role", "context": [{"role", "text"}], "audio", "call"}`: `audio` is a file with the
    customer's voice, and lines of one `call`, in order, are compared with its beginning. What cannot be
    scored is null, with the reason. Other models are those of the settings (`speech.sentiment_model`,
    `speech.voice_model`).

    Example: `echo "I want to talk to a real person" | voicewatch score`
    """
    from voicewatch.speech.score import score_lines

    items = (item.model_dump(exclude_none=True) for item in _lines(jsonl))
    speech = settings_of(config).speech
    for scored in score_lines(items, speech.sentiment_model, speech.voice_model):
        print(json.dumps(scored, ensure_ascii=False), flush=True)


@app.command()
def redact(jsonl: JsonlOption = False) -> None:
    """Mask what identifies people in texts from standard input.

    Each line is a text, or with `--jsonl` an object `{"id", "text", "context": [{"role", "text"}]}`;
    the answer then names the spans found, in characters of the input.

    Example: `echo "my number is four four one seven" | voicewatch redact`
    """
    from voicewatch.core.redaction import find_spans, mask

    for item in _lines(jsonl):
        spans = find_spans(item.text, [(turn.role, turn.text) for turn in item.context])
        masked = mask(item.text, spans)
        if jsonl:
            found = [span.model_dump() for span in spans]
            print(json.dumps({"id": item.id, "text": masked, "spans": found}, ensure_ascii=False), flush=True)
        else:
            print(masked, flush=True)


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


def _lines(jsonl: bool) -> Iterator[Utterance]:
    """Standard input, line by line as it comes; empty lines are passed over."""
    for number, line in enumerate(sys.stdin, start=1):
        if not line.strip():
            continue
        try:
            yield (
                Utterance.model_validate_json(line) if jsonl else Utterance(id=number, text=line.rstrip("\n"))
            )
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            field = ".".join(map(str, first["loc"])) or "the line"
            remedy = 'expected an object such as {"id": 1, "text": "hello"}'
            raise Mistake(f"line {number}: {field}: {first['msg']}; {remedy}") from None


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
