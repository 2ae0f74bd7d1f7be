"""The AI's seat (`/api/ai`): workers, which of them answers which call, and what is said between them.

Nothing here is needed after a restart: who sits where is in the calls; a worker that comes back is invited
again to its calls and told where it is paused.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any

import structlog
from pydantic import BaseModel, ValidationError

from voicewatch.core.call import CallState, Seat
from voicewatch.core.events import (
    AIPaused,
    AIReported,
    AIResumed,
    CallEnded,
    CallStarted,
    Fact,
    HoldBegan,
    HoldEnded,
    NobodyFree,
    Nudged,
    Role,
    SeatClosed,
    UtteranceFinal,
)
from voicewatch.core.redaction import find_spans
from voicewatch.processes.faults import fault
from voicewatch.processes.messages import MarkClause, Message, ScoreText
from voicewatch.processes.problem import Problem
from voicewatch.server.auth import Account
from voicewatch.server.desk import Desk, Stored, no_such_call
from voicewatch.server.pace import Pace
from voicewatch.server.recall import report_of
from voicewatch.server.requests import AIHello, Callback, Confidence, InCall, Said, Tool, first_problem
from voicewatch.server.websocket import OVERLOADED, REFUSED, Socket, SocketClosed

log = structlog.get_logger()

OUTBOX_LIMIT = 1_000
"""Messages a worker may leave unread; then it is closed with 1013 and told anew when it comes back."""
WORKERS_LIMIT = 200
SEAT_AGAIN_S = 1.0
MESSAGES_AT_ONCE, MESSAGES_PER_S = 100, 10
"""What a worker may say of one call: each is a fact on the disk, and a clause needs few."""
AHEAD_MS = 60_000
"""How far in the future reported speech may end: a bot may report what it has queued."""


@dataclass(eq=False)
class Worker:
    """One connected AI worker. `supplies_text`: it reports what it says, so it is not transcribed."""

    account: Account
    name: str
    capacity: int
    supplies_text: bool
    outbox: asyncio.Queue[str | None] = field(default_factory=lambda: asyncio.Queue(OUTBOX_LIMIT + 1))
    closing: tuple[int, str] = (OVERLOADED, "too many messages unread")

    def tell(self, kind: str, **values: Any) -> None:
        if self.outbox.qsize() < OUTBOX_LIMIT:
            self.outbox.put_nowait(json.dumps({"type": kind, **values}))
        elif self.outbox.qsize() == OUTBOX_LIMIT:
            self.outbox.put_nowait(None)

    def stop(self, code: int, reason: str) -> None:
        """Closes it now, whatever it has not read yet."""
        self.closing = (code, reason)
        while not self.outbox.empty():
            self.outbox.get_nowait()
        self.outbox.put_nowait(None)


class AISeats:
    """All workers. `mint_seat(call_id, seat)` makes a seat token; `tell_media` may drop."""

    def __init__(
        self,
        desk: Desk,
        *,
        mint_seat: Callable[[str, Seat], str],
        tell_model: Callable[[Message], None],
        tell_media: Callable[[str, Message], bool],
        new_id: Callable[[], str],
    ) -> None:
        self._desk = desk
        self._mint_seat = mint_seat
        self._tell_model = tell_model
        self._tell_media = tell_media
        self._new_id = new_id
        self._workers: dict[str, Worker] = {}
        self._pace = Pace(MESSAGES_AT_ONCE, MESSAGES_PER_S)
        self._left: set[tuple[str, str]] = set()
        self._wake = asyncio.Event()
        desk.readers.append(self._read)

    @property
    def count(self) -> int:
        """Workers now."""
        return len(self._workers)

    def transcribes(self, seat: Seat) -> bool:
        """Whether the speech of this AI seat has to be recognised."""
        worker = self._workers.get(seat.who)
        return worker is None or not worker.supplies_text

    def revoke(self, jti: str) -> None:
        for worker in list(self._workers.values()):
            if worker.account.jti == jti:
                worker.stop(REFUSED, "signed out")

    def close_all(self, code: int, reason: str) -> None:
        for worker in list(self._workers.values()):
            worker.stop(code, reason)

    # ------------------------------------------------------------ seating

    async def run(self) -> None:
        """Invites workers to calls that have no AI, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._seat_all()
            except Problem as problem:
                log.warning("ai_not_seated", title=problem.title)
                await asyncio.sleep(SEAT_AGAIN_S)
                self._wake.set()
            except Exception as error:  # boundary: seating goes on for the other calls
                log.error("seating_failed", **fault(error))

    async def _seat_all(self) -> None:
        for call_id in self._desk.shown.live():
            if self._seat_in(call_id) is None and (worker := self._choose(call_id)) is not None:
                await self._seat(call_id, worker)

    async def _seat(self, call_id: str, worker: Worker) -> None:
        seat_id, at_ms = self._new_id(), self._desk.at_ms(call_id)
        who = worker.account.sub
        await self._desk.command(lambda director: director.seat_ai(call_id, at_ms, seat_id, who, worker.name))
        self._invite(worker, call_id)

    def _choose(self, call_id: str) -> Worker | None:
        """The worker with the most room, of those that did not leave this call."""
        room = {
            worker.account.sub: worker.capacity - len(self._calls_of(worker.account.sub))
            for worker in self._workers.values()
            if (call_id, worker.account.sub) not in self._left
        }
        best = max(room, key=lambda sub: room[sub], default=None)
        return self._workers[best] if best is not None and room[best] > 0 else None

    def _invite(self, worker: Worker, call_id: str, again: bool = False) -> None:
        seat = self._seat_in(call_id)
        if seat is None:
            return
        call = self._desk.shown.call(call_id)
        invitation = {
            "call_id": call_id,
            "seat_id": seat.seat_id,
            "seat_token": self._mint_seat(call_id, seat),
            "attributes": call.attributes,
        }
        worker.tell("invite", **invitation, **({"again": True} if again else {}))
        if again and call.ai_paused is not None:
            worker.tell("paused", call_id=call_id, why=call.ai_paused)

    def _seat_in(self, call_id: str) -> Seat | None:
        return next(iter(self._desk.shown.call(call_id).open_seats(Role.AI)), None)

    def _calls_of(self, sub: str) -> list[str]:
        shown = self._desk.shown
        return [call_id for call_id in shown.live() if shown.call(call_id).seat_of(sub, Role.AI) is not None]

    # ------------------------------------------------------------ calls -> workers

    def _read(self, stored: Sequence[Stored]) -> None:
        for one in stored:
            fact = one.fact
            if isinstance(fact, CallStarted | SeatClosed | CallEnded):
                self._wake.set()
            if self._desk.shown.has(fact.call_id):
                self._pass_on(fact, self._desk.shown.call(fact.call_id))

    def _pass_on(self, fact: Fact, call: CallState) -> None:
        worker = self._worker_of(call)
        if worker is None:
            return
        match fact:
            case AIPaused():
                worker.tell("paused", call_id=fact.call_id, why=fact.why)
            case AIResumed():
                worker.tell("resumed", call_id=fact.call_id, why=fact.why, transcript=_since_pause(call))
            case HoldBegan():
                worker.tell("held", call_id=fact.call_id)
            case HoldEnded():
                worker.tell("unheld", call_id=fact.call_id)
            case NobodyFree():
                worker.tell("waiting", call_id=fact.call_id, **_waiting(fact))
            case Nudged():
                worker.tell("nudge", call_id=fact.call_id, text=fact.text)
            case UtteranceFinal() if fact.role != Role.AI:
                worker.tell("heard", call_id=fact.call_id, role=fact.role, text=fact.text)
            case CallEnded():
                worker.tell("ended", call_id=fact.call_id, reason=fact.reason)
                self._left = {left for left in self._left if left[0] != fact.call_id}

    def _worker_of(self, call: CallState) -> Worker | None:
        """The worker that sits in the call, or sat in it last."""
        seats = [seat for seat in call.seats.values() if seat.role == Role.AI]
        seats.sort(key=lambda seat: seat.is_open)
        return self._workers.get(seats[-1].who) if seats else None

    # ------------------------------------------------------------ workers -> calls

    async def serve(self, socket: Socket, account: Account, hello: AIHello) -> None:
        """Talks with a worker that said hello, to the end of its socket. Problem 403 or 503 if it may not."""
        sub = account.sub
        if account.kind != "access" or account.role != Role.AI:
            raise Problem(403, "Not allowed", f"This is for: ai. You are {account.role}.")
        if len(self._workers) >= WORKERS_LIMIT and sub not in self._workers:
            raise Problem(503, "Too many workers", f"At most {WORKERS_LIMIT} are served at once.")
        worker = Worker(account, hello.name, hello.capacity, hello.supplies_text)
        if (earlier := self._workers.get(sub)) is not None:
            earlier.stop(REFUSED, "another worker came with the same token")
        self._workers[sub] = worker
        log.info("ai_worker_up", worker=sub, capacity=hello.capacity)
        worker.tell("welcome")
        for call_id in self._calls_of(sub):
            self._invite(worker, call_id, again=True)
        self._wake.set()
        sending = asyncio.ensure_future(self._send_all(socket, worker))
        try:
            await self._receive_all(socket, worker)
        except SocketClosed:
            pass
        finally:
            if self._workers.get(sub) is worker:
                del self._workers[sub]
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            log.info("ai_worker_gone", worker=sub)

    async def _send_all(self, socket: Socket, worker: Worker) -> None:
        try:
            while (text := await worker.outbox.get()) is not None:
                await socket.send(text)
            await socket.close(*worker.closing)
        except SocketClosed:
            return  # the receiving side ends the worker

    async def _receive_all(self, socket: Socket, worker: Worker) -> None:
        while True:
            try:
                await self._take(worker, await socket.receive())
            except Problem as problem:
                worker.tell("problem", **problem.as_dict())

    async def _take(self, worker: Worker, message: dict[str, Any]) -> None:
        kind = message.get("type")
        if not isinstance(kind, str) or kind not in _KINDS:
            raise Problem(400, "Unknown message", f"known types: {', '.join(_KINDS)}", field="type")
        try:
            told = _KINDS[kind].model_validate(message)
        except ValidationError as error:
            raise first_problem(error) from None
        assert isinstance(told, InCall)
        shown = self._desk.shown
        seat = (
            shown.call(told.call_id).seat_of(worker.account.sub, Role.AI) if shown.has(told.call_id) else None
        )
        if seat is None or not shown.is_live(told.call_id):
            raise no_such_call()
        if wait_s := self._pace.wait_s(told.call_id, time.monotonic()):
            raise Problem(
                429, "Too many messages", "Say less often; this one is not kept.", retry_after_s=ceil(wait_s)
            )
        await self._carry_out(worker, kind, told, seat)

    async def _carry_out(self, worker: Worker, kind: str, told: InCall, seat: Seat) -> None:
        call_id, at_ms = told.call_id, self._desk.at_ms(told.call_id)
        if isinstance(told, Said):
            await self._said(told, seat, at_ms)
        elif isinstance(told, Tool | Confidence):
            data = told.model_dump(exclude={"call_id", "type"})
            fact = AIReported(
                call_id=call_id, at_ms=at_ms, kind="tool" if kind == "tool" else "confidence", data=data
            )
            await self._desk.state(fact)
            if (report := report_of(fact)) is not None:
                self._tell_model(report)
        elif isinstance(told, Callback):
            await self._desk.command(
                lambda director: director.call_back(
                    call_id, at_ms, worker.account.sub, told.number, told.when, told.note
                )
            )
        elif kind == "mark":
            self._tell_media(call_id, MarkClause(call_id=call_id, seat_id=seat.seat_id))
            await self._desk.state(AIReported(call_id=call_id, at_ms=at_ms, kind="mark"))
        else:
            self._left.add((call_id, worker.account.sub))
            await self._desk.state(
                SeatClosed(call_id=call_id, at_ms=at_ms, seat_id=seat.seat_id, reason="left")
            )

    async def _said(self, told: Said, seat: Seat, at_ms: int) -> None:
        call = self._desk.shown.call(told.call_id)
        start_ms, end_ms = _when(told, at_ms)
        if any(begin <= start_ms and (end is None or end_ms < end) for begin, end in call.ai_unheard):
            return  # not heard by the customer: what is heard is what is kept
        language = call.attributes.get("language") or "en"
        final = UtteranceFinal(
            call_id=told.call_id,
            at_ms=at_ms,
            utterance_id=f"{seat.seat_id}-{start_ms}",
            seat_id=seat.seat_id,
            role=Role.AI,
            start_ms=start_ms,
            end_ms=end_ms,
            text=told.text,
            mask=find_spans(told.text, self._desk.shown.context(told.call_id)),
            language=language,
            source="reported",
        )
        if final.utterance_id in call.utterances:
            return  # said again after a reconnection
        await self._desk.state(final)
        self._tell_model(
            ScoreText(
                call_id=told.call_id,
                utterance_id=final.utterance_id,
                seat_id=seat.seat_id,
                role=Role.AI,
                text=told.text,
                at_ms=at_ms,
                start_ms=start_ms,
                end_ms=end_ms,
                language=language,
            )
        )


_KINDS: dict[str, type[BaseModel]] = {
    "said": Said,
    "tool": Tool,
    "confidence": Confidence,
    "callback": Callback,
    "mark": InCall,
    "leave": InCall,
}


def _when(told: Said, now_ms: int) -> tuple[int, int]:
    """Start and end on the call's clock. Problem 400 for times that cannot be."""
    if told.duration_ms is not None:
        return max(0, now_ms - told.duration_ms), now_ms
    if told.start_ms is None or told.end_ms is None:
        raise Problem(400, "Times missing", "Give start_ms and end_ms, or duration_ms.", field="start_ms")
    if told.start_ms >= told.end_ms:
        raise Problem(400, "Times reversed", "end_ms must be after start_ms.", field="end_ms")
    if told.end_ms > now_ms + AHEAD_MS:
        raise Problem(400, "Times ahead", "end_ms is on the call's clock, in milliseconds.", field="end_ms")
    return told.start_ms, told.end_ms


def _waiting(fact: NobodyFree) -> dict[str, Any]:
    """What the AI may tell a customer for whom nobody is free; `text` is for bots that only read text."""
    return {
        "why": fact.why,
        "position": fact.position,
        "expected_wait_s": fact.expected_wait_s,
        "opens_at": fact.opens_at.isoformat() if fact.opens_at else None,
        "callback": fact.callback,
        "text": _waiting_text(fact),
    }


def _waiting_text(fact: NobodyFree) -> str:
    if fact.why == "closed":
        opens = f" They are back at {fact.opens_at:%A %H:%M} UTC." if fact.opens_at else ""
        told = f"No colleague is at work now.{opens}"
    elif fact.expected_wait_s is None:
        told = "No colleague can be reached at the moment."
    else:
        minutes = max(1, round(fact.expected_wait_s / 60))
        told = f"All colleagues are busy; it may take about {minutes} minute{'s' if minutes > 1 else ''}."
    return f"{told} You may offer to have the customer called back." if fact.callback else told


def _since_pause(call: CallState) -> list[dict[str, Any]]:
    """What was said while a human had the voice, the last time."""
    begin = call.pauses[-1][0] if call.pauses else 0
    return [
        {
            "role": one.final.role,
            "text": one.final.text,
            "start_ms": one.final.start_ms,
            "end_ms": one.final.end_ms,
        }
        for one in call.spoken()
        if one.final is not None and one.final.end_ms > begin
    ]
