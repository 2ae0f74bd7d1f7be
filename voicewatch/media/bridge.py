"""Calls, seats and legs: carries out what front asks, watches the legs, and reports what happened.

It needs nobody to go on: with front gone the tables stay in force, and the loss of a leg is answered by that
leg's fallback table here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import structlog

from voicewatch.core.events import (
    Fact,
    LegConnected,
    LegLost,
    Role,
    Signal,
)
from voicewatch.media.dtmf import KEYS, MAX_KEYS
from voicewatch.media.engine import Engine
from voicewatch.media.feeds import Feeds
from voicewatch.media.leg import Leg
from voicewatch.media.loudness import Match, Speaker
from voicewatch.media.prompt import Prompt, Prompts, key_tones
from voicewatch.media.rounds import Rounds
from voicewatch.media.seats import MAX_SEATS, Attachment, Call, Seat
from voicewatch.media.stats import describe, leg_stats, levels
from voicewatch.media.strain import RETRY_AFTER_S
from voicewatch.media.switch import Switch
from voicewatch.media.tables import Tables
from voicewatch.media.watch import LegWatch
from voicewatch.media.webrtc import MediaPath, WebRtc
from voicewatch.processes.faults import fault
from voicewatch.processes.messages import AttachLeg, OpenCall, SetAudibility
from voicewatch.processes.problem import Problem
from voicewatch.settings import MediaSettings

log = structlog.get_logger(__name__)

_LEGS_OF_A_CALL = 2
"""So many will come, when a call is let in."""
_LEVELS_EVERY_TICKS = 10
_STATS_EVERY_TICKS = 50


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
        self._notice_ms = prompts.notice_ms
        self._tables = Tables(prompts)
        self._rounds = Rounds(self, feeds, settings, report)
        self._process = process
        self._report, self._signal, self._now_ns = report, signal, now_ns
        self.leaving = False
        """The process is to end after its last call."""
        self.empty = asyncio.Event()
        """Set when it is leaving and has no call any more."""
        self._legs: dict[str, Attachment] = {}
        self._closing: set[asyncio.Task[None]] = set()
        engine.after_tick = self.after_tick
        engine.on_failed = self._failed

    # -------------------------------------------------------------- commands

    def open_call(self, opening: OpenCall) -> dict[str, Any]:
        """Raises Problem(503) when the process leaves, or carries all the calls it may or can."""
        if opening.call_id not in self.calls:
            if self.leaving:
                raise Problem(
                    503, "Leaving", "this media process takes no new calls", retry_after_s=RETRY_AFTER_S
                )
            if len(self.calls) >= self._settings.max_calls:
                raise Problem(
                    503,
                    "Too many calls",
                    f"{len(self.calls)} calls are carried; raise media.max_calls or media.processes",
                    retry_after_s=RETRY_AFTER_S,
                )
            expected = max(len(self._legs), _LEGS_OF_A_CALL * len(self.calls)) + _LEGS_OF_A_CALL
            if not self._engine.strain.has_room_for(expected, len(self._engine.legs)):
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
                notice_ms=self._notice_ms,
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
        self.switched(call, call.switch.clause_marked(seat_id, self._at_ms(call)))
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
        self.rewire(call)
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
        self._look_if_empty()
        return {}

    def leave(self) -> None:
        """Take no new calls."""
        self.leaving = True
        self._look_if_empty()

    def _look_if_empty(self) -> None:
        if self.leaving and not self.calls:
            self.empty.set()

    def state(self) -> dict[str, Any]:
        """What Hello says of this process."""
        return {"calls": [describe(call) for call in self.calls.values()], "leaving": self.leaving}

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
        self.rewire(call)

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
            self.rewire(attachment.call)
        else:
            self._cover(attachment, reason, was_heard=was_heard)

    def _cover(self, attachment: Attachment, reason: str, *, was_heard: bool) -> None:
        call, seat = attachment.call, attachment.seat
        at_ms = self._at_ms(call)
        covered = call.switch.lost(seat.seat_id, at_ms) if was_heard else None
        self.rewire(call)
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

    # -------------------------------------------------------------- what a round finds

    def rewire(self, call: Call) -> None:
        """The room gets the table in force, for the legs that are there now."""
        self._tables.put_in_force(call)

    def switched(self, call: Call, changed: Fact | None) -> None:
        """Another table came into force, or None if none did."""
        if changed is not None:
            self.rewire(call)
            self._report(changed)

    def silent(self, attachment: Attachment) -> None:
        """Nothing comes from that leg any more: it is covered for, and may go on by itself."""
        self._cover(attachment, "silent", was_heard=True)

    def forget(self, attachment: Attachment) -> None:
        """It was silent for too long."""
        self._lose(attachment, "silent")

    # -------------------------------------------------------------- each tick

    def after_tick(self, tick: int, due_ns: int) -> None:
        """Watch, switch, hand on; called by the engine when this tick's packets are out."""
        signals: list[Signal] = []
        for call in self.calls.values():
            try:
                at_ms = call.at_ms(due_ns)
                self._rounds.go(call, tick, at_ms, due_ns / 1e6)
                turn = tick + call.phase
                if turn % _LEVELS_EVERY_TICKS == 0:
                    signals.append(levels(call, at_ms))
                if turn % _STATS_EVERY_TICKS == 0:
                    signals += leg_stats(call, at_ms)
            except Exception as error:  # boundary: one call's trouble is its own
                log.error("media_call_failed", call_id=call.call_id, **fault(error))
        self._feeds.flush(self._engine.pcm)
        if tick % _STATS_EVERY_TICKS == 0:
            signals.append(self._engine.status(self._process, len(self.calls)))
        if signals:
            self._signal(signals)

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
