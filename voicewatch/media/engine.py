"""The tick. Every 20 ms, for all calls at once: read sockets, decode, listen for voices, mix, encode, send.

One task, no threads, nothing that waits per packet. Sockets are read twice a tick. The schedule is fixed
(tick n is due n x 20 ms after the start), so late ticks do not shift the clock: up to two a turn are made
good at once, and a stall longer than `MAX_BEHIND` ticks is skipped, in the timestamps too.
"""

from __future__ import annotations

import asyncio
import gc
import select
import socket
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import structlog

from voicewatch.core.events import MediaStatus
from voicewatch.media.backdrop import Backdrop
from voicewatch.media.departure import Departure
from voicewatch.media.leg import QUIET_DBFS, Leg, Path
from voicewatch.media.loudness import Match, Speaker, amplify, powers
from voicewatch.media.mixer import LevelMeter, Past, Pcm
from voicewatch.media.opus import CHUNK_MS, CHUNK_SAMPLES, Decoder, Encoder, OpusLibrary
from voicewatch.media.room import WARM_UP_CHUNKS, Room
from voicewatch.media.srtp import Slot
from voicewatch.media.strain import Strain
from voicewatch.media.voice import VoiceDetector
from voicewatch.processes.faults import fault
from voicewatch.processes.problem import Problem

log = structlog.get_logger(__name__)

TICK_NS = CHUNK_MS * 1_000_000
MAX_BEHIND = 10
"""Ticks made good after a stall (200 ms, the longest a receiver's buffer waits); more are skipped."""
READS_PER_DRAIN = 12
"""Datagrams taken from one socket per 10 ms; more wait in the kernel, which drops when full (a flood)."""
_HALF_TICK_NS = TICK_NS // 2
_EARLY_NS = 2_000_000
"""A turn wakes up so much before its time, since asyncio's timers are up to a millisecond late: it reads what
has come and waits for the rest, so that packets leave on the grid."""
_HANDSHAKE_NS = 6_000_000
"""A step of a handshake takes up to 4 ms: it is begun when the next tick is farther than this,"""
_PATIENT_FOR_TICKS = 5
"""or when none could be begun for so long."""
_STEPS_OF_AN_ERRAND = 3
"""Turns of the event loop: the waiter goes on, and who waits for him."""
_YOUNG_GARBAGE, _GARBAGE_ROUNDS = 700, 10
"""CPython's own thresholds."""
_LEAST_TURN_NS = TICK_NS // 4
"""Between two turns at the sockets, so that made-good ticks do not leave as one burst."""
_SILENT_DBFS = -95.0
_SLOTS = 128
"""Datagrams that one stage hands to the next: large enough that each stage finds its code in the cache, small
enough that the next one finds the data there."""
_RTCP_EVERY_TICKS = 50
_MEASURE_EVERY_TICKS = 4
"""Loudness is a mean over seconds: a quarter of the chunks tell it."""


@dataclass(slots=True)
class Counters:
    """Of the whole process, since its start."""

    ticks: int = 0
    late_ticks: int = 0
    skipped_ticks: int = 0
    failed_legs: int = 0
    failed_rooms: int = 0
    late_ms: float = 0.0
    """Of the latest tick since `Engine.status` was last asked."""
    mix_ns: int = 0


@dataclass(slots=True)
class Traffic:
    """Packets and chunks of legs."""

    packets_in: int = 0
    packets_out: int = 0
    lost: int = 0
    concealed: int = 0
    late: int = 0
    strays: int = 0
    undecryptable: int = 0
    unsent: int = 0

    def add(self, leg: Leg) -> None:
        self.packets_in += leg.buffer.received
        self.packets_out += leg.packets_out
        self.lost += leg.buffer.lost
        self.concealed += leg.buffer.concealed
        self.late += leg.buffer.late
        self.strays += leg.strays
        self.undecryptable += leg.undecryptable
        self.unsent += leg.unsent


class _Source(NamedTuple):
    """One socket being read, and who takes what is not media (STUN, DTLS)."""

    leg: Leg
    receive: Callable[[Any], tuple[int, Any]]
    handshake: Callable[[bytes, Any], None]


class Engine:
    """Owns the tick, the legs and the rooms. `after_tick(tick, due_ns)` is called with the packets out."""

    def __init__(
        self,
        *,
        bitrate_bps: int,
        complexity: int,
        vad_mode: int,
        max_legs: int,
        backdrop_dbfs: float,
        adapts: bool = True,
        forwards: bool = True,
    ) -> None:
        """Without `adapts` the complexity stays, however hard the work; without `forwards` all is encoded."""
        self._forwards = forwards
        self._library = OpusLibrary()
        self._bitrate_bps, self._vad_mode = bitrate_bps, vad_mode
        self.strain = Strain(complexity, adapts=adapts)
        self._backdrop = Backdrop(self._new_encoder(), backdrop_dbfs)
        self.pcm = np.zeros((max_legs, CHUNK_SAMPLES), np.int16)
        """What each leg says in this tick; a leg knows its row."""
        self._past = Past(max_legs, WARM_UP_CHUNKS)
        self._matched = np.zeros((max_legs, CHUNK_SAMPLES), np.int16)
        self._levels = LevelMeter(max_legs)
        self._free_rows = list(range(max_legs - 1, -1, -1))
        self._rows_used = 0
        self._epoll = select.epoll()
        self._sources: dict[int, _Source] = {}
        self._leaving: list[Leg] = []
        self._failed: list[Leg] = []
        self._errands: deque[asyncio.Future[None]] = deque()  # a leg: its offer and MAX_FLIGHTS
        self._errand_tick = 0
        self._departure = Departure()
        self._departs = False
        """Whether ticks are run by the clock."""
        self._idle_ns = 0
        """Waited in this turn for packets to leave."""
        self._knocking: list[tuple[_Source, bytes, Any]] = []
        """What was read and is no media; READS_PER_DRAIN a socket, for packets of media go first."""
        self._slots = [Slot() for _ in range(_SLOTS)]
        self.legs: list[Leg] = []
        self.rooms: set[Room] = set()
        self.counters = Counters()
        self._gone = Traffic()
        self._told_ticks = self._told_mix_ns = 0
        self.tick = 0
        self.after_tick: Callable[[int, int], None] = lambda tick, due_ns: None
        self.on_failed: Callable[[Leg], None] = self.remove_leg

    # -------------------------------------------------------------- legs and rooms

    def new_room(self) -> Room:
        room = Room(self._new_encoder, self._backdrop, forwards=self._forwards)
        self.rooms.add(room)
        return room

    def close_room(self, room: Room) -> None:
        self.rooms.discard(room)

    def add_leg(
        self,
        leg_id: str,
        path: Path,
        sockets: list[tuple[socket.socket, Callable[[bytes, Any], None]]],
    ) -> Leg:
        """From now on the leg's sockets are read here. Raises Problem(503) when the process is full."""
        if not self._free_rows:
            raise Problem(
                503, "Too many legs", f"this media process carries {len(self.legs)} legs", retry_after_s=5
            )
        row = self._free_rows.pop()
        self._rows_used = max(self._rows_used, row + 1)
        leg = Leg(
            leg_id,
            path,
            Decoder(self._library),
            VoiceDetector(self._vad_mode),
            row,
            self.pcm[row],
            self._past,
            time.monotonic_ns() / 1e6,
        )
        for sock, handshake in sockets:
            number = sock.fileno()
            self._sources[number] = _Source(leg, sock.recvfrom_into, handshake)
            self._epoll.register(number, select.EPOLLIN)
        self.legs.append(leg)
        return leg

    def remove_leg(self, leg: Leg) -> None:
        """Stop reading it; its voice fades during the next tick. Its sockets may be closed already."""
        if leg not in self.legs:
            return
        self.legs.remove(leg)
        self._gone.add(leg)
        self._leaving.append(leg)
        for number in [number for number, source in self._sources.items() if source.leg is leg]:
            del self._sources[number]
            try:
                self._epoll.unregister(number)
            except (OSError, ValueError):  # closed: the kernel has forgotten it already
                continue

    def measure(self, leg: Leg, speaker: Speaker) -> None:
        """Follow how loud he speaks."""
        leg.speaker = speaker

    def match(self, leg: Leg, match: Match) -> None:
        """From now on listeners hear him as loud as whom he is matched to; `pcm` stays as it came."""
        leg.speaker, leg.match = match.speaker, match
        leg.sound_as(self._matched[leg.row])

    def _new_encoder(self) -> Encoder:
        return Encoder(self._library, self._bitrate_bps, self.strain.complexity)

    # -------------------------------------------------------------- the tick

    async def run(self) -> None:
        """Tick until cancelled."""
        gc.collect()
        gc.freeze()
        gc.disable()  # it would come when an allocation is one too many; `_tidy` comes in lulls
        start_ns = turn_ns = time.monotonic_ns()
        worked_ns = 0
        self._departs = True
        try:
            while True:
                half_tick = (turn_ns - start_ns) // _HALF_TICK_NS + 1
                next_ns = max(start_ns + half_tick * _HALF_TICK_NS, turn_ns + _LEAST_TURN_NS)
                await asyncio.sleep(max(0.0, (next_ns - _EARLY_NS - time.monotonic_ns()) / 1e9))
                woke_ns = time.monotonic_ns()
                self.drain()
                worked_ns += time.monotonic_ns() - woke_ns
                turn_ns = _wait_until(next_ns)
                ran = self._run_due(start_ns, turn_ns)
                self._open_doors()
                now_ns = time.monotonic_ns()
                worked_ns += now_ns - turn_ns - self._idle_ns
                self._idle_ns = 0
                if ran:
                    self._strain(worked_ns / ran / 1e6, now_ns / 1e6)
                    worked_ns = 0
                    _tidy()
                await self._rest(start_ns + (self.tick + 1) * TICK_NS)
        finally:
            gc.enable()
            for errand in self._errands:
                errand.cancel()
            self._epoll.close()

    async def lull(self) -> None:
        """Wait for a moment when the next tick is far enough: the time for handshakes."""
        errand: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._errands.append(errand)
        await errand

    async def _rest(self, next_tick_ns: int) -> None:
        """Let waiters go, one after the other, so that the work of several never adds up to a late tick."""
        while self._errands:
            in_time = next_tick_ns - time.monotonic_ns() > _HANDSHAKE_NS
            if not in_time and self.tick - self._errand_tick < _PATIENT_FOR_TICKS:
                return
            self._errand_tick = self.tick
            errand = self._errands.popleft()
            if not errand.done():  # its waiter was not cancelled
                errand.set_result(None)
                for _ in range(_STEPS_OF_AN_ERRAND):
                    await asyncio.sleep(0)

    def _strain(self, work_ms: float, now_ms: float) -> None:
        """What the work of the last tick means for the encoders."""
        if self.strain.tick(work_ms, now_ms):
            log.info("media_complexity", complexity=self.strain.complexity, load=round(self.strain.load, 2))
            for room in self.rooms:
                room.set_complexity(self.strain.complexity)

    def _run_due(self, start_ns: int, now_ns: int) -> int:
        """Run the tick that is due, and one more if that is due too; how many were run."""
        behind_ns = now_ns - start_ns - (self.tick + 1) * TICK_NS
        if behind_ns < -_EARLY_NS:
            return 0
        self._note_lateness(behind_ns)
        behind = max(0, behind_ns // TICK_NS)
        if behind > MAX_BEHIND:
            self.tick += behind
            self.counters.skipped_ticks += behind
            log.warning("media_ticks_skipped", skipped=behind)
            behind = 0
        due = 1 + min(1, behind)
        for _ in range(due):
            self.tick += 1
            self.run_tick(start_ns + self.tick * TICK_NS)
        return due

    def _note_lateness(self, late_ns: int) -> None:
        late_ms = late_ns / 1e6
        if late_ms > CHUNK_MS / 2:
            self.counters.late_ticks += 1
        self.counters.late_ms = max(self.counters.late_ms, late_ms)

    def status(self, process: str, calls: int) -> MediaStatus:
        """How it fares; what is "since the status before" begins anew."""
        counters, traffic = self.counters, replace(self._gone)
        for leg in self.legs:
            traffic.add(leg)
        ticks = max(1, counters.ticks - self._told_ticks)
        status = MediaStatus(
            call_id="",
            process=process,
            calls=calls,
            legs=len(self.legs),
            load=round(self.strain.load, 3),
            complexity=self.strain.complexity,
            admits=self.strain.admits,
            ticks=counters.ticks,
            late_ticks=counters.late_ticks,
            skipped_ticks=counters.skipped_ticks,
            late_ms=round(counters.late_ms, 1),
            mix_ms=round((counters.mix_ns - self._told_mix_ns) / ticks / 1e6, 3),
            cpu_s=round(time.process_time(), 2),
            failed_legs=counters.failed_legs,
            failed_rooms=counters.failed_rooms,
            **asdict(traffic),
        )
        self._told_ticks, self._told_mix_ns, counters.late_ms = counters.ticks, counters.mix_ns, 0.0
        return status

    def drain(self) -> None:
        """Read what has come, at most READS_PER_DRAIN datagrams a socket."""
        now_ms = time.monotonic_ns() / 1e6
        for _ in range(READS_PER_DRAIN):
            ready = self._epoll.poll(0, _SLOTS)
            if not ready:
                return
            self._take_in(self._read(ready), now_ms)

    def _read(self, ready: list[tuple[int, int]]) -> list[tuple[Leg, Slot, int]]:
        """One datagram from each of these sockets: those of media. All are read before any is looked at."""
        arrived: list[tuple[Leg, Slot, int]] = []
        for (number, _), slot in zip(ready, self._slots, strict=False):
            source = self._sources.get(number)
            if source is None:
                continue
            leg, receive, _ = source
            try:
                size, address = receive(slot.view)
            except OSError:  # nothing there any more, or an ICMP error of an earlier send: reading clears it
                continue
            if not size:
                continue
            if 128 <= slot.view[0] <= 191:
                arrived.append((leg, slot, size))
            else:
                self._knocking.append((source, slot.bytes[:size], address))
        return arrived

    def _take_in(self, arrived: list[tuple[Leg, Slot, int]], now_ms: float) -> None:
        """Decrypt all, then put all into their buffers."""
        unsealed: list[tuple[Leg, Slot, int]] = []
        for leg, slot, sealed_size in arrived:
            try:
                size = leg.unseal(slot, sealed_size, now_ms)
            except Exception as error:  # boundary: what a peer sends may end his leg only
                self._fail(leg, error)
                continue
            if size:
                unsealed.append((leg, slot, size))
        for leg, slot, size in unsealed:
            try:
                leg.receive(slot, size, now_ms)
            except Exception as error:  # boundary: as above
                self._fail(leg, error)

    def _open_doors(self) -> None:
        """Hand on what is not media: tenths of a millisecond each, so when this tick's packets are out."""
        now_ms = time.monotonic_ns() / 1e6
        for source, data, address in self._knocking:
            leg = source.leg
            try:
                source.handshake(data, address)
                leg.last_seen_ms = now_ms
                leg.path.follow_nomination()
            except Exception as error:  # boundary: anybody may send this, so it ends nothing
                leg.strays += 1
                log.warning("media_odd_datagram", leg_id=leg.leg_id, **fault(error))
        self._knocking.clear()

    def run_tick(self, due_ns: int) -> None:
        """One chunk for everybody."""
        self.counters.ticks += 1
        self._advance()
        for leg in self._leaving:
            leg.fade_away()
        self._listen()
        self._match()
        mixing_ns = time.monotonic_ns()
        idle_ns = self._idle_ns
        self._send(due_ns)
        self.counters.mix_ns += time.monotonic_ns() - mixing_ns - (self._idle_ns - idle_ns)
        self._past.keep(self.pcm[: self._rows_used])
        self._send_reports(due_ns)
        self._free_left()
        self.after_tick(self.tick, due_ns)
        self._bury()

    def _advance(self) -> None:
        for leg in self.legs:
            try:
                leg.advance()
            except Exception as error:  # boundary: one leg's trouble is its own
                self._fail(leg, error)

    def _send(self, due_ns: int) -> None:
        """What every room sends: made for all, encrypted for all, sent for all at once."""
        outgoing: list[tuple[Leg, bytes]] = []
        for room in self.rooms:
            try:
                room.render(self.tick, outgoing)
            except Exception as error:  # boundary: one call's trouble is its own
                self.counters.failed_rooms += 1
                log.error("media_room_failed", **fault(error))
        sealed = self._seal(outgoing)
        if self._departs:
            self._await_departure(due_ns)
        self._deliver(sealed)

    def _seal(self, outgoing: list[tuple[Leg, bytes]]) -> list[tuple[Leg, bytes]]:
        """Each leg's packet as it is sent. All are encrypted before any is sent: code stays in the cache."""
        sealed: list[tuple[Leg, bytes]] = []
        for leg, payload in outgoing:
            try:
                sealed.append((leg, leg.seal(self._slots[0], self.tick, payload)))
            except Exception as error:  # boundary: one leg's trouble is its own
                self._fail(leg, error)
        return sealed

    def _deliver(self, sealed: list[tuple[Leg, bytes]]) -> None:
        for leg, packet in sealed:
            try:
                leg.send(packet)
            except Exception as error:  # boundary: as above
                self._fail(leg, error)

    def _await_departure(self, due_ns: int) -> None:
        ready_ns = time.monotonic_ns()
        departs_ns = self._departure.of(due_ns, ready_ns)
        if departs_ns > ready_ns:
            time.sleep((departs_ns - ready_ns) / 1e9)
            self._idle_ns += time.monotonic_ns() - ready_ns

    def _listen(self) -> None:
        if self._rows_used == 0:
            return
        levels = self._levels(self.pcm[: self._rows_used]).tolist()
        for leg in self.legs:
            level = leg.level_dbfs = levels[leg.row]
            sounding = leg.sounding = level > _SILENT_DBFS
            voiced = leg.voice.hear(leg.samples if sounding else None)
            leg.quiet_for = 0 if voiced or level > QUIET_DBFS else leg.quiet_for + 1
        for leg in self._leaving:
            leg.sounding = levels[leg.row] > _SILENT_DBFS

    def _match(self) -> None:
        """Measure who speaks, and give those who are matched their gain; all in one go."""
        if self.tick % _MEASURE_EVERY_TICKS == 0:
            self._measure()
        matched = [leg for leg in (*self.legs, *self._leaving) if leg.sounding and leg.match is not None]
        if matched:
            factors = [leg.match.step() for leg in matched if leg.match is not None]
            self._matched[[leg.row for leg in matched]] = amplify(self._rows(matched), factors)

    def _measure(self) -> None:
        measured = [leg for leg in self.legs if leg.speaker is not None and leg.voice.voiced]
        if measured:
            for leg, power in zip(measured, powers(self._rows(measured)).tolist(), strict=True):
                assert leg.speaker is not None
                leg.speaker.hear(power, _MEASURE_EVERY_TICKS)

    def _rows(self, legs: list[Leg]) -> Pcm:
        return self.pcm[[leg.row for leg in legs]]

    def _send_reports(self, due_ns: int) -> None:
        for leg in self.legs[self.tick % _RTCP_EVERY_TICKS :: _RTCP_EVERY_TICKS]:
            try:
                if leg.packets_out:
                    leg.send_report(self.tick, due_ns / 1e6)
            except Exception as error:  # boundary: as above
                self._fail(leg, error)

    def _free_left(self) -> None:
        for leg in self._leaving:
            leg.sounding = False
            leg.pcm[:] = 0
            self._free_rows.append(leg.row)
        self._leaving.clear()

    def _fail(self, leg: Leg, error: Exception) -> None:
        if not leg.dead:
            leg.dead = True
            self.counters.failed_legs += 1
            log.error("media_leg_failed", leg_id=leg.leg_id, **fault(error))
            leg.pcm[:] = 0
            leg.forwardable = b""
            self._failed.append(leg)

    def _bury(self) -> None:
        while self._failed:
            self.on_failed(self._failed.pop())


def _wait_until(at_ns: int) -> int:
    """Sleep through the rest of it, in the kernel's time; what time it is then."""
    now_ns = time.monotonic_ns()
    if now_ns >= at_ns:
        return now_ns
    time.sleep(min(at_ns - now_ns, _EARLY_NS) / 1e9)
    return time.monotonic_ns()


def _tidy() -> None:
    """Look for garbage as CPython would, at a time that suits."""
    young, middle, old = gc.get_count()
    if young > _YOUNG_GARBAGE:
        is_middle = middle > _GARBAGE_ROUNDS
        gc.collect(2 if is_middle and old > _GARBAGE_ROUNDS else 1 if is_middle else 0)
