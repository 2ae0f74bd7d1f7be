"""What is told of a call without anything having happened: its state, levels and figures."""

from __future__ import annotations

from typing import Any

from voicewatch.core.events import LegStats, Levels, Signal
from voicewatch.media.opus import CHUNK_MS
from voicewatch.media.seats import Call


def describe(call: Call) -> dict[str, Any]:
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


def levels(call: Call, at_ms: int) -> Levels:
    legs = {seat.seat_id: seat.leg for seat in call.seats.values() if seat.leg is not None}
    return Levels(
        call_id=call.call_id,
        at_ms=at_ms,
        dbfs={seat_id: round(leg.level_dbfs, 1) for seat_id, leg in legs.items()},
        voiced=[seat_id for seat_id, leg in legs.items() if leg.voice.voiced],
    )


def leg_stats(call: Call, at_ms: int) -> list[Signal]:
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
