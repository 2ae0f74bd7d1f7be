"""What a rule can ask of a call: the tree of conditions and what they remember.

Each condition answers holds, fails or *not evaluated* with the reason. A rule's conditions are a tree
(`all`, `any`, `at_least`, `not`, `for_s` around leaves). The tree is immutable and shared by all calls; what
a call has said so far is a `Memory`, one `Track` per leaf. What leaves ask of an utterance is answered once,
when it arrives or is scored, for all that ask the same, and they remember only what matched: so an event
costs a call the different questions that it could answer, and nothing else.

Three-valued logic is Kleene's: `any` holds if one holds, whatever is unknown about the others. Leaves about
utterances are in `said_conditions.py`, what joins several of them in `joined_conditions.py`, those about the
whole call in `call_conditions.py`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from voicewatch.core.events import Evidence, Role, UtteranceFinal, UtteranceScored
from voicewatch.core.phrases import Hit, Plain, plain
from voicewatch.core.sameness import carried

REMEMBERED = 64
"""Utterances (per call) and matches (per leaf) that are remembered; older ones are forgotten."""
REMEMBERED_KEYS = 32
"""Pressed keys that are remembered; older ones are forgotten."""


Counted = tuple[Role, bool, bool]
"""Utterances that "the last N" counts: of a role, by words (else by scores), only those said to the AI."""


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
    found: dict[int, list[Hit]] = field(default_factory=dict)
    """Leaf -> which of its phrases are in it."""
    before: Spoken | None = None
    """What another role said last before it."""
    said_before: float = 0.0
    """How much it is like something that its role has said before: 0..1."""
    interrupted_ms: int = 0
    """For how long it was spoken over another's speech that had begun earlier."""
    places: dict[Counted, int] = field(default_factory=dict)
    """Which one it was of those that are counted together, from 1 on."""
    _plain: Plain | None = None
    _carried: frozenset[str] | None = None

    @property
    def words(self) -> Plain:
        """Its words as phrases are compared with them; none before its final."""
        if self._plain is None:
            self._plain = plain(self.final.text if self.final is not None else "")
        return self._plain

    @property
    def carried(self) -> frozenset[str]:
        """Those of its words that carry meaning."""
        if self._carried is None:
            self._carried = carried(self.words.words)
        return self._carried

    def hear(self, final: UtteranceFinal) -> None:
        """Its words, for the first time or corrected."""
        self.final, self._plain, self._carried = final, None, None

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
    matched: Literal[True] | None
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
    silent_before_ms: int = 0
    """Silences that are over, together."""
    spoken: deque[Spoken] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    talk_ms: dict[Role, int] = field(default_factory=dict)
    keys: deque[tuple[int, str]] = field(default_factory=lambda: deque(maxlen=REMEMBERED_KEYS))
    """Keys the customer pressed: when and which."""
    tools_failed: deque[tuple[int, str]] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    """What the AI tried in vain: when and which tool."""
    ai_confidence: float | None = None
    """As the AI reported it last."""
    counts: dict[Counted, int] = field(default_factory=dict)

    def count(self, spoken: Spoken, by_words: bool) -> None:
        """Gives it its place among the utterances that have words, or scores."""
        for while_ai in (False,) if spoken.with_human else (False, True):
            counted = (spoken.role, by_words, while_ai)
            spoken.places[counted] = self.counts[counted] = self.counts.get(counted, 0) + 1

    def last_said(self) -> Spoken | None:
        """The newest utterance whose words are known."""
        return next((one for one in reversed(self.spoken) if one.final is not None), None)


Pieces = list[tuple[Spoken | None, Evidence]]
"""Evidence, each piece with the utterance it is from, if it is from one."""


class Condition:
    """A node. `number` is its place in `Memory.tracks`."""

    number: int = -1

    def verdict(self, memory: Memory) -> Verdict:
        raise NotImplementedError

    def parts(self) -> Sequence[Condition]:
        return ()

    def evidence(self, memory: Memory) -> Pieces:
        """Why it holds: of those parts that do."""
        return [
            piece for part in self.parts() if part.verdict(memory).holds for piece in part.evidence(memory)
        ]

    def walk(self) -> Iterator[Condition]:
        yield self
        for part in self.parts():
            yield from part.walk()


class OfCall(Condition):
    """A leaf about the call as a whole; `by_time`: it may begin to hold by nothing but time."""

    by_time = False


# ---------------------------------------------------------------- combinators


@dataclass(eq=False)
class AtLeast(Condition):
    """`count` of the parts hold. All and any are the two ends of it."""

    count: int
    of: tuple[Condition, ...]

    def parts(self) -> Sequence[Condition]:
        return self.of

    def verdict(self, memory: Memory) -> Verdict:
        missing = self.count
        spare = len(self.of) - self.count
        reason: str | None = None
        for part in self.of:
            found = part.verdict(memory)
            if found.holds:
                missing -= 1
                if missing == 0:
                    return HOLDS
            elif found.holds is None:
                reason = reason if reason is not None else found.reason
            else:
                spare -= 1
                if spare < 0:
                    return FAILS
        return Verdict(None, reason or "")


@dataclass(eq=False)
class Not(Condition):
    """The inner condition does not hold; what is unknown of it stays unknown."""

    inner: Condition

    def parts(self) -> Sequence[Condition]:
        return (self.inner,)

    def verdict(self, memory: Memory) -> Verdict:
        found = self.inner.verdict(memory)
        if found.holds is None:
            return found
        return FAILS if found.holds else HOLDS

    def evidence(self, memory: Memory) -> Pieces:
        return []


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
