"""Leaves about utterances: their words, scores and place in the conversation."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Literal

from voicewatch.core.conditions import (
    FAILS,
    HOLDS,
    REMEMBERED,
    Condition,
    Counted,
    Match,
    Memory,
    Pieces,
    Spoken,
    Verdict,
)
from voicewatch.core.events import Evidence, Role, UtteranceScored
from voicewatch.core.money import largest_sum
from voicewatch.core.phrases import Hit, Phrase
from voicewatch.core.quoting import quote

Part = Literal["score", "recognition", "speaker", "dialogue"]
MIN_INTERRUPTION_MS = 300
"""Speech over another for no longer than this is backchannel or a stumble."""


@dataclass(eq=False, kw_only=True)
class Said(Condition):
    """A condition on utterances of one role: `count` of them match, within a window.

    `of_last` looks at the newest N utterances of the role, `within_ms` at a time; without both the whole
    call counts.
    """

    role: Role
    count: int = 1
    of_last: int | None = None
    within_ms: int | None = None
    quoted: bool = True
    """Whether its matches are evidence to be shown; others only have to be there."""
    while_ai: bool = False
    """Only what is said while the AI has the voice counts."""
    kind: str = ""
    by_words = False
    """Whether the final decides, and not the scores."""

    def look(self, spoken: Spoken, memory: Memory) -> Match | None:
        """What this utterance is to the leaf; None if nothing (and then it is not remembered).

        A match is shared by all leaves that ask the same."""
        raise NotImplementedError

    def asks(self) -> Hashable:
        """What it asks of an utterance, whatever then is made of the answers: `look` is the same for leaves
        that ask the same."""
        asked = [getattr(self, one.name) for one in fields(self) if one.name not in _OF_ANSWERS]
        return (type(self), *(part.phrases if isinstance(part, Phrases) else part for part in asked))

    @property
    def counted(self) -> Counted:
        """The utterances among which `of_last` counts."""
        return (self.role, self.by_words, self.while_ai)

    def take(self, found: Match | None, spoken: Spoken, memory: Memory, again: bool) -> bool:
        """Takes what `look` said of a new or newly scored utterance; whether that could raise something.

        `again`: the leaf has seen this utterance before and forgets what it thought of it.
        """
        if self.while_ai and spoken.with_human:
            return False
        matches = memory.tracks[self.number].matches
        if again:
            _forget(matches, spoken)
        if found is None:
            return again
        _remember(matches, found)
        return True

    def verdict(self, memory: Memory) -> Verdict:
        if not memory.tracks[self.number].matches:
            return FAILS
        hits, unknown, reason = 0, 0, ""
        for match in self.window(memory):
            if match.matched:
                hits += 1
                if hits >= self.count:
                    return HOLDS
            else:
                unknown += 1
                reason = match.reason
        if hits + unknown >= self.count:
            return Verdict(None, reason)
        return FAILS

    def evidence(self, memory: Memory) -> Pieces:
        if not self.quoted:
            return []
        matches = [match for match in self.window(memory) if match.matched]
        return [(match.spoken, self.piece(match)) for match in reversed(matches)]

    def window(self, memory: Memory) -> Iterator[Match]:
        """What counts now, the newest first."""
        oldest_ms = 0 if self.within_ms is None else memory.now_ms - self.within_ms
        before, counted = 0, None
        if self.of_last is not None:
            counted = self.counted
            before = memory.counts.get(counted, 0) - self.of_last
        for match in reversed(memory.tracks[self.number].matches):
            spoken = match.spoken
            if spoken.at_ms < oldest_ms or (counted and spoken.places[counted] <= before):
                return
            yield match

    def piece(self, match: Match) -> Evidence:
        """What is shown of a match."""
        final = match.spoken.final
        if final is None:
            return Evidence(kind=self.kind, utterance_id=match.spoken.utterance_id, value=match.value)
        start, end = match.start, len(final.text) if match.end is None else match.end
        return Evidence(
            kind=self.kind,
            quote=quote(final, start, end),
            utterance_id=final.utterance_id,
            start=start,
            end=end,
            value=match.value,
        )


_OF_ANSWERS = frozenset(("count", "of_last", "within_ms", "quoted", "while_ai"))
"""Fields that say what is made of the answers."""


def _remember(matches: deque[Match], found: Match) -> None:
    """In the order in which they were said: one that is looked at again keeps its place."""
    at = len(matches)
    while at and matches[at - 1].spoken.at_ms > found.spoken.at_ms:
        at -= 1
    if at == len(matches):
        matches.append(found)  # the oldest makes room
    elif len(matches) < REMEMBERED:
        matches.insert(at, found)


def _forget(matches: deque[Match], spoken: Spoken) -> None:
    for known in matches:
        if known.spoken is spoken:
            matches.remove(known)
            return


# ---------------------------------------------------------------- by words


@dataclass(eq=False, kw_only=True)
class Words(Said):
    """One of the phrases occurs (`distinct`: so many different ones in one utterance, none within another).

    `unless`: phrases that take it back if they are in the same utterance; `reply_to`: phrases of which one
    must be in what another role said last. The judge has looked all of them up in one go: those of `unless`
    and `reply_to` are found under the numbers of their own leaves.
    """

    phrases: tuple[Phrase, ...]
    distinct: int = 1
    unless_negated: bool = False
    unless: Phrases | None = None
    reply_to: Phrases | None = None
    kind: str = "words"
    by_words = True

    def parts(self) -> Sequence[Condition]:
        return [part for part in (self.unless, self.reply_to) if part is not None]

    def look(self, spoken: Spoken, memory: Memory) -> Match | None:
        hits = spoken.found.get(self.number, ())
        if self.unless_negated:
            hits = [hit for hit in hits if not spoken.words.is_negated(hit.start)]
        if _apart(hits, self.distinct) < self.distinct or (
            self.unless is not None and self.unless.number in spoken.found
        ):
            return None
        if self.reply_to is not None and (
            spoken.before is None or self.reply_to.number not in spoken.before.found
        ):
            return None
        start, end = spoken.words.place(*_widest(hits))
        return Match(spoken, True, start=start, end=end)


def _apart(hits: Sequence[Hit], enough: int) -> int:
    """How many of the phrases share no word with another that is counted: "have died" is not also "died"."""
    if len(hits) < enough or enough == 1:
        return len(hits)
    count, until = 0, -1
    for hit in sorted(hits, key=lambda hit: hit.end):
        if hit.start > until:
            count, until = count + 1, hit.end
    return count


def _widest(hits: Sequence[Hit]) -> tuple[int, int]:
    hit = max(hits, key=lambda hit: hit.end - hit.start)
    return hit.start, hit.end


@dataclass(eq=False, kw_only=True)
class Phrases(Condition):
    """Phrases that are looked up for another leaf; no condition of its own."""

    phrases: tuple[Phrase, ...]

    def verdict(self, memory: Memory) -> Verdict:
        return FAILS


@dataclass(eq=False, kw_only=True)
class Pattern(Said):
    """A regular expression occurs in the text; its first group, if it has one, is what is quoted."""

    pattern: re.Pattern[str]
    kind: str = "words"
    by_words = True

    def look(self, spoken: Spoken, memory: Memory) -> Match | None:
        if spoken.final is None:
            return None
        found = self.pattern.search(spoken.final.text)
        if found is None:
            return None
        start, end = found.span(1 if self.pattern.groups and found.group(1) is not None else 0)
        return Match(spoken, True, start=start, end=end)


@dataclass(eq=False, kw_only=True)
class SaysAgain(Said):
    """Says what the same role has said before: the share of common meaning-bearing words is that high."""

    sameness: float
    kind: str = "repeat"
    by_words = True

    def look(self, spoken: Spoken, memory: Memory) -> Match | None:
        if spoken.said_before < self.sameness:
            return None
        return Match(spoken, True, value=round(spoken.said_before, 2))


@dataclass(eq=False, kw_only=True)
class SumSaid(Said):
    """A sum of money at or above a level is named, in figures or in words."""

    above: float
    kind: str = "money"
    by_words = True

    def look(self, spoken: Spoken, memory: Memory) -> Match | None:
        found = largest_sum(spoken.final.text) if spoken.final is not None else None
        if found is None or found.amount < self.above:
            return None
        return Match(spoken, True, start=found.start, end=found.end, value=found.amount)


@dataclass(eq=False, kw_only=True)
class SpokenLanguage(Said):
    """The language the recogniser heard is one of these (`otherwise`: none of these)."""

    languages: frozenset[str]
    otherwise: bool = False
    kind: str = "language"
    by_words = True

    def look(self, spoken: Spoken, memory: Memory) -> Match | None:
        if spoken.final is None or not spoken.final.language:
            return None
        heard = spoken.final.language.split("-")[0].casefold()
        return Match(spoken, True) if (heard in self.languages) != self.otherwise else None


@dataclass(eq=False, kw_only=True)
class Interrupts(Said):
    """Begins to speak while another is speaking, and goes on for so long."""

    for_ms: int = MIN_INTERRUPTION_MS
    kind: str = "interruption"
    by_words = True

    def look(self, spoken: Spoken, memory: Memory) -> Match | None:
        if spoken.interrupted_ms < self.for_ms:
            return None
        return Match(spoken, True, value=spoken.interrupted_ms / 1000)


# ---------------------------------------------------------------- by scores


@dataclass(eq=False, kw_only=True)
class SentimentLevel(Said):
    """Sentiment below or above a level."""

    below: float | None = None
    above: float | None = None
    kind: str = "sentiment"

    def look(self, spoken: Spoken, memory: Memory) -> Match | None:
        value = spoken.scored.sentiment.score if spoken.scored and spoken.scored.sentiment else None
        if value is None:
            return Match(spoken, None, why_unscored(spoken, "sentiment"))
        if not (
            (self.below is not None and value <= self.below)
            or (self.above is not None and value >= self.above)
        ):
            return None
        start, end = span_of(spoken, "sentiment")
        return Match(spoken, True, start=start, end=end, value=value)


@dataclass(eq=False, kw_only=True)
class SentimentFall(Said):
    """Sentiment fell by so much from its best of the last `from_last` utterances."""

    by: float
    from_last: int = 6
    kind: str = "sentiment"

    def look(self, spoken: Spoken, memory: Memory) -> Match | None:
        value = spoken.scored.sentiment.score if spoken.scored and spoken.scored.sentiment else None
        if value is None:
            return Match(spoken, None, why_unscored(spoken, "sentiment"))
        earlier = [
            one.scored.sentiment.score
            for one in memory.spoken
            if one is not spoken
            and one.role == self.role
            and one.at_ms <= spoken.at_ms
            and one.scored
            and one.scored.sentiment
        ][-self.from_last :]
        if not earlier or max(earlier) - value < self.by:
            return None
        start, end = span_of(spoken, "sentiment")
        return Match(spoken, True, start=start, end=end, value=value)


@dataclass(eq=False, kw_only=True)
class UncertaintyLevel(Said):
    """Uncertainty, in whole (`score`) or in part, above a level."""

    part: Part
    above: float
    kind: str = "uncertainty"

    def look(self, spoken: Spoken, memory: Memory) -> Match | None:
        uncertainty = spoken.scored.uncertainty if spoken.scored else None
        value = getattr(uncertainty, self.part) if uncertainty else None
        if value is None:
            return Match(spoken, None, why_unscored(spoken, self.part, "uncertainty"))
        if value < self.above:
            return None
        start, end = span_of(spoken, "uncertainty", self.part)
        return Match(spoken, True, start=start, end=end, value=value)


@dataclass(eq=False, kw_only=True)
class EscalationLevel(Said):
    """The model's probability that a person is needed, at or above a level.

    `if_unscored`: where no model judged, that counts as a match: for rules that the model only restrains.
    """

    above: float
    if_unscored: bool = False
    kind: str = "escalation"

    def look(self, spoken: Spoken, memory: Memory) -> Match | None:
        value = spoken.scored.escalation if spoken.scored else None
        if value is None and self.if_unscored and spoken.scored is not None:
            return Match(spoken, True)
        if value is None:
            return Match(spoken, None, why_unscored(spoken, "escalation"))
        if value < self.above:
            return None
        start, end = span_of(spoken, "escalation")
        return Match(spoken, True, start=start, end=end, value=value)


@dataclass(eq=False, kw_only=True)
class Meaning(Said):
    """The utterance means what the examples of this name mean, as the model process judged."""

    name: str
    level: float

    def __post_init__(self) -> None:
        self.kind = "meaning"

    def look(self, spoken: Spoken, memory: Memory) -> Match | None:
        if spoken.scored is None:
            return None
        value = spoken.scored.meanings.get(self.name)
        if value is None:
            reason = spoken.scored.not_scored.get("meaning", f"no model judges the meaning {self.name}")
            return Match(spoken, None, reason)
        return Match(spoken, True, value=value) if value >= self.level else None


@dataclass(eq=False, kw_only=True)
class Cue(Said):
    """A cue of the scorer (wants_human, complaint, …) at or above a level.

    `if_unscored`: where no scorer judged the words, that counts as a match: for words that the scorer only
    restrains. A cue that is not there was judged, and found absent, where the scorer told any cue, a
    customer's need of a person or another speaker's doubt.
    """

    name: str
    level: float
    if_unscored: bool = False
    unless: Phrases | None = None
    """Phrases that take it back if they are in the same utterance."""

    def __post_init__(self) -> None:
        self.kind = self.name

    def parts(self) -> Sequence[Condition]:
        return [] if self.unless is None else [self.unless]

    def look(self, spoken: Spoken, memory: Memory) -> Match | None:
        if spoken.scored is None or (self.unless is not None and self.unless.number in spoken.found):
            return None
        value = spoken.scored.cues.get(self.name)
        if value is None and self.if_unscored and _is_unjudged(spoken.scored, self.name):
            return Match(spoken, True)
        if value is None:
            unscored = spoken.scored.not_scored.get(self.name) or spoken.scored.not_scored.get("cues")
            return Match(spoken, None, unscored) if unscored else None
        if value < self.level:
            return None
        start, end = span_of(spoken, self.name)
        return Match(spoken, True, start=start, end=end, value=value)


def _is_unjudged(scored: UtteranceScored, cue: str) -> bool:
    """Whether no scorer looked for this cue: it says so, or it told nothing that comes with cues."""
    if {cue, "cues"} & scored.not_scored.keys():
        return True
    if scored.cues:
        return False
    if scored.role == Role.CUSTOMER:
        return scored.escalation is None
    return scored.uncertainty is None or scored.uncertainty.speaker is None


def why_unscored(spoken: Spoken, *parts: str) -> str:
    """Why a score is missing, in the scorer's words if it said any."""
    not_scored = spoken.scored.not_scored if spoken.scored is not None else {}
    for part in (*parts, "cues"):
        if part in not_scored:
            return not_scored[part]
    return f"no {parts[0]} was given"


def span_of(spoken: Spoken, *kinds: str) -> tuple[int, int | None]:
    """The characters the scorer pointed at for this, else the whole utterance."""
    if spoken.scored is not None:
        for piece in spoken.scored.evidence:
            if (
                (piece.kind in kinds or piece.note in kinds)
                and piece.start is not None
                and piece.end is not None
            ):
                return piece.start, piece.end
    return 0, None
