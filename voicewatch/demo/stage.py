"""Acting a scenario by listening: an actor says a line when he has heard the one before it.

Used by `--once`, where each part is a process of its own that knows nothing of the others but what it hears
on its leg and receives on its socket.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from voicewatch.demo.ear import Ear, Heard
from voicewatch.demo.peer import ClientPeer
from voicewatch.demo.scenarios import Line, Scenario, clip_samples

Report = Callable[..., None]
"""report(what, **evidence): tells the director of the play what was observed."""

_PAUSE_S = 0.5
_QUIET_DBFS = -50.0
_SILENCE_ENDS_NS = 500_000_000
_CERTAIN_LOOKS = 3
"""A clip is believed after so many looks of a fifth of a second."""


@dataclass
class Sighting:
    """When a clip was heard, on CLOCK_MONOTONIC."""

    first_ns: int
    last_ns: int = 0
    looks: int = 0
    correlation: float = 0.0
    finished_ns: int | None = None


@dataclass
class Hearing:
    """What one leg has heard so far, and a way to wait for it."""

    ear: Ear
    report: Report
    sightings: dict[str, Sighting] = field(default_factory=dict)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, samples: npt.NDArray[np.int16]) -> None:
        now_ns = time.monotonic_ns()
        for heard in self.ear.hear(samples):
            self._note(heard, now_ns)
        if self.ear.level_dbfs < _QUIET_DBFS:
            self._finish_what_fell_silent(now_ns)

    def _note(self, heard: Heard, now_ns: int) -> None:
        fresh = Sighting(now_ns - int(heard.position_s * 1e9))
        seen = self.sightings.setdefault(heard.line_id, fresh)
        seen.looks += 1
        seen.last_ns = now_ns
        seen.correlation = max(seen.correlation, heard.correlation)
        if seen.looks == _CERTAIN_LOOKS:
            self.report("heard", line=heard.line_id, at_ns=seen.first_ns)
        if heard.finished and seen.looks >= _CERTAIN_LOOKS:
            self._finish(heard.line_id, seen, now_ns)

    def _finish_what_fell_silent(self, now_ns: int) -> None:
        """The last word of a line may be too short to be recognised; the silence after it is not."""
        for line_id, seen in self.sightings.items():
            if seen.looks >= _CERTAIN_LOOKS and now_ns - seen.last_ns > _SILENCE_ENDS_NS:
                self._finish(line_id, seen, now_ns)

    def _finish(self, line_id: str, seen: Sighting, now_ns: int) -> None:
        if seen.finished_ns is None:
            seen.finished_ns = now_ns
            self.report("heard_to_end", line=line_id, correlation=round(seen.correlation, 2))
            self._changed.set()

    def has_heard(self, line_id: str) -> bool:
        return line_id in self.sightings and self.sightings[line_id].looks >= _CERTAIN_LOOKS

    async def wait_for_end_of(self, line_id: str, timeout_s: float = 25.0) -> bool:
        """True once the line was heard to its end; False after the timeout."""
        deadline = time.monotonic() + timeout_s
        while (seen := self.sightings.get(line_id)) is None or seen.finished_ns is None:
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), max(0.0, deadline - time.monotonic()))
            except TimeoutError:
                self.report("waited_in_vain", line=line_id)
                return False
        return True


class Actor:
    """One part in a scenario: a leg, an ear for every clip, and lines to say."""

    def __init__(self, scenario: Scenario, role: str, server: str, report: Report) -> None:
        self.scenario = scenario
        self.role = role
        self.server = server
        self.report = report
        clips = {line.id: clip_samples(line) for line in scenario.lines}
        self._clips = clips
        others = {line.id: clips[line.id] for line in scenario.lines if line.role != role}
        self.hearing = Hearing(Ear(others), report)
        self.peer: ClientPeer | None = None

    async def join(self, seat_token: str) -> ClientPeer:
        """Bring a leg into the seat. Raises peer.Refused."""
        self.peer = ClientPeer(self.server, seat_token, self.hearing.take)
        await self.peer.connect()
        self.report("connected")
        return self.peer

    def line(self, line_id: str) -> Line:
        return next(line for line in self.scenario.lines if line.id == line_id)

    async def say(self, line_id: str) -> None:
        assert self.peer is not None, "join before speaking"
        start_ns = time.monotonic_ns()
        self.report("says", line=line_id, at_ns=start_ns)
        await self.peer.microphone.say(self._clips[line_id])
        self.report("said", line=line_id, start_ns=start_ns, at_ns=time.monotonic_ns())

    async def say_after(self, heard: str, line_id: str, pause_s: float = _PAUSE_S) -> None:
        """Wait for the end of a line of somebody else, then say one's own."""
        await self.hearing.wait_for_end_of(heard)
        await asyncio.sleep(pause_s)
        await self.say(line_id)

    def summary(self) -> dict[str, Any]:
        """What this leg heard, for the report."""
        return {
            name: {"looks": seen.looks, "correlation": round(seen.correlation, 2), "first_ns": seen.first_ns}
            for name, seen in self.hearing.sightings.items()
        }
