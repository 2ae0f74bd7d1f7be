"""A call's recordings: handed out, mixed, paused and resumed, erased; and erased by themselves when old.

The routes check roles; here it is checked that the call is the caller's to act on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Protocol

import structlog

from voicewatch.core.call import CallState
from voicewatch.core.events import RecordingChanged, RecordingSegment, Role
from voicewatch.core.ids import customer_key
from voicewatch.processes.faults import fault
from voicewatch.processes.messages import ForgetCall, Message, SetRecording
from voicewatch.processes.problem import Problem
from voicewatch.server.auth import Account
from voicewatch.server.desk import Desk, no_such_call
from voicewatch.server.feed import ALL_CALLS
from voicewatch.server.media_links import Peer

log = structlog.get_logger()

RECORDER_WITHIN_LOOKS, RECORDER_LOOK_S = 30, 0.1
"""A recorder that was killed is back within a second or two: so long is waited before 503."""
PART_BYTES = 1 << 18
RETENTION_S = 3_600.0
BY_RETENTION = "retention"

State = Literal["paused", "recording"]


class Audio(Protocol):
    """The plain Ogg Opus file of one recording."""

    @property
    def size(self) -> int: ...
    def read(self, start: int, end: int) -> bytes: ...
    def close(self) -> None: ...


class Mix(Protocol):
    """A mix being made."""

    @property
    def duration_ms(self) -> int: ...
    @property
    def size(self) -> int | None: ...
    def parts(self) -> AsyncIterator[bytes]: ...
    def close(self) -> None: ...


class Archive(Protocol):
    """The recordings, as `record.archive.Archive` is. `open` and `erase` wait for the disk."""

    def open(self, call_id: str, path: str) -> Audio | None: ...
    async def mix(
        self,
        call_id: str,
        form: Literal["wav", "ogg"],
        *,
        from_ms: int = 0,
        until_ms: int | None = None,
        first_byte: int = 0,
        end_byte: int | None = None,
    ) -> Mix | None: ...
    def erase(self, call_id: str) -> None: ...
    def finish_erasures(self, call_ids: Iterable[str]) -> None: ...


class Erasure(Protocol):
    @property
    def call_id(self) -> str: ...
    @property
    def at(self) -> str: ...
    @property
    def by(self) -> str: ...
    @property
    def reason(self) -> str: ...


class Eraser(Protocol):
    """The journal's side of forgetting, as `record.journal.Journal` is."""

    async def erase(self, call_id: str, by: str = "", reason: str = "") -> None: ...
    async def erasures(self) -> Sequence[Erasure]: ...
    async def calls_of_customer(self, key: str) -> list[str]: ...
    async def ended_before(self, instant: datetime) -> list[str]: ...


class Recordings:
    """`recorder()` is the connected recorder, or None; `on_erased` is told of each erased call."""

    def __init__(
        self,
        desk: Desk,
        archive: Archive,
        eraser: Eraser,
        recorder: Callable[[], Peer | None],
        *,
        retention_days: int = 0,
        on_erased: Callable[[str], None] = lambda call_id: None,
        utc_now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.archive = archive
        self._desk = desk
        self._eraser = eraser
        self._recorder = recorder
        self._retention_days = retention_days
        self._on_erased = on_erased
        self._utc_now = utc_now
        self._turn = asyncio.Lock()
        self._telling: set[asyncio.Task[None]] = set()

    # ------------------------------------------------------------ listening

    async def segments(self, call_id: str) -> list[RecordingSegment]:
        """The newest word of each recording file of the call. Problem 404 for an unknown call."""
        facts = await self._desk.record.read(call_id)
        if not facts:
            raise no_such_call()
        return list({fact.path: fact for fact in facts if isinstance(fact, RecordingSegment)}.values())

    async def length_ms(self, call_id: str) -> int | None:
        """How long an ended call was; None while it goes on. Problem 404 for an unknown call."""
        if self._desk.shown.has(call_id):
            call = self._desk.shown.call(call_id)
        else:
            call = CallState(call_id)
            for fact in await self._desk.record.read(call_id):
                call.apply(fact)
            if call.last_seq == 0:
                raise no_such_call()
        return call.ended.at_ms if call.ended is not None else None

    # ------------------------------------------------------------ pauses

    async def change(self, account: Account, call_id: str, state: State, reason: str) -> dict[str, Any]:
        """Pauses the recording, or goes on; it is so when this returns. Problem 503 while it cannot be."""
        async with self._turn:
            call = self._his_live_call(account, call_id)
            if call.recording == "off":
                raise Problem(409, "Not recorded", "The customer did not agree to a recording.")
            at_ms = self._desk.at_ms(call_id)
            is_paused = call.recording == "paused"
            if is_paused != (state == "paused"):
                recorder = await self._connected_recorder()
                await recorder.ask(SetRecording(call_id=call_id, at_ms=at_ms, paused=state == "paused"))
                changed = RecordingChanged(
                    call_id=call_id, at_ms=at_ms, state=state, by=account.sub, reason=reason
                )
                try:
                    await self._desk.state(changed)
                except Problem:
                    await recorder.ask(SetRecording(call_id=call_id, at_ms=at_ms, paused=is_paused))
                    raise
            return {"state": state, "at_ms": at_ms}

    def recorder_came(self, peer: Peer, state: dict[str, Any]) -> None:
        """A recorder said hello: it is told what its predecessor may not have been told."""
        holds = {str(call_id) for call_id in state.get("paused", ())}
        shown = self._desk.shown
        live = {call_id: shown.call(call_id) for call_id in shown.live()}
        for call_id, call in live.items():
            if call.recording == "paused":
                since_ms = call.recording_pauses[-1][0]
                self._tell(peer, SetRecording(call_id=call_id, at_ms=since_ms, paused=True))
            elif call_id in holds:
                until_ms = call.recording_pauses[-1][1] if call.recording_pauses else None
                self._tell(peer, SetRecording(call_id=call_id, at_ms=until_ms or call.at_ms, paused=False))
        for call_id in holds - live.keys():
            self._tell(peer, ForgetCall(call_id=call_id))

    def _tell(self, peer: Peer, command: Message) -> None:
        task = asyncio.ensure_future(_ask(peer, command))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    def close(self) -> None:
        for task in self._telling:
            task.cancel()

    async def _connected_recorder(self) -> Peer:
        for _ in range(RECORDER_WITHIN_LOOKS):
            if (recorder := self._recorder()) is not None:
                return recorder
            await asyncio.sleep(RECORDER_LOOK_S)
        raise Problem(503, "No recorder", "The recorder is being restarted; try again.", retry_after_s=1)

    def _his_live_call(self, account: Account, call_id: str) -> CallState:
        shown = self._desk.shown
        call = shown.call(call_id) if shown.has(call_id) else None
        if call is None or (account.role not in ALL_CALLS and call.seat_of(account.sub, Role.AGENT) is None):
            raise no_such_call()
        if not call.is_live:
            raise Problem(409, "Call ended", "This call is over.")
        return call

    # ------------------------------------------------------------ erasing

    async def erase(
        self, by: str, reason: str, *, call_id: str = "", customer_id: str = ""
    ) -> dict[str, Any]:
        """Erases one call, or all of a customer's but those still going on.

        Problem 404 for an unknown call, 409 for one that is not over, 503 if the disk does not take it.
        """
        if call_id:
            await self._must_be_over(call_id)
            await self._erase(call_id, by, reason)
            return {"erased": [call_id], "live": []}
        found = await self._eraser.calls_of_customer(customer_key(customer_id))
        live = [one for one in found if self._is_live(one)]
        erased = [one for one in found if one not in live]
        for one in erased:
            await self._erase(one, by, reason)
        return {"erased": erased, "live": live}

    async def erasures(self) -> list[dict[str, str]]:
        return [
            {"call_id": one.call_id, "at": one.at, "by": one.by, "reason": one.reason}
            for one in await self._eraser.erasures()
        ]

    async def finish_erasures(self) -> None:
        """At start: files that were left when a server died within an erasure."""
        erased = [one.call_id for one in await self._eraser.erasures()]
        try:
            await asyncio.to_thread(self.archive.finish_erasures, erased)
        except OSError as error:
            log.error("recordings_not_removed", reason=error.strerror)

    async def keep_to_retention(self) -> None:
        """Erases what is older than the retention, now and every hour; returns at once if all is kept."""
        while self._retention_days:
            try:
                await self.erase_old()
            except Exception as error:  # boundary: the next hour it is tried again
                log.error("retention_failed", **fault(error))
            await asyncio.sleep(RETENTION_S)

    async def erase_old(self) -> None:
        limit = self._utc_now() - timedelta(days=self._retention_days)
        for call_id in await self._eraser.ended_before(limit):
            await self._erase(call_id, BY_RETENTION, f"older than {self._retention_days} days")

    async def _erase(self, call_id: str, by: str, reason: str) -> None:
        """Key and facts first: from then on nobody can hear or read it, whatever happens to the files."""
        await self._eraser.erase(call_id, by, reason)
        recorder = self._recorder()
        if recorder is not None:
            await _ask(recorder, ForgetCall(call_id=call_id))
        try:
            await asyncio.to_thread(self.archive.erase, call_id)
        except OSError as error:
            log.error("recordings_not_removed", call_id=call_id, reason=error.strerror)
            raise Problem(
                503,
                "Recordings not removed",
                "Their key is erased, but the disk does not remove the files; that is tried again at the"
                " next start.",
            ) from None
        self._desk.forget(call_id)
        self._on_erased(call_id)
        log.info("call_erased", call_id=call_id, by=by)

    async def _must_be_over(self, call_id: str) -> None:
        if self._is_live(call_id):
            raise Problem(409, "Call not over", "A call can be erased when it has ended.")
        known = self._desk.shown.has(call_id) or await self._desk.record.read(call_id)
        if not known and call_id not in {one.call_id for one in await self._eraser.erasures()}:
            raise no_such_call()

    def _is_live(self, call_id: str) -> bool:
        return self._desk.shown.is_live(call_id)


async def read_parts(opened: Callable[[], Audio | None], start: int, end: int) -> AsyncIterator[bytes]:
    """Bytes [start, end) of a recording, which is open only while somebody takes them."""
    audio = await asyncio.to_thread(opened)
    if audio is None:
        return
    try:
        for at in range(start, end, PART_BYTES):
            yield await asyncio.to_thread(audio.read, at, min(at + PART_BYTES, end))
    finally:
        audio.close()


def roles_of(segments: Iterable[RecordingSegment]) -> list[str]:
    """Who is on the right channel of the mix."""
    return sorted({one.role.value for one in segments if one.role is not Role.CUSTOMER})


async def _ask(peer: Peer, command: Message) -> None:
    try:
        await peer.ask(command)
    except Problem as problem:
        log.warning("recorder_not_told", command=command.type, title=problem.title)
