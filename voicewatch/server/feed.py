"""The event feed (`/api/events`): a snapshot, then every fact once and the latest of everything else.

Each viewer has a bounded queue of facts; of all else only the newest is kept for him, and written out when he
takes it. So one who does not read costs little, holds nobody up, and is closed with 1013 to come back later.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import Any

import structlog

from voicewatch.core.events import Event, Fact, Interim, OfferChanged, OfferState, Signal, SystemStatus
from voicewatch.core.redaction import Context
from voicewatch.processes.problem import Problem
from voicewatch.server.auth import Account
from voicewatch.server.desk import Desk, Stored
from voicewatch.server.presence import Presences
from voicewatch.server.requests import FeedHello
from voicewatch.server.shown import for_eyes
from voicewatch.server.websocket import OVERLOADED, REFUSED, Socket, SocketClosed

log = structlog.get_logger()

FACTS_LIMIT = 2_000
"""Facts waiting for one viewer; when full he is closed with 1013 and may resume."""
RESUME_LIMIT = 5_000
"""Facts told again to one who resumes; if he missed more he gets a full snapshot."""
VIEWERS_LIMIT = 500
"""Of staff, and as many of customers: neither keeps the others out."""
VIEWERS_PER_ACCOUNT = 25
"""Windows of one person, or of one customer's seat."""
ENDED_IN_SNAPSHOT = 20
PING_S = 15.0
SEND_WITHIN_S = 20.0
CLOSE_WITHIN_S = 1.0
VIEWS_KEPT = 256

ALL_CALLS = ("supervisor", "admin")


class Telling:
    """An event as text, made once for all who may see the same of it."""

    def __init__(self, event: Event, cursor: int | None = None, context: Context = ()) -> None:
        self.event = event
        self._cursor = cursor
        self._context = context

    def text(self, unmask: bool) -> str:
        return self._plain if unmask else self._masked

    @cached_property
    def _plain(self) -> str:
        return self._write(True)

    @cached_property
    def _masked(self) -> str:
        return self._write(False)

    def _write(self, unmask: bool) -> str:
        kind = "fact" if isinstance(self.event, Fact) else "signal"
        told: dict[str, Any] = {"type": kind}
        if self._cursor is not None:
            told["cursor"] = str(self._cursor)
        shown = for_eyes(self.event, unmask, self._context)
        return json.dumps(told | {"event": shown.model_dump(mode="json")})


@dataclass(eq=False)
class Viewer:
    """One connected client. `latest` maps what it is about to what writes it out."""

    account: Account
    visible: set[str] = field(default_factory=set)
    """Agents: the calls he sees now."""
    facts: deque[Telling] = field(default_factory=deque)
    latest: dict[str, Callable[[], str]] = field(default_factory=dict)
    closing: tuple[int, str] | None = None
    something: asyncio.Event = field(default_factory=asyncio.Event)
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def sees_all(self) -> bool:
        return self.account.role in ALL_CALLS

    @property
    def is_customer(self) -> bool:
        return self.account.kind == "seat"

    def sees(self, call_id: str) -> bool:
        return self.sees_all or call_id in self.visible

    def tell(self, fact: Telling) -> None:
        if self.closing is None:
            self.facts.append(fact)
            if len(self.facts) > FACTS_LIMIT:
                self.close(OVERLOADED, "too far behind; come back and resume")
            self.something.set()

    def offer(self, about: str, write: Callable[[], str]) -> None:
        if self.closing is None:
            self.latest[about] = write
            self.something.set()

    def close(self, code: int, reason: str) -> None:
        if self.closing is None:
            self.closing = (code, reason)
            self.facts.clear()
            self.latest.clear()
            self.something.set()
            self.closed.set()

    def next_text(self) -> str | None:
        """Facts before views, so that a view never tells of a fact not yet told."""
        if self.facts:
            return self.facts.popleft().text(self.account.may_unmask)
        if self.latest:
            return self.latest.pop(next(iter(self.latest)))()
        return None


class Feed:
    def __init__(self, desk: Desk, presences: Presences, status: Callable[[], SystemStatus]) -> None:
        self._desk = desk
        self._presences = presences
        self._status = status
        self._viewers: set[Viewer] = set()
        self._views: OrderedDict[tuple[str, bool, bool], tuple[int, str]] = OrderedDict()
        self._agents_told: list[dict[str, Any]] = []
        desk.readers.append(self._read)

    @property
    def count(self) -> int:
        """Viewers now."""
        return len(self._viewers)

    # ------------------------------------------------------------ what happened

    def erased(self, call_id: str) -> None:
        """The call is gone from everybody's view, also what waited to be told of it."""
        for viewer in self._viewers:
            viewer.facts = deque(telling for telling in viewer.facts if telling.event.call_id != call_id)
            viewer.latest.pop(f"call {call_id}", None)
            if viewer.sees(call_id):
                viewer.visible.discard(call_id)
                viewer.offer(f"gone {call_id}", partial(_gone_text, call_id))
        for key in [key for key in self._views if key[0] == call_id]:
            del self._views[key]

    def _read(self, stored: Sequence[Stored]) -> None:
        tellings = [Telling(one.fact, one.cursor) for one in stored]
        touched = list(dict.fromkeys(one.fact.call_id for one in stored))
        for viewer in self._viewers:
            if viewer.is_customer:
                self._tell_customer(viewer, touched)
            elif viewer.sees_all:
                self._tell_all(viewer, tellings, touched)
            else:
                self._tell_agent(viewer, tellings, touched)
        self._tell_roster()

    def _tell_all(self, viewer: Viewer, tellings: Sequence[Telling], touched: Sequence[str]) -> None:
        for telling in tellings:
            viewer.tell(telling)
        for call_id in touched:
            self._offer_view(viewer, call_id, full=False)

    def _tell_agent(self, viewer: Viewer, tellings: Sequence[Telling], touched: Sequence[str]) -> None:
        before = set(viewer.visible)
        viewer.visible = self._visible_to(viewer.account.sub, before | set(touched))
        for telling in tellings:
            if telling.event.call_id in before | viewer.visible or _is_his_offer(
                telling.event, viewer.account
            ):
                viewer.tell(telling)
        for call_id in before - viewer.visible:
            viewer.latest.pop(f"call {call_id}", None)
            viewer.offer(f"gone {call_id}", partial(_gone_text, call_id))
        for call_id in viewer.visible:
            if call_id not in before:
                self._offer_view(viewer, call_id, full=True)
            elif call_id in touched:
                self._offer_view(viewer, call_id, full=False)

    def _tell_customer(self, viewer: Viewer, touched: Sequence[str]) -> None:
        if viewer.account.call_id in touched:
            self._offer_view(viewer, viewer.account.call_id, full=False)

    def _tell_roster(self) -> None:
        agents = self._desk.director.roster.view()
        if agents != self._agents_told:
            self._agents_told = agents
            for viewer in self._viewers:
                if not viewer.is_customer:
                    viewer.offer("agents", partial(self._agents_text, viewer))

    def signal(self, event: Signal) -> None:
        """The latest value of something, for those who see its call; the house's own for all staff."""
        if event.call_id and not self._desk.shown.signal(event):
            return
        telling = self._signal_telling(event)
        for viewer in self._viewers:
            if not viewer.is_customer and (not event.call_id or viewer.sees(event.call_id)):
                viewer.offer(event.key, partial(telling.text, viewer.account.may_unmask))

    def _signal_telling(self, event: Signal) -> Telling:
        context = self._desk.shown.context(event.call_id) if isinstance(event, Interim) else ()
        return Telling(event, None, context)

    # ------------------------------------------------------------ views

    def _visible_to(self, sub: str, among: set[str]) -> set[str]:
        return {call_id for call_id in among if self.agent_sees(sub, call_id)}

    def agent_sees(self, sub: str, call_id: str) -> bool:
        """An agent sees a call that rings at him, that he sits in, or that he has still to wrap up."""
        shown = self._desk.shown
        if not shown.has(call_id):
            return False
        agent = self._desk.director.roster.agents.get(sub)
        if agent is not None and call_id in agent.wrap_ups:
            return True
        call = shown.call(call_id)
        rings = any(
            offer.made.agent_id == sub and offer.state == OfferState.PENDING for offer in call.offers.values()
        )
        return call.is_live and (rings or call.seat_of(sub) is not None)

    def _offer_view(self, viewer: Viewer, call_id: str, *, full: bool) -> None:
        about = f"call {call_id}"
        if full or about not in viewer.latest:  # a full one that waits stays full
            viewer.offer(about, lambda: self._call_text(viewer, call_id, full))
        viewer.something.set()

    def _call_text(self, viewer: Viewer, call_id: str, full: bool) -> str:
        if not self._desk.shown.has(call_id):
            return _gone_text(call_id)
        if viewer.is_customer:
            view = self._desk.shown.view(call_id, full=False, unmask=False)
            few = {name: view[name] for name in ("call_id", "state", "voice", "voice_name", "on_hold")}
            return json.dumps({"type": "call", "view": few})
        return f'{{"type": "call", "view": {self._view_text(call_id, full, viewer.account.may_unmask)}}}'

    def _view_text(self, call_id: str, full: bool, unmask: bool) -> str:
        """A view as JSON, made once per state of the call for all who see the same of it."""
        key, seq = (call_id, full, unmask), self._desk.shown.call(call_id).last_seq
        known = self._views.get(key)
        if known is None or known[0] != seq:
            known = (seq, json.dumps(self._desk.shown.view(call_id, full=full, unmask=unmask)))
            self._views[key] = known
            if len(self._views) > VIEWS_KEPT:
                self._views.popitem(last=False)
        return known[1]

    def _agents_of(self, viewer: Viewer) -> list[dict[str, Any]]:
        return [
            one | {"since": _utc(one["since"])}
            for one in self._agents_told
            if viewer.sees_all or one["agent_id"] == viewer.account.sub
        ]

    def _agents_text(self, viewer: Viewer) -> str:
        return json.dumps({"type": "agents", "agents": self._agents_of(viewer)})

    # ------------------------------------------------------------ connections

    async def serve(self, socket: Socket, account: Account, hello: FeedHello) -> None:
        """Feeds a client that has said hello, to the end of its socket. Problem 403 or 503 if it may not."""
        viewer = self._admit(account)
        is_agent = account.role == "agent" and account.kind == "access"
        if is_agent:
            await self._presences.arrive(account, hello.presence)
        try:
            await self._converse(socket, viewer, hello.after)
        finally:
            self._viewers.discard(viewer)
            if is_agent:
                self._presences.leave(account)

    def _admit(self, account: Account) -> Viewer:
        customer = account.kind == "seat" and account.role == "customer"
        if not customer and (account.kind == "seat" or account.role not in (*ALL_CALLS, "agent")):
            raise Problem(403, "Not allowed", f"The role {account.role} has no events.")
        alike = [one.account for one in self._viewers if one.is_customer == customer]
        if len(alike) >= VIEWERS_LIMIT:
            raise Problem(503, "Too many viewers", f"At most {VIEWERS_LIMIT} are served at once.")
        own = [one for one in alike if (one.sub, one.seat_id) == (account.sub, account.seat_id)]
        if len(own) >= VIEWERS_PER_ACCOUNT:
            raise Problem(503, "Too many windows", f"At most {VIEWERS_PER_ACCOUNT} of yours are served.")
        return Viewer(account)

    async def _converse(self, socket: Socket, viewer: Viewer, after: str | None) -> None:
        missed = await self._missed(viewer, after)
        # No waiting from here to the registration: the snapshot and what follows it must join exactly.
        opening = self._opening(viewer, missed)
        self._viewers.add(viewer)
        reading = asyncio.ensure_future(_read_to_the_end(socket))
        sending = asyncio.ensure_future(_send_all(socket, viewer, opening))
        closed = asyncio.ensure_future(viewer.closed.wait())
        try:
            await asyncio.wait({reading, sending, closed}, return_when=asyncio.FIRST_COMPLETED)
            if viewer.closing is not None:
                await asyncio.wait({sending}, timeout=CLOSE_WITHIN_S)  # it may wait for one who does not read
        finally:
            for task in (reading, sending, closed):
                task.cancel()
            await asyncio.gather(reading, sending, closed, return_exceptions=True)
        if viewer.closing is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_WITHIN_S):
                    await socket.close(*viewer.closing)

    async def _missed(self, viewer: Viewer, after: str | None) -> list[Stored] | None:
        """All facts behind a cursor, or None if it cannot be resumed from."""
        if not viewer.sees_all or after is None or not (after.isascii() and after.isdigit()):
            return None
        missed: list[Stored] = []
        cursor = int(after)
        if cursor > self._desk.cursor:
            return None
        while cursor < self._desk.cursor:
            more = await self._desk.record.since(cursor, RESUME_LIMIT)
            missed += more
            if len(missed) > RESUME_LIMIT:
                return None
            cursor = more[-1].cursor if more else self._desk.cursor
        return missed

    def _opening(self, viewer: Viewer, missed: Sequence[Stored] | None) -> list[str]:
        if viewer.is_customer:
            return [self._call_text(viewer, viewer.account.call_id, False)]
        missed_here = [
            Telling(one.fact, one.cursor) for one in missed or () if one.cursor <= self._desk.cursor
        ]
        unmask = viewer.account.may_unmask
        signals = [
            self._signal_telling(signal).text(unmask)
            for signal in self._desk.shown.signals()
            if viewer.sees(signal.call_id)
        ]
        snapshot = self._snapshot(viewer, resumed=missed is not None)
        return [snapshot, *(telling.text(unmask) for telling in missed_here), *signals]

    def _snapshot(self, viewer: Viewer, resumed: bool) -> str:
        account, shown = viewer.account, self._desk.shown
        live, ended = shown.live(), shown.ended()
        if not viewer.sees_all:
            viewer.visible = self._visible_to(account.sub, {*live, *ended})
            live = [call_id for call_id in live if call_id in viewer.visible]
            ended = [call_id for call_id in ended if call_id in viewer.visible]
        views = [self._view_text(call_id, not resumed, account.may_unmask) for call_id in live]
        views += [
            self._view_text(call_id, False, account.may_unmask) for call_id in ended[:ENDED_IN_SNAPSHOT]
        ]
        self._tell_roster()
        agents = self._agents_of(viewer)
        you: dict[str, Any] = {"role": account.role, "sub": account.sub, "name": account.name}
        if account.role == "agent":
            you["presence"] = next(
                (one["state"] for one in agents if one["agent_id"] == account.sub), "offline"
            )
        head = {
            "type": "snapshot",
            "cursor": str(self._desk.cursor),
            "resumed": resumed,
            "you": you,
            "agents": agents,
            "system": self._status().model_dump(mode="json"),
        }
        return f'{json.dumps(head)[:-1]}, "calls": [{", ".join(views)}]}}'

    async def run(self) -> None:
        """Pings, and closes what has expired, until cancelled."""
        while True:
            await asyncio.sleep(PING_S)
            self.check_all()

    def check_all(self) -> None:
        now = time.time()
        for viewer in self._viewers:
            viewer.offer("ping", lambda: '{"type": "ping"}')
            if viewer.account.expires_at <= now:
                viewer.close(REFUSED, "the token has expired; sign in again")

    def revoke(self, jti: str) -> None:
        for viewer in self._viewers:
            if viewer.account.jti == jti:
                viewer.close(REFUSED, "signed out")

    def close_all(self, code: int, reason: str) -> None:
        for viewer in self._viewers:
            viewer.close(code, reason)


def _utc(mono_ms: int) -> str | None:
    """The instant of the roster's clock (CLOCK_MONOTONIC) for people; None for one never told of."""
    if not mono_ms:
        return None
    age_s = time.monotonic() - mono_ms / 1_000
    return datetime.fromtimestamp(time.time() - age_s, UTC).isoformat(timespec="milliseconds")


def _gone_text(call_id: str) -> str:
    return json.dumps({"type": "gone", "call_id": call_id})


def _is_his_offer(event: Event, account: Account) -> bool:
    """The end of his own offer is told to an agent although it ends his view of the call."""
    return isinstance(event, OfferChanged) and event.agent_id == account.sub


async def _send(socket: Socket, text: str) -> None:
    async with asyncio.timeout(SEND_WITHIN_S):
        await socket.send(text)


async def _send_all(socket: Socket, viewer: Viewer, opening: Sequence[str]) -> None:
    """Until the viewer is to be closed, or is gone."""
    try:
        for text in opening:
            await _send(socket, text)
        while viewer.closing is None:
            viewer.something.clear()
            while (waiting := viewer.next_text()) is not None:
                await _send(socket, waiting)
            await viewer.something.wait()
    except TimeoutError:
        viewer.close(OVERLOADED, "nothing was read for too long")
    except SocketClosed:
        return


async def _read_to_the_end(socket: Socket) -> None:
    """Whatever a viewer says after its hello is of no interest, but that it is there."""
    while True:
        try:
            await socket.receive()
        except SocketClosed:
            return
        except Problem:
            continue
