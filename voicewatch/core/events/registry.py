"""All kinds of events by their type, and how a written one is read."""

from __future__ import annotations

from typing import Any, TypeVar

from voicewatch.core.events import handoff, judgement, live, operations, record, seats, understanding
from voicewatch.core.events.base import Event, Fact, Signal

SUBJECTS = (seats, understanding, judgement, handoff, record, live, operations)
"""In the order in which docs/PROTOCOL.md tells of them."""
Kind = TypeVar("Kind", bound=Event)


def _kinds(base: type[Kind]) -> dict[str, type[Kind]]:
    """The events that the subjects define, by the value of their `type`."""
    return {
        kind.model_fields["type"].default: kind
        for subject in SUBJECTS
        for kind in vars(subject).values()
        if isinstance(kind, type) and issubclass(kind, base) and kind.__module__ == subject.__name__
    }


FACTS: dict[str, type[Fact]] = _kinds(Fact)
SIGNALS: dict[str, type[Signal]] = _kinds(Signal)


def parse_event(data: dict[str, Any]) -> Event:
    """The event written in `data` (as `model_dump(mode="json")` gives). ValueError names an unknown type."""
    kind = data.get("type")
    found = FACTS.get(str(kind)) or SIGNALS.get(str(kind))
    if found is None:
        raise ValueError(f"unknown event type {kind!r}; known: {', '.join(sorted(FACTS | SIGNALS))}")
    return found.model_validate(data)
