"""`voicewatch demo`: synthetic customers calling a server, or (`--once`) one call judged from outside."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
from rich.console import Console

from voicewatch.demo.once import play_once
from voicewatch.demo.server import ServerFailed, demonstration_speech, running_server
from voicewatch.server.auth import mint
from voicewatch.settings import Settings

_DAY_MINUTES = 24 * 60
_LINKS = (
    ("supervisor", "Sam Supervisor", "/dashboard", "watch all calls, listen, coach, barge, take over"),
    ("agent", "Alex Agent", "/agent", "be the human: set yourself available and take an offered call"),
    ("customer", "", "/call", "call the AI yourself, with your own microphone"),
)


def run_demo(settings: Settings, calls: int = 3, once: bool = False, json_file: Path | None = None) -> int:
    """Run until Ctrl-C (0), or one call (0 only if every step of it happened)."""
    console = Console()
    try:
        if once:
            with tempfile.TemporaryDirectory(prefix="voicewatch-once-") as folder:
                return play_once(_understanding(settings, Path(folder)), json_file, console)
        asyncio.run(_keep_calling(_understanding(settings, settings.data), calls, console))
    except ServerFailed as failed:
        console.print(f"[bold red]{failed}[/]")
        return 1
    return 0


def _understanding(settings: Settings, data: Path) -> Settings:
    return settings.model_copy(update={"data": data, "speech": demonstration_speech(settings.speech)})


async def _keep_calling(settings: Settings, calls: int, console: Console) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with running_server(settings) as url:
        await _print_links(url, settings.data, console)
        ai_token = mint(settings.data, "ai", "demo-ai", _DAY_MINUTES, [])
        customer_token = mint(settings.data, "customer", "demo-customers", _DAY_MINUTES, [])
        async with (
            _crowd({"what": "ai", "server": url, "token": ai_token}),
            _crowd({"what": "customers", "server": url, "token": customer_token, "calls": calls}),
        ):
            console.print(f"{calls} synthetic customers keep calling. Ctrl-C ends everything.")
            await stop.wait()
            console.print("ending…")


@contextlib.asynccontextmanager
async def _crowd(config: dict[str, object]) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "voicewatch.demo.crowd"),
        stdin=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(config).encode() + b"\n")
    await process.stdin.drain()
    try:
        yield
    finally:
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 5)
        except TimeoutError:
            process.kill()
            await process.wait()


async def _print_links(url: str, data: Path, console: Console) -> None:
    token = mint(data, "admin", "demo", 5, [])
    console.print(f"\n[bold]VoiceWatch runs on {url}/[/]   (each link works once, on this machine)\n")
    async with httpx.AsyncClient(
        base_url=url, trust_env=False, headers={"authorization": f"Bearer {token}"}
    ) as http:
        for role, name, path, purpose in _LINKS:
            answer = await http.post("/api/codes", json={"role": role, "name": name, "path": path})
            answer.raise_for_status()
            console.print(f"  {role:<11}{answer.json()['url']}", soft_wrap=True, highlight=False)
            console.print(f"  {'':<11}[dim]{purpose}[/]\n", highlight=False)
