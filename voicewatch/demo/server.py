"""The server as the demonstration starts it: a process of its own, as `voicewatch serve` would be."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator

import httpx

from audio_models.api import BUNDLED_MODEL
from voicewatch.settings import Settings, SpeechSettings

_START_S = 60.0
_STOP_S = 15.0


class ServerFailed(Exception):
    """The server did not come up or died; the text is for a person."""


@contextlib.asynccontextmanager
async def running_server(settings: Settings) -> AsyncIterator[str]:
    """Start `voicewatch serve`, wait until every process is up, give its URL, stop it in the end."""
    port = settings.port or _free_port(settings.host)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "voicewatch", "serve", "--host", settings.host, "--port", str(port)),
        *("--end-with", str(os.getpid())),
        env=_environment(settings),
        start_new_session=True,  # Ctrl-C reaches us first, and we end it in order
    )
    url = f"http://{settings.host}:{port}"
    try:
        await _until_healthy(url, process)
        yield url
    finally:
        await _stop(process)


def _environment(settings: Settings) -> dict[str, str]:
    return {
        **os.environ,
        "VOICEWATCH_DATA": str(settings.data),
        "VOICEWATCH_LOG_LEVEL": settings.log_level,
        "VOICEWATCH_SPEECH__ENGINE": settings.speech.engine,
        "VOICEWATCH_SPEECH__MODEL": settings.speech.model,
    }


async def _until_healthy(url: str, process: asyncio.subprocess.Process) -> None:
    async with httpx.AsyncClient(trust_env=False, timeout=2) as http:
        deadline = asyncio.get_running_loop().time() + _START_S
        while asyncio.get_running_loop().time() < deadline:
            if process.returncode is not None:
                raise ServerFailed(f"the server ended at its start (exit code {process.returncode})")
            with contextlib.suppress(httpx.HTTPError, ValueError):
                answer = await http.get(f"{url}/api/health")
                if answer.is_success and answer.json()["status"] == "ok":
                    return
            await asyncio.sleep(0.15)
    raise ServerFailed(f"the server at {url} was not ready after {_START_S:.0f} s")


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGINT)  # at once: SIGTERM waits for the last call
    try:
        await asyncio.wait_for(process.wait(), _STOP_S)
    except TimeoutError:
        process.kill()
        await process.wait()


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def demonstration_speech(speech: SpeechSettings) -> SpeechSettings:
    """Unless an engine is chosen: the small Whisper trained on the demonstration's kind of voices."""
    if speech.model or speech.engine != "auto":
        return speech
    return speech.model_copy(update={"engine": "faster-whisper", "model": BUNDLED_MODEL})
