"""A process that makes one mix: an order on standard input, the mix on standard output, then it ends.

It is written no faster than it is read, so a slow listener costs nothing but this process. The order holds
the call's key, and so comes neither as an argument nor in the environment.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from voicewatch.media.opus import OpusLibrary
from voicewatch.processes.placement import die_with_parent
from voicewatch.record.mixing import Track, blocks, open_tracks, opus_bytes, wav_bytes, wav_size

NICENESS = 10


class Order(BaseModel):
    """What is wanted. Times are of the call's clock; WAV always begins at 0."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    parent: int
    folder: Path
    call_id: str
    key_hex: str
    form: Literal["wav", "ogg"]
    from_ms: int = 0
    until_ms: int | None = None
    """None: as far as there is something."""
    first_byte: int = 0
    end_byte: int | None = None
    """WAV only: bytes [first_byte, end_byte) of the file."""


class Told(BaseModel):
    """First line of the answer; the mix follows."""

    model_config = ConfigDict(frozen=True)
    tracks: int
    duration_ms: int
    size: int | None
    """Bytes of the whole file; None if it is not known beforehand."""


def main() -> None:
    order = Order.model_validate_json(sys.stdin.readline())
    die_with_parent(order.parent)
    os.nice(NICENESS)
    library = OpusLibrary()
    tracks = open_tracks(order.folder, order.call_id, bytes.fromhex(order.key_hex), library)
    until_ms = order.until_ms
    if until_ms is None:
        until_ms = max((track.end_ms() for track in tracks), default=0)
    size = wav_size(until_ms) if order.form == "wav" else None
    told = Told(tracks=len(tracks), duration_ms=max(0, until_ms - order.from_ms), size=size)
    try:
        sys.stdout.buffer.write(told.model_dump_json().encode() + b"\n")
        for part in _made(order, tracks, library, until_ms) if tracks else ():
            sys.stdout.buffer.write(part)
            sys.stdout.buffer.flush()
    except BrokenPipeError:  # the listener has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _made(order: Order, tracks: list[Track], library: OpusLibrary, until_ms: int) -> Iterator[bytes]:
    if order.form == "wav":
        size = wav_size(until_ms)
        end = size if order.end_byte is None else min(order.end_byte, size)
        return wav_bytes(tracks, until_ms, order.first_byte, end)
    tags = {"CALL": order.call_id, "START_MS": str(order.from_ms), "LEFT": "customer", "RIGHT": "heard"}
    return opus_bytes(blocks(tracks, order.from_ms, until_ms), library, tags)


if __name__ == "__main__":
    main()
