"""How customers sound, beside what they say: one voice a customer's seat, none for anybody else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from audio_models.api import (
    FUSED_FROM,
    Arousal,
    CallerVoice,
    MeasuredVoice,
    Samples,
    Scorer,
    ScoreRequest,
    Scores,
    VoiceNotJudged,
    load_caller_voice,
)
from voicewatch.core.events import Role

MAX_VOICES = 1_024
"""Customers remembered; past that the oldest is forgotten, and learned anew if he still speaks."""


@dataclass(frozen=True)
class Spoken:
    """An utterance as it was recognised, and the customer who spoke it."""

    voice: CallerVoice
    samples: Samples


class Voices:
    """The customers' voices by seat."""

    def __init__(self, wanted: bool = True, model: str = "") -> None:
        """`model` names another than our own (see `load_caller_voice`). Raises MissingModel: not when a
        customer speaks, when it would be too late."""
        self._wanted = wanted
        self._model = model
        if wanted:
            load_caller_voice(Role.CUSTOMER.value, model)
        self._known: dict[tuple[str, str], CallerVoice] = {}

    def spoken(self, call_id: str, seat_id: str, role: Role, samples: Samples) -> Spoken | None:
        """None for everybody but a customer, and where voices are not wanted."""
        if role is not Role.CUSTOMER or not self._wanted:
            return None
        seat = (call_id, seat_id)
        if seat not in self._known:
            if len(self._known) >= MAX_VOICES:
                del self._known[next(iter(self._known))]
            self._known[seat] = load_caller_voice(role.value, self._model)
        return Spoken(self._known[seat], samples)

    def forget(self, call_id: str) -> None:
        """The call is over."""
        for seat in [seat for seat in self._known if seat[0] == call_id]:
            del self._known[seat]


def score_spoken(scorer: Scorer, utterances: Sequence[tuple[ScoreRequest, Spoken | None]]) -> list[Scores]:
    """Scores of words and voices together; a caller's utterances must come in order.

    A voice that can hardly be judged is reported, but has no say in what the words are taken to mean.
    """
    heard = _heard([spoken for _, spoken in utterances])
    requests = [_heeding(request, found) for (request, _), (found, _) in zip(utterances, heard, strict=True)]
    scores = scorer.score_batch(requests)
    return [
        replace(one, arousal=found, not_scored={**one.not_scored, **({"arousal": why} if why else {})})
        for one, (found, why) in zip(scores, heard, strict=True)
    ]


def _heard(utterances: Sequence[Spoken | None]) -> list[tuple[Arousal | None, str]]:
    measured = _measured(utterances)
    return [_judged(spoken, measured.get(at)) for at, spoken in enumerate(utterances)]


def _measured(utterances: Sequence[Spoken | None]) -> dict[int, float | str]:
    """By place, those whose model takes several at once; one process has one such model."""
    together = {
        at: (spoken.voice.model, spoken.samples)
        for at, spoken in enumerate(utterances)
        if spoken is not None and isinstance(spoken.voice, MeasuredVoice)
    }
    if not together:
        return {}
    model = next(iter(together.values()))[0]
    return dict(zip(together, model.measure([samples for _, samples in together.values()]), strict=True))


def _judged(spoken: Spoken | None, measured: float | str | None) -> tuple[Arousal | None, str]:
    if spoken is None:
        return None, ""
    try:
        if measured is not None and isinstance(spoken.voice, MeasuredVoice):
            return spoken.voice.judge_measured(spoken.samples, measured), ""
        return spoken.voice.judge(spoken.samples), ""
    except VoiceNotJudged as error:
        return None, str(error)


def _heeding(request: ScoreRequest, found: Arousal | None) -> ScoreRequest:
    if found is None or found.confidence < FUSED_FROM:
        return request
    return replace(request, arousal_change=found.change)
