"""Calls of a server's journal, with what people did as labels."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

from voicewatch.core.events import (
    AlertCleared,
    AlertRaised,
    CallStarted,
    EscalationRaised,
    Fact,
    HandoffChanged,
    HandoffState,
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


def labels_of(facts: Sequence[Fact]) -> Labels | None:
    """What people said of the call by what they did.

    Somebody escalated it by hand, or took the call that was offered to him: it needed a person. Every alert
    that called a person was dismissed: it did not. Else nobody has said.
    """
    by_hand = next((one for one in facts if isinstance(one, EscalationRaised) and one.by), None)
    if by_hand is not None:
        turn = _turn_at(facts, by_hand.at_ms)
        return Labels(True, turn, reasons=(), human_at_ms=by_hand.at_ms)
    raised = {one.alert_id: one for one in facts if isinstance(one, AlertRaised)}
    called = [one for one in facts if isinstance(one, EscalationRaised)]
    dismissed = {one.alert_id for one in facts if isinstance(one, AlertCleared) and one.by}
    if called and all(one.alert_id in dismissed for one in called):
        return Labels(False)
    if any(isinstance(one, HandoffChanged) and one.state == HandoffState.BRIDGED for one in facts):
        reasons = {reason for one in called for reason in one.reasons}
        return Labels(True, reasons=tuple(sorted(reasons)))
    if raised and all(one in dismissed for one in raised):
        return Labels(False)
    return None


def _turn_at(facts: Sequence[Fact], at_ms: int) -> int:
    return max(0, sum(1 for _ in _finals_before(facts, at_ms)) - 1)


def _finals_before(facts: Sequence[Fact], at_ms: int) -> Iterator[UtteranceFinal]:
    return (one for one in facts if isinstance(one, UtteranceFinal) and one.at_ms <= at_ms)
