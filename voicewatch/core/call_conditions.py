"""Leaves about the call as a whole: time, silence, shares of talk, keys, attributes, the AI's own reports."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from voicewatch.core.conditions import FAILS, HOLDS, Condition, Memory, OfCall, Pieces, Spoken, Verdict
from voicewatch.core.events import Evidence, Role
from voicewatch.core.said_conditions import Phrases


def _of_call(kind: str, value: float | None = None, note: str = "") -> Pieces:
    return [(None, Evidence(kind=kind, value=value, note=note))]


@dataclass(eq=False)
class Silence(OfCall):
    """Nobody has spoken for so long: after `after` spoke last, unless what he said asks for patience."""

    silence_ms: int
    after: Role | None = None
    unless: Phrases | None = None
    by_time = True

    def parts(self) -> Sequence[Condition]:
        return [self.unless] if self.unless is not None else []

    def verdict(self, memory: Memory) -> Verdict:
        since = memory.silent_since_ms
        if since is None or memory.now_ms - since < self.silence_ms:
            return FAILS
        last = memory.last_said()
        if self.after is not None and (last is None or last.role != self.after):
            return FAILS
        if self.unless is not None and last is not None and self.unless.number in last.found:
            return FAILS
        return HOLDS

    def evidence(self, memory: Memory) -> Pieces:
        since = memory.silent_since_ms if memory.silent_since_ms is not None else memory.now_ms
        return _of_call("silence", (memory.now_ms - since) / 1000, "seconds")


@dataclass(eq=False)
class NonTalk(OfCall):
    """Silences of more than 3 s, together, are so long, or such a share of the call."""

    above_ms: int | None = None
    above_share: float | None = None
    by_time = True

    def verdict(self, memory: Memory) -> Verdict:
        silent_ms = self._silent_ms(memory)
        enough = self.above_ms is not None and silent_ms >= self.above_ms
        share = self.above_share is not None and silent_ms >= self.above_share * max(1, memory.now_ms)
        return HOLDS if enough or share else FAILS

    def evidence(self, memory: Memory) -> Pieces:
        return _of_call("non_talk", self._silent_ms(memory) / 1000, "seconds")

    def _silent_ms(self, memory: Memory) -> int:
        since = memory.silent_since_ms
        return memory.silent_before_ms + (0 if since is None else memory.now_ms - since)


@dataclass(eq=False)
class Duration(OfCall):
    """The call has lasted so long."""

    duration_ms: int
    by_time = True

    def verdict(self, memory: Memory) -> Verdict:
        return HOLDS if memory.now_ms >= self.duration_ms else FAILS

    def evidence(self, memory: Memory) -> Pieces:
        return _of_call("duration", memory.now_ms / 1000, "seconds")


@dataclass(eq=False)
class TalkShare(OfCall):
    """A role's share of all that was said, in time, once so much was said."""

    role: Role
    above: float
    after_ms: int
    by_time = True

    def verdict(self, memory: Memory) -> Verdict:
        if sum(memory.talk_ms.values()) < self.after_ms:
            return FAILS
        return HOLDS if self._share(memory) >= self.above else FAILS

    def evidence(self, memory: Memory) -> Pieces:
        return _of_call("talk_share", round(self._share(memory), 2), self.role.value)

    def _share(self, memory: Memory) -> float:
        return memory.talk_ms.get(self.role, 0) / max(1, sum(memory.talk_ms.values()))


@dataclass(eq=False)
class Keys(OfCall):
    """The customer pressed one of these keys, or sequences of keys: `count` times within a window."""

    keys: tuple[str, ...]
    count: int
    within_ms: int | None

    def verdict(self, memory: Memory) -> Verdict:
        return HOLDS if self._pressed(memory) >= self.count else FAILS

    def evidence(self, memory: Memory) -> Pieces:
        return _of_call("keys", self._pressed(memory), "times pressed")

    def _pressed(self, memory: Memory) -> int:
        oldest_ms = 0 if self.within_ms is None else memory.now_ms - self.within_ms
        pressed = "".join(key for at_ms, key in memory.keys if at_ms >= oldest_ms)
        return sum(pressed.count(keys) for keys in self.keys)


@dataclass(eq=False)
class ToolsFailed(OfCall):
    """The AI reported that a tool of its failed: `count` times within a window."""

    count: int
    within_ms: int | None

    def verdict(self, memory: Memory) -> Verdict:
        return HOLDS if len(self._failed(memory)) >= self.count else FAILS

    def evidence(self, memory: Memory) -> Pieces:
        failed = self._failed(memory)
        return _of_call("tool_failed", float(len(failed)), ", ".join(dict.fromkeys(failed)))

    def _failed(self, memory: Memory) -> list[str]:
        oldest_ms = 0 if self.within_ms is None else memory.now_ms - self.within_ms
        return [tool for at_ms, tool in memory.tools_failed if at_ms >= oldest_ms]


@dataclass(eq=False)
class AIConfidence(OfCall):
    """The AI reported that it is no surer of itself than this."""

    below: float

    def verdict(self, memory: Memory) -> Verdict:
        if memory.ai_confidence is None:
            return Verdict(None, "the AI has not reported how sure it is")
        return HOLDS if memory.ai_confidence <= self.below else FAILS

    def evidence(self, memory: Memory) -> Pieces:
        return _of_call("ai_confidence", memory.ai_confidence)


@dataclass(eq=False)
class Attribute(OfCall):
    """An attribute of the call (tier, language, …) is one of these."""

    name: str
    one_of: frozenset[str]

    def verdict(self, memory: Memory) -> Verdict:
        value = memory.attributes.get(self.name)
        if value is None:
            return Verdict(None, f"the call has no attribute {self.name}")
        return HOLDS if value.casefold() in self.one_of else FAILS

    def evidence(self, memory: Memory) -> Pieces:
        return _of_call("attribute", note=f"{self.name} is {memory.attributes[self.name]}")


@dataclass(eq=False)
class AttributeAbove(OfCall):
    """An attribute of the call is a number at or above a level."""

    name: str
    level: float

    def verdict(self, memory: Memory) -> Verdict:
        value = memory.attributes.get(self.name)
        if value is None:
            return Verdict(None, f"the call has no attribute {self.name}")
        try:
            return HOLDS if float(value) >= self.level else FAILS
        except ValueError:
            return Verdict(None, f"the attribute {self.name} is not a number")

    def evidence(self, memory: Memory) -> Pieces:
        return _of_call("attribute", note=f"{self.name} is {memory.attributes[self.name]}")


# ---------------------------------------------------------------- a deployment's own


@dataclass(frozen=True)
class CallSoFar:
    """What a predicate is given: the call as its rules see it, the newest utterance last."""

    attributes: Mapping[str, str]
    at_ms: int
    spoken: Sequence[Spoken]


Predicate = Callable[..., bool | None]
"""`predicate(call: CallSoFar, **settings)`: whether it holds; None if it cannot tell."""


@dataclass(eq=False)
class Custom(OfCall):
    """A predicate of the deployment. It must answer at once: it runs where all calls are judged."""

    name: str
    predicate: Predicate
    settings: Mapping[str, Any]

    def verdict(self, memory: Memory) -> Verdict:
        try:
            found = self.predicate(
                CallSoFar(memory.attributes, memory.now_ms, tuple(memory.spoken)), **self.settings
            )
        except Exception as error:  # boundary: somebody else's code; its text may hold a customer's words
            return Verdict(None, f"the predicate {self.name} raised {type(error).__name__}")
        if found is None:
            return Verdict(None, f"the predicate {self.name} could not tell")
        return HOLDS if found else FAILS

    def evidence(self, memory: Memory) -> Pieces:
        return _of_call("predicate", note=self.name)
