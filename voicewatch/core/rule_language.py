"""Rules in TOML, readable by a supervisor: what is asked of a call, and what follows if it holds.

    version = 1

    [[rule]]
    name = "asks_for_human"
    text = "The customer asks for a person."        # why, in words: shown as the rule's text
    headline = "Asked for a person {times}"         # {times}: "", twice, 3 times; {seconds}
    severity = "high"                               # critical, high, watch
    reasons = ["asks_human"]
    action = "escalate"                             # or alert
    when = { cue = "wants_human", level = 0.6 }     # a condition, see CONDITIONS
    clear = { sentiment_above = 0 }                 # optional: the alert is cleared when this holds
    clear_after_s = 60                              # optional: … when `when` has not held for so long
    cooldown_s = 60                                 # raised again at the earliest after
    while = "any"                                   # or ai: only what happens while the AI has the voice
    even_if_doubtful = false                        # true: badly recognised words may escalate alone
    skill = ""                                      # asked of the agent

A condition is one leaf or one combinator (`all`, `any`, `at_least` with `of`), optionally with `for_s`.
Conditions on utterances take `role` (customer), `count` (1), `of_last` (utterances) and `within_s`.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from voicewatch.core.conditions import (
    AtLeast,
    Attribute,
    Condition,
    Cue,
    Duration,
    Lasting,
    SentimentFall,
    SentimentLevel,
    Silence,
    UncertaintyLevel,
    Words,
)
from voicewatch.core.events import Role, Severity

VERSION = 1
MAX_RULES = 500
ACTIONS = ("alert", "escalate")
PARTS = {"total": "score", "recognition": "recognition", "speaker": "speaker", "dialogue": "dialogue"}


class BadRule(ValueError):
    """A rule file is wrong: names the line, the rule, the field and the remedy."""

    def __init__(self, detail: str, *, line: int | None = None, rule: str = "", name: str = "") -> None:
        self.line, self.rule, self.field, self.detail = line, rule, name, detail
        where = [
            f"line {line}" if line else "",
            f'rule "{rule}"' if rule else "",
            f"field {name}" if name else "",
        ]
        super().__init__(": ".join([", ".join(part for part in where if part) or "rules", detail]))


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
    cooldown_ms: int
    clear_after_ms: int | None
    while_ai: bool
    even_if_doubtful: bool
    source: str = ""

    def conditions(self) -> Iterable[Condition]:
        yield from self.when.walk()
        if self.clear is not None:
            yield from self.clear.walk()


def parse_rules(text: str) -> tuple[Rule, ...]:
    """The rules of a TOML text, in its order. Raises BadRule."""
    return tuple(_parse_file(text))


# ---------------------------------------------------------------- reading tables


@dataclass
class _Table:
    """A TOML table being read: which rule it belongs to, for messages."""

    values: dict[str, Any]
    lines: list[str]
    first_line: int
    rule: str = ""

    def bad(self, name: str, detail: str) -> BadRule:
        return BadRule(detail, line=self._line_of(name), rule=self.rule, name=name)

    def inner(self, values: Any, name: str) -> _Table:
        if not isinstance(values, dict):
            raise self.bad(
                name, f'is a condition such as {{ cue = "complaint", level = 0.5 }}, not {values!r}'
            )
        return _Table(values, self.lines, self.first_line, self.rule)

    def refuse_unknown(self, known: Iterable[str]) -> None:
        for name in self.values:
            if name not in known:
                raise self.bad(name, f"unknown{_nearest(name, known)}")

    def text(self, name: str, default: str | None = None, one_of: Iterable[str] = ()) -> str:
        value = self.values.get(name, default)
        if value is None:
            raise self.bad(name, "is missing")
        if not isinstance(value, str):
            raise self.bad(name, f"is a text, not {value!r}")
        if one_of and value not in one_of:
            raise self.bad(name, f"{value!r} is unknown{_nearest(value, one_of)}")
        return value

    def number(
        self, name: str, default: float | None = None, low: float = 0.0, high: float = 86_400.0
    ) -> float:
        value = self.values.get(name, default)
        if value is None:
            raise self.bad(name, "is missing")
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.bad(name, f"is a number, not {value!r}")
        if not low <= value <= high:
            raise self.bad(name, f"is {value}, but must be from {low:g} to {high:g}")
        return float(value)

    def whole(self, name: str, default: int | None = None, high: int = 60) -> int:
        value = self.number(name, default, 1, high)
        if value != int(value):
            raise self.bad(name, f"is a whole number, not {value}")
        return int(value)

    def flag(self, name: str) -> bool:
        value = self.values.get(name, False)
        if not isinstance(value, bool):
            raise self.bad(name, f"is true or false, not {value!r}")
        return value

    def texts(self, name: str) -> list[str]:
        value = self.values.get(name)
        if isinstance(value, str):
            value = [value]
        if not isinstance(value, list) or not value or not all(isinstance(one, str) and one for one in value):
            raise self.bad(name, f"is a list of texts, not {value!r}")
        return value

    def _line_of(self, name: str) -> int:
        pattern = re.compile(rf"(?<![\w.-]){re.escape(name)}\s*=|^\s*\[+\s*rule\.{re.escape(name)}\s*\]")
        for place, line in enumerate(self.lines):
            if pattern.search(line):
                return self.first_line + place
        return self.first_line


RULE_FIELDS = (
    "name", "text", "headline", "severity", "reasons", "action", "skill", "cooldown_s", "clear_after_s",
    "while", "even_if_doubtful", "when", "clear",
)  # fmt: skip


def _parse_file(text: str) -> Iterable[Rule]:
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"at line (\d+)", str(error))
        raise BadRule(f"not valid TOML: {error}", line=int(found[1]) if found else None) from None
    lines = text.splitlines()
    top = _Table(data, lines, 1)
    top.refuse_unknown(("version", "rule"))
    if data.get("version") != VERSION:
        raise top.bad("version", f"is {data.get('version')!r}, but this VoiceWatch reads version {VERSION}")
    tables = data.get("rule", [])
    if not isinstance(tables, list) or not all(isinstance(one, dict) for one in tables):
        raise top.bad("rule", "each rule starts with [[rule]]")
    if len(tables) > MAX_RULES:
        raise top.bad("rule", f"{len(tables)} rules, but at most {MAX_RULES} are read")
    starts = [place for place, line in enumerate(lines) if re.match(r"\s*\[\[\s*rule\s*\]\]", line)]
    seen: set[str] = set()
    for place, values in enumerate(tables):
        first = starts[place] if place < len(starts) else 0
        last = starts[place + 1] if place + 1 < len(starts) else len(lines)
        table = _Table(values, lines[first:last], first + 1, str(values.get("name", f"number {place + 1}")))
        rule = _rule(table)
        if rule.name in seen:
            raise table.bad("name", f"{rule.name!r} is used twice")
        seen.add(rule.name)
        yield rule


def _rule(table: _Table) -> Rule:
    table.refuse_unknown(RULE_FIELDS)
    name = table.text("name")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise table.bad("name", f"{name!r} is not of the form small_letters_and_digits")
    if "when" not in table.values:
        raise table.bad("when", "is missing: the condition")
    after = table.values.get("clear_after_s")
    headline = table.text("headline")
    unknown = set(re.findall(r"{(\w*)}", headline)) - {"times", "seconds"}
    if unknown:
        raise table.bad("headline", f"{{{unknown.pop()}}} is unknown; known: {{times}}, {{seconds}}")
    return Rule(
        name=name,
        text=table.text("text"),
        headline=headline,
        severity=Severity(table.text("severity", one_of=[one.value for one in Severity])),
        reasons=tuple(table.texts("reasons")),
        when=_condition(table.inner(table.values["when"], "when")),
        clear=_condition(table.inner(table.values["clear"], "clear")) if "clear" in table.values else None,
        escalates=table.text("action", "alert", ACTIONS) == "escalate",
        skill=table.text("skill", ""),
        cooldown_ms=int(table.number("cooldown_s", 60) * 1000),
        clear_after_ms=None if after is None else int(table.number("clear_after_s") * 1000),
        while_ai=table.text("while", "any", ("any", "ai")) == "ai",
        even_if_doubtful=table.flag("even_if_doubtful"),
        source="\n".join(table.lines).strip(),
    )


def _condition(table: _Table) -> Condition:
    kinds = [name for name in CONDITIONS if name in table.values]
    if len(kinds) > 1 and set(kinds) == {"sentiment_below", "sentiment_above"}:
        kinds = ["sentiment_below"]
    if not kinds:
        for name in table.values:
            if name not in COMMON_FIELDS:
                raise table.bad(name, f"unknown condition{_nearest(name, CONDITIONS)}")
        raise BadRule(
            f"a condition needs one of {', '.join(CONDITIONS)}", line=table.first_line, rule=table.rule
        )
    if len(kinds) > 1:
        raise table.bad(kinds[1], f"cannot stand beside {kinds[0]}: join the two by all or any")
    fields, build = CONDITIONS[kinds[0]]
    table.refuse_unknown((kinds[0], *fields, "for_s"))
    condition = build(table)
    if "for_s" in table.values:
        return Lasting(int(table.number("for_s") * 1000), condition)
    return condition


def _parts(table: _Table, name: str) -> tuple[Condition, ...]:
    values = table.values.get(name)
    if not isinstance(values, list) or not values:
        raise table.bad(name, "is a list of conditions")
    return tuple(_condition(table.inner(one, name)) for one in values)


def _all(table: _Table) -> Condition:
    parts = _parts(table, "all")
    return AtLeast(len(parts), parts)


def _any(table: _Table) -> Condition:
    return AtLeast(1, _parts(table, "any"))


def _at_least(table: _Table) -> Condition:
    parts = _parts(table, "of")
    return AtLeast(table.whole("at_least", high=len(parts)), parts)


def _said(table: _Table) -> dict[str, Any]:
    count = table.whole("count", 1)
    of_last = table.whole("of_last") if "of_last" in table.values else None
    if of_last is not None and of_last < count:
        raise table.bad("of_last", f"is {of_last}, fewer than count = {count}: that can never hold")
    return {
        "role": Role(table.text("role", "customer", [role.value for role in Role])),
        "count": count,
        "of_last": of_last,
        "within_ms": int(table.number("within_s") * 1000) if "within_s" in table.values else None,
    }


def _words(table: _Table) -> Condition:
    phrases = "|".join(_phrase(one) for one in table.texts("words"))
    return Words(**_said(table), pattern=re.compile(rf"\b(?:{phrases})(?!\w)", re.IGNORECASE))


def _phrase(words: str) -> str:
    """A phrase as a pattern: any spacing and punctuation between words, `*` for any ending."""
    parts = []
    for word in words.split():
        escaped = re.escape(word.rstrip("*")).replace("'", "['’]?")
        parts.append(escaped + (r"\w*" if word.endswith("*") else ""))
    return r"\W+".join(parts)


def _pattern(table: _Table) -> Condition:
    try:
        pattern = re.compile(table.text("pattern"), re.IGNORECASE)
    except re.error as error:
        raise table.bad("pattern", f"is not a regular expression: {error}") from None
    return Words(**_said(table), pattern=pattern)


def _sentiment_level(table: _Table) -> Condition:
    def level(name: str) -> float | None:
        return table.number(name, low=-5, high=5) if name in table.values else None

    return SentimentLevel(**_said(table), below=level("sentiment_below"), above=level("sentiment_above"))


def _sentiment_fall(table: _Table) -> Condition:
    return SentimentFall(**_said(table), by=table.number("sentiment_falls_by", high=10))


def _uncertainty(table: _Table) -> Condition:
    part: Any = PARTS[table.text("part", "total", PARTS)]
    return UncertaintyLevel(**_said(table), part=part, above=table.number("uncertainty_above", high=1))


def _cue(table: _Table) -> Condition:
    return Cue(**_said(table), name=table.text("cue"), level=table.number("level", 0.5, high=1))


def _silence(table: _Table) -> Condition:
    return Silence(int(table.number("silence_s", low=3) * 1000))


def _duration(table: _Table) -> Condition:
    return Duration(int(table.number("call_lasts_s") * 1000))


def _attribute(table: _Table) -> Condition:
    return Attribute(table.text("attribute"), frozenset(one.casefold() for one in table.texts("is")))


SAID_FIELDS = ("role", "count", "of_last", "within_s")
COMMON_FIELDS = frozenset({*SAID_FIELDS, "for_s", "of", "level", "part", "is"})
CONDITIONS: Mapping[str, tuple[tuple[str, ...], Callable[[_Table], Condition]]] = {
    "all": ((), _all),
    "any": ((), _any),
    "at_least": (("of",), _at_least),
    "words": (SAID_FIELDS, _words),
    "pattern": (SAID_FIELDS, _pattern),
    "sentiment_below": ((*SAID_FIELDS, "sentiment_above"), _sentiment_level),
    "sentiment_above": (SAID_FIELDS, _sentiment_level),
    "sentiment_falls_by": (SAID_FIELDS, _sentiment_fall),
    "uncertainty_above": ((*SAID_FIELDS, "part"), _uncertainty),
    "cue": ((*SAID_FIELDS, "level"), _cue),
    "silence_s": ((), _silence),
    "call_lasts_s": ((), _duration),
    "attribute": (("is",), _attribute),
}
"""What a condition can be: its key, the further fields it takes, and how it is built."""


def _nearest(word: str, known: Iterable[str]) -> str:
    choices = sorted(known)
    close = difflib.get_close_matches(word, choices, n=1)
    return f"; did you mean {close[0]}?" if close else f"; known: {', '.join(choices)}"
