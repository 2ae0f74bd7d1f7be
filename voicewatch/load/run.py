"""`voicewatch load`: generators in processes of their own against a running server, and what they found."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from pathlib import Path
from typing import Any

import httpx

from voicewatch.load.figures import Tally
from voicewatch.load.worker import Task
from voicewatch.server.auth import mint

CALLS_PER_WORKER = 60
TOKEN_MINUTES = 60
_GAUGE = re.compile(r'^voicewatch_media_(\w+)\{process="[^"]*"\} (\S+)$', re.MULTILINE)


class LoadFailed(Exception):
    """Nothing could be measured; the text says why and what to do."""


async def run_load(server: str, data: Path, *, calls: int, seconds: float, legs: int) -> dict[str, Any]:
    """The report. Raises LoadFailed."""
    tokens = {
        role: mint(data, role, "load", TOKEN_MINUTES, ()) for role in ("integration", "ai", "supervisor")
    }
    async with httpx.AsyncClient(base_url=server, timeout=5, trust_env=False) as http:
        before = await _media(http, tokens["supervisor"])
        results = await asyncio.gather(
            *(_work(task) for task in _tasks(server, tokens, calls, seconds, legs))
        )
        after = await _media(http, tokens["supervisor"])
    tally = Tally()
    for result in results:
        tally.add_json(result["tally"])
    if not tally.received:
        failures = [one for result in results for one in result["failures"]]
        raise LoadFailed(
            f"no leg got any audio; first of {len(failures)} failures: {(failures or ['none'])[0]}"
        )
    cpu_s, packets = (after[name] - before[name] for name in ("cpu_s", "packets_out"))
    return {
        "schema": 1,
        "server": server,
        "calls": calls,
        "legs_per_call": legs,
        "seconds": seconds,
        **tally.summary(),
        "cpu_ms_per_leg_second": round(cpu_s * 1000 / (packets / 50), 2) if packets else None,
        "complexity": after["complexity"],
        "generator_late_ms": max(result["generator_late_ms"] for result in results),
        "failures": [one for result in results for one in result["failures"]],
    }


def _tasks(server: str, tokens: dict[str, str], calls: int, seconds: float, legs: int) -> list[Task]:
    workers = -(-calls // CALLS_PER_WORKER)
    shares = [calls // workers + (number < calls % workers) for number in range(workers)]
    return [
        Task(name=f"load-{number}", server=server, tokens=tokens, calls=share, legs=legs, seconds=seconds)
        for number, share in enumerate(shares)
    ]


async def _work(task: Task) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "voicewatch.load.worker"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    written, _ = await process.communicate(task.model_dump_json().encode() + b"\n")
    if process.returncode:
        raise LoadFailed(f"a generator ended with exit code {process.returncode}; its words are above")
    return dict(json.loads(written))


async def _media(http: httpx.AsyncClient, token: str) -> dict[str, float]:
    """Sums of the media processes' gauges. Raises LoadFailed where they cannot be read."""
    try:
        reply = await http.get("/metrics", headers={"authorization": f"Bearer {token}"})
        reply.raise_for_status()
    except httpx.HTTPError as error:
        raise LoadFailed(
            f"cannot read {http.base_url}/metrics: {error}; is the server running there?"
        ) from None
    sums: dict[str, float] = {}
    for name, value in _GAUGE.findall(reply.text):
        sums[name] = sums.get(name, 0.0) + float(value)
    if "cpu_s" not in sums:
        raise LoadFailed("the server has no media process up; see /api/health")
    return sums
