"""Is a leg alive, is a call silent: small state machines over observations. Pure; time is given."""

from __future__ import annotations

from enum import Enum

LIVE_AFTER_CHUNKS = 10
"""200 ms of packets that decode prove a leg."""
RECOVERED_AFTER_CHUNKS = 5
DEAD_AIR_MS = 3_000


class LegState(Enum):
    UNPROVED = "unproved"
    LIVE = "live"
    STALLED = "stalled"
    LOST = "lost"


class LegNews(Enum):
    LIVE = "live"
    STALLED = "stalled"
    RECOVERED = "recovered"
    LOST = "lost"


LEAST_UNSEEN_MS = 1_800
"""One who only listens shows himself by ICE consent (RFC 7675), about once a second."""


class LegWatch:
    """Follows one connected leg by its packets; one that only listens by anything that comes from it.

    A lost leg is still followed: it recovers when packets come again. With `may_idle` a leg is not lost while
    anything comes from it (a bot that sends nothing between two sentences).
    """

    __slots__ = ("_lost_ms", "_may_idle", "_proved", "_since", "_stalled_ms", "speaks", "state")

    def __init__(self, *, stalled_ms: int, lost_ms: int, speaks: bool, may_idle: bool = False) -> None:
        self.state = LegState.UNPROVED
        self.speaks = speaks
        self._may_idle = may_idle
        self._stalled_ms, self._lost_ms = stalled_ms, lost_ms
        self._since = 0
        self._proved = False

    def tick(self, quiet_ms: float, decoded: int, unseen_ms: float) -> LegNews | None:
        """`quiet_ms`: since the last packet (or the connection); `decoded`: packets decoded so far;
        `unseen_ms`: since anything came."""
        if not self.speaks:
            return self._tick_listener(unseen_ms)
        if self.state is LegState.LIVE:
            return self._stall(decoded) if quiet_ms >= self._stalled_ms else None
        if self.state is not LegState.UNPROVED and decoded - self._since >= RECOVERED_AFTER_CHUNKS:
            return self._recover()
        if self.state is LegState.LOST:
            return None
        if (unseen_ms if self._may_idle else quiet_ms) >= self._lost_ms:
            self.state, self._since = LegState.LOST, decoded
            return LegNews.LOST
        if self.state is LegState.STALLED:
            return None
        if decoded >= LIVE_AFTER_CHUNKS:
            return self._live()
        return self._stall(decoded) if quiet_ms >= self._stalled_ms else None

    def _tick_listener(self, unseen_ms: float) -> LegNews | None:
        stalled_ms = max(self._stalled_ms, LEAST_UNSEEN_MS)
        if self.state is LegState.UNPROVED:
            return self._live()
        if self.state is LegState.LIVE:
            return self._stall(0) if unseen_ms >= stalled_ms else None
        if unseen_ms < stalled_ms:
            return self._recover()
        if self.state is LegState.STALLED and unseen_ms >= self._lost_ms:
            self.state = LegState.LOST
            return LegNews.LOST
        return None

    def _live(self) -> LegNews:
        self.state, self._proved = LegState.LIVE, True
        return LegNews.LIVE

    def _stall(self, decoded: int) -> LegNews:
        self.state, self._since = LegState.STALLED, decoded
        return LegNews.STALLED

    def _recover(self) -> LegNews:
        self.state = LegState.LIVE if self._proved else LegState.UNPROVED
        return LegNews.RECOVERED


class SilenceWatch:
    """Dead air: nobody who matters has spoken for DEAD_AIR_MS."""

    __slots__ = ("_spoke_ms", "since_ms")

    def __init__(self) -> None:
        self.since_ms: int | None = None
        """When the silence that was told began; None while there is none."""
        self._spoke_ms: int | None = None

    def tick(self, at_ms: int, *, watched: bool, spoken: bool) -> bool | None:
        """True: a silence (since `since_ms`) is now told; False: it ended; None: nothing new.

        `watched` is False while the customer has nobody to talk with; then no silence begins.
        """
        if spoken or not watched or self._spoke_ms is None:
            self._spoke_ms = at_ms
            ended, self.since_ms = self.since_ms is not None, None
            return False if ended else None
        if self.since_ms is None and at_ms - self._spoke_ms >= DEAD_AIR_MS:
            self.since_ms = self._spoke_ms
            return True
        return None
