"""Keeps media told: whenever the table wanted for a call is not the one last asked for, it is asked for.

What is wanted is derived from the call's state each time, so nothing is lost when a process restarts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import structlog

from voicewatch.core.audibility import Table
from voicewatch.core.director import Wanted
from voicewatch.core.events import AudibilityChanged
from voicewatch.processes.messages import SetAudibility
from voicewatch.processes.problem import Problem
from voicewatch.server.desk import Desk, Stored
from voicewatch.server.media_links import Home, MediaLinks

log = structlog.get_logger()

ASK_AGAIN_S = 0.25

Notice = Literal["none", "tone", "spoken"]
NOTICES: tuple[Notice, ...] = get_args(Notice)
"""From the least to the most."""


@dataclass
class _Told:
    """What media was last asked for; `home` and `key` None: nothing that still holds."""

    version: int = 0
    home: Home | None = None
    key: Hashable | None = None
    task: asyncio.Task[None] | None = None


class TableKeeper:
    def __init__(self, desk: Desk, links: MediaLinks, notice: Notice = "none") -> None:
        """`notice`: what is heard before a human takes over, unless the call asks for more."""
        self._notice = notice
        self._desk = desk
        self._links = links
        self._told: dict[str, _Told] = {}
        desk.readers.append(self._read)

    def check(self, call_id: str, *, anew: bool = False, at_least: int = 0) -> None:
        """Asks for the wanted table if needed; `anew`: whatever was told before no longer holds.

        `at_least` is a version media is known to have.
        """
        told = self._told.setdefault(call_id, _Told())
        told.version = max(told.version, at_least)
        if anew:
            told.key = None
        if told.task is None:
            told.task = asyncio.ensure_future(self._settle(call_id, told))

    def close(self) -> None:
        for told in self._told.values():
            if told.task is not None:
                told.task.cancel()

    def _read(self, stored: Sequence[Stored]) -> None:
        fell_back = {
            one.fact.call_id
            for one in stored
            if isinstance(one.fact, AudibilityChanged) and one.fact.cause == "fallback"
        }
        for call_id in {one.fact.call_id for one in stored}:
            if self._desk.shown.is_live(call_id):
                self.check(call_id, anew=call_id in fell_back)
            else:
                self._forget(call_id)

    def _forget(self, call_id: str) -> None:
        told = self._told.pop(call_id, None)
        if told is not None and told.task is not None:
            told.task.cancel()

    async def _settle(self, call_id: str, told: _Told) -> None:
        """Until what is wanted was asked for, the call is over, or its media is away (its hello checks)."""
        try:
            while self._desk.shown.is_live(call_id) and self._links.peer_of(call_id) is not None:
                wanted = self._desk.director.wanted(call_id)
                home = self._links.home(call_id)
                if told.key == wanted.version_key and told.home == home:
                    return
                told.version = max(told.version, self._desk.shown.call(call_id).table_version) + 1
                try:
                    await self._links.ask(
                        call_id, _command(call_id, told.version, wanted, self._notice_in(call_id))
                    )
                    told.home, told.key = home, wanted.version_key
                except Problem as problem:
                    log.warning("table_not_set", call_id=call_id, title=problem.title)
                    await asyncio.sleep(ASK_AGAIN_S)
        finally:
            told.task = None

    def _notice_in(self, call_id: str) -> Notice:
        """A call's attribute may ask for more than the setting, never for less."""
        asked = self._desk.shown.call(call_id).attributes.get("handoff_notice", "")
        known = next((one for one in NOTICES if one == asked), self._notice)
        return max(known, self._notice, key=NOTICES.index)


def _command(call_id: str, version: int, wanted: Wanted, notice: Notice) -> SetAudibility:
    return SetAudibility(
        call_id=call_id,
        version=version,
        hears=_lists(wanted.hears),
        fallbacks={seat: _lists(table) for seat, table in wanted.fallbacks.items()},
        after_clause_of=wanted.after_clause_of,
        needs_live=wanted.needs_live,
        notice=notice if wanted.takes_over else "none",
    )


def _lists(table: Table) -> dict[str, list[str]]:
    return {listener: sorted(heard) for listener, heard in table.items()}
