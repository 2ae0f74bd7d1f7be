"""What may be shown: calls as durable facts made them, and the latest signals."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

from voicewatch.core.call import CallState
from voicewatch.core.events import CallEnded, CallStarted, Event, Fact, Interim, Signal, UtteranceFinal
from voicewatch.core.redaction import Context, masked

KEPT_ENDED = 100
"""Ended calls kept folded; the longest ended is let go and read from the journal when asked for."""
KEPT_CALLBACKS = 500
"""Ended calls kept beyond those because the customer is still to be called back; then the oldest goes too."""
CONTEXT_TURNS = 6
"""Earlier turns that masking looks at: a number asked for, then said."""


class Shown:
    """Folds of calls by id: all live ones, the latest ended ones.

    Apart from the director's own, whose state is ahead of what is durable.
    """

    def __init__(self) -> None:
        self._calls: dict[str, CallState] = {}
        self._live: dict[str, None] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._signals: dict[str, Signal] = {}

    def apply(self, fact: Fact) -> None:
        """Takes one durable fact; facts of calls that are not here change nothing."""
        if isinstance(fact, CallStarted):
            self._calls[fact.call_id] = CallState(fact.call_id)
            self._live[fact.call_id] = None
        call = self._calls.get(fact.call_id)
        if call is None:
            return
        call.apply(fact)
        match fact:
            case UtteranceFinal():
                self._end_interim(fact)
            case CallEnded():
                self._end(fact.call_id)

    def load(self, facts: Iterable[Fact]) -> None:
        for fact in facts:
            self.apply(fact)

    def signal(self, event: Signal) -> bool:
        """Takes the latest value of something; False if its call is not live (nothing is kept of it)."""
        if event.call_id and event.call_id not in self._live:
            return False
        self._signals[event.key] = event
        return True

    def signals(self) -> list[Signal]:
        return list(self._signals.values())

    def forget(self, call_id: str) -> None:
        """An erased call."""
        self._calls.pop(call_id, None)
        self._ended.pop(call_id, None)

    def has(self, call_id: str) -> bool:
        return call_id in self._calls

    def is_live(self, call_id: str) -> bool:
        return call_id in self._live

    def live(self) -> list[str]:
        return list(self._live)

    def ended(self) -> list[str]:
        """Ended calls, newest first."""
        return list(reversed(self._ended))

    def call(self, call_id: str) -> CallState:
        """The call as it was said. KeyError if it is not here."""
        return self._calls[call_id]

    def view(self, call_id: str, *, full: bool, unmask: bool) -> dict[str, Any]:
        """CallView of docs/API.md. KeyError if the call is not here."""
        return self._calls[call_id].view(full, unmask)

    def context(self, call_id: str) -> list[tuple[str, str]]:
        """(role, text) of the last turns, for masking what is said next."""
        turns = self._calls[call_id].spoken()[-CONTEXT_TURNS:]
        return [(one.final.role.value, one.final.text) for one in turns if one.final is not None]

    def _end(self, call_id: str) -> None:
        self._live.pop(call_id, None)
        self._ended[call_id] = None
        for key in [key for key, signal in self._signals.items() if signal.call_id == call_id]:
            del self._signals[key]
        for call_id in [*self._ended][: max(0, len(self._ended) - KEPT_ENDED)]:
            if self._calls[call_id].callback is None or len(self._ended) > KEPT_ENDED + KEPT_CALLBACKS:
                del self._ended[call_id], self._calls[call_id]

    def _end_interim(self, final: UtteranceFinal) -> None:
        key = f"{final.call_id}:{final.seat_id}:interim"
        interim = self._signals.get(key)
        if isinstance(interim, Interim) and interim.start_ms <= final.end_ms:
            del self._signals[key]


def for_eyes(event: Event, unmask: bool, context: Context = ()) -> Event:
    """The event as somebody with or without the grant `unmask` may see it; `context`: what came before."""
    return event if unmask else masked(event, context)
