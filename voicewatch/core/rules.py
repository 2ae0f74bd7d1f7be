"""Judgement of one call by rules: facts in, alerts and escalations out, each with its evidence.

The language of the rules is in `rule_language.py`, what they can ask in `conditions.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

from voicewatch.core.conditions import (
    FAILS,
    Cue,
    Duration,
    Lasting,
    Memory,
    Said,
    Silence,
    Spoken,
    Track,
    Verdict,
    Words,
)
from voicewatch.core.events import (
    AIPaused,
    AIResumed,
    AlertCleared,
    AlertRaised,
    CallStarted,
    EscalationRaised,
    Evidence,
    Fact,
    Role,
    SilenceBegan,
    SilenceEnded,
    UtteranceFinal,
    UtteranceScored,
)
from voicewatch.core.rule_language import BadRule, Rule, parse_rules

__all__ = ["BadRule", "Judge", "Rule", "RuleBook", "default_rules"]

MAX_EVIDENCE = 8
"""Pieces of evidence in one alert; the newest are kept."""


@dataclass(frozen=True)
class RuleBook:
    """All rules, in the file's order, shared by all calls. Made by `parse` or `default_rules`."""

    rules: tuple[Rule, ...]
    source: str = ""
    words: dict[Role, tuple[tuple[int, Said], ...]] = field(default_factory=dict)
    """(rule's place, leaf) of those that look at words, by the role whose utterances they look at."""
    scores: dict[Role, tuple[tuple[int, Said], ...]] = field(default_factory=dict)
    """The same of those that look at scores."""
    cues: dict[tuple[Role, str], tuple[tuple[int, Said], ...]] = field(default_factory=dict)
    """The same of those that only an utterance with a certain cue concerns."""
    timed: tuple[int, ...] = ()
    """Places of rules that time alone can raise."""
    lasting: frozenset[int] = frozenset()
    """Places of rules that must see every change, as they ask for an unbroken time."""
    size: int = 0
    """How many conditions there are, so how many tracks a memory needs."""

    @classmethod
    def parse(cls, text: str) -> RuleBook:
        """Rules from TOML; BadRule names what is wrong, where, and the nearest valid word."""
        return _number(parse_rules(text), text)

    def view(self) -> list[dict[str, str]]:
        """The `rules` list of GET /api/rules."""
        return [
            {"name": rule.name, "severity": rule.severity.value, "text": rule.text} for rule in self.rules
        ]


@cache
def default_rules() -> RuleBook:
    """The set that comes with VoiceWatch."""
    return RuleBook.parse(files("voicewatch.core").joinpath("default_rules.toml").read_text(encoding="utf-8"))


def _number(rules: tuple[Rule, ...], source: str) -> RuleBook:
    words: dict[Role, list[tuple[int, Said]]] = {role: [] for role in Role}
    scores: dict[Role, list[tuple[int, Said]]] = {role: [] for role in Role}
    cues: dict[tuple[Role, str], list[tuple[int, Said]]] = {}
    timed: dict[int, None] = {}
    lasting: set[int] = set()
    number = 0
    for place, rule in enumerate(rules):
        for condition in rule.conditions():
            condition.number = number
            number += 1
            if isinstance(condition, Said):
                condition.while_ai = rule.while_ai
                if isinstance(condition, Cue) and condition.of_last is None:
                    cues.setdefault((condition.role, condition.name), []).append((place, condition))
                else:
                    leaves = words if isinstance(condition, Words) else scores
                    leaves[condition.role].append((place, condition))
            elif isinstance(condition, Silence | Duration | Lasting):
                timed[place] = None
                lasting |= {place} if isinstance(condition, Lasting) else set()
    return RuleBook(
        rules,
        source,
        {role: tuple(found) for role, found in words.items()},
        {role: tuple(found) for role, found in scores.items()},
        {key: tuple(found) for key, found in cues.items()},
        tuple(timed),
        frozenset(lasting),
        number,
    )


@dataclass
class _Standing:
    """How one rule stands in one call."""

    alert: AlertRaised | None = None
    """The open alert, as last stated."""
    raised_ms: int | None = None
    escalated: bool = False
    """The open alert has called a person."""
    unheld_since_ms: int | None = None
    used: set[str] = field(default_factory=set)
    """Utterances that were evidence once: a rule is raised again only by something new."""
    news: bool = False
    """Something was heard since the rule was last raised or found to have nothing new."""
    not_evaluated: str = ""


Judgement = AlertRaised | AlertCleared | EscalationRaised


class Judge:
    """All rules over one call. A pure function of the facts it was given and of `tick`.

    `push` and `tick` return what to say, which the judge already knows then. `learn` takes a fact of the
    past without saying anything: alerts come from the journal in that case, so nothing is raised twice.
    """

    def __init__(self, rulebook: RuleBook, call_id: str, new_id: Callable[[], str]) -> None:
        self.rulebook = rulebook
        self._call_id = call_id
        self._new_id = new_id
        self._memory = Memory({}, [Track() for _ in range(rulebook.size)])
        self._standings = [_Standing() for _ in rulebook.rules]
        self._by_alert: dict[str, int] = {}
        self._places = {rule.name: place for place, rule in enumerate(rulebook.rules)}
        self._human_speaks = False
        self._restless: set[int] = set(rulebook.lasting)
        """Rules that every word may change: to clear their alert, to be evaluated after all, to start anew.
        What clears an alert by time alone is left to `tick`."""

    @property
    def not_evaluated(self) -> dict[str, str]:
        """Rule -> why it could not be evaluated when it was last looked at."""
        unscored = {one.role for one in self._memory.spoken if one.scored is None}
        pending = {
            self.rulebook.rules[place].name: "an utterance is not scored yet"
            for role in unscored
            for place, _ in self._leaves_of_scores(role)
        }
        return pending | {
            rule.name: standing.not_evaluated
            for rule, standing in zip(self.rulebook.rules, self._standings, strict=True)
            if standing.not_evaluated
        }

    def push(self, fact: Fact) -> list[Judgement]:
        """Takes a new fact; the alerts and escalations that follow from it."""
        touched = self._take(fact)
        return self._judge(touched) if touched else []

    def learn(self, fact: Fact) -> None:
        """Takes a fact of the past; what followed from it is in the journal too."""
        for place in self._take(fact):
            self._verdict(place)

    def tick(self, at_ms: int) -> list[Judgement]:
        """Lets time pass: silences, windows, cooldowns."""
        self._memory.now_ms = max(self._memory.now_ms, at_ms)
        rules = self._by_alert.values() if self._by_alert else ()
        return self._judge(sorted({*self.rulebook.timed, *self._restless, *rules}))

    # ------------------------------------------------------------ taking facts

    def _take(self, fact: Fact) -> Sequence[int]:
        """Remembers; returns the places of the rules that may stand differently now."""
        memory = self._memory
        memory.now_ms = max(memory.now_ms, fact.at_ms)
        match fact:
            case UtteranceFinal():
                return self._hear(fact)
            case UtteranceScored():
                return self._hear(fact)
            case SilenceBegan():
                memory.silent_since_ms = fact.since_ms
                return self.rulebook.timed
            case SilenceEnded():
                memory.silent_since_ms = None
                return self.rulebook.timed
            case CallStarted():
                memory.attributes = dict(fact.attributes)
                return range(len(self.rulebook.rules))
            case AIPaused() | AIResumed():
                self._human_speaks = isinstance(fact, AIPaused)
                return range(len(self.rulebook.rules))
            case AlertRaised():
                self._note_raised(fact)
            case EscalationRaised() if fact.alert_id in self._by_alert:
                self._standings[self._by_alert[fact.alert_id]].escalated = True
            case AlertCleared():
                self._note_cleared(fact)
        return ()

    def _hear(self, fact: UtteranceFinal | UtteranceScored) -> Sequence[int]:
        spoken = self._spoken(fact)
        if isinstance(fact, UtteranceFinal):
            again, spoken.final = spoken.final is not None, fact
            leaves: Iterable[tuple[int, Said]] = self.rulebook.words[spoken.role]
        else:
            again, spoken.scored = spoken.scored is not None, fact
            leaves = self._concerned(fact, again)
        touched = {place for place, leaf in leaves if leaf.observe(spoken, self._memory, again)}
        for place in touched:
            self._standings[place].news = True
        return sorted(touched | self._restless)

    def _concerned(self, fact: UtteranceScored, again: bool) -> Iterable[tuple[int, Said]]:
        """The leaves that these scores can say something to."""
        if again or fact.not_scored:
            return self._leaves_of_scores(fact.role)
        book = self.rulebook
        cues = [leaf for name in fact.cues for leaf in book.cues.get((fact.role, name), ())]
        return [*book.scores[fact.role], *cues]

    def _leaves_of_scores(self, role: Role) -> list[tuple[int, Said]]:
        book = self.rulebook
        cues = [leaf for (whose, _), found in book.cues.items() if whose == role for leaf in found]
        return [*book.scores[role], *cues]

    def _spoken(self, fact: UtteranceFinal | UtteranceScored) -> Spoken:
        for one in reversed(self._memory.spoken):
            if one.utterance_id == fact.utterance_id:
                return one
        one = Spoken(fact.utterance_id, fact.role, fact.at_ms, self._human_speaks)
        self._memory.spoken.append(one)
        return one

    def _note_raised(self, fact: AlertRaised) -> None:
        place = self._places.get(fact.rule)
        if place is None:
            return  # a rule of an earlier rule file
        standing = self._standings[place]
        if standing.alert is None or standing.alert.alert_id != fact.alert_id:
            standing.escalated = False
        standing.alert, standing.raised_ms, standing.unheld_since_ms = fact, fact.at_ms, None
        standing.used.update(fact.utterance_ids)
        self._by_alert[fact.alert_id] = place
        if self.rulebook.rules[place].clear is not None:
            self._restless.add(place)

    def _note_cleared(self, fact: AlertCleared) -> None:
        place = self._by_alert.get(fact.alert_id)
        if place is None:
            return
        standing = self._standings[place]
        if standing.alert is not None and standing.alert.alert_id == fact.alert_id:
            standing.alert = None
            del self._by_alert[fact.alert_id]

    # ------------------------------------------------------------ judging

    def _verdict(self, place: int) -> Verdict:
        rule, standing = self.rulebook.rules[place], self._standings[place]
        silenced = rule.while_ai and self._human_speaks
        verdict = FAILS if silenced else rule.when.verdict(self._memory)
        standing.not_evaluated = verdict.reason
        may_clear = standing.alert is not None and rule.clear is not None
        if may_clear or verdict.reason or place in self.rulebook.lasting:
            self._restless.add(place)
        else:
            self._restless.discard(place)
        return verdict

    def _judge(self, places: Iterable[int]) -> list[Judgement]:
        said: list[Judgement] = []
        for place in places:
            rule, standing = self.rulebook.rules[place], self._standings[place]
            verdict = self._verdict(place)
            if verdict.holds:
                found = self._raise(rule, standing)
            elif standing.alert is not None:
                found = self._clear(rule, standing, verdict)
            else:
                continue
            for one in found:
                self._take(one)
            said += found
        return said

    def _raise(self, rule: Rule, standing: _Standing) -> list[Judgement]:
        standing.unheld_since_ms = None
        if standing.alert is not None and not standing.news:
            return []
        now_ms = self._memory.now_ms
        rests = standing.raised_ms is not None and now_ms - standing.raised_ms < rule.cooldown_ms
        if rests and (standing.alert is None or standing.escalated or not rule.escalates):
            return []
        standing.news = False
        pieces = rule.when.evidence(self._memory)
        heard = {spoken.utterance_id: spoken for spoken, _ in pieces if spoken is not None}
        is_new = any(utterance_id not in standing.used for utterance_id in heard)
        is_timed = any(spoken is None and piece.kind == "silence" for spoken, piece in pieces)
        if (
            not is_new
            and not (is_timed and standing.alert is None)
            and (heard or standing.raised_ms is not None)
        ):
            return []
        before = standing.alert
        known = list(before.utterance_ids) if before else []
        ids = known + [
            one for one in heard if one not in known and (before is not None or one not in standing.used)
        ]
        doubtful = not rule.even_if_doubtful and _all_doubtful(list(heard.values()))
        evidence = (list(before.evidence) if before else []) + self._explained(rule, pieces, ids, doubtful)
        alert = AlertRaised(
            call_id=self._call_id,
            at_ms=now_ms,
            alert_id=before.alert_id if before else self._new_id(),
            rule=rule.name,
            severity=rule.severity,
            reasons=list(rule.reasons),
            headline=_headline(rule, len(ids), pieces),
            utterance_ids=ids,
            evidence=_distinct(evidence)[-MAX_EVIDENCE:],
        )
        if not rule.escalates or doubtful:
            return [alert]
        return [alert, self._escalation(rule, alert)]

    def _escalation(self, rule: Rule, alert: AlertRaised) -> EscalationRaised:
        return EscalationRaised(
            call_id=self._call_id,
            at_ms=alert.at_ms,
            escalation_id=self._new_id(),
            severity=alert.severity,
            reasons=alert.reasons,
            headline=alert.headline,
            alert_id=alert.alert_id,
            rule=rule.name,
            skill=rule.skill,
            evidence=alert.evidence,
        )

    def _explained(
        self, rule: Rule, pieces: Sequence[tuple[Spoken | None, Evidence]], ids: Sequence[str], doubtful: bool
    ) -> list[Evidence]:
        """The evidence of this alert with the rule's text as its note."""
        note = rule.text + (" Recognised badly: not enough to call a person." if doubtful else "")
        return [
            piece.model_copy(update={"note": f"{note} ({piece.note})" if piece.note else note})
            for spoken, piece in pieces
            if spoken is None or spoken.utterance_id in ids
        ]

    def _clear(self, rule: Rule, standing: _Standing, verdict: Verdict) -> list[Judgement]:
        alert, now_ms = standing.alert, self._memory.now_ms
        if alert is None:
            return []
        if rule.clear is not None and rule.clear.verdict(self._memory).holds:
            return [self._cleared(alert, "it has become better")]
        if rule.clear_after_ms is None or verdict.holds is None:
            return []
        if standing.unheld_since_ms is None:
            standing.unheld_since_ms = now_ms
        if now_ms - standing.unheld_since_ms >= rule.clear_after_ms:
            return [self._cleared(alert, "it is over")]
        return []

    def _cleared(self, alert: AlertRaised, why: str) -> AlertCleared:
        return AlertCleared(
            call_id=self._call_id, at_ms=self._memory.now_ms, alert_id=alert.alert_id, why=why
        )


def _all_doubtful(heard: Sequence[Spoken]) -> bool:
    """Only badly recognised words speak for it: a suspect one counts for nothing, one of low fidelity for
    nothing when it stands alone."""
    credible = [one for one in heard if not one.is_suspect]
    if any(not one.is_doubtful for one in credible):
        return False
    return bool(heard) and len(credible) < 2


def _distinct(evidence: Sequence[Evidence]) -> list[Evidence]:
    """Without pieces that point at what an earlier one of their kind points at."""
    kept: list[Evidence] = []
    for piece in evidence:
        if not any(_overlaps(piece, other) for other in kept):
            kept.append(piece)
    return kept


def _overlaps(one: Evidence, other: Evidence) -> bool:
    if (one.kind, one.utterance_id) != (other.kind, other.utterance_id):
        return False
    if one.start is None or other.start is None or one.end is None or other.end is None:
        return one.start == other.start
    return one.start < other.end and other.start < one.end


def _headline(rule: Rule, times: int, pieces: Sequence[tuple[Spoken | None, Evidence]]) -> str:
    seconds = next((piece.value for _, piece in pieces if piece.kind == "silence" and piece.value), 0.0)
    counted = "" if times < 2 else "twice" if times == 2 else f"{times} times"
    return rule.headline.format(times=counted, seconds=round(seconds)).strip()
