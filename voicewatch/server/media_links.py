"""Which media process holds which call, and the way to ask it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from voicewatch.processes.messages import Message
from voicewatch.processes.problem import Problem

RETRY_AFTER_S = 1
STOPPED_RETRY_AFTER_S = 10


class Peer(Protocol):
    """The other end of a link, as `processes.link.Peer` is."""

    @property
    def process(self) -> str: ...
    @property
    def epoch(self) -> str: ...
    def tell(self, message: Message, payload: bytes = b"") -> bool: ...
    async def ask(self, command: Message, timeout_s: float = 5.0) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Home:
    """The life of a media process in which a call is open."""

    process: str
    epoch: str


@dataclass(frozen=True)
class Leg:
    call_id: str
    seat_id: str


class MediaLinks:
    """Media processes by name, the calls placed on them, and the legs of those calls."""

    def __init__(self) -> None:
        self._peers: dict[str, Peer] = {}
        self._homes: dict[str, Home] = {}
        self._legs: dict[str, Leg] = {}
        self._leaving: set[Peer] = set()
        self.stopping = False
        """The house is being ended: no call is placed any more."""

    def up(self, peer: Peer) -> None:
        self._peers[peer.process] = peer

    def down(self, peer: Peer) -> None:
        """A newer connection of the same process is left alone."""
        if self._peers.get(peer.process) is peer:
            del self._peers[peer.process]
        self._leaving.discard(peer)

    def leaves(self, peer: Peer) -> None:
        """It ends after the calls it has: no other is placed there."""
        self._leaving.add(peer)

    def place(self, *, is_new: bool = True) -> Peer:
        """The least loaded process. Problem 503 if none is up, or for a new call if the house is stopping."""
        if self.stopping and is_new:
            raise Problem(
                503, "Stopping", "The server is being stopped.", retry_after_s=STOPPED_RETRY_AFTER_S
            )
        peers = [peer for peer in self._peers.values() if peer not in self._leaving]
        if not peers:
            raise _away()
        load = [home.process for home in self._homes.values()]
        return min(peers, key=lambda peer: (load.count(peer.process), peer.process))

    def assign(self, call_id: str, peer: Peer) -> None:
        self._homes[call_id] = Home(peer.process, peer.epoch)

    def home(self, call_id: str) -> Home | None:
        return self._homes.get(call_id)

    def calls_of(self, process: str) -> dict[str, Home]:
        return {call_id: home for call_id, home in self._homes.items() if home.process == process}

    def lose(self, call_id: str) -> None:
        """Its process died: the call has no home until it is placed again."""
        self._homes.pop(call_id, None)
        for leg_id in [leg_id for leg_id, leg in self._legs.items() if leg.call_id == call_id]:
            del self._legs[leg_id]

    def peer_of(self, call_id: str) -> Peer | None:
        """The process that has the call open now, in the same life; None while it is away."""
        home = self._homes.get(call_id)
        peer = self._peers.get(home.process) if home else None
        return peer if peer is not None and home == Home(peer.process, peer.epoch) else None

    async def ask(self, call_id: str, command: Message) -> dict[str, Any]:
        """The answer of the call's process. Problem 503 with Retry-After while it is away."""
        peer = self.peer_of(call_id)
        if peer is None:
            raise _away()
        try:
            return await peer.ask(command)
        except Problem as problem:
            if problem.status == 504:  # no answer in time: for the caller the same as being away
                raise _away() from None
            raise

    def tell(self, call_id: str, message: Message) -> bool:
        peer = self.peer_of(call_id)
        return peer is not None and peer.tell(message)

    def add_leg(self, leg_id: str, leg: Leg) -> None:
        self._legs[leg_id] = leg

    def leg(self, leg_id: str) -> Leg | None:
        return self._legs.get(leg_id)


def _away() -> Problem:
    return Problem(
        503, "Media is restarting", "No media process can take this now.", retry_after_s=RETRY_AFTER_S
    )
