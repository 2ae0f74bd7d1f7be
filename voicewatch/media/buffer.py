"""The receive buffer of one leg: arriving packets in, one decision per chunk out. Pure; time is given.

A chunk that is due and not there is concealed at once, so one lost packet costs 20 ms and never a stall.
When nothing at all is there, the place is held for up to `MAX_HOLD` chunks (delay grows with the network's),
then playing starts anew with the next packets. The delay wanted follows the spread of packet delays seen in
the last 2 to 4 s and shrinks back by playing two packets in the time of one, best where nobody speaks.
"""

from __future__ import annotations

from enum import Enum
from math import ceil, inf
from typing import NamedTuple

from voicewatch.media.rtp import TICKS_PER_MS, extend

MIN_TARGET, MAX_TARGET = 2, 10
"""Packets that wait before they are played: 40 to 200 ms."""
MAX_HOLD = 10
CAPACITY = 64
"""Packets kept; when full the oldest give way (a burst after an outage), counted as discarded."""
WINDOW_MS = 2_000
_CHUNK_MS = 20
_RESTART_JUMP = 1_000
"""Sequence numbers further off are a new stream, once a second packet confirms it (RFC 3550 A.1)."""
_SURE_AFTER, _PATIENT_FOR = 25, 100
"""Pulls with more packets than wanted before delay is taken out: in silence, or in any case."""


class Kind(Enum):
    PLAY = "play"
    """Decode `packet`."""
    SQUEEZE = "squeeze"
    """Decode `packet` and `second` and play both in the time of one."""
    RECOVER = "recover"
    """The packet due is lost and `packet` follows it: decode its forward error correction."""
    CONCEAL = "conceal"
    WAIT = "wait"
    """Nothing to play: not begun, or silent for long."""


class Play(NamedTuple):
    kind: Kind
    packet: bytes = b""
    second: bytes = b""


_CONCEAL = Play(Kind.CONCEAL)
_WAIT = Play(Kind.WAIT)
_NO_AUDIO = b""
"""In the place of a packet that carries none."""


def _play(packet: bytes) -> Play:
    return Play(Kind.PLAY, packet) if packet else _CONCEAL


class DelaySpread:
    """How much the delay of packets varied in this window of WINDOW_MS and the one before."""

    __slots__ = ("_least_before_ms", "_most_before_ms", "least_ms", "most_ms", "spread_ms", "until_ms")

    def __init__(self) -> None:
        self.spread_ms = 0.0
        self.least_ms = self._least_before_ms = inf
        self.most_ms = self._most_before_ms = -inf
        """Of this window. A delay between the two, before `until_ms`, changes nothing."""
        self.until_ms = -inf

    def add(self, delay_ms: float, now_ms: float) -> None:
        """Take one packet's delay (against any fixed clock)."""
        if now_ms >= self.until_ms:
            self._least_before_ms, self._most_before_ms = self.least_ms, self.most_ms
            self.least_ms = self.most_ms = delay_ms
            self.until_ms = now_ms + WINDOW_MS
        self.least_ms, self.most_ms = min(self.least_ms, delay_ms), max(self.most_ms, delay_ms)
        self.spread_ms = max(self.most_ms, self._most_before_ms) - min(self.least_ms, self._least_before_ms)


class ReceiveBuffer:
    """Push packets as they come, pull once for every chunk played."""

    __slots__ = (
        "_delays",
        "_excess_for",
        "_floor",
        "_held",
        "_highest",
        "_least",
        "_next",
        "_odd",
        "_packets",
        "_timestamp",
        "_waited",
        "concealed",
        "discarded",
        "duplicates",
        "late",
        "lost",
        "received",
        "target",
    )

    def __init__(self) -> None:
        self.target = MIN_TARGET
        self.received = self.late = self.lost = self.duplicates = self.concealed = self.discarded = 0
        self._packets: dict[int, bytes] = {}
        self._next: int | None = None
        self._floor = -1
        self._highest = -1
        self._timestamp = 0
        self._odd = -1
        self._held = self._waited = 0
        self._least = CAPACITY
        self._excess_for = 0
        self._delays = DelaySpread()

    @property
    def delay_ms(self) -> int:
        """Audio waiting to be played."""
        return len(self._packets) * _CHUNK_MS

    def push(self, sequence: int, timestamp: int, payload: bytes, now_ms: float) -> tuple[int, int] | None:
        """Take a packet (16-bit sequence, 32-bit timestamp as on the wire).

        Its extended sequence and timestamp are returned, or None when it was dropped (late, twice, or stray).
        """
        highest = self._highest
        if highest < 0:
            self._begin(sequence, timestamp)
            highest = self._highest
        extended = highest + 1
        if sequence != extended & 0xFFFF:
            extended = extend(sequence, highest, 16)
            if abs(extended - highest) > _RESTART_JUMP:
                if sequence != self._odd:
                    self._odd = (sequence + 1) & 0xFFFF
                    return None
                self._packets.clear()
                self._begin(sequence, timestamp)
                extended = highest = self._highest
        self._odd = -1
        near = self._timestamp  # written out: `extend` for every packet is a tenth of its cost here
        ticks = near + ((timestamp - near + 0x80000000) & 0xFFFFFFFF) - 0x80000000
        packets = self._packets
        if extended <= highest:
            if extended < (self._floor if self._next is None else self._next):
                self.late += 1
                return None
            if extended in packets:
                self.duplicates += 1
                return None
        self.received += 1
        packets[extended] = payload
        if extended >= highest:
            self._highest, self._timestamp = extended, ticks
        delays, delay_ms = self._delays, now_ms - ticks / TICKS_PER_MS
        if not delays.least_ms <= delay_ms <= delays.most_ms or now_ms >= delays.until_ms:
            delays.add(delay_ms, now_ms)
            self.target = max(MIN_TARGET, min(MAX_TARGET, 1 + ceil(delays.spread_ms / _CHUNK_MS)))
        if len(packets) > CAPACITY:
            self._skip_to(self._highest - self.target + 1)
        return extended, ticks

    def pass_over(self, sequence: int) -> int | None:
        """A packet without audio (a pressed key) has this number: it is not missing.

        The number extended, None if it is stray.
        """
        if self._highest < 0:
            return None
        extended = extend(sequence, self._highest, 16)
        due = self._floor if self._next is None else self._next
        is_stray = extended < due or extended in self._packets
        if is_stray or extended - self._highest > CAPACITY:
            return None
        self._packets[extended] = _NO_AUDIO
        self._highest = max(self._highest, extended)
        if len(self._packets) > CAPACITY:
            self._skip_to(self._highest - self.target + 1)
        return extended

    def take(self) -> bytes | None:
        """The packet that is due, where nothing else has to be thought of; None: `pull` decides."""
        packets, due = self._packets, self._next
        if due is None or len(packets) > self.target:
            return None
        packet = packets.get(due)
        if not packet:
            return None
        del packets[due]
        self._next = due + 1
        self._held = self._excess_for = 0
        self._least = CAPACITY
        return packet

    def pull(self, quiet: bool = False, *, may_squeeze: bool = True) -> Play:
        """What to play now. `quiet`: nobody speaks at the moment, a good time to take out delay."""
        due = self._next
        if due is None:
            if not self._may_begin():
                return _WAIT
            due = self._next
            assert due is not None
        packet = self._packets.pop(due, None)
        if packet is None:
            return self._missing()
        self._next = due + 1
        self._held = 0
        if may_squeeze and self._has_excess(quiet):
            second = self._take()
            if second and packet:
                return Play(Kind.SQUEEZE, packet, second)
            packet = packet or second or _NO_AUDIO
        return _play(packet)

    def restart(self) -> None:
        """Forget the stream, not the counts: the next packet begins another one."""
        self._packets.clear()
        self._next, self._floor, self._highest = None, -1, -1

    # -------------------------------------------------------------- playing

    def _begin(self, sequence: int, timestamp: int) -> None:
        self._highest, self._timestamp = sequence + 0x10000, timestamp + (1 << 32)
        self._next, self._floor, self._waited = None, 0, 0
        self._delays = DelaySpread()

    def _may_begin(self) -> bool:
        if not self._packets:
            return False
        self._waited += 1
        if len(self._packets) < self.target and self._waited <= self.target:
            return False
        self._skip_to(self._highest - self.target + 1)
        self._next = min(self._packets)
        self._waited = self._held = 0
        self._settle()
        return True

    def _take(self) -> bytes | None:
        assert self._next is not None
        packet = self._packets.pop(self._next, None)
        if packet is not None:
            self._next += 1
        return packet

    def _missing(self) -> Play:
        assert self._next is not None
        self._settle()
        if not self._packets:
            self._held += 1
            if self._held > MAX_HOLD:
                self._floor, self._next = self._next, None
                return _WAIT
            self.concealed += 1
            return _CONCEAL
        gap = min(self._packets) - self._next
        if self._held:  # concealment already played stands for the packets that are missing
            stood_for = min(self._held, gap)
            self._held = 0
            self.lost += stood_for
            self._next += stood_for
            if stood_for == gap:
                packet = self._take()
                assert packet is not None
                return _play(packet)
        self.lost += 1
        self.concealed += 1
        self._next += 1
        following = self._packets.get(self._next)
        return Play(Kind.RECOVER, following) if following else _CONCEAL

    def _skip_to(self, sequence: int) -> None:
        for old in [one for one in self._packets if one < sequence]:
            del self._packets[old]
            self.discarded += 1
        if self._next is not None:
            self._next = max(self._next, sequence)

    # -------------------------------------------------------------- delay

    def _has_excess(self, quiet: bool) -> bool:
        """More has been waiting, all of the last half second, than the target asks for."""
        waiting = len(self._packets)
        if waiting < self.target:
            self._settle()
            return False
        self._excess_for += 1
        if waiting < self._least:
            self._least = waiting
        excess = self._least - self.target + 1
        if self._excess_for < _SURE_AFTER or excess < 1:
            return False
        if not (quiet or excess > 2 or self._excess_for >= _PATIENT_FOR):
            return False
        self._settle(_SURE_AFTER - 5 if excess > 1 else 0)
        return True

    def _settle(self, excess_for: int = 0) -> None:
        self._least, self._excess_for = CAPACITY, excess_for
