"""Signals of the house: how its processes fare (`call_id` is empty)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from voicewatch.core.events.base import Signal


class SystemStatus(Signal):
    """The house itself (`call_id` is empty): processes and what is degraded."""

    type: Literal["system"] = "system"
    processes: dict[str, str] = Field(default_factory=dict)
    """name -> up | starting | down"""
    degraded: list[str] = Field(default_factory=list)
    analysis_lag_ms: int = 0
    engines: dict[str, str] = Field(default_factory=dict)


class MediaStatus(Signal):
    """How a media process fares (`call_id` is empty), about once a second. Counts are since its start."""

    type: Literal["media_status"] = "media_status"
    process: str
    calls: int
    legs: int
    load: float
    """Share of a tick's 20 ms spent working, mean of a second."""
    complexity: int
    """Opus encoder complexity in force; lower than set while the process works hard."""
    admits: bool
    """False: it works so hard that new calls are refused."""
    ticks: int = 0
    late_ticks: int = 0
    """More than 10 ms late."""
    skipped_ticks: int = 0
    late_ms: float = 0.0
    """The latest tick since the status before."""
    mix_ms: float = 0.0
    """Mixing, encoding and sending, per tick, since the status before."""
    cpu_s: float = 0.0
    packets_in: int = 0
    packets_out: int = 0
    lost: int = 0
    concealed: int = 0
    late: int = 0
    strays: int = 0
    undecryptable: int = 0
    unsent: int = 0
    failed_legs: int = 0
    """Ended because their packets could not be handled."""
    failed_rooms: int = 0
    """Times a call could not be mixed."""
    recorder_dropped: int = 0
    """Packets that the recorder was not there for, or did not read."""
    model_missed: int = 0
    """Chunks that the model process could not be given in time."""
    tells_dropped: int = 0
    """Messages told to nobody: signals to front, ticks to model and recorder."""
    spool_waiting: int = 0
    """Facts that front has not yet made durable."""
    spool_dropped: int = 0
    """Facts lost because there were too many of those."""
    leaving: bool = False
    """It takes no new calls and ends after its last one; another process has taken its place."""

    @property
    def key(self) -> str:
        return f":{self.process}:media_status"


class RecorderStatus(Signal):
    """How the recorder fares (`call_id` is empty), about once a second. Counts are since its start."""

    type: Literal["recorder_status"] = "recorder_status"
    files: int = 0
    """Being written."""
    paused: int = 0
    """Calls that are not to be recorded now."""
    packets: int = 0
    """Written."""
    late: int = 0
    """Left out: their time in the file was over. Counted when a file ends."""
    malformed: int = 0
    """Left out: no Opus."""
    failures: int = 0
    """Files that broke off or could not be begun: the disk, or no key."""
    failing: int = 0
    """Seats that are not recorded now for such a reason."""
    sync_ms: float = 0.0
    """How long the last sync of all files took."""


class SpeechStatus(Signal):
    """How the model process fares (`call_id` is empty), about twice a second. Counts are since its start."""

    type: Literal["speech_status"] = "speech_status"
    process: str
    legs: int
    step: int
    """Of the overload ladder: 0 normal .. 5 finals come late."""
    step_name: str
    load: float
    """Share of the recogniser threads' time spent working, mean of 5 s."""
    lag_ms: int
    """Age of the oldest final not yet decoded."""
    waiting_finals: int = 0
    waiting_audio_ms: int = 0
    steps_taken: int = 0
    """How often the step changed."""
    finals: int = 0
    partials: int = 0
    decodes: int = 0
    batches: int = 0
    """Calls of the recogniser; `decodes` by `batches` is how many were done at once."""
    shed: int = 0
    """Interim and early decodes left out, since something better had to be done."""
    given_up: int = 0
    """Finals that became a `transcript_gap`."""
    hung: int = 0
    committed_words: int = 0
    revised_words: int = 0
    legs_refused: int = 0
    cpu_s: float = 0.0
    guards: dict[str, int] = Field(default_factory=dict)
    """How often each hallucination guard fired."""

    @property
    def key(self) -> str:
        return f":{self.process}:speech_status"
