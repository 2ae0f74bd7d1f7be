"""A director with a small honest media process: it applies wanted tables when the legs allow, and its
own fallback when a leg is lost, as the real one does. For stories and state machines; nothing waits."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import count
from typing import Any

from voicewatch.core.audibility import Table
from voicewatch.core.director import Director
from voicewatch.core.events import AudibilityChanged, Fact, LegConnected, LegLive, LegLost, Role
from voicewatch.core.routing_plan import RoutingPlan
from voicewatch.core.rules import RuleBook, default_rules

OFFER_TIMEOUT_MS = 20_000
WRAP_UP_MS = 60_000
GRACE_MS = 15_000
CALL = "call"
MONDAY_NOON_MS = 1_700_481_600_000
"""Zero of the stage's clock in UTC: 20 November 2023, 12:00."""


def director(
    new_id: Callable[[], str], rules: RuleBook | None = None, plan: RoutingPlan | None = None
) -> Director:
    return Director(
        rules or default_rules(),
        offer_timeout_ms=OFFER_TIMEOUT_MS,
        wrap_up_ms=WRAP_UP_MS,
        customer_grace_ms=GRACE_MS,
        new_id=new_id,
        plan=plan,
        utc_offset_ms=MONDAY_NOON_MS,
    )


class Stage:
    """One call `CALL` on a director, with everything it said in `journal`."""

    def __init__(self, rules: RuleBook | None = None, plan: RoutingPlan | None = None) -> None:
        numbers = count(1)
        self.new_id = lambda: f"id{next(numbers)}"
        self.director = director(self.new_id, rules, plan)
        self.journal: list[Fact] = []
        self.at_ms = 0
        self._version = 0
        self._applied: object = None
        self._table: Table = {}
        self._fallbacks: dict[str, Table] = {}

    @property
    def call(self) -> Any:
        return self.director.calls[CALL]

    def tell(self, facts: Iterable[Fact]) -> None:
        """Journals what a command returned, then lets media follow."""
        self.journal += [fact.model_copy(update={"seq": len(self.journal) + 1}) for fact in facts]
        self._follow()

    def push(self, fact: Fact) -> None:
        self.tell([fact, *self.director.push(fact)])

    def pass_time(self, to_ms: int, step_ms: int = 1_000) -> None:
        while self.at_ms < to_ms:
            self.at_ms = min(to_ms, (self.at_ms // step_ms + 1) * step_ms)
            self.tell(self.director.tick({CALL: self.at_ms}))

    def start(self, **attributes: str) -> None:
        """Customer and AI are there and hear each other."""
        self.tell(self.director.start_call(CALL, self.at_ms, attributes=attributes, seat_id="customer"))
        self.tell(self.director.seat_ai(CALL, self.at_ms, "ai", "worker-1", "Ava"))
        self.connect("customer")
        self.connect("ai")

    def connect(self, seat_id: str) -> None:
        """A new leg, proved at once."""
        leg_id = f"{seat_id}-leg-{len(self.journal)}"
        self.push(LegConnected(call_id=CALL, at_ms=self.at_ms, seat_id=seat_id, leg_id=leg_id))
        self.push(LegLive(call_id=CALL, at_ms=self.at_ms, seat_id=seat_id, leg_id=leg_id))

    def lose(self, seat_id: str, reason: str) -> None:
        """A leg is gone; media's own fallback applies before the director has heard of it."""
        seat = self.call.seats[seat_id]
        table = self._fallbacks.get(seat_id)
        if table is not None and seat.role is not Role.CUSTOMER and reason != "media_died":
            self._apply(table, "fallback")
        self.push(LegLost(call_id=CALL, at_ms=self.at_ms, seat_id=seat_id, leg_id=seat.leg_id, reason=reason))

    def _follow(self) -> None:
        wanted = self.director.wanted(CALL)
        if wanted.version_key == self._applied or CALL not in self.director.calls:
            return
        if wanted.needs_live and self.call.seats[wanted.needs_live].leg != "live":
            return
        self._applied = wanted.version_key
        self._fallbacks = wanted.fallbacks
        self._apply(wanted.hears, "command")

    def _apply(self, table: Table, cause: Any) -> None:
        if table == self._table or not table:
            return
        self._table = table
        self._version += 1
        hears = {listener: sorted(heard) for listener, heard in sorted(table.items())}
        self.push(
            AudibilityChanged(call_id=CALL, at_ms=self.at_ms, version=self._version, hears=hears, cause=cause)
        )
