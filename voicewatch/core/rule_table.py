"""A table of a rule file being read: typed values, and errors that name place, field and remedy."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from voicewatch.core.call_conditions import Predicate
from voicewatch.core.phrases import BadPhrase, Phrase, read_phrase


class BadRule(ValueError):
    """A rule file is wrong: names the file, the line, the rule, the field and the remedy."""

    def __init__(
        self, detail: str, *, file: str = "", line: int | None = None, rule: str = "", name: str = ""
    ) -> None:
        self.file, self.line, self.rule, self.field, self.detail = file, line, rule, name, detail
        where = [
            file,
            f"line {line}" if line else "",
            f'rule "{rule}"' if rule else "",
            f"field {name}" if name else "",
        ]
        super().__init__(": ".join([", ".join(part for part in where if part) or "rules", detail]))


@dataclass(frozen=True)
class Surroundings:
    """What a condition may refer to: lists of phrases, names of meanings, predicates of the deployment."""

    lists: Mapping[str, Sequence[str]] = field(default_factory=dict)
    predicates: Mapping[str, Predicate] = field(default_factory=dict)
    file: str = ""
    phrases: dict[str, Phrase] = field(default_factory=dict)
    """Phrases read already, by what was written."""


@dataclass(frozen=True)
class Table:
    """A TOML table: which rule it belongs to, for messages, and the window that its parts inherit."""

    values: dict[str, Any]
    lines: Sequence[str]
    first_line: int
    around: Surroundings
    rule: str = ""
    within_ms: int | None = None

    def bad(self, name: str, detail: str) -> BadRule:
        return BadRule(detail, file=self.around.file, line=self._line_of(name), rule=self.rule, name=name)

    def inner(self, values: Any, name: str) -> Table:
        if not isinstance(values, dict):
            raise self.bad(
                name, f'is a condition such as {{ cue = "complaint", level = 0.5 }}, not {values!r}'
            )
        return replace(self, values=values)

    def within(self, within_ms: int | None) -> Table:
        """The same with a window for the parts that name none."""
        return self if within_ms is None else replace(self, within_ms=within_ms)

    def refuse_unknown(self, known: Iterable[str]) -> None:
        for name in self.values:
            if name not in known:
                raise self.bad(name, f"unknown{nearest(name, known)}")

    def text(self, name: str, default: str | None = None, one_of: Iterable[str] = ()) -> str:
        value = self.values.get(name, default)
        if value is None:
            raise self.bad(name, "is missing")
        if not isinstance(value, str):
            raise self.bad(name, f"is a text, not {value!r}")
        if one_of and value not in one_of:
            raise self.bad(name, f"{value!r} is unknown{nearest(value, one_of)}")
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

    def ms(self, name: str, low: float = 0.0) -> int:
        """A number of seconds, in milliseconds."""
        return int(self.number(name, low=low) * 1000)

    def ms_or_none(self, name: str) -> int | None:
        return self.ms(name) if name in self.values else None

    def flag(self, name: str, default: bool = False) -> bool:
        value = self.values.get(name, default)
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

    def phrases(self, name: str) -> tuple[Phrase, ...]:
        """The phrases of a field; `{list}` alone is each phrase of that list."""
        written: list[str] = []
        for one in self.texts(name):
            found = re.fullmatch(r"{(\w+)}", one.strip())
            written += self.around.lists[found[1]] if found and found[1] in self.around.lists else [one]
        return tuple(self._phrase(name, one) for one in written)

    def _phrase(self, name: str, written: str) -> Phrase:
        known = self.around.phrases.get(written)
        if known is None:
            try:
                known = self.around.phrases[written] = read_phrase(written, self.around.lists)
            except BadPhrase as error:
                raise self.bad(name, str(error)) from None
        return known

    def _line_of(self, name: str) -> int:
        pattern = re.compile(
            rf"(?<![\w.-]){re.escape(name)}\s*=|^\s*\[+\s*rule\.(?:\w+\.)*{re.escape(name)}(?:\.\w+)*\s*\]"
        )
        for place, line in enumerate(self.lines):
            if pattern.search(line):
                return self.first_line + place
        return self.first_line


def nearest(word: str, known: Iterable[str]) -> str:
    """The end of a message: the nearest word that is known, or all of them if none is near."""
    choices = sorted(known)
    close = difflib.get_close_matches(word, choices, n=1)
    return f"; did you mean {close[0]}?" if close else f"; known: {', '.join(choices) or 'none'}"
