"""The last turns of each call, what its AI reported of itself, and what is to be asked about a new turn."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from audio_models.api import Recognition, ScoreRequest, Turn
from voicewatch.core.events import UtteranceFinal, UtteranceScored
from voicewatch.processes.messages import AIReport, SpokenTurn

REMEMBERED_TURNS = 12
"""Turns of a call kept as the context of the next one's scores; older ones are forgotten."""
MAX_CALLS = 1_024
"""Calls remembered; past that the oldest is forgotten (a last final may come after its call was)."""
REMEMBERED_FAILURES = 16
"""Failed tools of a call; older ones are forgotten."""
FAILED_WITHIN_MS = 120_000
"""A tool that failed longer ago says nothing of how the call goes now."""

Times = tuple[int, int]
"""Start and end of an utterance on the call's clock, ms."""


@dataclass(frozen=True)
class _Said:
    utterance_id: str
    turn: Turn
    times: Times | None


@dataclass
class _Call:
    turns: deque[_Said] = field(default_factory=lambda: deque(maxlen=REMEMBERED_TURNS))
    ai_confidence: float | None = None
    failed: deque[tuple[int, str]] = field(default_factory=lambda: deque(maxlen=REMEMBERED_FAILURES))
    """When a tool of the AI failed, and which; one that works later has not failed."""

    def report(self, told: AIReport) -> None:
        if told.kind == "confidence":
            self.ai_confidence = told.value
        elif told.ok:
            for one in [one for one in self.failed if one[1] == told.name]:
                self.failed.remove(one)
        elif (told.at_ms, told.name) not in self.failed:
            self.failed.append((told.at_ms, told.name))

    def failed_lately(self, at_ms: int) -> int:
        return sum(at_ms - failed_ms <= FAILED_WITHIN_MS for failed_ms, _ in self.failed)


class Conversations:
    """What is known of each call when something is said in it."""

    def __init__(self) -> None:
        self._calls: dict[str, _Call] = {}

    def heard(self, final: UtteranceFinal, revised_share: float | None = None) -> ScoreRequest:
        """The request for an utterance that was recognised; it is remembered.

        `revised_share` is how much of what was shown as settled the final took back.
        """
        recognition = Recognition(
            tuple(word.probability for word in final.words if word.probability is not None),
            final.avg_logprob,
            final.no_speech_prob,
            final.suspect,
            final.low_fidelity,
            final.end_ms - final.start_ms,
            revised_share,
        )
        times = (final.start_ms, final.end_ms)
        return self._request(final, final.text, final.language, times, recognition)

    def reported(
        self, utterance: UtteranceScored, text: str, language: str, times: Times | None = None
    ) -> ScoreRequest:
        """The request for one whose speaker gave the text; `utterance` says whose it is."""
        return self._request(utterance, text, language, times, None)

    def context(self, call_id: str) -> list[tuple[str, str]]:
        """(role, text) of the call's last turns, for telling what is private in the next one."""
        known = self._calls.get(call_id)
        return [(one.turn.role, one.turn.text) for one in known.turns] if known else []

    def remember(self, call_id: str, turns: Sequence[SpokenTurn]) -> None:
        """Turns that an earlier model process understood, oldest first."""
        kept = self._of_call(call_id).turns
        known = {one.utterance_id for one in kept}
        earlier = [_said(turn) for turn in turns if turn.utterance_id not in known]
        kept.extendleft(reversed(earlier))

    def report(self, told: AIReport) -> None:
        """What the AI said of itself; told twice, it counts once."""
        self._of_call(told.call_id).report(told)

    def forget(self, call_id: str) -> None:
        """The call is over."""
        self._calls.pop(call_id, None)

    def _of_call(self, call_id: str) -> _Call:
        if call_id not in self._calls and len(self._calls) >= MAX_CALLS:
            del self._calls[next(iter(self._calls))]
        return self._calls.setdefault(call_id, _Call())

    def _request(
        self,
        utterance: UtteranceFinal | UtteranceScored,
        text: str,
        language: str,
        times: Times | None,
        recognition: Recognition | None,
    ) -> ScoreRequest:
        call = self._of_call(utterance.call_id)
        # One that is fed again after a crash is not its own past.
        earlier = [one for one in call.turns if one.utterance_id != utterance.utterance_id]
        if len(earlier) == len(call.turns):
            turn = Turn(utterance.role.value, text)
            call.turns.append(_Said(utterance.utterance_id, turn, times))
        return ScoreRequest(
            text,
            utterance.role.value,
            language,
            tuple(one.turn for one in earlier),
            recognition,
            silence_before_ms=_silence_ms(times, [one.times for one in earlier]),
            ai_confidence=call.ai_confidence,
            tools_failed=call.failed_lately(times[1] if times else utterance.at_ms),
        )


def _said(turn: SpokenTurn) -> _Said:
    times = None if turn.start_ms is None or turn.end_ms is None else (turn.start_ms, turn.end_ms)
    return _Said(turn.utterance_id, Turn(turn.role.value, turn.text), times)


def _silence_ms(times: Times | None, earlier: Sequence[Times | None]) -> int | None:
    """How long nobody had spoken when the utterance began; None where that is not known."""
    if times is None:
        return None
    ends = [one[1] for one in earlier if one is not None and one[0] < times[0]]
    return max(0, times[0] - max(ends)) if ends else None
