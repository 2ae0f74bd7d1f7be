"""Each default rule in short dialogues: it fires, it does not, it clears, and it explains itself.

A block starts with what is to happen (`fires …`, `does not fire …`, `clears …`). A line of it is
`SECONDS role: words [score 0.5] …` or an event; a score that is neither `sentiment` nor `escalation` is a
cue. A line that begins with `>` is what the rules say to it, all of them. The file's name is the rule's (what
follows `_vip` aside). `UPDATE_STORIES=1` writes the answers anew: read the difference first.
"""

from __future__ import annotations

import os
import re
from itertools import count
from pathlib import Path

import pytest

from voicewatch.core.events import (
    AIReported,
    AlertCleared,
    AlertRaised,
    CallStarted,
    EscalationRaised,
    Fact,
    Nudged,
    Sentiment,
    SilenceBegan,
    SilenceEnded,
    Uncertainty,
    UtteranceFinal,
    UtteranceScored,
)
from voicewatch.core.rules import Judge, default_rules

STORIES = sorted((Path(__file__).parent / "rule_stories").glob("*.story"))
LINE = re.compile(r"^([\d.]+) (.*?)((?: \[[a-z_]+ -?[\d.]+\])*)$")
SCORE = re.compile(r"([a-z_]+) (-?[\d.]+)")
SPEECH = re.compile(r"^(customer|ai): (.*)$")
TICK_MS = 500
NO_DOUBT = Uncertainty(score=0, recognition=0, speaker=0, dialogue=0)


class Play:
    """One block: a call that hears its lines."""

    def __init__(self, attributes: dict[str, str]) -> None:
        numbers = count(1)
        self.judge = Judge(default_rules(), "c", lambda: f"id{next(numbers)}")
        self.rule_of: dict[str, str] = {}
        self.now_ms = 0
        self.silent_since_ms = 0
        self.said: list[Fact] = []
        self.judge.push(CallStarted(call_id="c", attributes=attributes))

    def hear(self, line: str) -> list[str]:
        found = LINE.match(line)
        assert found, line
        at_ms = round(float(found[1]) * 1000)
        said: list[Fact] = []
        while self.now_ms + TICK_MS < at_ms:
            self.now_ms += TICK_MS
            said += self.judge.tick(self.now_ms)
        self.now_ms = at_ms
        scores = {name: float(value) for name, value in SCORE.findall(found[3])}
        for fact in self.facts(found[2], scores):
            said += self.judge.push(fact)
        said += self.judge.tick(at_ms)
        self.said += said
        return [told for fact in said if (told := self.told(fact))]

    def facts(self, what: str, scores: dict[str, float]) -> list[Fact]:
        speech = SPEECH.match(what)
        if speech:
            return self.utterance(speech[1], speech[2], scores)
        common = {"call_id": "c", "at_ms": self.now_ms}
        if what == "silence":
            self.silent_since_ms = self.now_ms - 3_000
            return [SilenceBegan(**common, since_ms=self.silent_since_ms)]
        if what == "sound":
            return [SilenceEnded(**common, since_ms=self.silent_since_ms)]
        if what.startswith("tool failed: "):
            data = {"name": what.removeprefix("tool failed: "), "ok": False}
            return [AIReported(**common, kind="tool", data=data)]
        assert what == "wait", what
        return []

    def utterance(self, role: str, text: str, scores: dict[str, float]) -> list[Fact]:
        cues = dict(scores)
        sentiment, escalation = cues.pop("sentiment", 0), cues.pop("escalation", None)
        common = {"call_id": "c", "at_ms": self.now_ms, "utterance_id": f"{role}-{self.now_ms}"}
        score = Sentiment(score=sentiment, label="neutral", confidence=0.8)
        return [
            UtteranceFinal(
                **common, seat_id=role, role=role, start_ms=self.now_ms - 3_000, end_ms=self.now_ms, text=text
            ),
            UtteranceScored(
                **common,
                seat_id=role,
                role=role,
                sentiment=score,
                uncertainty=NO_DOUBT,
                cues=cues,
                escalation=escalation,
            ),
        ]

    def told(self, fact: Fact) -> str:
        match fact:
            case AlertRaised():
                self.rule_of[fact.alert_id] = fact.rule
                quotes = " ".join(f"“{piece.quote}”" for piece in fact.evidence if piece.quote)
                return f"> {fact.rule} alerts: {fact.headline} {quotes}".rstrip()
            case EscalationRaised():
                return f"> {fact.rule} calls a person"
            case AlertCleared():
                return f"> {self.rule_of[fact.alert_id]} is cleared: {fact.why}"
            case Nudged():
                return f"> {fact.by} tells the AI: {fact.text}"
        return ""


def played(story: str) -> tuple[str, dict[str, list[Fact]]]:
    """The story with what the rules say now, and what was said in each block."""
    attributes: dict[str, str] = {}
    lines: list[str] = []
    blocks: dict[str, list[Fact]] = {}
    play = None
    for line in story.splitlines():
        if line.startswith(">"):
            continue
        lines.append(line)
        if line.startswith("attributes "):
            attributes = dict(pair.split("=") for pair in line.split()[1:])
        elif line and not line[0].isdigit():
            play = Play(attributes)
            blocks[f"{line} ({len(blocks)})"] = play.said
        elif line:
            assert play is not None
            lines += play.hear(line)
    return "\n".join(lines) + "\n", blocks


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_the_rule_does_as_its_story_tells(path: Path) -> None:
    written = path.read_text(encoding="utf-8")
    told, blocks = played(written)
    if os.environ.get("UPDATE_STORIES"):
        path.write_text(told, encoding="utf-8")
        written = told
    assert told == written
    name = path.stem.removesuffix("_vip")
    rule = next(one for one in default_rules().rules if one.name == name and not one.tier)
    for title, said in blocks.items():
        raised = [fact for fact in said if isinstance(fact, AlertRaised) and fact.rule == name]
        if title.startswith("does not fire"):
            assert not raised, title
            continue
        assert raised, title
        if rule.escalates:
            assert any(isinstance(fact, EscalationRaised) and fact.rule == name for fact in said), title
        cleared = [fact for fact in said if isinstance(fact, AlertCleared)]
        if title.startswith("clears"):
            assert any(fact.alert_id == raised[0].alert_id for fact in cleared), title
        assert all(piece.note for fact in raised for piece in fact.evidence), title
        assert all(fact.evidence for fact in raised), title


def test_every_default_rule_has_its_story() -> None:
    told = {path.stem for path in STORIES}
    assert {rule.name for rule in default_rules().rules} <= told
