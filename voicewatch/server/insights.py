"""Figures over the calls of the last days, kept in memory as calls end and people judge them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from voicewatch.core.call import CallState
from voicewatch.core.events import Fact, PastCall
from voicewatch.core.insights import Figures, figures_of, insights
from voicewatch.processes.faults import fault
from voicewatch.server.desk import Desk, Stored

log = structlog.get_logger()

KEPT = 5_000
"""Calls remembered; then the oldest is forgotten, and `calls_from` says since when they are counted."""


class Insights:
    def __init__(self, desk: Desk, read: Callable[[str], Awaitable[Sequence[Fact]]]) -> None:
        """`read` gives a call's facts from the journal."""
        self._desk = desk
        self._read = read
        self._figures: dict[str, Figures] = {}
        desk.readers.append(self._note)

    async def load(self, call_ids: Sequence[str]) -> None:
        """Takes in calls of before this process began; those noted meanwhile stay as they are."""
        for call_id in call_ids[:KEPT]:
            if call_id in self._figures or self._desk.shown.is_live(call_id):
                continue
            try:
                call = CallState(call_id)
                for fact in await self._read(call_id):
                    call.apply(fact)
                if call.ended is not None and call_id not in self._figures:
                    self._figures[call_id] = figures_of(call)
            except Exception as error:  # boundary: one unreadable call does not hide the others
                log.warning("call_not_counted", call_id=call_id, **fault(error))

    def history(self, customer: str, limit: int = 5) -> list[PastCall]:
        """Earlier calls of a customer (by key), newest first; none for one without a key."""
        known = [one for one in self._figures.values() if customer and one.customer == customer]
        calls = [
            PastCall(
                call_id=one.call_id,
                started_at=one.started_at,
                topic=one.topic,
                reasons=list(one.reasons),
                disposition=one.disposition or "",
                with_human=one.human_ms > 0,
            )
            for one in known
            if one.started_at is not None
        ]
        return sorted(calls, key=lambda past: past.started_at, reverse=True)[:limit]

    def report(self, days: int) -> dict[str, Any]:
        """The figures of calls that ended within the last `days`."""
        since = datetime.now(UTC) - timedelta(days=days)
        counted = [one for one in self._figures.values() if one.ended_at and one.ended_at >= since]
        oldest = min((one.ended_at for one in counted if one.ended_at), default=None)
        return {"days": days, "calls_from": oldest.isoformat() if oldest else None, **insights(counted)}

    def _note(self, stored: Sequence[Stored]) -> None:
        """An ended call is counted anew whenever something is said of it."""
        for call_id in {one.fact.call_id for one in stored}:
            if not self._desk.shown.has(call_id):
                continue
            call = self._desk.shown.call(call_id)
            if call.ended is not None:
                self._figures.pop(call_id, None)
                self._figures[call_id] = figures_of(call)
        while len(self._figures) > KEPT:
            del self._figures[next(iter(self._figures))]
