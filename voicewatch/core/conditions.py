"""What a rule can ask of a call. Each condition answers holds, fails or *not evaluated* with the reason.

A rule's conditions are a tree (`all`, `any`, `at_least`, `for_s` around leaves). The tree is immutable and
shared by all calls; what a call has said so far is a `Memory`, one `Track` per leaf. A leaf looks at an
utterance once, when it arrives or is scored, and remembers only whether it matched: so an event costs a
call the leaves that could match it, and nothing else.

Three-valued logic is Kleene's: `any` holds if one holds, whatever is unknown about the others.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from voicewatch.core.events import Evidence, Role, UtteranceFinal, UtteranceScored
from voicewatch.core.quoting import quote

REMEMBERED = 64
"""Utterances (per call) and matches (per leaf) that are remembered; older ones are forgotten."""

Part = Literal["score", "recognition", "speaker", "dialogue"]


@dataclass(frozen=True)
class Verdict:
    """`holds` is None when it could not be evaluated, and then `reason` says why."""

    holds: bool | None
    reason: str = ""


HOLDS = Verdict(True)
FAILS = Verdict(False)


@dataclass(eq=False)
class Spoken:
    """An utterance as the rules see it; `final` or `scored` may still be missing."""

    utterance_id: str
    role: Role
    at_ms: int
    with_human: bool
    final: UtteranceFinal | None = None
    scored: UtteranceScored | None = None

    @property
    def is_suspect(self) -> bool:
        return self.final is not None and self.final.suspect

    @property
    def is_doubtful(self) -> bool:
        """Never enough to escalate alone."""
        return self.final is not None and (self.final.suspect or self.final.low_fidelity)


@dataclass(eq=False)
class Match:
    """What a leaf found in one utterance: matched is None if that could not be told (yet)."""

    spoken: Spoken
    matched: bool | None
    reason: str = ""
    start: int = 0
    end: int | None = None
    value: float | None = None


@dataclass
class Track:
    """One leaf's memory in one call."""

    matches: deque[Match] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    since_ms: int | None = None
    """For `for_s`: since when the inner condition has held."""


@dataclass
class Memory:
    """What a call's judge remembers for all rules."""

    attributes: dict[str, str]
    tracks: list[Track]
    now_ms: int = 0
    silent_since_ms: int | None = None
    spoken: deque[Spoken] = field(default_factory=lambda: deque(maxlen=REMEMBERED))


class Condition:
    """A node. `number` is its place in `Memory.tracks`."""

    number: int = -1

    def verdict(self, memory: Memory) -> Verdict:
        raise NotImplementedError

    def parts(self) -> Sequence[Condition]:
        return ()

    def evidence(self, memory: Memory) -> list[tuple[Spoken | None, Evidence]]:
        """Why it holds: of those parts that do."""
        return [
            piece for part in self.parts() if part.verdict(memory).holds for piece in part.evidence(memory)
        ]

    def walk(self) -> Iterator[Condition]:
        yield self
        for part in self.parts():
            yield from part.walk()


# ---------------------------------------------------------------- combinators


@dataclass(eq=False)
class AtLeast(Condition):
    """`count` of the parts hold. All and any are the two ends of it."""

    count: int
    of: tuple[Condition, ...]

    def parts(self) -> Sequence[Condition]:
        return self.of

    def verdict(self, memory: Memory) -> Verdict:
        holding = 0
        reasons: list[str] = []
        for place, part in enumerate(self.of):
            found = part.verdict(memory)
            if found.holds:
                holding += 1
                if holding >= self.count:
                    return HOLDS
            elif found.holds is None:
                reasons.append(found.reason)
            left = len(self.of) - place - 1
            if holding + len(reasons) + left < self.count:
                return FAILS
        return Verdict(None, reasons[0])


@dataclass(eq=False)
class Lasting(Condition):
    """The inner condition has held without a break for `for_ms`."""

    for_ms: int
    inner: Condition

    def parts(self) -> Sequence[Condition]:
        return (self.inner,)

    def verdict(self, memory: Memory) -> Verdict:
        track = memory.tracks[self.number]
        found = self.inner.verdict(memory)
        if not found.holds:
            track.since_ms = None
            return found
        if track.since_ms is None:
            track.since_ms = memory.now_ms
        return HOLDS if memory.now_ms - track.since_ms >= self.for_ms else FAILS


# ---------------------------------------------------------------- leaves about the call


@dataclass(eq=False)
class Silence(Condition):
    """Nobody has spoken for so long."""

    silence_ms: int

    def verdict(self, memory: Memory) -> Verdict:
        since = memory.silent_since_ms
        return HOLDS if since is not None and memory.now_ms - since >= self.silence_ms else FAILS

    def evidence(self, memory: Memory) -> list[tuple[Spoken | None, Evidence]]:
        since = memory.silent_since_ms if memory.silent_since_ms is not None else memory.now_ms
        return [(None, Evidence(kind="silence", value=(memory.now_ms - since) / 1000, note="seconds"))]


@dataclass(eq=False)
class Duration(Condition):
    """The call has lasted so long."""

    duration_ms: int

    def verdict(self, memory: Memory) -> Verdict:
        return HOLDS if memory.now_ms >= self.duration_ms else FAILS

    def evidence(self, memory: Memory) -> list[tuple[Spoken | None, Evidence]]:
        return [(None, Evidence(kind="duration", value=memory.now_ms / 1000, note="seconds"))]


@dataclass(eq=False)
class Attribute(Condition):
    """An attribute of the call (tier, language, …) is one of these."""

    name: str
    one_of: frozenset[str]

    def verdict(self, memory: Memory) -> Verdict:
        value = memory.attributes.get(self.name)
        if value is None:
            return Verdict(None, f"the call has no attribute {self.name}")
        return HOLDS if value.casefold() in self.one_of else FAILS

    def evidence(self, memory: Memory) -> list[tuple[Spoken | None, Evidence]]:
        return [(None, Evidence(kind="attribute", note=f"{self.name} is {memory.attributes[self.name]}"))]


# ---------------------------------------------------------------- leaves about utterances


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
    while_ai: bool = False
    """Only what is said while the AI has the voice counts."""
    kind: str = ""

    def look(self, spoken: Spoken, memory: Memory) -> Match | None:
        """What this utterance is to the leaf; None if nothing (and then it is not remembered)."""
        raise NotImplementedError

    def observe(self, spoken: Spoken, memory: Memory, again: bool) -> bool:
        """Takes a new or newly scored utterance; whether that could raise something.

        `again`: the leaf has seen this utterance before and forgets what it thought of it.
        """
        if self.while_ai and spoken.with_human:
            return False
        matches = memory.tracks[self.number].matches
        if again:
            _forget(matches, spoken)
        found = self.look(spoken, memory)
        if found is None or found.matched is False:
            if self.of_last is not None:
                matches.append(found or Match(spoken, False))  # it fills a place among the last N
            return again
        matches.append(found)
        return True

    def verdict(self, memory: Memory) -> Verdict:
        hits, unknown, reason = 0, 0, ""
        for match in self._window(memory):
            if match.matched:
                hits += 1
                if hits >= self.count:
                    return HOLDS
            elif match.matched is None:
                unknown += 1
                reason = match.reason
        if hits + unknown >= self.count:
            return Verdict(None, reason)
        return FAILS

    def evidence(self, memory: Memory) -> list[tuple[Spoken | None, Evidence]]:
        matches = [match for match in self._window(memory) if match.matched]
        return [(match.spoken, self._piece(match)) for match in reversed(matches)]

    def _window(self, memory: Memory) -> Iterator[Match]:
        """What counts now, the newest first."""
        oldest_ms = 0 if self.within_ms is None else memory.now_ms - self.within_ms
        for place, match in enumerate(reversed(memory.tracks[self.number].matches)):
            if place == self.of_last or match.spoken.at_ms < oldest_ms:
                return
            yield match

    def _piece(self, match: Match) -> Evidence:
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


def _forget(matches: deque[Match], spoken: Spoken) -> None:
    for known in matches:
        if known.spoken is spoken:
            matches.remove(known)
            return


@dataclass(eq=False, kw_only=True)
class Words(Said):
    """A word, phrase or pattern occurs; a pattern's first group, if it has one, is what is quoted."""

    pattern: re.Pattern[str]
    kind: str = "words"

    def look(self, spoken: Spoken, memory: Memory) -> Match | None:
        if spoken.final is None:
            return None
        found = self.pattern.search(spoken.final.text)
        if found is None:
            return None
        start, end = found.span(1 if self.pattern.groups else 0)
        return Match(spoken, True, start=start, end=end)


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
        matched = (self.below is not None and value <= self.below) or (
            self.above is not None and value >= self.above
        )
        start, end = span_of(spoken, "sentiment")
        return Match(spoken, matched, start=start, end=end, value=value)


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
        matched = bool(earlier) and max(earlier) - value >= self.by
        start, end = span_of(spoken, "sentiment")
        return Match(spoken, matched, start=start, end=end, value=value)


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
        start, end = span_of(spoken, "uncertainty", self.part)
        return Match(spoken, value >= self.above, start=start, end=end, value=value)


@dataclass(eq=False, kw_only=True)
class Cue(Said):
    """A cue of the scorer (wants_human, complaint, …) at or above a level."""

    name: str
    level: float

    def __post_init__(self) -> None:
        self.kind = self.name

    def look(self, spoken: Spoken, memory: Memory) -> Match | None:
        if spoken.scored is None:
            return None
        value = spoken.scored.cues.get(self.name)
        if value is None:
            unscored = spoken.scored.not_scored.get(self.name) or spoken.scored.not_scored.get("cues")
            return Match(spoken, None, unscored) if unscored else None
        if value < self.level:
            return None
        start, end = span_of(spoken, self.name)
        return Match(spoken, True, start=start, end=end, value=value)


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
