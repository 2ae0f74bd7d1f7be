"""`--once`: one synthetic call through its whole life, judged by what its parties hear and receive."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from voicewatch.demo.scenarios import load_scenario
from voicewatch.demo.server import running_server
from voicewatch.demo.verdict import STEPS, Evidence, first_missing, judge
from voicewatch.server.auth import mint
from voicewatch.settings import Settings

SCENARIO = "once"
_LIMIT_S = 100.0
TERMINATED = 128 + signal.SIGTERM
"""Exit status of what SIGTERM ended, as a shell tells it."""
_READY = (("supervisor", "watching"), ("agent", "available"), ("ai", None), ("customer", None))
"""The order in which the parts start, and what each must report before the next."""


def play_once(settings: Settings, json_file: Path | None, console: Console) -> int:
    """Start the server and the four parts; print the timeline. 0 only if every step happened."""
    try:
        evidence = asyncio.run(_play(settings, console))
    except asyncio.CancelledError:
        return TERMINATED
    report = judge(evidence)
    is_kept = json_file is None or _write(report, json_file, console)
    _print_summary(report, console)
    missing = first_missing(report)
    if missing is not None:
        console.print(f"[bold red]{missing}[/]")
        for fault in (seen for seen in evidence.observations if seen["what"] == "fault"):
            console.print(f"  {fault['part']}: {fault['error']}", markup=False)
    return 0 if report["ok"] and is_kept else 1


def _write(report: dict[str, Any], file: Path, console: Console) -> bool:
    try:
        file.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        console.print(f"[bold red]cannot write {file}: {error.strerror}[/]")
        return False
    return True


async def _play(settings: Settings, console: Console) -> Evidence:
    evidence = Evidence(load_scenario(SCENARIO))
    this = asyncio.current_task()
    assert this is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)  # else the server outlives us
    async with running_server(settings) as url:
        console.print(f"server on {url}; one call begins")
        await _run_parts(url, settings.data, evidence, _Timeline(evidence, console).update)
    return evidence


async def _run_parts(url: str, data: Path, evidence: Evidence, on_news: Callable[[], None]) -> None:
    parts = []
    try:
        async with asyncio.timeout(_LIMIT_S):
            for role, ready in _READY:
                part = _Part(role, evidence, on_news)
                parts.append(part)
                await part.start(url, mint(data, role, f"demo-{role}", 30, []))
                if ready is not None:
                    await part.wait_for(ready)
            await asyncio.gather(*(part.reading for part in parts))
    except TimeoutError:
        pass  # the steps that are missing say what did not happen in time
    finally:
        await asyncio.gather(*(part.stop() for part in parts))


class _Part:
    """One party in its own process."""

    def __init__(self, role: str, evidence: Evidence, on_news: Callable[[], None]) -> None:
        self.role = role
        self._evidence = evidence
        self._on_news = on_news
        self._changed = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None
        self.reading: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def start(self, url: str, token: str) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "voicewatch.demo.parts"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=1 << 22,  # one line holds the arrival times of a whole call
            start_new_session=True,
        )
        assert self._process.stdin is not None
        config = {"role": self.role, "server": url, "token": token, "scenario": SCENARIO}
        self._process.stdin.write(json.dumps(config).encode() + b"\n")
        await self._process.stdin.drain()
        self.reading = asyncio.ensure_future(self._read(self._process))

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            self._evidence.observations.append(json.loads(line))
            self._changed.set()
            self._on_news()
        self._changed.set()

    async def wait_for(self, what: str) -> None:
        while self._evidence.first(self.role, what) is None and not self.reading.done():
            self._changed.clear()
            await self._changed.wait()

    async def stop(self) -> None:
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            assert self._process.stdin is not None
            self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), 5)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        await asyncio.gather(self.reading, return_exceptions=True)


class _Timeline:
    """Prints each step once, as soon as it is seen."""

    def __init__(self, evidence: Evidence, console: Console) -> None:
        self._evidence = evidence
        self._console = console
        self._open = list(STEPS)

    def update(self) -> None:
        for step in list(self._open):
            seen = step.seen(self._evidence)
            if seen is not None and self._is_settled(step.name):
                self._open.remove(step)
                seconds = (seen["at_ns"] - self._evidence.zero_ns()) / 1e9
                self._console.print(f"  [green]✓[/] {seconds:6.2f} s  {step.name.replace('_', ' ')}")

    def _is_settled(self, name: str) -> bool:
        """Steps that a later sound could still undo are printed when the hand-back is over."""
        later = ("ai_silent_for_customer", "coach_heard_by_agent_only")
        return name not in later or self._evidence.event("handed_back") is not None


def _print_summary(report: dict[str, Any], console: Console) -> None:
    table = Table(title="What was said and what was understood", show_lines=False)
    for column in ("who", "said", "understood", "WER"):
        table.add_column(column)
    for row in report["transcript"]:
        table.add_row(row["role"], row["expected"], row["text"], f"{row['wer']:.2f}")
    console.print(table)
    media, latency = report["customer_media"], report["latency_ms"]
    console.print(f"engines: {report['engines']}", markup=False)
    console.print(f"customer's media: {media}", markup=False)
    console.print(f"latency in ms: {latency}; word error rate {report['wer']}", markup=False)
    console.print(
        "[bold green]every step happened[/]" if report["ok"] else "[bold red]not every step happened[/]"
    )
