"""Plays a `.story` on a director and writes down what happened, one readable line a fact.

A line of a story is `SECONDS WORDS…`; what is said may end with scores in brackets:

    0     start tier=gold topic=billing
    4     customer: I was charged twice. [sentiment -2.8, complaint 0.7]
    9     accept peter
    10    refused 409: supervise coach

Time passes in ticks of a second between the lines.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.stage import CALL, Stage
from voicewatch.core.director import Refused
from voicewatch.core.events import (
    Event,
    Fact,
    Role,
    Sentiment,
    SilenceBegan,
    SilenceEnded,
    Uncertainty,
    UtteranceFinal,
    UtteranceScored,
)
from voicewatch.core.redaction import find_spans
from voicewatch.core.routing_plan import RoutingPlan

LINE = re.compile(r"^\s*([\d.]+)\s+(?:refused (\d+): )?(.*?)\s*$")
SPEECH = re.compile(r"^(customer|ai|agent|supervisor)(?:/(\w+))?: (.*?)(?:\s*\[(.*)\])?$")
PARTS = ("recognition", "speaker", "dialogue")
HIDDEN = frozenset({"type", "v", "call_id", "at_ms", "at", "seq", "words", "latency_ms"})


def play(story: str, plan: RoutingPlan | None = None) -> Stage:
    return go_on(Stage(plan=plan), story)


def go_on(stage: Stage, story: str) -> Stage:
    """Plays further lines on a stage."""
    for number, line in enumerate(story.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = LINE.match(line)
        assert found, f"line {number} is not SECONDS WORDS: {line!r}"
        at_ms = round(float(found[1]) * 1000)
        if CALL in stage.director.calls:
            stage.pass_time(at_ms)
        stage.at_ms = at_ms
        if found[2]:
            with pytest.raises(Refused) as refusal:
                _do(stage, found[3])
            assert refusal.value.status == int(found[2]), refusal.value.detail
        else:
            _do(stage, found[3])
    return stage


def _do(stage: Stage, words: str) -> None:
    speech = SPEECH.match(words)
    if speech:
        _say(stage, *speech.groups())
        return
    verb, *rest = words.split()
    _VERBS[verb](stage, *rest)


def _say(stage: Stage, role: str, who: str | None, text: str, scores: str | None) -> None:
    seat = next(seat for seat in stage.call.open_seats(Role(role)) if who is None or seat.who == who)
    values = dict(pair.split() for pair in (scores or "").split(", ") if pair)
    flags = {name: values.pop(name, "no") == "yes" for name in ("suspect", "low_fidelity")}
    start_ms = max(0, stage.at_ms - 2_000)
    context = [(one.final.role.value, one.final.text) for one in stage.call.spoken() if one.final]
    utterance_id = f"{seat.seat_id}-{start_ms}"
    common: dict[str, Any] = {
        "call_id": CALL,
        "at_ms": stage.at_ms,
        "seat_id": seat.seat_id,
        "role": role,
        "utterance_id": utterance_id,
    }
    stage.push(
        UtteranceFinal(
            **common,
            **flags,
            start_ms=start_ms,
            end_ms=stage.at_ms - 100,
            text=text,
            mask=find_spans(text, context),
        )
    )
    score = float(values.pop("sentiment", 0))
    label = "negative" if score <= -1 else "positive" if score >= 1 else "neutral"
    parts = {part: float(values.pop(part, 0)) for part in PARTS}
    stage.push(
        UtteranceScored(
            **common,
            sentiment=Sentiment(score=score, label=label, confidence=0.8),
            uncertainty=Uncertainty(score=max(parts.values()), **parts),
            cues={name: float(value) for name, value in values.items()},
        )
    )


def _start(stage: Stage, *attributes: str) -> None:
    stage.start(**dict(one.split("=", 1) for one in attributes))


def _presence(stage: Stage, agent: str, state: Any, connected: bool, skills: str = "") -> None:
    stage.tell(
        stage.director.presence(
            agent, agent.title(), state, connected, mono_ms=stage.at_ms, skills=skills.split(",")
        )
    )


def _offer_to(stage: Stage, agent: str) -> str:
    """What rings: at this agent, else at anybody; else the newest offer, his own before others'."""
    ringing, offers = stage.call.pending_offers, list(stage.call.offers.values())
    candidates = ringing or offers
    own = [offer for offer in candidates if offer.made.agent_id == agent]
    return str((own or candidates)[-1].made.offer_id)


def _accept(stage: Stage, agent: str) -> None:
    stage.tell(stage.director.accept(_offer_to(stage, agent), agent, stage.at_ms, f"seat-{agent}"))


def _decline(stage: Stage, agent: str, reason: str = "") -> None:
    stage.tell(stage.director.decline(_offer_to(stage, agent), agent, stage.at_ms, reason))


def _supervise(stage: Stage, mode: str) -> None:
    new = stage.call.seat_of("sue") is None
    stage.tell(stage.director.supervise(CALL, stage.at_ms, "sue", "Sue", mode, "seat-sue"))
    if new:
        stage.connect("seat-sue")


def _dismiss(stage: Stage, rule: str) -> None:
    alert = next(one.raised.alert_id for one in stage.call.alerts.values() if one.raised.rule == rule)
    stage.tell(stage.director.dismiss(CALL, stage.at_ms, "sue", alert, "nothing to see"))


_VERBS: dict[str, Callable[..., None]] = {
    "start": _start,
    "wait": lambda stage: None,
    "available": lambda stage, agent, skills="": _presence(stage, agent, "available", True, skills),
    "away": lambda stage, agent: _presence(stage, agent, "away", True),
    "offline": lambda stage, agent: _presence(stage, agent, "available", False),
    "accept": _accept,
    "decline": _decline,
    "claim": lambda stage, agent: stage.tell(
        stage.director.claim(CALL, stage.at_ms, agent, f"seat-{agent}")
    ),
    "release": lambda stage, reason="": stage.tell(stage.director.release(CALL, stage.at_ms, "sue", reason)),
    "callback": lambda stage, number, when="": stage.tell(
        stage.director.call_back(CALL, stage.at_ms, "worker-1", number, when)
    ),
    "called_back": lambda stage, by, outcome: stage.tell(
        stage.director.called_back(CALL, stage.at_ms, by, outcome)
    ),
    "connect": lambda stage, seat: stage.connect(seat),
    "lose": lambda stage, seat, reason: stage.lose(seat, reason),
    "supervise": _supervise,
    "leave": lambda stage: stage.tell(stage.director.leave(CALL, stage.at_ms, "sue")),
    "handback": lambda stage, who: stage.tell(stage.director.hand_back(CALL, stage.at_ms, who, "")),
    "escalate": lambda stage, agent=None: stage.tell(
        stage.director.escalate(CALL, stage.at_ms, "sue", "please look", agent)
    ),
    "dismiss": _dismiss,
    "dispose": lambda stage, agent, code: stage.tell(
        stage.director.dispose(CALL, stage.at_ms, agent, code)
    ),
    "end": lambda stage, reason: stage.tell(stage.director.end(CALL, stage.at_ms, reason)),
    "silence": lambda stage: stage.push(
        SilenceBegan(call_id=CALL, at_ms=stage.at_ms, since_ms=stage.at_ms - 3_000)
    ),
    "sound": lambda stage: stage.push(
        SilenceEnded(call_id=CALL, at_ms=stage.at_ms, since_ms=stage.call.silent_since_ms)
    ),
}  # fmt: skip


# ---------------------------------------------------------------- writing down


def journal(stage: Stage) -> str:
    """The facts as lines; made-up ids become alert-1, offer-2, … in order of appearance."""
    names: dict[str, str] = {}
    return "\n".join(_line(fact, names) for fact in stage.journal) + "\n"


def _line(fact: Fact, names: dict[str, str]) -> str:
    for field in ("alert_id", "escalation_id", "offer_id"):
        made_up = getattr(fact, field, None)
        if made_up and made_up not in names:
            kind = field.removesuffix("_id")
            names[made_up] = f"{kind}-{sum(name.startswith(kind) for name in names.values()) + 1}"
    values = {
        name: value
        for name, value in fact.model_dump(mode="json", exclude_defaults=True).items()
        if name not in HIDDEN
    }
    shown = " ".join(f"{name}={_shown(name, value, names)}" for name, value in values.items())
    return f"{fact.at_ms / 1000:8.3f} {fact.type:20} {shown}".rstrip()


def _shown(name: str, value: Any, names: dict[str, str]) -> str:
    if name == "evidence":
        return "[" + " ".join(_evidence(piece) for piece in value) + "]"
    if name == "briefing":
        lines = {key: line for key, line in value.items() if line and key not in ("mood", "doubt")}
        return "".join(f"\n{'':30}{key}: {line}" for key, line in lines.items())
    if name in ("hears",):
        return "; ".join(f"{listener} hears {','.join(heard) or '-'}" for listener, heard in value.items())
    if name in ("headline", "text", "why", "reason", "name", "note") and isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, list):
        return ",".join(_shown("", one, names) for one in value)
    if isinstance(value, dict):
        return "{" + " ".join(f"{key}:{_shown('', one, names)}" for key, one in value.items()) + "}"
    return names.get(value, str(value)) if isinstance(value, str) else str(value)


def _evidence(piece: dict[str, Any]) -> str:
    value = "" if piece.get("value") is None else f"={piece['value']:g}"
    return f"{piece['kind']}{value}“{piece.get('quote', '')}”"


def types(stage: Stage, *kinds: type[Event]) -> list[str]:
    return [fact.type for fact in stage.journal if not kinds or isinstance(fact, kinds)]
