"""The rules in force: read anew when their file changes and is valid, and counted by what they did."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from voicewatch.core.events import AlertCleared, AlertRaised, EscalationRaised, ShadowRaised
from voicewatch.core.predicates import BadPredicate, installed_predicates
from voicewatch.core.rules import BadRule, RuleBook, default_rules
from voicewatch.processes.problem import Problem
from voicewatch.server.desk import Desk, Stored

log = structlog.get_logger()

LOOK_S = 1.0
KNOWN_ALERTS = 20_000
"""Alerts whose rule is remembered, to count who dismissed what; older ones are forgotten."""


class UnusableRules(Exception):
    """The rule file cannot be used; the text names file, line, field and remedy."""


def read_rules(file: str) -> RuleBook:
    """The rules of `file`, or those that come with VoiceWatch. UnusableRules."""
    if not file:
        return default_rules()
    try:
        return RuleBook.parse(Path(file).read_text(encoding="utf-8"), file, installed_predicates())
    except (BadRule, BadPredicate) as error:
        raise UnusableRules(str(error)) from None
    except (OSError, UnicodeDecodeError) as error:
        raise UnusableRules(f"cannot read {file}: {error}") from None


class Rules:
    """`book` is in force, read from `file` (empty: the set that comes with VoiceWatch)."""

    def __init__(
        self,
        desk: Desk,
        book: RuleBook,
        file: str = "",
        *,
        on_taken: Callable[[], None] = lambda: None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """`on_taken` is called after other rules have come into force."""
        self._on_taken = on_taken
        self.book = book
        self.problem = ""
        """Why the file as it is now is not in force; empty if it is."""
        self.counts: dict[str, Counter[str]] = {}
        """Rule -> fired, escalated, dismissed, shadow; since this process started."""
        self._desk = desk
        self._file = file
        self._wall_clock = wall_clock
        self._loaded_at = wall_clock()
        self._seen = _stamp(file)
        self._rule_of: dict[str, str] = {}
        desk.readers.append(self._read)

    async def run(self) -> None:
        """Looks at the file until cancelled."""
        while self._file:
            await asyncio.sleep(LOOK_S)
            await self.look()

    async def look(self) -> None:
        """Takes the file's rules if it has changed and they are valid; else says what is wrong."""
        stamp = _stamp(self._file)
        if stamp == self._seen:
            return
        self._seen = stamp
        try:
            book = await asyncio.to_thread(read_rules, self._file)
        except UnusableRules as error:
            self.problem = str(error)
            log.warning("rules_not_taken", reason=self.problem)
            return
        try:
            await self._desk.use_rules(book)
        except Problem as problem:  # the journal cannot be written now: the next look tries again
            self._seen = None
            self.problem = problem.detail
            return
        self.book, self.problem, self._loaded_at = book, "", self._wall_clock()
        log.info("rules_taken", rules=len(book.rules))
        self._on_taken()

    def view(self) -> dict[str, Any]:
        """GET /api/rules."""
        unclear = self._not_evaluated()
        return {
            "source": self.book.source,
            "file": self._file,
            "loaded_at": datetime.fromtimestamp(int(self._loaded_at), UTC).isoformat(),
            "problem": self.problem,
            "rules": [
                {
                    **rule,
                    "counts": dict(self.counts.get(rule["name"], {})),
                    "not_evaluated": unclear.get(rule["name"], {}),
                }
                for rule in self.book.view()
            ],
        }

    def _not_evaluated(self) -> dict[str, dict[str, int]]:
        """Rule -> reason -> in how many live calls it cannot be evaluated now."""
        found: dict[str, Counter[str]] = {}
        for call_id, call in self._desk.director.calls.items():
            if call.is_live:
                for name, reason in self._desk.director.not_evaluated(call_id).items():
                    found.setdefault(name, Counter())[reason] += 1
        return {name: dict(reasons) for name, reasons in found.items()}

    # ------------------------------------------------------------ counting

    def _read(self, stored: Sequence[Stored]) -> None:
        for one in stored:
            fact = one.fact
            if isinstance(fact, AlertRaised):
                if fact.alert_id not in self._rule_of:
                    self._count(fact.rule, "fired")
                self._remember(fact.alert_id, fact.rule)
            elif isinstance(fact, EscalationRaised) and fact.rule is not None and fact.alert_id:
                if self._rule_of.get(f"{fact.alert_id} escalated") is None:
                    self._count(fact.rule, "escalated")
                self._remember(f"{fact.alert_id} escalated", fact.rule)
            elif isinstance(fact, ShadowRaised):
                self._count(fact.rule, "shadow")
            elif isinstance(fact, AlertCleared) and fact.by and fact.alert_id in self._rule_of:
                self._count(self._rule_of[fact.alert_id], "dismissed")

    def _count(self, rule: str, what: str) -> None:
        self.counts.setdefault(rule, Counter())[what] += 1

    def _remember(self, key: str, rule: str) -> None:
        self._rule_of.setdefault(key, rule)
        if len(self._rule_of) > KNOWN_ALERTS:
            del self._rule_of[next(iter(self._rule_of))]


def _stamp(file: str) -> tuple[int, int, int] | None:
    """What changes when the file does; None while it is not there (an editor may be replacing it)."""
    try:
        found = Path(file).stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
