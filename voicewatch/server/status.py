"""The state of the house: which processes are there, and what is degraded while one is not."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from voicewatch.core.events import MediaStatus, RecorderStatus, SpeechStatus, SystemStatus
from voicewatch.processes.messages import HouseStatus
from voicewatch.processes.placement import kind_of

DEGRADES = {"model": "analysis", "recorder": "recording"}
"""What suffers while a process is away; media processes: `media`."""
SILENT_S = {"model": 1.6, "media": 3.0, "recorder": 5.0}
"""By kind: the model process tells how it fares twice a second, media once, the recorder after each sync of
the disk, a second later. One that has stopped telling does not work either."""


class Status:
    """`processes`: those expected to connect. `on_change` is called with the new state."""

    def __init__(self, processes: Iterable[str], writable: Callable[[], bool]) -> None:
        self._states = {"front": "up"} | dict.fromkeys(processes, "starting")
        self._writable = writable
        self._model = SystemStatus(call_id="")
        self._heard_s: dict[str, float] = {}
        """When a process that is up last told how it fares."""
        self.speech: SpeechStatus | None = None
        """How the model process fares, while it is up."""
        self.on_change: Callable[[SystemStatus], None] = lambda _: None
        self._told: SystemStatus | None = None
        self.media: dict[str, MediaStatus] = {}
        """By process, of those that are up: how they fare."""
        self.recorder: RecorderStatus | None = None
        """How the recorder fares, while it is up."""
        self.restarts: dict[str, int] = {}
        """By process, since the server was started; empty where no keeper tells them."""

    def up(self, process: str) -> None:
        self._states[process] = "up"
        self.check()

    def down(self, process: str) -> None:
        self._states[process] = "down"
        self._heard_s.pop(process, None)
        last = self.media.pop(process, None)
        if last is not None and last.leaving:  # as it said it would
            del self._states[process]
        if process == "recorder":
            self.recorder = None
        if process == "model":
            self._model = SystemStatus(call_id="")
            self.speech = None
        self.check()

    def heard(self, status: SystemStatus) -> None:
        """What the model process says of its own lag, engines and troubles."""
        self._model = status
        self._heard_s["model"] = time.monotonic()
        self.check()

    def heard_speech(self, status: SpeechStatus) -> None:
        self.speech = status

    def heard_media(self, status: MediaStatus) -> None:
        self.media[status.process] = status
        self._heard_s[status.process] = time.monotonic()

    def heard_recorder(self, status: RecorderStatus) -> None:
        self.recorder = status
        self._heard_s["recorder"] = time.monotonic()
        self.check()

    def heard_keeper(self, status: HouseStatus) -> None:
        """Which processes there are, and how often each was started again."""
        self.restarts = {name: child.restarts for name, child in status.processes.items()}
        for name in status.processes:
            self._states.setdefault(name, "starting")
        for name in self._states.keys() - status.processes.keys():
            del self._states[name]
        self.check()

    def check(self) -> None:
        """Tells of a change, if there is one."""
        now = self.now()
        if now != self._told:
            self._told = now
            self.on_change(now)

    def now(self) -> SystemStatus:
        away = [name for name, state in self._states.items() if state != "up"]
        troubles = [DEGRADES.get(name, "media") for name in away + self._silent()]
        troubles += self._model.degraded
        if self._records_in_part:
            troubles.append(DEGRADES["recorder"])
        if not self._writable():
            troubles.append("journal")
        return SystemStatus(
            call_id="",
            processes=dict(self._states),
            degraded=list(dict.fromkeys(troubles)),
            analysis_lag_ms=self._model.analysis_lag_ms,
            engines=self._model.engines,
        )

    @property
    def is_ok(self) -> bool:
        is_up = all(state == "up" for state in self._states.values()) and not self._silent()
        return is_up and self._writable() and not self._records_in_part

    def _silent(self) -> list[str]:
        now_s = time.monotonic()
        return [name for name, heard_s in self._heard_s.items() if now_s - heard_s > SILENT_S[kind_of(name)]]

    @property
    def _records_in_part(self) -> bool:
        return self.recorder is not None and self.recorder.failing > 0
