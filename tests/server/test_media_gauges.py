"""How a media process fares is readable at /metrics while it is up, and gone with it."""

from __future__ import annotations

from voicewatch.core.events import MediaStatus, RecorderStatus
from voicewatch.server.metrics import MEDIA_GAUGES, RECORDER_GAUGES
from voicewatch.server.status import Status


def test_every_figure_of_a_media_process_is_a_gauge() -> None:
    figures = set(MediaStatus.model_fields) - {"type", "v", "call_id", "at_ms", "at", "seq", "process"}
    assert set(MEDIA_GAUGES) == figures


def test_every_figure_of_the_recorder_is_a_gauge() -> None:
    figures = set(RecorderStatus.model_fields) - {"type", "v", "call_id", "at_ms", "at", "seq"}
    assert set(RECORDER_GAUGES) == figures


def test_a_process_that_is_away_has_no_figures() -> None:
    status = Status(["media-0"], lambda: True)
    told = MediaStatus(call_id="", process="media-0", calls=1, legs=2, load=0.1, complexity=4, admits=True)
    status.heard_media(told)
    assert status.media == {"media-0": told}
    status.down("media-0")
    assert status.media == {}
