"""The routes of recordings and of erasing: docs/API.md. Ranges are those of RFC 9110 section 14."""

from __future__ import annotations

import asyncio
import re
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Query, Response
from fastapi.responses import StreamingResponse

from voicewatch.processes.problem import Problem
from voicewatch.server import requests as bodies
from voicewatch.server.auth import Account
from voicewatch.server.http import CallId, FrontOf, Staff, only
from voicewatch.server.recordings import Recordings, read_parts, roles_of

Milliseconds = Annotated[int, Query(ge=0, le=bodies.LONGEST_CALL_MS)]
Range = Annotated[str, Header(max_length=200)]
Listener = Annotated[Account, only("supervisor", "admin", grant="recordings")]
Admin = Annotated[Account, only("admin")]

WAV_HEADER_BYTES, WAV_BYTES_PER_MS = 44, 64
"""16-bit stereo at 16 kHz."""

recordings = APIRouter(prefix="/api")


def recordings_of(front: FrontOf) -> Recordings:
    return front.recordings


Its = Annotated[Recordings, Depends(recordings_of)]


@recordings.get("/calls/{call_id}/recordings", summary="The call's recordings, one a seat, and its mix")
async def call_recordings(call_id: CallId, its: Its, account: Listener) -> dict[str, Any]:
    wanted = {"seat_id", "role", "path", "start_ms", "duration_ms"}
    found = await its.segments(call_id)
    return {
        "recordings": [segment.model_dump(mode="json", include=wanted) for segment in found],
        "mix": {
            "path": "mix",
            "left": ["customer"],
            "right": roles_of(found),
            "duration_ms": await its.length_ms(call_id),
        },
    }


@recordings.get("/calls/{call_id}/recordings/mix", summary="Customer left, all he heard right (Ogg or WAV)")
async def mix(
    call_id: CallId,
    its: Its,
    account: Listener,
    format: Literal["ogg", "wav"] = "ogg",
    from_ms: Milliseconds = 0,
    until_ms: Milliseconds | None = None,
    range: Range = "",
) -> Response:
    length_ms = await its.length_ms(call_id)
    if format == "wav":
        return await _wav(call_id, its, length_ms, range)
    if until_ms is not None and until_ms <= from_ms:
        raise Problem(422, "Bad request", "until_ms: it has to be after from_ms.", field="until_ms")
    ends = [end for end in (until_ms, length_ms) if end is not None]
    made = await its.archive.mix(call_id, "ogg", from_ms=from_ms, until_ms=min(ends, default=None))
    if made is None:
        raise _nothing_recorded()
    return StreamingResponse(made.parts(), headers=_channels(from_ms), media_type="audio/ogg")


async def _wav(call_id: str, its: Recordings, length_ms: int | None, wanted: str) -> Response:
    """All of it, or a range of an ended call: what goes on has no size yet to which a range could belong."""
    size = None if length_ms is None else WAV_HEADER_BYTES + length_ms * WAV_BYTES_PER_MS
    part = _part(wanted, size) if size is not None else None
    first, end = part or (0, size)
    made = await its.archive.mix(call_id, "wav", until_ms=length_ms, first_byte=first, end_byte=end)
    if made is None:
        raise _nothing_recorded()
    size = made.size if size is None else size
    assert size is not None
    headers = _channels(0) | {"content-length": str((size if end is None else end) - first)}
    if length_ms is not None:
        headers["accept-ranges"] = "bytes"
    if part is not None:
        headers["content-range"] = f"bytes {first}-{part[1] - 1}/{size}"
    return StreamingResponse(made.parts(), 206 if part else 200, headers, "audio/wav")


@recordings.get("/calls/{call_id}/recordings/{path:path}", summary="One recording (Ogg Opus)")
async def one_recording(
    call_id: CallId, path: str, its: Its, account: Listener, range: Range = ""
) -> Response:
    if path not in {segment.path for segment in await its.segments(call_id)}:
        raise Problem(404, "No such recording", "This call has no such recording.")
    opened = partial(its.archive.open, call_id, path)
    audio = await asyncio.to_thread(opened)
    if audio is None:
        raise Problem(404, "No such recording", "The file is not there any more, or cannot be opened.")
    size = audio.size
    audio.close()
    part = _part(range, size)
    first, end = part or (0, size)
    headers = {"accept-ranges": "bytes", "content-length": str(end - first)}
    if part is not None:
        headers["content-range"] = f"bytes {first}-{end - 1}/{size}"
    return StreamingResponse(read_parts(opened, first, end), 206 if part else 200, headers, "audio/ogg")


@recordings.post("/calls/{call_id}/recording", summary="Pauses the recording, or lets it go on")
async def change_recording(
    call_id: CallId, body: bodies.NewRecording, its: Its, account: Staff
) -> dict[str, Any]:
    return await its.change(account, call_id, body.state, body.reason)


@recordings.post("/erase", summary="Erases a call, or all ended calls of a customer, for good")
async def erase(body: bodies.Erase, its: Its, account: Admin) -> dict[str, Any]:
    return await its.erase(
        account.sub, body.reason, call_id=body.call_id or "", customer_id=body.customer_id or ""
    )


@recordings.get("/erasures", summary="What was erased, when, by whom")
async def erasures(its: Its, account: Admin) -> dict[str, Any]:
    return {"erasures": await its.erasures()}


def _channels(start_ms: int) -> dict[str, str]:
    """What the two channels hold, and where on the call's clock the audio begins."""
    return {"voicewatch-channels": "left=customer, right=heard", "voicewatch-start-ms": str(start_ms)}


def _part(wanted: str, size: int) -> tuple[int, int] | None:
    """[first, end) of a range header; None for none, or one to be ignored. Problem 416 beyond the end."""
    match = re.fullmatch(r"bytes=(\d{0,18})-(\d{0,18})", wanted.strip())
    if match is None or match[0] == "bytes=-":
        return None
    if not match[1]:
        first, end = max(0, size - int(match[2])), size
    else:
        first, end = int(match[1]), min(size, int(match[2]) + 1) if match[2] else size
        if match[2] and int(match[2]) < first:
            return None
    if first >= end:
        raise Problem(416, "Beyond the end", f"It has {size} bytes.", field="range")
    return first, end


def _nothing_recorded() -> Problem:
    return Problem(404, "No recording", "Nothing of this call is recorded, or it has been erased.")
