"""How the processes fare: readable at /metrics, gone with them, and told when one falls silent."""

from __future__ import annotations

import time

import pytest

from voicewatch.core.events import MediaStatus, RecorderStatus, SpeechStatus, SystemStatus
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
    assert (status.now().degraded, status.is_ok) == ([], True)
    began_s = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: began_s + SILENT_S["model"] + 0.1)
    assert (status.now().degraded, status.is_ok) == (["analysis"], False)
    status.heard(SystemStatus(call_id=""))
    assert (status.now().degraded, status.is_ok) == ([], True)


def test_a_recorder_or_media_process_that_stands_still_is_told_too(monkeypatch: pytest.MonkeyPatch) -> None:
    status = Status(["media-0", "recorder"], lambda: True)
    for process in ("media-0", "recorder"):
        status.up(process)
    told = MediaStatus(call_id="", process="media-0", calls=1, legs=2, load=0.1, complexity=4, admits=True)
    status.heard_media(told)
    status.heard_recorder(RecorderStatus(call_id=""))
    assert status.is_ok
    began_s = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: began_s + 6)
    assert (status.now().degraded, status.is_ok) == (["media", "recording"], False)
    status.down("media-0")
    status.up("media-0")  # another one, of which nothing has been heard yet
    status.heard_recorder(RecorderStatus(call_id=""))
    assert status.is_ok


def test_a_recorder_that_the_disk_refuses_is_told_until_it_records_again() -> None:
    status = Status(["recorder"], lambda: True)
    changes: list[list[str]] = []
    status.on_change = lambda now: changes.append(now.degraded)
    status.up("recorder")
    status.heard_recorder(RecorderStatus(call_id="", failing=2))
    assert not status.is_ok
    status.heard_recorder(RecorderStatus(call_id=""))
    assert status.is_ok
    assert changes == [[], ["recording"], []]


def test_what_it_told_is_forgotten_when_it_goes() -> None:
    status = Status(["model"], lambda: True)
    status.heard_speech(
        SpeechStatus(call_id="", process="model", legs=1, step=0, step_name="normal", load=0.1, lag_ms=0)
    )
    assert status.speech is not None
    status.down("model")
    assert status.speech is None
