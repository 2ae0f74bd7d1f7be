"""Conditions over several leaves about utterances: how often any of them, or all of them in one utterance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from voicewatch.core.conditions import FAILS, HOLDS, Condition, Match, Memory, Pieces, Verdict
from voicewatch.core.said_conditions import Said


@dataclass(eq=False)
class Times(Condition):
    """Utterances in which one of the leaves matches, whichever: at least so many."""

    count: int
    of: tuple[Said, ...]

    def parts(self) -> Sequence[Condition]:
        return self.of

    def verdict(self, memory: Memory) -> Verdict:
        hits: set[str] = set()
        unknown: dict[str, str] = {}
        for leaf in self.of:
            for match in leaf.window(memory):
                if match.matched:
                    hits.add(match.spoken.utterance_id)
                else:
                    unknown[match.spoken.utterance_id] = match.reason
        if len(hits) >= self.count:
            return HOLDS
        doubtful = [reason for one, reason in unknown.items() if one not in hits]
        return Verdict(None, doubtful[0]) if len(hits) + len(doubtful) >= self.count else FAILS

    def evidence(self, memory: Memory) -> Pieces:
        found = [piece for leaf in self.of for piece in leaf.evidence(memory)]
        return sorted(found, key=lambda piece: piece[0].at_ms if piece[0] else 0)


@dataclass(eq=False)
class Together(Condition):
    """All leaves match in one and the same utterance.

    `all` would take the words of one and the scores of another, such as those of the utterance before while
    the newest has none yet.
    """

    of: tuple[Said, ...]

    def parts(self) -> Sequence[Condition]:
        return self.of

    def verdict(self, memory: Memory) -> Verdict:
        for leaf in self.of:
            if not memory.tracks[leaf.number].matches:
                return FAILS
        reason: str | None = None
        for matches in self._in_one(memory):
            unknown = [match for match in matches if not match.matched]
            if not unknown:
                return HOLDS
            reason = unknown[0].reason
        return FAILS if reason is None else Verdict(None, reason)

    def evidence(self, memory: Memory) -> Pieces:
        """Of the newest utterance in which all of them match."""
        found = next((one for one in self._in_one(memory) if all(match.matched for match in one)), ())
        return [
            (match.spoken, leaf.piece(match))
            for leaf, match in zip(self.of, found, strict=False)
            if leaf.quoted
        ]

    def _in_one(self, memory: Memory) -> Iterator[list[Match]]:
        """For each utterance that is something to every leaf, what it is to each; the newest first."""
        others = [{match.spoken: match for match in leaf.window(memory)} for leaf in self.of[1:]]
        for first in self.of[0].window(memory):
            found = [first, *(matches[first.spoken] for matches in others if first.spoken in matches)]
            if len(found) == len(self.of):
                yield found
