"""How each fact changes a call: by its type, one small function, gathered by subject.

A fact that is not here changes nothing in what is known of a call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from voicewatch.core.events import Fact
from voicewatch.core.folds import handoff, record, seats, understanding

if TYPE_CHECKING:
    from voicewatch.core.call import CallState

FOLDS: dict[type[Fact], Callable[[CallState, Any], None]] = {
    **seats.FOLDS,
    **understanding.FOLDS,
    **handoff.FOLDS,
    **record.FOLDS,
}
