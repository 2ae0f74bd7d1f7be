"""How each condition is written: its key, the further fields it takes, and how it is built."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from voicewatch.core.call_conditions import (
    AIConfidence,
    Attribute,
    AttributeAbove,
    Custom,
    Duration,
    Keys,
    NonTalk,
    Silence,
    TalkShare,
    ToolsFailed,
)
from voicewatch.core.conditions import AtLeast, Condition, Lasting, Not
from voicewatch.core.events import Role
from voicewatch.core.joined_conditions import Times, Together
from voicewatch.core.rule_table import BadRule, Table, nearest
from voicewatch.core.said_conditions import (
    Cue,
    EscalationLevel,
    Interrupts,
    Meaning,
    Pattern,
    Phrases,
    Said,
    SaysAgain,
    SentimentFall,
    SentimentLevel,
    SpokenLanguage,
    SumSaid,
    UncertaintyLevel,
    Words,
)

PARTS = {"total": "score", "recognition": "recognition", "speaker": "speaker", "dialogue": "dialogue"}
ROLES = tuple(role.value for role in Role)
KEYS = "0123456789*#ABCD"
MAX_PATTERN = 2_000
"""Characters of a regular expression."""


def read_condition(table: Table) -> Condition:
    """The condition that a table describes. BadRule if it describes none, or more than one."""
    kinds = [name for name in CONDITIONS if name in table.values]
    if set(kinds) == {"sentiment_below", "sentiment_above"}:
        kinds = ["sentiment_below"]
    if not kinds:
        for name in table.values:
            if name not in COMMON_FIELDS:
                raise table.bad(name, f"unknown condition{nearest(name, CONDITIONS)}")
        raise BadRule(
            f"a condition needs one of {', '.join(CONDITIONS)}",
            file=table.around.file,
            line=table.first_line,
            rule=table.rule,
        )
    if len(kinds) > 1:
        raise table.bad(kinds[1], f"cannot stand beside {kinds[0]}: join the two by all or any")
    fields, build = CONDITIONS[kinds[0]]
    table.refuse_unknown((kinds[0], *fields, "for_s"))
    condition = build(table)
    return Lasting(table.ms("for_s"), condition) if "for_s" in table.values else condition


# ---------------------------------------------------------------- combinators


def _parts(table: Table, name: str) -> tuple[Condition, ...]:
    values = table.values.get(name)
    if not isinstance(values, list) or not values:
        raise table.bad(name, "is a list of conditions")
    inside = table.within(table.ms_or_none("within_s"))
    return tuple(read_condition(inside.inner(one, name)) for one in values)


def _all(table: Table) -> Condition:
    parts = _parts(table, "all")
    return AtLeast(len(parts), parts)


def _any(table: Table) -> Condition:
    return AtLeast(1, _parts(table, "any"))


def _at_least(table: Table) -> Condition:
    parts = _parts(table, "of")
    return AtLeast(table.whole("at_least", high=len(parts)), parts)


def _times(table: Table) -> Condition:
    leaves = _on_utterances(table, "of", "times counts utterances")
    return Times(table.whole("times"), leaves)


def _together(table: Table) -> Condition:
    leaves = _on_utterances(table, "together", "it asks all of one utterance")
    for other in leaves[1:]:
        if other.role != leaves[0].role:
            raise table.bad("together", f"one utterance cannot be of {leaves[0].role} and of {other.role}")
    if any(leaf.count > 1 for leaf in leaves):
        raise table.bad("together", "count belongs to conditions that stand alone: this is one utterance")
    return Together(leaves)


def _on_utterances(table: Table, name: str, why: str) -> tuple[Said, ...]:
    parts = _parts(table, name)
    leaves = tuple(part for part in parts if isinstance(part, Said))
    if len(leaves) < len(parts):
        raise table.bad(name, f"{why}: it takes conditions on utterances only")
    return leaves


def _not(table: Table) -> Condition:
    return Not(read_condition(table.inner(table.values["not"], "not")))


# ---------------------------------------------------------------- utterances


def _said(table: Table, role: str = "customer") -> dict[str, Any]:
    count = table.whole("count", 1)
    of_last = table.whole("of_last") if "of_last" in table.values else None
    if of_last is not None and of_last < count:
        raise table.bad("of_last", f"is {of_last}, fewer than count = {count}: that can never hold")
    own_window_ms = table.ms_or_none("within_s")
    return {
        "role": Role(table.text("role", role, ROLES)),
        "count": count,
        "of_last": of_last,
        "within_ms": table.within_ms if own_window_ms is None else own_window_ms,
        "quoted": table.flag("quoted", default=True),
    }


def _words(table: Table) -> Condition:
    phrases = table.phrases("words")
    distinct = table.whole("distinct", 1, high=20)
    if distinct > len(phrases):
        raise table.bad("distinct", f"is {distinct}, more than the {len(phrases)} phrases: it can never hold")
    return Words(
        **_said(table),
        phrases=phrases,
        distinct=distinct,
        unless_negated=table.flag("unless_negated"),
        unless=_looked_up(table, "unless"),
        reply_to=_looked_up(table, "reply_to"),
    )


def _looked_up(table: Table, name: str) -> Phrases | None:
    return Phrases(phrases=table.phrases(name)) if name in table.values else None


def _pattern(table: Table) -> Condition:
    written = table.text("pattern")
    if len(written) > MAX_PATTERN:
        raise table.bad("pattern", f"has {len(written)} characters; at most {MAX_PATTERN}")
    try:
        pattern = re.compile(written, re.IGNORECASE)
    except re.error as error:
        raise table.bad("pattern", f"is not a regular expression: {error}") from None
    return Pattern(**_said(table), pattern=pattern)


def _sentiment_level(table: Table) -> Condition:
    def level(name: str) -> float | None:
        return table.number(name, low=-5, high=5) if name in table.values else None

    return SentimentLevel(**_said(table), below=level("sentiment_below"), above=level("sentiment_above"))


def _sentiment_fall(table: Table) -> Condition:
    return SentimentFall(**_said(table), by=table.number("sentiment_falls_by", high=10))


def _uncertainty(table: Table) -> Condition:
    part: Any = PARTS[table.text("part", "total", PARTS)]
    return UncertaintyLevel(**_said(table), part=part, above=table.number("uncertainty_above", high=1))


def _escalation(table: Table) -> Condition:
    return EscalationLevel(
        **_said(table),
        above=table.number("escalation_above", high=1),
        if_unscored=table.flag("if_unscored"),
    )


def _cue(table: Table) -> Condition:
    return Cue(
        **_said(table),
        name=table.text("cue"),
        level=table.number("level", 0.5, high=1),
        if_unscored=table.flag("if_unscored"),
        unless=_looked_up(table, "unless"),
    )


def _meaning(table: Table) -> Condition:
    return Meaning(**_said(table), name=table.text("meaning"), level=table.number("level", 0.5, high=1))


def _says_again(table: Table) -> Condition:
    return SaysAgain(**_said(table), sameness=table.number("says_again", low=0.2, high=1))


def _sum_above(table: Table) -> Condition:
    return SumSaid(**_said(table), above=table.number("sum_above", high=1e12))


def _language(table: Table) -> Condition:
    return _languages(table, "speaks", otherwise=False)


def _other_language(table: Table) -> Condition:
    return _languages(table, "speaks_other_than", otherwise=True)


def _languages(table: Table, name: str, otherwise: bool) -> Condition:
    languages = frozenset(one.split("-")[0].casefold() for one in table.texts(name))
    return SpokenLanguage(**_said(table), languages=languages, otherwise=otherwise)


def _interrupts(table: Table) -> Condition:
    return Interrupts(**_said(table), for_ms=table.ms("interrupts_for_s"))


# ---------------------------------------------------------------- the call


def _silence(table: Table) -> Condition:
    after = Role(table.text("after", one_of=ROLES)) if "after" in table.values else None
    return Silence(table.ms("silence_s", low=3), after, _looked_up(table, "unless"))


def _non_talk(table: Table) -> Condition:
    return NonTalk(above_ms=table.ms("non_talk_s", low=3))


def _non_talk_share(table: Table) -> Condition:
    return NonTalk(above_share=table.number("non_talk_share_above", high=1))


def _duration(table: Table) -> Condition:
    return Duration(table.ms("call_lasts_s"))


def _talk_share(table: Table) -> Condition:
    return TalkShare(
        Role(table.text("role", "ai", ROLES)),
        table.number("talk_share_above", high=1),
        int(table.number("after_s", 30) * 1000),
    )


def _keys(table: Table) -> Condition:
    keys = tuple(table.texts("keys"))
    for one in keys:
        if not set(one) <= set(KEYS):
            raise table.bad("keys", f"{one!r} is not made of the keys {KEYS}")
    return Keys(keys, table.whole("count", 1), _window(table))


def _tools_failed(table: Table) -> Condition:
    return ToolsFailed(table.whole("tools_failed"), _window(table))


def _window(table: Table) -> int | None:
    own = table.ms_or_none("within_s")
    return table.within_ms if own is None else own


def _ai_confidence(table: Table) -> Condition:
    return AIConfidence(table.number("ai_confidence_below", high=1))


def _attribute(table: Table) -> Condition:
    name = table.text("attribute")
    if ("is" in table.values) == ("above" in table.values):
        raise table.bad("attribute", "needs either is = [values] or above = number")
    if "above" in table.values:
        return AttributeAbove(name, table.number("above", low=-1e12, high=1e12))
    return Attribute(name, frozenset(one.casefold() for one in table.texts("is")))


def _tier(table: Table) -> Condition:
    return Attribute("tier", frozenset(one.casefold() for one in table.texts("tier")))


def _predicate(table: Table) -> Condition:
    name = table.text("predicate", one_of=table.around.predicates or ("none is installed",))
    settings = table.values.get("with", {})
    if not isinstance(settings, dict):
        raise table.bad("with", f"is a table of the predicate's own settings, not {settings!r}")
    return Custom(name, table.around.predicates[name], settings)


SAID_FIELDS = ("role", "count", "of_last", "within_s", "quoted")
WORD_FIELDS = (*SAID_FIELDS, "distinct", "unless", "unless_negated", "reply_to")
CONDITIONS: Mapping[str, tuple[tuple[str, ...], Callable[[Table], Condition]]] = {
    "all": (("within_s",), _all),
    "any": (("within_s",), _any),
    "at_least": (("of", "within_s"), _at_least),
    "times": (("of", "within_s"), _times),
    "together": (("within_s",), _together),
    "not": ((), _not),
    "words": (WORD_FIELDS, _words),
    "pattern": (SAID_FIELDS, _pattern),
    "meaning": ((*SAID_FIELDS, "level"), _meaning),
    "sentiment_below": ((*SAID_FIELDS, "sentiment_above"), _sentiment_level),
    "sentiment_above": (SAID_FIELDS, _sentiment_level),
    "sentiment_falls_by": (SAID_FIELDS, _sentiment_fall),
    "uncertainty_above": ((*SAID_FIELDS, "part"), _uncertainty),
    "escalation_above": ((*SAID_FIELDS, "if_unscored"), _escalation),
    "cue": ((*SAID_FIELDS, "level", "if_unscored", "unless"), _cue),
    "says_again": (SAID_FIELDS, _says_again),
    "sum_above": (SAID_FIELDS, _sum_above),
    "speaks": (SAID_FIELDS, _language),
    "speaks_other_than": (SAID_FIELDS, _other_language),
    "interrupts_for_s": (SAID_FIELDS, _interrupts),
    "silence_s": (("after", "unless"), _silence),
    "non_talk_s": ((), _non_talk),
    "non_talk_share_above": ((), _non_talk_share),
    "call_lasts_s": ((), _duration),
    "talk_share_above": (("role", "after_s"), _talk_share),
    "keys": (("count", "within_s"), _keys),
    "tools_failed": (("within_s",), _tools_failed),
    "ai_confidence_below": ((), _ai_confidence),
    "attribute": (("is", "above"), _attribute),
    "tier": ((), _tier),
    "predicate": (("with",), _predicate),
}
COMMON_FIELDS = frozenset(
    {*WORD_FIELDS, "for_s", "of", "level", "part", "is", "above", "after", "after_s", "with"}
)
