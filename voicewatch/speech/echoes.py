"""The echo guard of each call, and the loudness of the AIs whose words are known and not recognised."""

from __future__ import annotations

import struct
from collections.abc import Hashable

from voicewatch.core.echo import EchoGuard

LEVEL = struct.Struct("!HIb")
"""As LevelsSent has it: stream, at_ms, level dBFS."""


class Echoes:
    """Streams are named by the media process and its number for them."""

    def __init__(self, most_streams: int) -> None:
        """Past `most_streams` at once further ones are not listened to: a broken peer cannot fill memory."""
        self._most = most_streams
        self._guards: dict[str, EchoGuard] = {}
        self._calls: dict[tuple[Hashable, int], str] = {}

    def of(self, call_id: str) -> EchoGuard:
        """The guard that the legs of a call share."""
        return self._guards.setdefault(call_id, EchoGuard())

    def open(self, peer: Hashable, stream: int, call_id: str) -> None:
        """A stream of which only loudness will come."""
        self.close(peer, stream)
        if len(self._calls) < self._most:
            self._calls[peer, stream] = call_id
            self.of(call_id)

    def close(self, peer: Hashable, stream: int) -> str | None:
        """Nothing more comes of a stream; its call, if it was one of these."""
        return self._calls.pop((peer, stream), None)

    def close_all(self, peer: Hashable) -> list[str]:
        """A media process went away: the calls whose loudness came from it."""
        gone = [key for key in self._calls if key[0] == peer]
        return [self._calls.pop(key) for key in gone]

    def hear(self, peer: Hashable, payload: bytes, count: int) -> None:
        """`count` levels; those of unknown streams count for nothing."""
        size = min(len(payload) // LEVEL.size, count) * LEVEL.size
        for stream, at_ms, level_dbfs in LEVEL.iter_unpack(payload[:size]):
            call_id = self._calls.get((peer, stream))
            if call_id is not None:
                self.of(call_id).sent(at_ms, level_dbfs)

    def said(self, call_id: str, at_ms: int, text: str) -> None:
        """The AI tells what it says, in a call that is listened to."""
        if call_id in self._guards:
            self._guards[call_id].said(at_ms, text)

    def forget(self, call_id: str) -> None:
        """No leg of the call is open any more; where loudness still comes, the guard stays."""
        if call_id not in self._calls.values():
            self._guards.pop(call_id, None)
