"""What rules ask for beside their alerts and this server does itself: recording paused, recording resumed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from voicewatch.core.events import ActionAsked, ActionDone
from voicewatch.core.rules import RULE_SAYS
from voicewatch.processes.problem import Problem
from voicewatch.server.auth import Account
from voicewatch.server.desk import Desk, Stored
from voicewatch.server.recordings import Recordings, State

STATES: dict[str, State] = {"pause_recording": "paused", "resume_recording": "recording"}


class RuleActions:
    """Reads the desk. What became of an action is a fact, as that it was asked for."""

    def __init__(self, desk: Desk, recordings: Recordings) -> None:
        self._desk = desk
        self._recordings = recordings
        self._acting: set[asyncio.Task[None]] = set()
        desk.readers.append(self._read)

    def _read(self, stored: Sequence[Stored]) -> None:
        for one in stored:
            if isinstance(one.fact, ActionAsked) and one.fact.action in STATES:
                task = asyncio.ensure_future(self._act(one.fact))
                self._acting.add(task)
                task.add_done_callback(self._acting.discard)

    async def _act(self, asked: ActionAsked) -> None:
        by = Account(sub=RULE_SAYS + asked.rule, name=asked.rule, role="admin")
        try:
            await self._recordings.change(by, asked.call_id, STATES[asked.action], f"rule {asked.rule}")
        except Problem as problem:
            await self._say(asked, False, problem.detail)
        else:
            await self._say(asked, True, "")

    async def _say(self, asked: ActionAsked, ok: bool, detail: str) -> None:
        done = asked.model_dump(include={"call_id", "at_ms", "alert_id", "rule", "action"})
        try:
            await self._desk.state(ActionDone(**done, ok=ok, detail=detail))
        except Problem:  # the journal cannot be written now; RecordingChanged tells what is so
            return

    def close(self) -> None:
        for task in self._acting:
            task.cancel()
