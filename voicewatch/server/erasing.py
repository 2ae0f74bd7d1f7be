"""Asks the running server of this data folder to erase, as an admin may."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from voicewatch.server.auth import mint

TIMEOUT_S = 600.0
"""A customer of many calls takes a while."""
ACCOUNT = "command line"


class EraseFailed(Exception):
    """Nothing, or not all, was erased; the text says why."""


def erase_there(server: str, data: Path, wanted: dict[str, str]) -> dict[str, list[str]]:
    """{erased, live} as `POST /api/erase` answers; `wanted` is its body. Raises EraseFailed."""
    headers = {"authorization": f"Bearer {mint(data, 'admin', ACCOUNT, 10, ())}"}
    try:
        with httpx.Client(base_url=server, timeout=TIMEOUT_S, trust_env=False) as http:
            answer = http.post("/api/erase", json=wanted, headers=headers)
    except httpx.HTTPError as error:
        raise EraseFailed(f"the server at {server} does not answer ({type(error).__name__})") from None
    told: dict[str, Any] = answer.json() if "json" in answer.headers.get("content-type", "") else {}
    if answer.status_code != 200:
        raise EraseFailed(str(told.get("detail") or f"the server answered {answer.status_code}"))
    return {"erased": told["erased"], "live": told["live"]}
