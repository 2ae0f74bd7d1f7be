"""Whether an agent is there: as long as one of his event sockets is open, and a few seconds more."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Literal

import structlog

from voicewatch.processes.problem import Problem
from voicewatch.server.auth import Account
from voicewatch.server.desk import Desk

log = structlog.get_logger()

GRACE_S = 5.0
"""A page that reloads or reconnects within this time was never gone."""
AGAIN_S = 2.0

Presence = Literal["available", "away"]


class Presences:
    def __init__(self, desk: Desk, grace_s: float = GRACE_S) -> None:
        self._desk = desk
        self._grace_s = grace_s
        self._sockets: Counter[str] = Counter()
        self._leaving: dict[str, asyncio.Task[None]] = {}

    async def arrive(self, account: Account, presence: Presence | None) -> None:
        """A socket of this agent opened; without a wish he is what he was, at first away."""
        self._sockets[account.sub] += 1
        self._stay(account.sub)
        try:
            await self._say(account, presence or self._said(account.sub), connected=True)
        except Problem as problem:
            log.warning("presence_not_taken", agent=account.sub, title=problem.title)

    def leave(self, account: Account) -> None:
        """A socket of this agent closed."""
        self._sockets[account.sub] -= 1
        if self._sockets[account.sub] <= 0:
            del self._sockets[account.sub]
            self._leave_later(account)

    async def change(self, account: Account, presence: Presence) -> str:
        """What the agent says of himself; without a socket it holds for the grace time. Gives his state."""
        await self._say(account, presence, connected=True)
        if account.sub not in self._sockets:
            self._leave_later(account)
        return self._desk.director.roster.agents[account.sub].state

    def close(self) -> None:
        for task in self._leaving.values():
            task.cancel()

    def _said(self, sub: str) -> Presence:
        known = self._desk.director.roster.agents.get(sub)
        return known.said if known is not None else "away"

    async def _say(self, account: Account, presence: Presence, connected: bool) -> None:
        sub, name = account.sub, account.name
        mono_ms = time.monotonic_ns() // 1_000_000
        await self._desk.command(
            lambda director: director.presence(sub, name, presence, connected, mono_ms=mono_ms)
        )

    def _stay(self, sub: str) -> None:
        if (leaving := self._leaving.pop(sub, None)) is not None:
            leaving.cancel()

    def _leave_later(self, account: Account) -> None:
        self._stay(account.sub)
        self._leaving[account.sub] = asyncio.ensure_future(self._go(account))

    async def _go(self, account: Account) -> None:
        await asyncio.sleep(self._grace_s)
        while True:
            try:
                await self._say(account, self._said(account.sub), connected=False)
                break
            except Problem:
                await asyncio.sleep(AGAIN_S)  # the journal cannot be written just now
        self._leaving.pop(account.sub, None)
