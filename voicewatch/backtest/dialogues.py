"""Labelled dialogues (JSON lines) as calls: each turn becomes what a live call would have made of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from audio_models.api import MeaningMatcher, MissingModel, Scorer, ScoreRequest, load_scorer
from voicewatch.core.events import (
    AIPaused,
    AIResumed,
    CallEnded,
    CallStarted,
    Fact,
    Role,
    SeatOpened,
    Sentiment,
    SilenceBegan,
    SilenceEnded,
    Uncertainty,
    UtteranceFinal,
    UtteranceScored,
)
from voicewatch.core.redaction import find_spans
from voicewatch.core.replay import Case, Labels
from voicewatch.speech.conversations import Conversations
from voicewatch.speech.facts import scored_fact

SILENCE_MS = 3_000
PAUSE_MS, WORD_MS = 400, 330
"""Of turns without times: the pause before one, and how long a word takes to say."""
NEGATIVE_BELOW, POSITIVE_ABOVE = -1.0, 1.0
CALLS_AT_ONCE = 64
"""Dialogues whose turns are scored together."""
CONTEXT_TURNS = 12
"""Earlier turns that tell what is private in the next one."""


class BadDialogue(ValueError):
    """A line is no dialogue; the text names the line and the field."""


class Turn(BaseModel):
    """One turn. Scores that it carries are used as they are; without `sentiment` and `uncertainty` its words
    are scored."""

    model_config = ConfigDict(extra="ignore")
    role: Role
    text: str = Field(max_length=20_000)
    start_ms: int | None = Field(None, ge=0)
    end_ms: int | None = Field(None, ge=0)
    language: str | None = None
    sentiment: float | Sentiment | None = None
    uncertainty: float | Uncertainty | None = None
    cues: dict[str, float] = Field(default_factory=dict)
    meanings: dict[str, float] = Field(default_factory=dict)
    escalation: float | dict[str, Any] | None = None
    not_scored: dict[str, str] = Field(default_factory=dict)

    @property
    def is_scored(self) -> bool:
        return bool({"sentiment", "uncertainty"} & self.model_fields_set)


class LabelsGiven(BaseModel):
    model_config = ConfigDict(extra="ignore")
    should_escalate: bool
    turn: int | None = Field(None, ge=0)
    latest_turn: int | None = Field(None, ge=0)
    reasons: list[str] = Field(default_factory=list)


class Dialogue(BaseModel):
    """One line of the file."""

    model_config = ConfigDict(extra="ignore")
    id: str | int
    tier: str = ""
    language: str = ""
    attributes: dict[str, Any] = Field(default_factory=dict)
    turns: list[Turn] = Field(min_length=1, max_length=5_000)
    labels: LabelsGiven | None = None

    @model_validator(mode="after")
    def _labels_fit(self) -> Dialogue:
        for name in ("turn", "latest_turn"):
            at = getattr(self.labels, name) if self.labels else None
            if at is not None and at >= len(self.turns):
                raise ValueError(f"labels.{name} is {at}, but the last turn is {len(self.turns) - 1}")
        return self


def read_dialogues(path: Path) -> Iterator[Dialogue]:
    """The dialogues of a file in its order. OSError, BadDialogue."""
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                yield Dialogue.model_validate_json(line)
            except ValidationError as error:
                first = error.errors(include_input=False, include_url=False)[0]
                field = ".".join(map(str, first["loc"])) or "the line"
                raise BadDialogue(f"{path}, line {number}: {field}: {first['msg']}") from None


def cases_of(
    dialogues: Iterable[Dialogue], meanings: Mapping[str, Sequence[str]] | None = None
) -> list[Case]:
    """Each dialogue as a call. Turns without scores are scored as a live call's words are; `meanings` are
    those that the rules ask for, with their examples."""
    read = [_Call(dialogue) for dialogue in dialogues]
    unscored = [call for call in read if any(not turn.is_scored for turn in call.dialogue.turns)]
    if unscored:
        _score(unscored, load_scorer())
    if meanings:
        _match(read, meanings)
    return [call.case() for call in read]


@dataclass(frozen=True)
class _Spoken:
    """A turn with its times and language."""

    turn: Turn
    number: int
    start_ms: int
    end_ms: int
    language: str


class _Call:
    def __init__(self, dialogue: Dialogue) -> None:
        self.dialogue = dialogue
        self.call_id = str(dialogue.id)
        self.spoken = sorted(_timed(dialogue), key=lambda one: one.end_ms)
        self.scored: dict[int, UtteranceScored] = {
            one.number: self._as_given(one) for one in self.spoken if one.turn.is_scored
        }

    def case(self) -> Case:
        return Case(self.call_id, list(self._facts()), _labels(self.dialogue, self.spoken))

    def blank(self, one: _Spoken) -> UtteranceScored:
        """The scores of a turn before anything is scored."""
        return UtteranceScored(
            call_id=self.call_id,
            at_ms=one.end_ms,
            utterance_id=f"{one.turn.role.value}-{one.number}",
            seat_id=one.turn.role.value,
            role=one.turn.role,
        )

    def _as_given(self, one: _Spoken) -> UtteranceScored:
        turn, cues = one.turn, dict(one.turn.cues)
        escalation = turn.escalation
        if isinstance(escalation, dict):
            if "wants_human" in escalation:
                cues.setdefault("wants_human", float(escalation["wants_human"]))
            escalation = escalation.get("score")
        return self.blank(one).model_copy(
            update={
                "sentiment": _sentiment(turn.sentiment),
                "uncertainty": _uncertainty(turn.uncertainty),
                "cues": cues,
                "meanings": turn.meanings,
                "escalation": escalation,
                "not_scored": turn.not_scored,
            }
        )

    def _facts(self) -> Iterator[Fact]:
        dialogue, call_id = self.dialogue, self.call_id
        attributes = {name: str(value) for name, value in dialogue.attributes.items()}
        attributes |= {name: value for name in ("tier", "language") if (value := getattr(dialogue, name))}
        yield CallStarted(call_id=call_id, attributes=attributes)
        for role in dict.fromkeys(one.turn.role for one in self.spoken):
            yield SeatOpened(call_id=call_id, seat_id=role.value, role=role)
        human_speaks = False
        context: list[tuple[str, str]] = []
        spoken_until_ms = 0
        for one in self.spoken:
            yield from _silence(call_id, spoken_until_ms, one.start_ms)
            spoken_until_ms = max(spoken_until_ms, one.end_ms)
            if one.turn.role == Role.AGENT and not human_speaks:
                human_speaks = True
                yield AIPaused(call_id=call_id, at_ms=one.start_ms, why="agent_takeover")
            elif one.turn.role == Role.AI and human_speaks:
                human_speaks = False
                yield AIResumed(call_id=call_id, at_ms=one.start_ms, why="handed_back")
            scored = self.scored[one.number]
            yield self._final(one, scored, context)
            yield scored
            context = [*context, (one.turn.role.value, one.turn.text)][-CONTEXT_TURNS:]
        yield CallEnded(
            call_id=call_id, at_ms=spoken_until_ms, reason="customer_hangup", duration_ms=spoken_until_ms
        )

    def _final(
        self, one: _Spoken, scored: UtteranceScored, context: Sequence[tuple[str, str]]
    ) -> UtteranceFinal:
        return UtteranceFinal(
            call_id=self.call_id,
            at_ms=one.end_ms,
            utterance_id=scored.utterance_id,
            seat_id=scored.seat_id,
            role=one.turn.role,
            start_ms=one.start_ms,
            end_ms=one.end_ms,
            text=one.turn.text,
            mask=find_spans(one.turn.text, context),
            language=one.language,
            source="reported",
        )


def _score(calls: Sequence[_Call], scorer: Scorer) -> None:
    """Scores what carries no scores, each turn in the light of those before it, many calls at once."""
    for first in range(0, len(calls), CALLS_AT_ONCE):
        together = calls[first : first + CALLS_AT_ONCE]
        conversations = [Conversations() for _ in together]
        for at in range(max(len(call.spoken) for call in together)):
            asked = [
                (call, one, _asked(call, one, conversation))
                for call, conversation in zip(together, conversations, strict=True)
                for one in call.spoken[at : at + 1]
            ]
            wanted = [(call, one, request) for call, one, request in asked if one.number not in call.scored]
            found = scorer.score_batch([request for _, _, request in wanted])
            for (call, one, request), scores in zip(wanted, found, strict=True):
                call.scored[one.number] = scored_fact(call.blank(one), request.text, scores)


def _asked(call: _Call, one: _Spoken, conversation: Conversations) -> ScoreRequest:
    times = (one.start_ms, one.end_ms)
    return conversation.reported(call.blank(one), one.turn.text, one.language, times)


def _match(calls: Sequence[_Call], meanings: Mapping[str, Sequence[str]]) -> None:
    """How near the turns come to the examples of the rules' meanings; nothing without a model of them."""
    try:
        matcher = MeaningMatcher(meanings)
    except MissingModel:
        return  # then such a condition is not evaluated, and says so
    for call in calls:
        unmatched = [one for one in call.spoken if not call.scored[one.number].meanings]
        found = matcher.match([one.turn.text for one in unmatched])
        for one, values in zip(unmatched, found, strict=True):
            scored = call.scored[one.number]
            call.scored[one.number] = scored.model_copy(update={"meanings": values})


def _timed(dialogue: Dialogue) -> Iterator[_Spoken]:
    at_ms = 0
    for number, turn in enumerate(dialogue.turns):
        start_ms = at_ms + PAUSE_MS if turn.start_ms is None else turn.start_ms
        spoken_ms = WORD_MS * max(1, len(turn.text.split()))
        end_ms = start_ms + spoken_ms if turn.end_ms is None else max(start_ms, turn.end_ms)
        yield _Spoken(turn, number, start_ms, end_ms, turn.language or dialogue.language or "en")
        at_ms = end_ms


def _silence(call_id: str, since_ms: int, until_ms: int) -> Iterator[Fact]:
    """Nobody spoke from `since_ms` to `until_ms`."""
    if until_ms - since_ms >= SILENCE_MS:
        yield SilenceBegan(call_id=call_id, at_ms=since_ms + SILENCE_MS, since_ms=since_ms)
        yield SilenceEnded(call_id=call_id, at_ms=until_ms, since_ms=since_ms)


def _labels(dialogue: Dialogue, spoken: Sequence[_Spoken]) -> Labels | None:
    """Turn numbers of the file as places in the order in which turns end."""
    given = dialogue.labels
    if given is None:
        return None
    place = {one.number: at for at, one in enumerate(spoken)}
    return Labels(
        given.should_escalate,
        None if given.turn is None else place[given.turn],
        None if given.latest_turn is None else place[given.latest_turn],
        tuple(given.reasons),
    )


def _sentiment(given: float | Sentiment | None) -> Sentiment | None:
    if not isinstance(given, int | float):
        return given
    label = "negative" if given <= NEGATIVE_BELOW else "positive" if given >= POSITIVE_ABOVE else "neutral"
    return Sentiment.model_validate({"score": given, "label": label, "confidence": 1.0})


def _uncertainty(given: float | Uncertainty | None) -> Uncertainty | None:
    return Uncertainty(score=given) if isinstance(given, int | float) else given
