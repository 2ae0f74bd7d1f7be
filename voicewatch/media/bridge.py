"""Calls, seats and legs: carries out what front asks, watches the legs, and reports what happened.

It needs nobody to go on: with front gone the tables stay in force, and the loss of a leg is answered by that
leg's fallback table here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence, Set
from typing import Any

import structlog

from voicewatch.core.audibility import HOLD, NOTICE
from voicewatch.core.events import (
    Dtmf,
    Fact,
    LegConnected,
    LegLive,
    LegLost,
    LegRecovered,
    LegStalled,
    LegStats,
    Levels,
    MicrophoneSilent,
    Role,
    Signal,
    SilenceBegan,
    SilenceEnded,
)
from voicewatch.media.dtmf import KEYS, MAX_KEYS
from voicewatch.media.engine import Engine
from voicewatch.media.feeds import CONCEALED, VOICED, Feeds, Stream
from voicewatch.media.leg import Leg
from voicewatch.media.loudness import Match, Speaker
from voicewatch.media.opus import CHUNK_MS
from voicewatch.media.prompt import Prompt, Prompts, key_tones
from voicewatch.media.room import Hears, Room, Voice
from voicewatch.media.strain import RETRY_AFTER_S
from voicewatch.media.switch import Switch
from voicewatch.media.watch import LegNews, LegState, LegWatch, SilenceWatch
from voicewatch.media.webrtc import Connection, MediaPath, WebRtc
from voicewatch.processes.faults import fault
from voicewatch.processes.messages import AttachLeg, OpenCall, SetAudibility
from voicewatch.processes.problem import Problem
from voicewatch.settings import MediaSettings

log = structlog.get_logger(__name__)

MAX_SEATS = 12
"""Places in one call; more is a mistake of the asker."""
FORGET_LOST_MS = 30_000
"""A lost leg is kept for so long: on a network that comes back it goes on by itself."""
MICROPHONE_DBFS, MICROPHONE_CHUNKS = -85.0, 3
"""A microphone that works hears the room it is in; a dead one sends digital silence."""
MICROPHONE_SILENT_MS = 2_000
"""Connected for so long without a sound: the human who is waited for is told."""
_LEVELS_EVERY_TICKS = 10
_STATS_EVERY_TICKS = 50
_NEWS: dict[LegNews, type[LegLive | LegStalled | LegRecovered]] = {
    LegNews.LIVE: LegLive,
    LegNews.STALLED: LegStalled,
    LegNews.RECOVERED: LegRecovered,
}


class Attachment:
    """One leg of a seat, from its offer to its loss; `leg` is there once connected."""

    __slots__ = (
        "awaited_since_ms",
        "call",
        "connection",
        "leg",
        "leg_id",
        "lost_at_ms",
        "loud_chunks",
        "seat",
        "watch",
    )  # fmt: skip

    def __init__(self, call: Call, seat: Seat, leg_id: str) -> None:
        self.call, self.seat, self.leg_id = call, seat, leg_id
        self.connection: Connection | None = None
        self.leg: Leg | None = None
        self.watch: LegWatch | None = None
        self.lost_at_ms: int | None = None
        """Since when nothing comes from it; None while something does."""
        self.loud_chunks = 0
        self.awaited_since_ms: int | None = None

    @property
    def is_proved(self) -> bool:
        """Packets come, and from a human some sound has come."""
        if self.watch is None or self.watch.state is not LegState.LIVE:
            return False
        return self.seat.role in (Role.CUSTOMER, Role.AI) or self.loud_chunks >= MICROPHONE_CHUNKS


class Seat:
    """A place in a call; the leg in it may be replaced."""

    __slots__ = ("arriving", "attached", "fed", "match", "role", "seat_id", "stream", "transcribe")

    def __init__(self, seat_id: str, role: Role, transcribe: bool) -> None:
        self.seat_id, self.role, self.transcribe = seat_id, role, transcribe
        self.attached: Attachment | None = None
        self.arriving: Attachment | None = None
        self.stream: Stream | None = None
        self.match: Match | None = None
        self.fed = False
        """The customer's own, or heard by the customer: so transcribed and recorded."""

    @property
    def leg(self) -> Leg | None:
        """The leg that carries this seat's voice; None while there is none, or it is lost."""
        attached = self.attached
        return None if attached is None or attached.lost_at_ms is not None else attached.leg


class Call:
    __slots__ = ("ai", "call_id", "keys", "prompts", "record", "room", "seats", "silence", "switch",
                 "zero_mono_ns")  # fmt: skip

    def __init__(self, opening: OpenCall, room: Room, switch: Switch) -> None:
        self.call_id, self.zero_mono_ns, self.record = opening.call_id, opening.zero_mono_ns, opening.record
        self.room, self.switch = room, switch
        self.seats: dict[str, Seat] = {}
        self.prompts: dict[str, Prompt] = {}
        """Hold audio or notice, by their name in the table, while somebody hears them."""
        self.keys: dict[str, Prompt] = {}
        """Seat -> tones of pressed keys that only he hears."""
        self.silence = SilenceWatch()
        self.ai = Speaker()
        """How loud the AI speaks: the measure for people who take over."""

    def at_ms(self, due_ns: int) -> int:
        """The call's clock, on the grid of chunks."""
        return max(0, round((due_ns - self.zero_mono_ns) / 1e6 / CHUNK_MS) * CHUNK_MS)


class Bridge:
    """All calls of this media process. Facts go to `report`, latest values to `signal`."""

    def __init__(
        self,
        engine: Engine,
        webrtc: WebRtc,
        feeds: Feeds,
        settings: MediaSettings,
        prompts: Prompts,
        *,
        process: str,
        report: Callable[[Fact], object],
        signal: Callable[[Sequence[Signal]], None],
        now_ns: Callable[[], int],
    ) -> None:
        self.calls: dict[str, Call] = {}
        self._engine, self._webrtc, self._feeds, self._settings = engine, webrtc, feeds, settings
        self._prompts = prompts
        self._process = process
        self._report, self._signal, self._now_ns = report, signal, now_ns
        self._legs: dict[str, Attachment] = {}
        self._closing: set[asyncio.Task[None]] = set()
        engine.after_tick = self.after_tick
        engine.on_failed = self._failed

    # -------------------------------------------------------------- commands

    def open_call(self, opening: OpenCall) -> dict[str, Any]:
        """Raises Problem(503) when the process carries all the calls it may, or works as hard as it can."""
        if opening.call_id not in self.calls:
            if len(self.calls) >= self._settings.max_calls:
                raise Problem(
                    503,
                    "Too many calls",
                    f"{len(self.calls)} calls are carried; raise media.max_calls or media.processes",
                    retry_after_s=RETRY_AFTER_S,
                )
            if not self._engine.strain.admits:
                raise Problem(
                    503,
                    "Too busy",
                    "the calls there take all the time there is; raise media.processes or try again",
                    retry_after_s=RETRY_AFTER_S,
                )
            switch = Switch(
                opening.call_id,
                takeover_limit_ms=self._settings.takeover_limit_ms,
                clause_silence_ms=self._settings.clause_silence_ms,
                notice_ms=self._prompts.notice_ms,
            )
            self.calls[opening.call_id] = Call(opening, self._engine.new_room(), switch)
        return {"call_id": opening.call_id}

    async def attach_leg(self, wanted: AttachLeg) -> dict[str, Any]:
        """Answer an offer for a seat. The leg there, if any, stays in use until the new one is connected."""
        call = self._call(wanted.call_id)
        if wanted.leg_id in self._legs:
            raise Problem(409, "Leg exists", f"leg {wanted.leg_id} is attached already", field="leg_id")
        seat = call.seats.get(wanted.seat_id)
        if seat is None:
            if len(call.seats) >= MAX_SEATS:
                self._forget_left_seats(call)
            if len(call.seats) >= MAX_SEATS:
                raise Problem(409, "Call is full", f"a call has at most {MAX_SEATS} seats", field="seat_id")
            seat = call.seats[wanted.seat_id] = Seat(wanted.seat_id, wanted.role, wanted.transcribe)
        arriving = Attachment(call, seat, wanted.leg_id)
        arriving.connection = self._webrtc.connection(
            on_connected=lambda path: self._connected(arriving, path),
            on_closed=lambda: self._closed(arriving),
        )
        self._legs[wanted.leg_id] = arriving
        earlier, seat.arriving = seat.arriving, arriving
        if earlier is not None:
            self._drop(earlier)
        try:
            sdp = await arriving.connection.answer(wanted.sdp)
        except Problem:
            self._drop(arriving)
            raise
        if wanted.leg_id not in self._legs:
            raise Problem(409, "Leg is gone", "the call or the seat was closed, or taken by a later offer")
        return {"leg_id": wanted.leg_id, "sdp": sdp}

    async def trickle_leg(self, leg_id: str, fragment: str) -> dict[str, Any]:
        attachment = self._attachment(leg_id)
        assert attachment.connection is not None
        await attachment.connection.trickle(fragment)
        return {}

    def detach_leg(self, leg_id: str, reason: str) -> dict[str, Any]:
        """The one in the seat hung up."""
        self._lose(self._attachment(leg_id), reason)
        return {}

    def set_audibility(self, wanted: SetAudibility) -> dict[str, Any]:
        call = self._call(wanted.call_id)
        taken = call.switch.want(wanted)
        return {"taken": taken, "version": call.switch.version}

    def mark_clause(self, call_id: str, seat_id: str) -> dict[str, Any]:
        call = self._call(call_id)
        self._switched(call, call.switch.clause_marked(seat_id, self._at_ms(call)))
        return {}

    def send_digits(self, call_id: str, seat_id: str, digits: str) -> dict[str, Any]:
        """Keys for the one in that seat: events if his end takes them, else tones. Raises Problem."""
        call = self._call(call_id)
        if not digits or len(digits) > MAX_KEYS or set(digits) - set(KEYS):
            raise Problem(400, "Bad digits", f"1 to {MAX_KEYS} of {KEYS}", field="digits")
        seat = call.seats.get(seat_id)
        leg = None if seat is None else seat.leg
        if leg is None:
            raise Problem(409, "Nobody there", "no leg is connected in that seat", field="seat_id")
        if leg.path.keys_busy or seat_id in call.keys:
            raise Problem(429, "Still dialling", "wait until the last keys are sent", retry_after_s=1)
        if leg.path.send_keys(digits):
            return {"as": "events"}
        call.keys[seat_id] = Prompt(key_tones(digits))
        self._rewire(call)
        return {"as": "tones"}

    def close_call(self, call_id: str, reason: str) -> dict[str, Any]:
        """Idempotent. The legs' losses are not told: the call is over for everybody."""
        call = self.calls.pop(call_id, None)
        if call is None:
            return {}
        for seat in call.seats.values():
            for attachment in (seat.attached, seat.arriving):
                if attachment is not None:
                    self._drop(attachment)
            if seat.stream is not None:
                self._feeds.close(seat.stream, self._at_ms(call), reason)
        self._engine.close_room(call.room)
        return {}

    def state(self) -> dict[str, Any]:
        """What Hello says of this process."""
        return {"calls": [_describe(call) for call in self.calls.values()]}

    async def close(self) -> None:
        """Close every call and wait until all sockets are free."""
        for call_id in list(self.calls):
            self.close_call(call_id, "shutdown")
        while self._closing:
            await asyncio.gather(*self._closing)

    # -------------------------------------------------------------- legs come and go

    def _connected(self, arriving: Attachment, path: MediaPath) -> None:
        call, seat = arriving.call, arriving.seat
        try:
            arriving.leg = self._engine.add_leg(arriving.leg_id, path, path.sockets)
        except Problem as problem:
            log.warning("leg_refused", leg_id=arriving.leg_id, reason=problem.detail)
            self._lose(arriving, "closed")
            return
        self._level(call, seat, arriving.leg)
        arriving.watch = LegWatch(
            stalled_ms=self._settings.leg_stalled_ms,
            lost_ms=self._settings.leg_lost_ms,
            speaks=path.speaks,
            may_idle=seat.role is Role.AI,
        )
        replaced, seat.attached = seat.attached, arriving
        if seat.arriving is arriving:
            seat.arriving = None
        if replaced is not None:
            self._drop(replaced)
        self._report(
            LegConnected(
                call_id=call.call_id, at_ms=self._at_ms(call), seat_id=seat.seat_id, leg_id=arriving.leg_id
            )
        )
        self._rewire(call)

    def _level(self, call: Call, seat: Seat, leg: Leg) -> None:
        """Staff are matched to the AI; a seat keeps its gain when its leg is replaced."""
        if not self._settings.loudness_match or seat.role is Role.CUSTOMER:
            return
        if seat.role is Role.AI:
            self._engine.measure(leg, call.ai)
            return
        seat.match = seat.match or Match(Speaker(), call.ai)
        self._engine.match(leg, seat.match)

    def _closed(self, attachment: Attachment) -> None:
        self._lose(attachment, "closed")

    def _failed(self, leg: Leg) -> None:
        attachment = self._legs.get(leg.leg_id)
        if attachment is not None:
            self._lose(attachment, "closed")

    def _lose(self, attachment: Attachment, reason: str) -> None:
        """The leg is gone for good: cover for it at once, then tell, unless its loss was told before."""
        if attachment.leg_id not in self._legs:
            return
        was_told = attachment.lost_at_ms is not None and reason != "hangup"
        was_heard = attachment.seat.attached is attachment
        self._drop(attachment)
        if was_told:
            self._rewire(attachment.call)
        else:
            self._cover(attachment, reason, was_heard=was_heard)

    def _cover(self, attachment: Attachment, reason: str, *, was_heard: bool) -> None:
        call, seat = attachment.call, attachment.seat
        at_ms = self._at_ms(call)
        covered = call.switch.lost(seat.seat_id, at_ms) if was_heard else None
        self._rewire(call)
        if was_heard or seat.attached is None:
            self._report(
                LegLost(
                    call_id=call.call_id,
                    at_ms=at_ms,
                    seat_id=seat.seat_id,
                    leg_id=attachment.leg_id,
                    reason=reason,
                )
            )
        if covered is not None:
            self._report(covered)

    def _drop(self, attachment: Attachment) -> None:
        """Forget a leg and free what it holds."""
        if self._legs.pop(attachment.leg_id, None) is None:
            return
        seat = attachment.seat
        if seat.attached is attachment:
            seat.attached = None
        if seat.arriving is attachment:
            seat.arriving = None
        if attachment.leg is not None:
            self._engine.remove_leg(attachment.leg)
        if attachment.connection is not None:
            task = asyncio.get_running_loop().create_task(attachment.connection.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    def _forget_left_seats(self, call: Call) -> None:
        """Room for newcomers in a call that many have come to and left again."""
        for seat in list(call.seats.values()):
            if seat.attached is None and seat.arriving is None and not call.switch.knows(seat.seat_id):
                del call.seats[seat.seat_id]
                if seat.stream is not None:
                    self._feeds.close(seat.stream, self._at_ms(call), "left")

    # -------------------------------------------------------------- who hears whom

    def _rewire(self, call: Call) -> None:
        """Give the room the table in force, for the legs that are there."""
        table = call.switch.table
        voices: dict[str, Voice] = {
            seat_id: seat.leg for seat_id, seat in call.seats.items() if seat.leg is not None
        }
        voices |= self._prompts_of(call, frozenset().union(*table.values()))
        hears: dict[Leg, Hears] = {}
        for listener, seat in call.seats.items():
            if seat.attached is not None and seat.attached.leg is not None:
                heard = {voices[speaker] for speaker in table.get(listener, ()) if speaker in voices}
                keys = call.keys.get(listener)
                hears[seat.attached.leg] = frozenset(heard if keys is None else {*heard, keys})
        call.room.set_hears(hears)
        customers = {
            seat.seat_id
            for seat in call.seats.values()
            if seat.role is Role.CUSTOMER and HOLD not in table.get(seat.seat_id, ())
        }
        fed = customers.union(*(table.get(customer, frozenset()) for customer in customers))
        for seat in call.seats.values():
            seat.fed = seat.seat_id in fed

    def _prompts_of(self, call: Call, named: Set[str]) -> dict[str, Prompt]:
        """Those of the table, begun when they come into it and forgotten when they leave it."""
        for name in (HOLD, NOTICE):
            if name not in named:
                call.prompts.pop(name, None)
            elif name not in call.prompts:
                call.prompts[name] = (
                    Prompt(self._prompts.hold, loops=True)
                    if name == HOLD
                    else Prompt(self._prompts.notices[call.switch.notice])
                )
        return call.prompts

    def _switched(self, call: Call, changed: Fact | None) -> None:
        if changed is not None:
            self._rewire(call)
            self._report(changed)

    # -------------------------------------------------------------- each tick

    def after_tick(self, tick: int, due_ns: int) -> None:
        """Watch, switch, hand on; called by the engine when this tick's packets are out."""
        signals: list[Signal] = []
        for call in self.calls.values():
            try:
                self._tick_call(call, tick, due_ns, signals)
            except Exception as error:  # boundary: one call's trouble is its own
                log.error("media_call_failed", call_id=call.call_id, **fault(error))
        self._feeds.flush()
        if tick % _STATS_EVERY_TICKS == 0:
            signals.append(self._engine.status(self._process, len(self.calls)))
        if signals:
            self._signal(signals)

    def _tick_call(self, call: Call, tick: int, due_ns: int, signals: list[Signal]) -> None:
        at_ms = call.at_ms(due_ns)
        self._play_on(call)
        self._watch_legs(call, at_ms, due_ns / 1e6)
        self._switch(call, at_ms)
        self._watch_silence(call, at_ms)
        self._hand_on(call, at_ms)
        if tick % _LEVELS_EVERY_TICKS == 0:
            signals.append(_levels(call, at_ms))
        if tick % _STATS_EVERY_TICKS == 0:
            signals += _stats(call, at_ms)

    def _play_on(self, call: Call) -> None:
        if not (call.prompts or call.keys):
            return
        for prompt in (*call.prompts.values(), *call.keys.values()):
            prompt.advance()
        over = [seat_id for seat_id, prompt in call.keys.items() if prompt.is_over]
        for seat_id in over:
            del call.keys[seat_id]
        if over:
            self._rewire(call)

    def _watch_legs(self, call: Call, at_ms: int, now_ms: float) -> None:
        for seat in call.seats.values():
            attached = seat.attached
            if attached is not None and attached.leg is not None and attached.watch is not None:
                self._watch_leg(call, attached, attached.leg, attached.watch, at_ms, now_ms)

    def _watch_leg(
        self, call: Call, attached: Attachment, leg: Leg, watch: LegWatch, at_ms: int, now_ms: float
    ) -> None:
        seat_id = attached.seat.seat_id
        while leg.digits:
            digit = leg.digits.popleft()
            self._report(Dtmf(call_id=call.call_id, at_ms=at_ms, seat_id=seat_id, digit=digit))
        if attached.loud_chunks < MICROPHONE_CHUNKS and leg.level_dbfs > MICROPHONE_DBFS:
            attached.loud_chunks += 1
        news = watch.tick(now_ms - leg.last_packet_ms, leg.decoded, now_ms - leg.last_seen_ms)
        if news is LegNews.LOST:
            attached.lost_at_ms = at_ms
            self._cover(attached, "silent", was_heard=True)
        elif news is not None:
            fact = _NEWS[news](call_id=call.call_id, at_ms=at_ms, seat_id=seat_id, leg_id=attached.leg_id)
            self._report(fact)
            if attached.lost_at_ms is not None:
                attached.lost_at_ms = None
                self._rewire(call)
        elif attached.lost_at_ms is not None and at_ms - attached.lost_at_ms >= FORGET_LOST_MS:
            self._lose(attached, "silent")

    def _switch(self, call: Call, at_ms: int) -> None:
        if not call.switch.is_waiting:
            return
        live: set[str] = set()
        unvoiced_ms: dict[str, int] = {}
        for seat_id, seat in call.seats.items():
            attached, leg = seat.attached, seat.leg
            if attached is not None and leg is not None and attached.watch is not None:
                unvoiced_ms[seat_id] = leg.voice.unvoiced_chunks * CHUNK_MS
                is_live = attached.watch.state is LegState.LIVE
                if is_live and (attached.is_proved or not self._settings.microphone_proof):
                    live.add(seat_id)
                elif is_live and call.switch.awaits_live == seat_id:
                    self._tell_silent(call, attached, at_ms)
        self._switched(call, call.switch.tick(at_ms, live, unvoiced_ms))

    def _tell_silent(self, call: Call, attached: Attachment, at_ms: int) -> None:
        """Once: the human who is waited for cannot be heard, and should know."""
        if attached.awaited_since_ms is None:
            attached.awaited_since_ms = at_ms
        elif at_ms - attached.awaited_since_ms == MICROPHONE_SILENT_MS:
            self._report(
                MicrophoneSilent(
                    call_id=call.call_id,
                    at_ms=at_ms,
                    seat_id=attached.seat.seat_id,
                    leg_id=attached.leg_id,
                )
            )

    def _watch_silence(self, call: Call, at_ms: int) -> None:
        customer = other = spoken = False
        for seat in call.seats.values():
            leg = seat.leg
            if leg is None:
                continue
            customer = customer or (seat.role is Role.CUSTOMER and seat.fed)  # on hold he is not: no dead air
            other = other or seat.role in (Role.AI, Role.AGENT)
            spoken = spoken or (seat.fed and leg.voice.speaking)
        since_ms = call.silence.since_ms
        told = call.silence.tick(at_ms, watched=customer and other, spoken=spoken)
        if told is True and call.silence.since_ms is not None:
            self._report(SilenceBegan(call_id=call.call_id, at_ms=at_ms, since_ms=call.silence.since_ms))
        elif told is False and since_ms is not None:
            self._report(SilenceEnded(call_id=call.call_id, at_ms=at_ms, since_ms=since_ms))

    def _hand_on(self, call: Call, at_ms: int) -> None:
        for seat in call.seats.values():
            leg = seat.leg
            if not seat.fed or leg is None:
                continue
            if seat.stream is None:
                seat.stream = self._feeds.open(
                    call.call_id,
                    seat.seat_id,
                    seat.role,
                    call.zero_mono_ns,
                    to_model=seat.transcribe,
                    to_recorder=call.record,
                )
            flags = (VOICED if leg.voice.voiced else 0) | (CONCEALED if leg.concealed else 0)
            self._feeds.chunk(seat.stream, at_ms, flags, leg.level_dbfs, leg.chunk)
            for packet in leg.packets:
                self._feeds.packet(seat.stream, at_ms, packet)

    # -------------------------------------------------------------- helpers

    def _at_ms(self, call: Call) -> int:
        return call.at_ms(self._now_ns())

    def _call(self, call_id: str) -> Call:
        call = self.calls.get(call_id)
        if call is None:
            raise Problem(404, "No such call", f"this media process has no call {call_id}", field="call_id")
        return call

    def _attachment(self, leg_id: str) -> Attachment:
        attachment = self._legs.get(leg_id)
        if attachment is None:
            raise Problem(404, "No such leg", f"this media process has no leg {leg_id}", field="leg_id")
        return attachment


def _describe(call: Call) -> dict[str, Any]:
    seats = [
        {"seat_id": seat.seat_id, "leg_id": seat.attached.leg_id, "state": seat.attached.watch.state.value}
        for seat in call.seats.values()
        if seat.attached is not None and seat.attached.watch is not None
    ]
    return {
        "call_id": call.call_id,
        "zero_mono_ns": call.zero_mono_ns,
        "version": call.switch.newest_version,
        "seats": seats,
    }


def _levels(call: Call, at_ms: int) -> Levels:
    legs = {seat.seat_id: seat.leg for seat in call.seats.values() if seat.leg is not None}
    return Levels(
        call_id=call.call_id,
        at_ms=at_ms,
        dbfs={seat_id: round(leg.level_dbfs, 1) for seat_id, leg in legs.items()},
        voiced=[seat_id for seat_id, leg in legs.items() if leg.voice.voiced],
    )


def _stats(call: Call, at_ms: int) -> list[Signal]:
    found: list[Signal] = []
    for seat in call.seats.values():
        leg = seat.leg
        if leg is None:
            continue
        found.append(
            LegStats(
                call_id=call.call_id,
                at_ms=at_ms,
                seat_id=seat.seat_id,
                leg_id=leg.leg_id,
                packets_in=leg.buffer.received,
                packets_out=leg.packets_out,
                lost=leg.buffer.lost,
                concealed=leg.buffer.concealed,
                late=leg.buffer.late,
                buffer_ms=leg.buffer.delay_ms,
                jitter_ms=round(leg.reception.jitter_ms, 2) if leg.reception is not None else 0.0,
                role=seat.role,
                round_trip_ms=round(leg.round_trip_ms, 1) if leg.round_trip_ms is not None else None,
                one_way_ms=round(leg.round_trip_ms / 2 + leg.buffer.delay_ms + CHUNK_MS, 1)
                if leg.round_trip_ms is not None
                else None,
                strays=leg.strays,
                undecryptable=leg.undecryptable,
                unsent=leg.unsent,
            )
        )
    return found
