"""All rules, ready to be asked: who looks at what is found out once, for all calls."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from voicewatch.core.call_conditions import Custom, Predicate, Silence
from voicewatch.core.conditions import Condition, Lasting, Not, OfCall
from voicewatch.core.events import Role
from voicewatch.core.phrases import Phrase, PhraseIndex
from voicewatch.core.rule_language import Rule, parse_rules
from voicewatch.core.said_conditions import Cue, Said, SaysAgain, Words


@dataclass(frozen=True, eq=False)
class Question:
    """What leaves of any rules ask of an utterance alike: the first of them finds the answer for all."""

    leaf: Said
    askers: list[tuple[int, Said]]
    """(rule's place, leaf), `leaf` among them."""


Questions = tuple[Question, ...]


@dataclass(frozen=True)
class RuleBook:
    """All rules, in the file's order, shared by all calls. Made by `parse` or `default_rules`."""

    rules: tuple[Rule, ...]
    source: str = ""
    meanings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Name -> examples: what the model process is to compare utterances with."""
    phrases: Mapping[Role, PhraseIndex] = field(default_factory=dict)
    """All phrases that rules look for, by the role whose utterances they are looked for in."""
    found: Mapping[int, Question] = field(default_factory=dict)
    """By the number of their leaf, those that only an utterance with one of their phrases concerns."""
    words: Mapping[Role, Questions] = field(default_factory=dict)
    """Other questions about what was said, by role."""
    scores: Mapping[Role, Questions] = field(default_factory=dict)
    """Questions about scores, by role; also those about a cue to which its absence says something."""
    cues: Mapping[tuple[Role, str], Questions] = field(default_factory=dict)
    """Questions that only an utterance with a certain cue concerns."""
    compared: frozenset[Role] = frozenset()
    """Roles of which it is asked whether they say something again."""
    timed: tuple[int, ...] = ()
    """Places of rules that time alone can raise."""
    of_call: tuple[int, ...] = ()
    """Places of rules that ask something of the call as a whole."""
    restless: frozenset[int] = frozenset()
    """Places of rules that must see every change: they ask for an unbroken time, or ask code of their own."""
    speaking_for: tuple[tuple[Said, ...], ...] = ()
    """Of each rule, the leaves about utterances in its `when`."""
    speaking_against: tuple[tuple[Said, ...], ...] = ()
    """… and in its `clear`."""
    size: int = 0
    """How many conditions there are, so how many tracks a memory needs."""

    @classmethod
    def parse(cls, text: str, file: str = "", predicates: Mapping[str, Predicate] | None = None) -> RuleBook:
        """Rules from TOML; BadRule names what is wrong, where, and the nearest valid word."""
        read = parse_rules(text, file, predicates)
        return _indexed(read.rules, text, read.meanings)

    def places(self, attributes: Mapping[str, str]) -> dict[str, int]:
        """Rule -> which of its versions judges a call with these attributes."""
        tier = attributes.get("tier", "").casefold()
        found: dict[str, int] = {}
        for place, rule in enumerate(self.rules):
            if rule.tier == tier or (not rule.tier and rule.name not in found):
                found[rule.name] = place
        return found

    def view(self) -> list[dict[str, Any]]:
        """The `rules` list of GET /api/rules, without what differs by tier."""
        tiers: dict[str, list[str]] = {}
        for rule in self.rules:
            if rule.tier:
                tiers.setdefault(rule.name, []).append(rule.tier)
        return [
            {
                "name": rule.name,
                "severity": rule.severity.value,
                "text": rule.text,
                "reasons": list(rule.reasons),
                "action": "escalate" if rule.escalates else "alert",
                "shadow": rule.shadow,
                "tiers": tiers.get(rule.name, []),
            }
            for rule in self.rules
            if not rule.tier
        ]


@cache
def default_rules() -> RuleBook:
    """The set that comes with VoiceWatch."""
    return RuleBook.parse(files("voicewatch.core").joinpath("default_rules.toml").read_text(encoding="utf-8"))


@dataclass
class _Index:
    """A rule book's tables in the making."""

    phrases: dict[Role, PhraseIndex] = field(default_factory=lambda: {role: PhraseIndex() for role in Role})
    found: dict[int, Question] = field(default_factory=dict)
    words: dict[Role, list[Question]] = field(default_factory=lambda: {role: [] for role in Role})
    scores: dict[Role, list[Question]] = field(default_factory=lambda: {role: [] for role in Role})
    cues: dict[tuple[Role, str], list[Question]] = field(default_factory=dict)
    _known: dict[Hashable, Question] = field(default_factory=dict)

    def look_for(self, owner: int, phrases: tuple[Phrase, ...], roles: tuple[Role, ...]) -> None:
        for role in roles:
            self.phrases[role].add(owner, phrases)

    def add(self, place: int, leaf: Said) -> None:
        asked = leaf.asks()
        question = self._known.get(asked)
        if question is not None:
            question.askers.append((place, leaf))
            return
        question = self._known[asked] = Question(leaf, [(place, leaf)])
        if isinstance(leaf, Words | Cue) and leaf.unless is not None:
            self.look_for(leaf.unless.number, leaf.unless.phrases, (leaf.role,))
        if isinstance(leaf, Words):
            self._add_words(leaf, question)
        elif isinstance(leaf, Cue) and not leaf.if_unscored:
            self.cues.setdefault((leaf.role, leaf.name), []).append(question)
        else:
            (self.words if leaf.by_words else self.scores)[leaf.role].append(question)

    def _add_words(self, leaf: Words, question: Question) -> None:
        self.look_for(leaf.number, leaf.phrases, (leaf.role,))
        self.found[leaf.number] = question
        if leaf.reply_to is not None:
            others = tuple(role for role in Role if role != leaf.role)
            self.look_for(leaf.reply_to.number, leaf.reply_to.phrases, others)


def _indexed(rules: tuple[Rule, ...], source: str, meanings: Mapping[str, tuple[str, ...]]) -> RuleBook:
    index = _Index()
    timed: dict[int, None] = {}
    of_call: dict[int, None] = {}
    restless: set[int] = set()
    size = 0
    for place, rule in enumerate(rules):
        for condition in rule.conditions():
            condition.number = size
            size += 1
        for condition in rule.conditions():
            if isinstance(condition, Said):
                condition.while_ai = rule.while_ai
                index.add(place, condition)
            if isinstance(condition, Silence) and condition.unless is not None:
                index.look_for(condition.unless.number, condition.unless.phrases, tuple(Role))
            if isinstance(condition, OfCall):
                of_call[place] = None
            if _is_timed(condition):
                timed[place] = None
            if isinstance(condition, Lasting | Custom):
                restless.add(place)
    return RuleBook(
        rules,
        source,
        meanings,
        index.phrases,
        index.found,
        {role: tuple(found) for role, found in index.words.items()},
        {role: tuple(found) for role, found in index.scores.items()},
        {key: tuple(found) for key, found in index.cues.items()},
        frozenset(
            one.leaf.role
            for found in index.words.values()
            for one in found
            if isinstance(one.leaf, SaysAgain)
        ),
        tuple(timed),
        tuple(of_call),
        frozenset(restless),
        tuple(_leaves(rule.when) for rule in rules),
        tuple(_leaves(rule.clear) if rule.clear is not None else () for rule in rules),
        size,
    )


def _is_timed(condition: Condition) -> bool:
    if isinstance(condition, OfCall):
        return condition.by_time or isinstance(condition, Custom)
    return isinstance(condition, Lasting | Not)


def _leaves(condition: Condition) -> tuple[Said, ...]:
    """The leaves about utterances below a condition."""
    return tuple(one for one in condition.walk() if isinstance(one, Said))
