"""Rules in TOML, readable by a supervisor: what is asked of a call, and what follows if it holds.

version = 1

[lists]                                         # phrases used in several places, as {person}
person = ["a human", "a real person"]

[meanings]                                      # examples for the model process; asked by `meaning`
gave_up = ["forget it, this leads nowhere"]

[[rule]]
name = "asks_for_human"
text = "The customer asks for a person."        # why, in words: shown as the rule's text
headline = "Asked for a person {times}"         # {times}: "", twice, 3 times; {seconds}
severity = "high"                               # critical, high, watch
reasons = ["asks_human"]
action = "escalate"                             # a person is called; or alert (the default)
skill = "billing"                               # … asked of the agent
queue = "complaints"                            # … and the queue it waits in, where routing has queues
agent = "peter"                                 # … who is offered the call first
when = { cue = "wants_human", level = 0.6 }     # a condition, see condition_language.py
clear = { words = ["{relief}"] }                # optional: the alert is cleared, and what spoke for it
                                                # spent, when this holds
clear_after_s = 60                              # optional: … when `when` has not held for so long
cooldown_s = 60                                 # raised again at the earliest after
while = "any"                                   # or ai: only what happens while the AI has the voice
even_if_doubtful = false                        # true: badly recognised words may escalate alone
shadow = false                                  # true: looked at and counted, nothing else follows
tell_ai = "Offer a call back."                  # a text for the AI to read
webhook = "https://desk.example.com/hook"       # told of the alert
recording = "pause"                             # or resume
tags = ["churn"]                                # put on the call
[rule.tier.vip]                                 # for calls of this tier: fields that differ
severity = "critical"
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from voicewatch.core.call_conditions import Predicate
from voicewatch.core.condition_language import read_condition
from voicewatch.core.conditions import Condition
from voicewatch.core.events import Severity
from voicewatch.core.phrases import BadPhrase, read_phrase
from voicewatch.core.rule_table import BadRule, Surroundings, Table

__all__ = ["BadRule", "Rule", "RuleFile", "parse_rules"]

VERSION = 1
MAX_RULES = 500
MAX_TEXT = 500
"""Characters of a text for the AI."""
ACTIONS = ("alert", "escalate")
LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Rule:
    """One parsed rule. `source` is its text as written."""

    name: str
    text: str
    headline: str
    severity: Severity
    reasons: tuple[str, ...]
    when: Condition
    clear: Condition | None
    escalates: bool
    skill: str
    queue: str
    agent: str
    cooldown_ms: int
    clear_after_ms: int | None
    while_ai: bool
    even_if_doubtful: bool
    shadow: bool
    tell_ai: str
    webhook: str
    recording: str
    tags: tuple[str, ...]
    tier: str = ""
    """The tier whose calls this is for; empty: all that have no rule of this name of their own."""
    source: str = ""

    def conditions(self) -> Iterable[Condition]:
        yield from self.when.walk()
        if self.clear is not None:
            yield from self.clear.walk()


@dataclass(frozen=True)
class RuleFile:
    """All that a rule file says, in its order."""

    rules: tuple[Rule, ...] = ()
    meanings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Name -> examples."""


def parse_rules(text: str, file: str = "", predicates: Mapping[str, Predicate] | None = None) -> RuleFile:
    """The rules of a TOML text. `file` is named in errors. Raises BadRule."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"at line (\d+)", str(error))
        line = int(found[1]) if found else None
        raise BadRule(f"not valid TOML: {error}", file=file, line=line) from None
    lines = text.splitlines()
    top = Table(data, lines, 1, Surroundings(file=file))
    top.refuse_unknown(("version", "lists", "meanings", "rule"))
    if "version" not in data:
        raise top.bad("version", f"is missing; begin the file with version = {VERSION}")
    if data["version"] != VERSION:
        raise top.bad("version", f"is {data['version']!r}, but this VoiceWatch reads version {VERSION}")
    around = Surroundings(_named_texts(top, "lists"), predicates or {}, file)
    _check_lists(top, around)
    return RuleFile(tuple(_rules(top, around)), _named_texts(top, "meanings"))


def _named_texts(top: Table, name: str) -> dict[str, tuple[str, ...]]:
    """`[lists]` or `[meanings]`: name -> texts."""
    values = top.values.get(name, {})
    if not isinstance(values, dict):
        raise top.bad(name, f"is a table of lists of texts, not {values!r}")
    table = top.inner(values, name)
    return {key: tuple(table.texts(key)) for key in values}


def _check_lists(top: Table, around: Surroundings) -> None:
    for name, phrases in around.lists.items():
        for phrase in phrases:
            try:
                read_phrase(phrase, around.lists)
            except (BadPhrase, RecursionError) as error:
                raise top.bad(name, str(error)) from None


def _rules(top: Table, around: Surroundings) -> Iterable[Rule]:
    tables = top.values.get("rule", [])
    if not isinstance(tables, list) or not all(isinstance(one, dict) for one in tables):
        raise top.bad("rule", "each rule starts with [[rule]]")
    if len(tables) > MAX_RULES:
        raise top.bad("rule", f"{len(tables)} rules, but at most {MAX_RULES} are read")
    starts = [place for place, line in enumerate(top.lines) if re.match(r"\s*\[\[\s*rule\s*\]\]", line)]
    seen: set[str] = set()
    for place, values in enumerate(tables):
        first = starts[place] if place < len(starts) else 0
        last = starts[place + 1] if place + 1 < len(starts) else len(top.lines)
        name = str(values.get("name", f"number {place + 1}"))
        table = Table(values, top.lines[first:last], first + 1, around, name)
        rule = _rule(table, values, "")
        if rule.name in seen:
            raise table.bad("name", f"{rule.name!r} is used twice")
        seen.add(rule.name)
        yield from [*_tiers(table), rule]


def _tiers(table: Table) -> Iterable[Rule]:
    tiers = table.values.get("tier", {})
    if not isinstance(tiers, dict) or not all(isinstance(one, dict) for one in tiers.values()):
        raise table.bad("tier", "is written as [rule.tier.NAME] with the fields that differ")
    for tier, values in tiers.items():
        table.inner(values, "tier").refuse_unknown(set(RULE_FIELDS) - {"name", "tier"})
        yield _rule(table, {**table.values, **values}, tier.casefold())


RULE_FIELDS = (
    "name", "text", "headline", "severity", "reasons", "action", "skill", "queue", "agent", "cooldown_s",
    "clear_after_s", "while", "even_if_doubtful", "shadow", "tell_ai", "webhook", "recording", "tags", "tier",
    "when", "clear",
)  # fmt: skip


def _rule(written: Table, values: dict[str, Any], tier: str) -> Rule:
    table = Table(values, written.lines, written.first_line, written.around, written.rule)
    table.refuse_unknown(RULE_FIELDS)
    name = table.text("name")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise table.bad("name", f"{name!r} is not of the form small_letters_and_digits")
    if "when" not in values:
        raise table.bad("when", "is missing: the condition")
    escalates = table.text("action", "alert", ACTIONS) == "escalate"
    for asked in ("skill", "queue", "agent"):
        if asked in values and not escalates:
            raise table.bad(asked, 'is asked of nobody: it needs action = "escalate"')
    return Rule(
        name=name,
        text=table.text("text"),
        headline=_headline(table),
        severity=Severity(table.text("severity", one_of=[one.value for one in Severity])),
        reasons=tuple(table.texts("reasons")),
        when=read_condition(table.inner(values["when"], "when")),
        clear=read_condition(table.inner(values["clear"], "clear")) if "clear" in values else None,
        escalates=escalates,
        skill=table.text("skill", ""),
        queue=table.text("queue", ""),
        agent=table.text("agent", ""),
        cooldown_ms=int(table.number("cooldown_s", 60) * 1000),
        clear_after_ms=table.ms_or_none("clear_after_s"),
        while_ai=table.text("while", "any", ("any", "ai")) == "ai",
        even_if_doubtful=table.flag("even_if_doubtful"),
        shadow=table.flag("shadow"),
        tell_ai=_text_for_ai(table),
        webhook=_webhook(table),
        recording=table.text("recording", "", ("", "pause", "resume")),
        tags=tuple(table.texts("tags")) if "tags" in values else (),
        tier=tier,
        source="\n".join(table.lines).strip(),
    )


def _headline(table: Table) -> str:
    headline = table.text("headline")
    unknown = set(re.findall(r"{(\w*)}", headline)) - {"times", "seconds"}
    if unknown:
        raise table.bad("headline", f"{{{unknown.pop()}}} is unknown; known: {{times}}, {{seconds}}")
    return headline


def _text_for_ai(table: Table) -> str:
    text = table.text("tell_ai", "")
    if len(text) > MAX_TEXT:
        raise table.bad("tell_ai", f"has {len(text)} characters; at most {MAX_TEXT}")
    return text


def _webhook(table: Table) -> str:
    """An https URL, or http to this machine itself."""
    url = table.text("webhook", "")
    if not url:
        return ""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise table.bad("webhook", f"is not a URL: {error}") from None
    if parts.scheme not in ("https", "http") or not host or port == 0:
        raise table.bad("webhook", f"is a URL such as https://desk.example.com/hook, not {url!r}")
    if parts.scheme == "http" and host not in LOOPBACK:
        raise table.bad("webhook", "must be https: plain http reaches only this machine itself")
    if parts.username or parts.password:
        raise table.bad("webhook", "must hold no password: what is sent is signed instead")
    return url
