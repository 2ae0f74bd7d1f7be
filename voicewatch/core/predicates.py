"""Predicates that a deployment has installed: entry points of the group `voicewatch.predicates`.

    [project.entry-points."voicewatch.predicates"]
    business_hours = "acme.voicewatch:business_hours"

A predicate is called as `predicate(call, **settings)` with a `CallSoFar` and the settings of the rule's
`with`; it answers whether it holds, or None if it cannot tell. One that raises is not evaluated.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points

from voicewatch.core.call_conditions import Predicate

GROUP = "voicewatch.predicates"


class BadPredicate(ValueError):
    """An installed predicate cannot be loaded; the text names it and why."""


@cache
def installed_predicates() -> dict[str, Predicate]:
    """Name -> predicate, as installed when first asked."""
    found: dict[str, Predicate] = {}
    for point in entry_points(group=GROUP):
        try:
            loaded = point.load()
        except Exception as error:  # boundary: importing somebody else's package
            raise BadPredicate(f"predicate {point.name} ({point.value}) cannot be loaded: {error}") from error
        if not callable(loaded):
            raise BadPredicate(f"predicate {point.name} ({point.value}) cannot be called")
        found[point.name] = loaded
    return found
