"""Facts on their way: kept in order until the other side says that they are durable. Pure."""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import Any

from voicewatch.core.events import Event


class Spool:
    """Numbers events from 1 and holds those not acknowledged, at most `capacity`.

    When it is full the oldest is dropped and counted in `dropped`; the numbers of the others stay.
    """

    def __init__(self, capacity: int = 20_000) -> None:
        self.dropped = 0
        self.last_seq = 0
        self.acknowledged = 0
        self._capacity = capacity
        self._waiting: deque[dict[str, Any]] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, event: Event) -> int:
        """Takes the event in and gives its number."""
        if len(self._waiting) == self._capacity:
            self._waiting.popleft()
            self.dropped += 1
        self._waiting.append(event.model_dump(mode="json"))
        self.last_seq += 1
        return self.last_seq

    def pending(self, limit: int | None = None) -> tuple[int, list[dict[str, Any]]]:
        """The number of the oldest event waiting, and up to `limit` events from there on."""
        return self._first, list(islice(self._waiting, limit))

    def acknowledge(self, seq: int) -> None:
        """Everything up to and including `seq` is durable. Numbers never given and older ones are ignored."""
        if not self.acknowledged < seq <= self.last_seq:
            return
        while self._waiting and self._first <= seq:
            self._waiting.popleft()
        self.acknowledged = seq

    @property
    def _first(self) -> int:
        return self.last_seq - len(self._waiting) + 1
