"""What people say of the system's work, and the calls drawn for them to look at."""

from __future__ import annotations

from typing import Any

from voicewatch.core.call import CallState
from voicewatch.core.events import Role
from voicewatch.core.labels import is_drawn, is_reviewed, label_set, stratum
from voicewatch.core.refused import Refused
from voicewatch.processes.problem import Problem
from voicewatch.server.auth import Account
from voicewatch.server.desk import Desk, no_such_call
from voicewatch.server.requests import NewLabel
from voicewatch.server.shown import Shown


class Review:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def label(self, account: Account, call_id: str, told: NewLabel) -> None:
        """One word of one person; also long after the call. Problem 404 if the call is not his to judge."""
        call = await self._call(call_id)
        if account.role == Role.AGENT and not _was_in(call, account.sub):
            raise no_such_call()
        target = told.target or call_id
        if call_id in self._desk.director.calls:
            at_ms = self._desk.at_ms(call_id)
            await self._desk.command(
                lambda director: director.label(
                    call_id, at_ms, account.sub, told.about, target, told.value, told.text, told.note
                )
            )
            return
        try:
            fact = label_set(call, account.sub, told.about, target, told.value, told.text, told.note)
        except Refused as refused:
            raise Problem(refused.status, refused.title, refused.detail) from None
        await self._desk.state(fact)

    def queue(self) -> list[dict[str, Any]]:
        """Ended calls drawn for review that nobody has looked at, the newest first."""
        shown = self._desk.shown
        drawn = [
            call_id
            for call_id in shown.ended()
            if is_drawn(shown.call(call_id)) and not is_reviewed(shown.call(call_id))
        ]
        wanted = ("call_id", "label", "title", "started_at", "duration_ms", "attributes", "alerts")
        return [
            {"stratum": stratum(shown.call(call_id)), **{name: view[name] for name in wanted}}
            for call_id in drawn
            for view in [shown.view(call_id, full=False, unmask=False)]
        ]

    async def _call(self, call_id: str) -> CallState:
        if self._desk.shown.has(call_id):
            return self._desk.shown.call(call_id)
        facts = await self._desk.record.read(call_id)
        if not facts:
            raise no_such_call()
        old = Shown()
        old.load(facts)
        return old.call(call_id)


def _was_in(call: CallState, sub: str) -> bool:
    return any(seat.who == sub and seat.role == Role.AGENT for seat in call.seats.values())
