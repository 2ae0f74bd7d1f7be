"""Judgement of one call by rules: facts in, alerts and escalations out, each with its evidence.

The language of the rules is in `rule_language.py`, what they can ask in `condition_language.py`, all of them
together in `rulebook.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from voicewatch.core.conditions import FAILS, Memory, Pieces, Spoken, Track, Verdict
from voicewatch.core.events import (
    ActionAsked,
    AIPaused,
    AIReported,
    AIResumed,
    AlertCleared,
    AlertRaised,
    CallStarted,
    Dtmf,
    EscalationRaised,
    Evidence,
    Fact,
    Nudged,
    Role,
    SeatOpened,
    ShadowRaised,
    SilenceBegan,
    SilenceEnded,
    UtteranceFinal,
    UtteranceScored,
)
from voicewatch.core.rule_language import BadRule, Rule
from voicewatch.core.rulebook import Question, RuleBook, default_rules
from voicewatch.core.said_conditions import Interrupts, Said
from voicewatch.core.sameness import sameness

__all__ = ["BadRule", "Judge", "Rule", "RuleBook", "default_rules"]

MAX_EVIDENCE = 8
"""Pieces of evidence in one alert; the newest are kept."""
COMPARED = 12
"""Earlier utterances of a role that a new one is compared with."""
LOOKS_BACK = 6
"""Utterances among which one that was interrupted is looked for."""
RULE_SAYS = "rule:"
"""Whose word it is when a rule speaks to the AI: this and the rule's name."""


@dataclass
class _Standing:
    """How one rule stands in one call."""

    alert: AlertRaised | None = None
    """The open alert, as last stated; of a shadow rule it is known here only."""
    raised_ms: int | None = None
    escalated: bool = False
    """The open alert has called a person."""
    acted: bool = False
    """What the rule asks for beside its alert has been asked."""
    unheld_since_ms: int | None = None
    used: set[str] = field(default_factory=set)
    """Utterances that were evidence once: a rule is raised again only by something new."""
    news: bool = False
    """Something was heard since the rule was last raised or found to have nothing new."""


Judgement = AlertRaised | AlertCleared | EscalationRaised | ShadowRaised | ActionAsked | Nudged


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
        self._places = rulebook.places({})
        self._judging = frozenset(self._places.values())
        self._customers: set[str] = set()
        self._human_speaks = False

    @property
    def not_evaluated(self) -> dict[str, str]:
        """Rule -> why it cannot be evaluated now."""
        book, found = self.rulebook, {}
        unscored = {one.role for one in self._memory.spoken if one.scored is None}
        waiting = {
            place for role in unscored for one in self._all_about_scores(role) for place, _ in one.askers
        }
        for name, place in self._places.items():
            verdict = self._verdict(book.rules[place])
            if place in waiting and not verdict.holds:
                found[name] = verdict.reason or "an utterance is not scored yet"
            elif verdict.holds is None:
                found[name] = verdict.reason
        return found

    def push(self, fact: Fact) -> list[Judgement]:
        """Takes a new fact; the alerts and escalations that follow from it."""
        touched = self._take(fact)
        return self._judge(touched) if touched else []

    def learn(self, fact: Fact) -> None:
        """Takes a fact of the past; what followed from it is in the journal too."""
        for place in self._take(fact):
            rule, standing = self.rulebook.rules[place], self._standings[place]
            verdict = self._look(place)
            if rule.shadow and standing.alert is not None and not verdict.holds:
                self._clear(rule, standing, verdict)

    def tick(self, at_ms: int) -> list[Judgement]:
        """Lets time pass: silences, windows, cooldowns."""
        self._memory.now_ms = max(self._memory.now_ms, at_ms)
        rules, standings = self.rulebook.rules, self._standings
        open_ones = [
            place
            for place in self._by_alert.values()
            if standings[place].news or rules[place].clear_after_ms is not None
        ]
        return self._judge({*self.rulebook.timed, *self.rulebook.restless, *open_ones})

    def withdraw(self, open_alerts: Iterable[AlertRaised], at_ms: int) -> list[AlertCleared]:
        """Clears alerts of rules that are not, or no longer, in the book."""
        return [
            AlertCleared(call_id=self._call_id, at_ms=at_ms, alert_id=one.alert_id, why="the rule is gone")
            for one in open_alerts
            if one.rule not in self._places
        ]

    # ------------------------------------------------------------ taking facts

    def _take(self, fact: Fact) -> Iterable[int]:
        """Remembers; returns the places of the rules that may stand differently now."""
        memory = self._memory
        memory.now_ms = max(memory.now_ms, fact.at_ms)
        match fact:
            case UtteranceFinal() | UtteranceScored():
                return self._hear(fact)
            case SilenceBegan():
                memory.silent_since_ms = fact.since_ms
                return self.rulebook.timed
            case SilenceEnded():
                self._count_silence(fact.at_ms, None)
                return self.rulebook.timed
            case Dtmf() if fact.seat_id in self._customers:
                memory.keys.append((fact.at_ms, fact.digit))
                return self.rulebook.of_call
            case AIReported():
                return self._take_report(fact)
            case CallStarted():
                memory.attributes = dict(fact.attributes)
                self._places = self.rulebook.places(memory.attributes)
                self._judging = frozenset(self._places.values())
                return range(len(self.rulebook.rules))
            case AIPaused() | AIResumed():
                self._human_speaks = isinstance(fact, AIPaused)
                if memory.silent_since_ms is not None:  # who has the voice now is not blamed for it
                    self._count_silence(fact.at_ms, fact.at_ms)
                return range(len(self.rulebook.rules))
            case SeatOpened() if fact.role == Role.CUSTOMER:
                self._customers.add(fact.seat_id)
            case AlertRaised():
                self._note_raised(fact)
            case ShadowRaised():
                self._note_raised(_as_alert(fact))
            case EscalationRaised() if fact.alert_id in self._by_alert:
                self._standings[self._by_alert[fact.alert_id]].escalated = True
            case ActionAsked() if fact.alert_id in self._by_alert:
                self._standings[self._by_alert[fact.alert_id]].acted = True
            case Nudged() if fact.by.startswith(RULE_SAYS):
                place = self._places.get(fact.by.removeprefix(RULE_SAYS))
                if place is not None:
                    self._standings[place].acted = True
            case AlertCleared():
                self._note_cleared(fact)
        return ()

    def _count_silence(self, at_ms: int, silent_since_ms: int | None) -> None:
        """What has lasted up to `at_ms` is over; another silence has begun, or none (None)."""
        memory = self._memory
        if memory.silent_since_ms is not None:
            memory.silent_before_ms += max(0, at_ms - memory.silent_since_ms)
        memory.silent_since_ms = silent_since_ms

    def _take_report(self, fact: AIReported) -> Iterable[int]:
        value = fact.data.get("value")
        if fact.kind == "tool" and fact.data.get("ok") is False:
            self._memory.tools_failed.append((fact.at_ms, str(fact.data.get("name", ""))))
        elif fact.kind == "confidence" and isinstance(value, int | float):
            self._memory.ai_confidence = float(value)
        return self.rulebook.of_call

    def _hear(self, fact: UtteranceFinal | UtteranceScored) -> Iterable[int]:
        spoken = self._spoken(fact)
        if isinstance(fact, UtteranceFinal):
            again = spoken.final is not None
            self._hear_words(spoken, fact, again)
            questions = self._about_words(spoken, again)
        else:
            again, spoken.scored = spoken.scored is not None, fact
            if not again:
                self._memory.count(spoken, by_words=False)
            questions = self._about_scores(fact, again)
        touched = {place for question in questions for place in self._answer(question, spoken, again)}
        for place in touched:
            self._standings[place].news = True
        return touched | self.rulebook.restless if self.rulebook.restless else touched

    def _answer(self, question: Question, spoken: Spoken, again: bool) -> Iterable[int]:
        """Places of the rules to which what is found in this utterance matters."""
        memory = self._memory
        found = question.leaf.look(spoken, memory)
        if found is None and not again:
            return ()
        return [place for place, leaf in question.askers if leaf.take(found, spoken, memory, again)]

    def _hear_words(self, spoken: Spoken, fact: UtteranceFinal, again: bool) -> None:
        spoken.hear(fact)
        spoken.found = self.rulebook.phrases[spoken.role].find(spoken.words)
        heard = [one for one in self._memory.spoken if one.final is not None and one is not spoken]
        others = [one for one in heard if one.role != spoken.role]
        spoken.before = others[-1] if others else None
        if spoken.role in self.rulebook.compared:
            own = [one for one in heard if one.role == spoken.role][-COMPARED:]
            spoken.said_before = max((sameness(spoken.carried, one.carried) for one in own), default=0.0)
        if not again:
            self._memory.count(spoken, by_words=True)
            talk_ms = self._memory.talk_ms
            talk_ms[spoken.role] = talk_ms.get(spoken.role, 0) + max(0, fact.end_ms - fact.start_ms)
        for other in others[-LOOKS_BACK:]:
            self._compare_times(spoken, other)

    def _compare_times(self, spoken: Spoken, other: Spoken) -> None:
        """Who of the two spoke over the other: the one that began later."""
        ours, theirs = spoken.final, other.final
        if ours is None or theirs is None:
            return
        overlap_ms = min(ours.end_ms, theirs.end_ms) - max(ours.start_ms, theirs.start_ms)
        if overlap_ms <= 0:
            return
        later = spoken if ours.start_ms > theirs.start_ms else other
        later.interrupted_ms = max(later.interrupted_ms, overlap_ms)
        if later is other:
            for question in self.rulebook.words[other.role]:
                if isinstance(question.leaf, Interrupts):
                    self._answer(question, other, again=True)

    def _about_words(self, spoken: Spoken, again: bool) -> list[Question]:
        book = self.rulebook
        if again:
            found = [one for one in book.found.values() if one.leaf.role == spoken.role]
        else:
            found = [book.found[number] for number in spoken.found if number in book.found]
        return [*book.words[spoken.role], *found]

    def _about_scores(self, fact: UtteranceScored, again: bool) -> list[Question]:
        """What these scores can answer."""
        if again or fact.not_scored:
            return self._all_about_scores(fact.role)
        book = self.rulebook
        cues = [one for name in fact.cues for one in book.cues.get((fact.role, name), ())]
        return [*book.scores[fact.role], *cues]

    def _all_about_scores(self, role: Role) -> list[Question]:
        book = self.rulebook
        cues = [one for (whose, _), found in book.cues.items() if whose == role for one in found]
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
            standing.escalated = standing.acted = False
        standing.alert, standing.raised_ms, standing.unheld_since_ms = fact, fact.at_ms, None
        standing.used.update(fact.utterance_ids)
        self._by_alert[fact.alert_id] = place

    def _note_cleared(self, fact: AlertCleared) -> None:
        place = self._by_alert.get(fact.alert_id)
        if place is None:
            return
        standing = self._standings[place]
        if standing.alert is not None and standing.alert.alert_id == fact.alert_id:
            standing.alert = None
            del self._by_alert[fact.alert_id]

    # ------------------------------------------------------------ judging

    def _verdict(self, rule: Rule) -> Verdict:
        silenced = rule.while_ai and self._human_speaks
        return FAILS if silenced else rule.when.verdict(self._memory)

    def _look(self, place: int) -> Verdict:
        """How the rule stands. What spoke for it is spent once something newer makes its `clear` hold."""
        rule = self.rulebook.rules[place]
        if rule.clear is not None:
            tracks = self._memory.tracks
            speaking = [tracks[leaf.number].matches for leaf in self.rulebook.speaking_for[place]]
            if any(speaking) and rule.clear.verdict(self._memory).holds and self._is_over(place):
                for matches in speaking:
                    matches.clear()
        return self._verdict(rule)

    def _is_over(self, place: int) -> bool:
        """Whether what speaks for clearing is newer than what speaks for the rule."""
        newest_ms = self._newest_ms(self.rulebook.speaking_for[place])
        relief_ms = self._newest_ms(self.rulebook.speaking_against[place])
        return newest_ms is None or (relief_ms or self._memory.now_ms) > newest_ms

    def _newest_ms(self, leaves: Sequence[Said]) -> int | None:
        """When the newest utterance was said that one of these matches."""
        return max(
            (match.spoken.at_ms for leaf in leaves for match in leaf.window(self._memory) if match.matched),
            default=None,
        )

    def _judge(self, places: Iterable[int]) -> list[Judgement]:
        said: list[Judgement] = []
        for place in sorted(self._judging.intersection(places)):
            rule, standing = self.rulebook.rules[place], self._standings[place]
            verdict = self._look(place)
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
        if standing.alert is not None and (rule.shadow or not standing.news):
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
        if rule.shadow:
            return [_as_shadow(alert, rule.escalates and not doubtful)]
        if doubtful:
            return [alert]
        asked = [] if before is not None and standing.acted else self._asked(rule, alert)
        return [alert, *([self._escalation(rule, alert)] if rule.escalates else []), *asked]

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
            queue=rule.queue,
            agent_id=rule.agent,
            evidence=alert.evidence,
        )

    def _asked(self, rule: Rule, alert: AlertRaised) -> list[Judgement]:
        """What the rule wants done beside the alert, once for each alert."""

        def action(kind: str, value: str = "") -> ActionAsked:
            return ActionAsked.model_validate(
                {
                    "call_id": alert.call_id,
                    "at_ms": alert.at_ms,
                    "alert_id": alert.alert_id,
                    "rule": rule.name,
                    "action": kind,
                    "value": value,
                }
            )

        asked: list[Judgement] = [action("tag", tag) for tag in rule.tags]
        if rule.recording:
            asked.append(action(f"{rule.recording}_recording"))
        if rule.webhook:
            asked.append(action("webhook", rule.webhook))
        if rule.tell_ai:
            asked.append(
                Nudged(call_id=alert.call_id, at_ms=alert.at_ms, by=RULE_SAYS + rule.name, text=rule.tell_ai)
            )
        return asked

    def _explained(self, rule: Rule, pieces: Pieces, ids: Sequence[str], doubtful: bool) -> list[Evidence]:
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
        why = ""
        if rule.clear is not None and rule.clear.verdict(self._memory).holds:
            why = "it has become better"
        elif rule.clear_after_ms is not None and verdict.holds is not None:
            if standing.unheld_since_ms is None:
                standing.unheld_since_ms = now_ms
            if now_ms - standing.unheld_since_ms >= rule.clear_after_ms:
                why = "it is over"
        if not why:
            return []
        cleared = AlertCleared(call_id=self._call_id, at_ms=now_ms, alert_id=alert.alert_id, why=why)
        if rule.shadow:
            self._note_cleared(cleared)
            return []
        return [cleared]


def _as_shadow(alert: AlertRaised, escalates: bool) -> ShadowRaised:
    fields = alert.model_dump(include={"call_id", "at_ms", "alert_id", "rule", "utterance_ids"})
    return ShadowRaised(
        **fields, severity=alert.severity, reasons=alert.reasons, evidence=alert.evidence, escalates=escalates
    )


def _as_alert(shadow: ShadowRaised) -> AlertRaised:
    fields = shadow.model_dump(include={"call_id", "at_ms", "alert_id", "rule", "utterance_ids"})
    return AlertRaised(
        **fields, severity=shadow.severity, reasons=shadow.reasons, evidence=shadow.evidence, headline=""
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


def _headline(rule: Rule, times: int, pieces: Pieces) -> str:
    seconds = next((piece.value for _, piece in pieces if piece.kind == "silence" and piece.value), 0.0)
    counted = "" if times < 2 else "twice" if times == 2 else f"{times} times"
    return rule.headline.format(times=counted, seconds=round(seconds)).strip()
