"""Calls that wait for a person, and customers who are to be called back."""

from __future__ import annotations

from typing import Any

from voicewatch.core.call import CallState
from voicewatch.core.events import CallbackClosed, Role
from voicewatch.core.offering import need_rank
from voicewatch.core.routing_plan import RoutingPlan
from voicewatch.processes.problem import Problem
from voicewatch.server.auth import Account
from voicewatch.server.desk import Desk, no_such_call

STAFF_WHO_SEE_ALL = (Role.SUPERVISOR.value, "admin")


class Queues:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @property
    def plan(self) -> RoutingPlan:
        return self._desk.director.roster.plan

    def waiting(self) -> list[dict[str, Any]]:
        """Escalations that nobody has answered, the next first: why, for how long, in which queue.

        Without the customer's words or name: an agent sees those once the call is his.
        """
        shown = self._desk.shown
        calls = [shown.call(call_id) for call_id in shown.live()]
        seeking = [call for call in calls if call.active_escalation and call.active_escalation.is_waiting]
        seeking.sort(key=lambda call: need_rank(self.plan, call))
        return [self._row(call, place) for place, call in enumerate(seeking, start=1)]

    def _row(self, call: CallState, place: int) -> dict[str, Any]:
        escalation = call.active_escalation
        assert escalation is not None  # `waiting` gives no others
        raised = escalation.raised
        return {
            "call_id": call.call_id,
            "position": place,
            "severity": raised.severity.value,
            "reasons": list(raised.reasons),
            "headline": raised.headline,
            "queue": escalation.queue,
            "tier": call.attributes.get("tier", ""),
            "language": call.attributes.get("language", ""),
            "waiting_ms": max(0, self._desk.at_ms(call.call_id) - escalation.since_ms),
            "ringing_at": [offer.made.agent_name for offer in call.pending_offers],
        }

    async def release(self, account: Account, call_id: str, reason: str) -> None:
        self._known(call_id)
        at_ms = self._desk.at_ms(call_id)
        await self._desk.command(lambda director: director.release(call_id, at_ms, account.sub, reason))

    # ------------------------------------------------------------ calling back

    async def call_back(self, account: Account, call_id: str, number: str, when: str, note: str) -> None:
        """Agreed with the customer by a person who is in his call, or watches it."""
        call = self._known(call_id)
        if account.role not in STAFF_WHO_SEE_ALL and call.seat_of(account.sub, Role.AGENT) is None:
            raise no_such_call()
        at_ms = self._desk.at_ms(call_id)
        await self._desk.command(
            lambda director: director.call_back(call_id, at_ms, account.sub, number, when, note)
        )

    async def called_back(self, account: Account, call_id: str, outcome: str, note: str) -> None:
        """An agent or supervisor has tried, also long after the call."""
        call = self._known(call_id)
        if call_id in self._desk.director.calls:
            at_ms = self._desk.at_ms(call_id)
            await self._desk.command(
                lambda director: director.called_back(call_id, at_ms, account.sub, outcome, note)
            )
            return
        if call.callback is None:
            raise Problem(409, "No callback", "No callback of this call is open.")
        await self._desk.state(
            CallbackClosed.model_validate(
                {
                    "call_id": call_id,
                    "at_ms": call.at_ms,
                    "by": account.sub,
                    "outcome": outcome,
                    "note": note,
                }
            )
        )

    def callbacks(self, account: Account) -> list[dict[str, Any]]:
        """Customers still to be called back, the longest waiting first; numbers are masked unless granted."""
        shown = self._desk.shown
        views = [
            shown.view(call_id, full=False, unmask=account.may_unmask)
            for call_id in (*shown.live(), *shown.ended())
            if shown.call(call_id).callback is not None
        ]
        wanted = ("call_id", "label", "title", "started_at", "attributes", "customer_name", "callback")
        return sorted(
            ({name: view[name] for name in wanted} for view in views),
            key=lambda row: (row["started_at"] or "", row["callback"]["at_ms"]),
        )

    def _known(self, call_id: str) -> CallState:
        if not self._desk.shown.has(call_id):
            raise no_such_call()
        return self._desk.shown.call(call_id)
