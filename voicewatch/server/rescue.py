"""Calls and media processes finding each other again, after either side was gone.

A media process that says hello tells which calls it holds. Those it lost in a crash are opened on it anew:
their legs are lost, their customers come back to the same seats, the journal goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

from voicewatch.core.events import ClockRebased, Fact, LegLost
from voicewatch.processes.faults import fault
from voicewatch.processes.messages import CloseCall, Hello, OpenCall
from voicewatch.processes.problem import Problem
from voicewatch.server.desk import Desk
from voicewatch.server.media_links import Leg, MediaLinks, Peer
from voicewatch.server.tables import TableKeeper

log = structlog.get_logger()

AGAIN_S = 0.5
RETURN_S = 5.0
"""A media process away for so long is taken for dead, even if nobody starts it again."""
BEFORE_GRACE_S = 0.25
"""Decided so long before the director, to whom it would be a customer lost in a call that goes on."""


class Rescue:
    """`customer_grace_s`: how long after a restart of everything a customer may still come back."""

    def __init__(self, desk: Desk, links: MediaLinks, tables: TableKeeper, customer_grace_s: float) -> None:
        self._desk = desk
        self._links = links
        self._tables = tables
        self._grace_s = customer_grace_s
        self._tasks: set[asyncio.Task[None]] = set()
        self._placing = asyncio.Lock()

    # ------------------------------------------------------------ media comes and goes

    def media_up(self, peer: Peer, hello: Hello) -> None:
        """A media process connected, with the calls it says it holds."""
        held = {str(call["call_id"]): call for call in hello.state.get("calls", [])}
        missing = [call_id for call_id in self._links.calls_of(peer.process) if call_id not in held]
        self._links.up(peer)
        if hello.state.get("leaving"):
            self._links.leaves(peer)
        for call_id, state in held.items():
            if self._desk.shown.is_live(call_id):
                self._take_up(peer, call_id, state)
            else:
                peer.tell(CloseCall(call_id=call_id, reason="ended"))
        for call_id in missing:
            self._start(self._save(call_id))

    def media_gone(self, peer: Peer) -> None:
        self._links.down(peer)
        self._start(self._give_up_on(peer))

    def _take_up(self, peer: Peer, call_id: str, state: dict[str, Any]) -> None:
        self._links.assign(call_id, peer)
        self._desk.held.discard(call_id)
        for seat in state.get("seats", []):
            if seat.get("leg_id"):
                self._links.add_leg(seat["leg_id"], Leg(call_id, seat["seat_id"]))
        self._tables.check(call_id, anew=True, at_least=int(state.get("version", 0)))

    async def _give_up_on(self, peer: Peer) -> None:
        await asyncio.sleep(RETURN_S)
        for call_id, home in self._links.calls_of(peer.process).items():
            if home.epoch == peer.epoch and self._links.peer_of(call_id) is None:
                await self._save(call_id)

    # ------------------------------------------------------------ calls without media

    async def _save(self, call_id: str) -> None:
        """Tells that the call's legs are lost, then opens it again as soon as some media process can."""
        self._links.lose(call_id)
        while self._desk.shown.is_live(call_id):
            try:
                await self._desk.state(*self._lost_legs(call_id))
                await self.place(call_id, "media_died")
                return
            except Problem as problem:
                log.warning("call_not_placed", call_id=call_id, title=problem.title)
                await asyncio.sleep(AGAIN_S)

    async def place(self, call_id: str, why: str) -> None:
        """Opens a call that has no home on the least loaded process. Problem 503 if none is up."""
        async with self._placing:
            if self._links.home(call_id) is not None:
                return
            peer = self._links.place(is_new=False)
            call = self._desk.shown.call(call_id)
            await peer.ask(
                OpenCall(call_id=call_id, zero_mono_ns=call.zero_mono_ns, record=call.recording_consent)
            )
            self._links.assign(call_id, peer)
        at_ms = self._desk.at_ms(call_id)
        await self._desk.state(
            ClockRebased(call_id=call_id, at_ms=at_ms, media=peer.process, epoch=peer.epoch, why=why)
        )
        self._tables.check(call_id, anew=True)

    def _lost_legs(self, call_id: str) -> list[Fact]:
        at_ms = self._desk.at_ms(call_id)
        return [
            LegLost(
                call_id=call_id, at_ms=at_ms, seat_id=seat.seat_id, leg_id=seat.leg_id, reason="media_died"
            )
            for seat in self._desk.shown.call(call_id).seats.values()
            if seat.leg in ("connecting", "live", "stalled")
        ]

    # ------------------------------------------------------------ after a start

    def restored(self, call_ids: list[str]) -> None:
        """After the hellos: live calls that no media process holds are saved, or ended as interrupted."""
        for call_id in call_ids:
            if self._links.home(call_id) is None:
                self._start(self._save_or_end(call_id))

    async def _save_or_end(self, call_id: str) -> None:
        call = self._desk.shown.call(call_id)
        now_ms, grace_ms = self._desk.at_ms(call_id), self._grace_s * 1_000
        customer = next((seat for seat in call.seats.values() if seat.role == "customer"), None)
        was_lost = customer is not None and customer.leg == "lost"  # the server was ended in good order
        since_ms = customer.leg_since_ms if customer is not None and was_lost else call.at_ms
        is_fresh = 0 <= now_ms - since_ms <= grace_ms
        if is_fresh:
            self._desk.held.discard(call_id)
            self._start(self._save(call_id))
            grace_left_s = (grace_ms - (now_ms - since_ms if was_lost else 0)) / 1_000
            await asyncio.sleep(max(0.0, grace_left_s - BEFORE_GRACE_S))
        if self._desk.shown.is_live(call_id) and (customer is None or not customer.carries_audio):
            at_ms = self._desk.at_ms(call_id) if is_fresh else call.at_ms
            await self._end(call_id, at_ms)
        self._desk.held.discard(call_id)

    async def _end(self, call_id: str, at_ms: int) -> None:
        while self._desk.shown.is_live(call_id):
            try:
                await self._desk.command(lambda director: director.end(call_id, at_ms, "interrupted"))
            except Problem as problem:
                log.warning("call_not_ended", call_id=call_id, title=problem.title)
                await asyncio.sleep(AGAIN_S)

    # ------------------------------------------------------------ tasks

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("rescue_failed", **fault(error))

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()
