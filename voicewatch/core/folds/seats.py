"""The call and its seats: who is in it, by which leg, who hears whom, hold and silence."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from voicewatch.core.call_parts import Seat
from voicewatch.core.events import (
    AIReported,
    AudibilityChanged,
    CallEnded,
    CallStarted,
    Fact,
    HoldBegan,
    HoldEnded,
    LegConnected,
    LegLive,
    LegLost,
    LegRecovered,
    LegStalled,
    MicrophoneSilent,
    ModeChanged,
    Role,
    SeatClosed,
    SeatMuted,
    SeatOpened,
    SilenceBegan,
    SilenceEnded,
)
from voicewatch.core.spans import begin, finish

if TYPE_CHECKING:
    from voicewatch.core.call import CallState


def _started(call: CallState, fact: CallStarted) -> None:
    call.started_at = fact.at
    call.zero_mono_ns = fact.zero_mono_ns
    call.attributes = dict(fact.attributes)
    call.customer_name = fact.customer_name
    call.customer_key = fact.customer_key
    call.recording_consent = fact.recording_consent
    call.disclosure = fact.disclosure


def _ended(call: CallState, fact: CallEnded) -> None:
    call.ended = call.ended or fact
    finish(call.pauses, fact.at_ms)
    finish(call.holds, fact.at_ms)
    if call.silent_since_ms is not None:
        call.silences.append((call.silent_since_ms, fact.at_ms))
        call.silent_since_ms = None


def _seat_opened(call: CallState, fact: SeatOpened) -> None:
    call.seats[fact.seat_id] = Seat(
        fact.seat_id, fact.role, fact.who, fact.name, fact.mode, leg_since_ms=fact.at_ms
    )


def _seat_closed(call: CallState, fact: SeatClosed) -> None:
    seat = call.seats.get(fact.seat_id)
    if seat is not None:
        seat.is_open = False


def _mode_changed(call: CallState, fact: ModeChanged) -> None:
    seat = call.seats.get(fact.seat_id)
    if seat is not None:
        seat.mode = fact.mode


def _leg(state: str) -> Callable[[CallState, Any], None]:
    def apply(call: CallState, fact: LegConnected | LegLive | LegStalled | LegRecovered) -> None:
        seat = call.seats.get(fact.seat_id)
        if seat is None or (seat.leg_id not in ("", fact.leg_id) and state != "connecting"):
            return  # word of a leg that has been replaced
        if state == "connecting" and seat.leg_id == fact.leg_id and seat.carries_audio:
            return
        seat.leg, seat.leg_id, seat.leg_since_ms = state, fact.leg_id, fact.at_ms
        if seat.carries_audio:
            seat.away_since_ms = None

    return apply


def _leg_lost(call: CallState, fact: LegLost) -> None:
    seat = call.seats.get(fact.seat_id)
    if seat is None or fact.reason == "replaced" or seat.leg_id not in ("", fact.leg_id):
        return
    if seat.carries_audio:
        seat.away_since_ms = fact.at_ms
    seat.leg, seat.leg_since_ms, seat.lost_reason = "lost", fact.at_ms, fact.reason


def _muted(call: CallState, fact: SeatMuted) -> None:
    seat = call.seats.get(fact.seat_id)
    if seat is not None:
        seat.is_muted = fact.muted


def _unheard(call: CallState, fact: MicrophoneSilent) -> None:
    seat = call.seats.get(fact.seat_id)
    if seat is not None:
        seat.unheard_since_ms = fact.at_ms


def _audibility(call: CallState, fact: AudibilityChanged) -> None:
    call.take_table({listener: frozenset(heard) for listener, heard in fact.hears.items()})
    call.table_version = max(call.table_version, fact.version)
    ai, customer = call.open_seats(Role.AI), call.open_seats(Role.CUSTOMER)
    if ai and customer:
        is_heard = ai[0].seat_id in fact.hears.get(customer[0].seat_id, ())
        (finish if is_heard else begin)(call.ai_unheard, fact.at_ms)


def _ai_reported(call: CallState, fact: AIReported) -> None:
    if fact.kind != "mark":
        call.ai_reports.append(fact)


def _hold_began(call: CallState, fact: HoldBegan) -> None:
    begin(call.holds, fact.at_ms)


def _hold_ended(call: CallState, fact: HoldEnded) -> None:
    finish(call.holds, fact.at_ms)


def _silence_began(call: CallState, fact: SilenceBegan) -> None:
    call.silent_since_ms = fact.since_ms


def _silence_ended(call: CallState, fact: SilenceEnded) -> None:
    call.silences.append((fact.since_ms, fact.at_ms))
    call.silent_since_ms = None


FOLDS: dict[type[Fact], Callable[[CallState, Any], None]] = {
    CallStarted: _started,
    CallEnded: _ended,
    SeatOpened: _seat_opened,
    SeatClosed: _seat_closed,
    ModeChanged: _mode_changed,
    LegConnected: _leg("connecting"),
    LegLive: _leg("live"),
    LegStalled: _leg("stalled"),
    LegRecovered: _leg("live"),
    LegLost: _leg_lost,
    AudibilityChanged: _audibility,
    AIReported: _ai_reported,
    SeatMuted: _muted,
    HoldBegan: _hold_began,
    HoldEnded: _hold_ended,
    MicrophoneSilent: _unheard,
    SilenceBegan: _silence_began,
    SilenceEnded: _silence_ended,
}
