"""Calls of a server's journal, with what people did as labels."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from voicewatch.core.events import (
    AlertCleared,
    CallStarted,
    EscalationRaised,
    Fact,
    HandoffChanged,
    HandoffState,
    LabelSet,
    UtteranceFinal,
)
from voicewatch.core.replay import Case, Labels
from voicewatch.record.journal import Journal, JournalFailed

MAX_CALLS = 1_000_000


class NoJournal(ValueError):
    """There is no journal there; the text says what was looked for."""


def read_calls(path: Path) -> list[Case]:
    """All calls under `path`: the data folder, the journal's folder or its journal.db; oldest first."""
    folder = _folder(path)
    try:
        return asyncio.run(_read(folder))
    except JournalFailed as error:
        raise NoJournal(f"{folder}: {error}") from None


def _folder(path: Path) -> Path:
    for folder in (path, path / "journal", path.parent):
        if (folder / "journal.db").is_file() and (path.is_dir() or path.name == "journal.db"):
            return folder
    raise NoJournal(f"{path} holds no journal: give the server's data folder, or its journal/journal.db")


async def _read(folder: Path) -> list[Case]:
    journal = await Journal.open(folder)
    try:
        calls = await journal.recent_calls(MAX_CALLS)
        return [case for call_id in reversed(calls) if (case := _case(call_id, await journal.read(call_id)))]
    finally:
        await journal.close()


def _case(call_id: str, facts: Sequence[Fact]) -> Case | None:
    if not facts or not isinstance(facts[0], CallStarted):
        return None
    return Case(call_id, facts, labels_of(facts))


NEEDED = {("call", "needed_person"): True, ("call", "fine"): False, ("escalation", "right"): True,
          ("escalation", "late"): True, ("escalation", "unneeded"): False}  # fmt: skip
"""What somebody may have said of a call -> whether it needed a person."""


def labels_of(facts: Sequence[Fact]) -> Labels | None:
    """What people said of the call, in words or by what they did; None if nobody has.

    The newest word on the call or its escalation decides. Else: somebody escalated it by hand, or took the
    call that was offered to him: it needed a person. All that called a person was dismissed: it did not.
    """
    called = [one for one in facts if isinstance(one, EscalationRaised)]
    by_hand = next((one for one in called if one.by and one.rule is None), None)
    human_at_ms = by_hand.at_ms if by_hand else None
    reasons = tuple(sorted({reason for one in called if not one.by for reason in one.reasons}))
    words = [
        needed
        for one in facts
        if isinstance(one, LabelSet) and (needed := NEEDED.get((one.about, one.value))) is not None
    ]
    if words:
        return Labels(words[-1], reasons=reasons if words[-1] else (), human_at_ms=human_at_ms)
    if by_hand is not None:
        return Labels(True, _turn_at(facts, by_hand.at_ms), human_at_ms=human_at_ms)
    dismissed = {one.alert_id for one in facts if isinstance(one, AlertCleared) and one.by}
    if called and all(one.alert_id in dismissed for one in called):
        return Labels(False)
    if any(isinstance(one, HandoffChanged) and one.state == HandoffState.BRIDGED for one in facts):
        return Labels(True, reasons=reasons)
    return None


def _turn_at(facts: Sequence[Fact], at_ms: int) -> int:
    """The turn that was said last before this moment."""
    return max(0, sum(isinstance(one, UtteranceFinal) and one.at_ms <= at_ms for one in facts) - 1)
