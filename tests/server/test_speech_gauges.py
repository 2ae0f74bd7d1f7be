"""How the model process fares: readable at /metrics, gone with it, and told when it falls silent."""

from __future__ import annotations

import time

import pytest

from voicewatch.core.events import SpeechStatus, SystemStatus
from voicewatch.server.metrics import SPEECH_GAUGES
from voicewatch.server.status import SILENT_S, Status


def test_every_figure_of_the_model_process_is_a_gauge() -> None:
    shown_otherwise = {"process", "step_name", "guards", "decodes"}
    figures = set(SpeechStatus.model_fields) - {"type", "v", "call_id", "at_ms", "at", "seq"}
    assert set(SPEECH_GAUGES) == figures - shown_otherwise


def test_a_model_process_that_falls_silent_is_degraded_until_it_speaks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    status = Status(["model"], lambda: True)
    status.up("model")
    status.heard(SystemStatus(call_id=""))
    assert status.now().degraded == []
    began_s = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: began_s + SILENT_S + 0.1)
    assert status.now().degraded == ["analysis"]
    status.heard(SystemStatus(call_id=""))
    assert status.now().degraded == []


def test_what_it_told_is_forgotten_when_it_goes() -> None:
    status = Status(["model"], lambda: True)
    status.heard_speech(
        SpeechStatus(call_id="", process="model", legs=1, step=0, step_name="normal", load=0.1, lag_ms=0)
    )
    assert status.speech is not None
    status.down("model")
    assert status.speech is None
