"""Recordings as front gives them out: opened with the call's key, mixed in a process of their own, erased."""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from pathlib import Path
from typing import Literal

import structlog

from voicewatch.processes.problem import Problem
from voicewatch.record.mix_worker import Order, Told
from voicewatch.record.recording_file import BadId, check_id
from voicewatch.record.sealed_file import SealedReader
from voicewatch.record.sealing import SealBroken, find_key

log = structlog.get_logger()

MIXES_AT_ONCE = 2
"""Each may take a core for a while, at the lowest priority; more are refused until one ends."""
STALLED_S = 30.0
"""A listener who takes nothing for so long is let go; he may ask again from where he is."""
TOLD_WITHIN_S = 20.0
_PART_BYTES = 64 * 1024


class Archive:
    def __init__(self, folder: Path, keys: Path) -> None:
        """`folder` of the recordings, `keys` the key table."""
        self._folder = folder
        self._keys = keys
        self._mixing = 0

    @property
    def mixing(self) -> int:
        """Mixes being made."""
        return self._mixing

    def open(self, call_id: str, path: str) -> SealedReader | None:
        """The plain Ogg Opus file of a recording; None if it is not there (any more). Waits for the disk."""
        key = self._key(call_id)
        file = (self._folder / path).resolve()
        if key is None or not file.is_relative_to((self._folder / call_id).resolve()):
            return None
        try:
            return SealedReader(file, key, path)
        except (OSError, SealBroken) as error:
            log.error("recording_not_opened", call_id=call_id, reason=str(error))
            return None

    async def mix(
        self,
        call_id: str,
        form: Literal["wav", "ogg"],
        *,
        from_ms: int = 0,
        until_ms: int | None = None,
        first_byte: int = 0,
        end_byte: int | None = None,
    ) -> Mix | None:
        """A mix being made, to be closed by the caller; None if there is nothing to mix.

        Problem 503 if MIXES_AT_ONCE are being made, or this one does not begin.
        `first_byte` and `end_byte` are of the WAV file, for ranges.
        """
        key = await asyncio.to_thread(self._key, call_id)
        if key is None:
            return None
        if self._mixing >= MIXES_AT_ONCE:
            raise Problem(503, "Too many mixes", f"{MIXES_AT_ONCE} are being made.", retry_after_s=5)
        self._mixing += 1
        mix = Mix(self._mixed)
        order = Order(
            parent=os.getpid(),
            folder=self._folder,
            call_id=call_id,
            key_hex=key.hex(),
            form=form,
            from_ms=from_ms,
            until_ms=until_ms,
            first_byte=first_byte,
            end_byte=end_byte,
        )
        try:
            if await mix.begin(order):
                return mix
            mix.close()
        except BaseException:
            mix.close()
            raise
        return None

    def erase(self, call_id: str) -> None:
        """The call's recordings are gone. Waits for the disk. OSError if they cannot be removed."""
        check_id("call_id", call_id)
        if (self._folder / call_id).exists():
            shutil.rmtree(self._folder / call_id)

    def finish_erasures(self, call_ids: Iterable[str]) -> None:
        """What was cut off when this process died within an erasure."""
        for call_id in call_ids:
            self.erase(call_id)

    def _key(self, call_id: str) -> bytes | None:
        try:
            check_id("call_id", call_id)
            return find_key(self._keys, call_id)
        except BadId:
            return None
        except OSError as error:
            log.error("key_not_read", call_id=call_id, reason=error.strerror)
            raise Problem(503, "No key", "The key table cannot be read now.", retry_after_s=2) from None

    def _mixed(self) -> None:
        self._mixing -= 1


class Mix:
    """A mix being made by its process, which is ended with it."""

    def __init__(self, on_closed: Callable[[], None]) -> None:
        self._told = Told(tracks=0, duration_ms=0, size=None)
        self._on_closed = on_closed
        self._worker: subprocess.Popen[bytes] | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def duration_ms(self) -> int:
        return self._told.duration_ms

    @property
    def size(self) -> int | None:
        """Bytes of the whole file, if that is known beforehand."""
        return self._told.size

    async def begin(self, order: Order) -> bool:
        """False if there is nothing to hear; Problem 503 if it cannot be made."""
        command = [sys.executable, "-m", "voicewatch.record.mix_worker"]
        self._worker = _started(command)
        try:
            async with asyncio.timeout(TOLD_WITHIN_S):
                line = await asyncio.to_thread(_give, self._worker, order.model_dump_json().encode() + b"\n")
        except TimeoutError:
            line = b""
        if not line:
            log.error("mix_failed", call_id=order.call_id)
            raise Problem(503, "No mix", "The mix could not be made; the log says more.", retry_after_s=5)
        self._told = Told.model_validate_json(line)
        self._watch()
        return self._told.tracks > 0

    async def parts(self) -> AsyncIterator[bytes]:
        """The mix as it is made; ends early if nobody takes it for STALLED_S."""
        try:
            while not self._closed and (part := await asyncio.to_thread(self._read)):
                self._watch()
                yield part
        finally:
            self.close()

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._stalled is not None:
            self._stalled.cancel()
        if self._worker is not None:
            self._worker.kill()
            asyncio.get_running_loop().run_in_executor(None, _bury, self._worker)
        self._on_closed()

    def _read(self) -> bytes:
        assert self._worker is not None
        assert isinstance(self._worker.stdout, io.BufferedReader)
        try:
            return self._worker.stdout.read1(_PART_BYTES)
        except ValueError:  # closed meanwhile
            return b""

    def _watch(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
        self._stalled = asyncio.get_running_loop().call_later(STALLED_S, self.close)


def _started(command: Sequence[str]) -> subprocess.Popen[bytes]:
    """Called in the thread that lasts, as the worker ends with the thread that started it."""
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def _give(worker: subprocess.Popen[bytes], order: bytes) -> bytes:
    """The first line of the answer; nothing if the worker failed."""
    assert worker.stdin is not None
    assert worker.stdout is not None
    try:
        with worker.stdin:
            worker.stdin.write(order)
    except BrokenPipeError:
        return b""
    return worker.stdout.readline()


def _bury(worker: subprocess.Popen[bytes]) -> None:
    """After it was killed."""
    worker.wait()
    if worker.stdout is not None:
        worker.stdout.close()
