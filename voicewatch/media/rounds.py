"""A round through one call, once its packets of a tick are out: watch its legs, switch its table, hand on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from voicewatch.core.events import (
    Dtmf,
    Fact,
    LegLive,
    LegRecovered,
    LegStalled,
    MicrophoneSilent,
    Role,
    SilenceBegan,
    SilenceEnded,
)
from voicewatch.media.feeds import CONCEALED, VOICED, Feeds, Stream
from voicewatch.media.leg import Leg
from voicewatch.media.opus import CHUNK_MS
from voicewatch.media.seats import MICROPHONE_CHUNKS, MICROPHONE_DBFS, Attachment, Call, Seat
from voicewatch.media.watch import LegNews, LegState, LegWatch
from voicewatch.settings import MediaSettings

LOOK_EVERY_TICKS = 5
"""A call in which nothing is waited for and every leg is live is looked at so seldom."""
FORGET_LOST_MS = 30_000
"""A lost leg is kept for so long: on a network that comes back it goes on by itself."""
MICROPHONE_SILENT_MS = 2_000
"""Connected for so long without a sound: the human who is waited for is told."""
_NEWS: dict[LegNews, type[LegLive | LegStalled | LegRecovered]] = {
    LegNews.LIVE: LegLive,
    LegNews.STALLED: LegStalled,
    LegNews.RECOVERED: LegRecovered,
}


class Calls(Protocol):
    """Who carries out what a round finds (the bridge)."""

    def rewire(self, call: Call) -> None: ...
    def switched(self, call: Call, changed: Fact | None) -> None: ...
    def silent(self, attachment: Attachment) -> None: ...
    def forget(self, attachment: Attachment) -> None: ...


class Rounds:
    """`go` for every call, every tick."""

    def __init__(
        self, calls: Calls, feeds: Feeds, settings: MediaSettings, report: Callable[[Fact], object]
    ) -> None:
        self._calls, self._feeds, self._settings, self._report = calls, feeds, settings, report

    def go(self, call: Call, tick: int, at_ms: int, now_ms: float) -> None:
        """`at_ms`: of the call; `now_ms`: of the clock by which legs note their packets."""
        if call.prompts or call.keys:
            self._play_on(call)
        if call.is_restless or call.switch.is_waiting or (tick + call.phase) % LOOK_EVERY_TICKS == 0:
            self._watch_legs(call, at_ms, now_ms)
            self._switch(call, at_ms)
            self._watch_silence(call, at_ms)
        self._hand_on(call, at_ms)

    def _play_on(self, call: Call) -> None:
        for prompt in (*call.prompts.values(), *call.keys.values()):
            prompt.advance()
        over = [seat_id for seat_id, prompt in call.keys.items() if prompt.is_over]
        for seat_id in over:
            del call.keys[seat_id]
        if over:
            self._calls.rewire(call)

    def _watch_legs(self, call: Call, at_ms: int, now_ms: float) -> None:
        call.is_restless = False
        for seat in call.seats.values():
            attached = seat.attached
            if attached is not None and attached.leg is not None and attached.watch is not None:
                self._watch_leg(call, attached, attached.leg, attached.watch, at_ms, now_ms)
                if not attached.is_proved:
                    call.is_restless = True

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
            self._calls.silent(attached)
        elif news is not None:
            fact = _NEWS[news](call_id=call.call_id, at_ms=at_ms, seat_id=seat_id, leg_id=attached.leg_id)
            self._report(fact)
            if attached.lost_at_ms is not None:
                attached.lost_at_ms = None
                self._calls.rewire(call)
        elif attached.lost_at_ms is not None and at_ms - attached.lost_at_ms >= FORGET_LOST_MS:
            self._calls.forget(attached)

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
        self._calls.switched(call, call.switch.tick(at_ms, live, unvoiced_ms))

    def _tell_silent(self, call: Call, attached: Attachment, at_ms: int) -> None:
        """Once: the human who is waited for cannot be heard, and should know."""
        if attached.awaited_since_ms is None:
            attached.awaited_since_ms = at_ms
        elif not attached.told_silent and at_ms - attached.awaited_since_ms >= MICROPHONE_SILENT_MS:
            attached.told_silent = True
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
            spoken = (leg.voice.spoke_since_asked() and seat.fed) or spoken
        since_ms = call.silence.since_ms
        told = call.silence.tick(at_ms, watched=customer and other, spoken=spoken)
        if told is True and call.silence.since_ms is not None:
            self._report(SilenceBegan(call_id=call.call_id, at_ms=at_ms, since_ms=call.silence.since_ms))
        elif told is False and since_ms is not None:
            self._report(SilenceEnded(call_id=call.call_id, at_ms=at_ms, since_ms=since_ms))

    def _hand_on(self, call: Call, at_ms: int) -> None:
        if call.fed is None:
            seats = [(seat, seat.leg) for seat in call.seats.values() if seat.fed]
            call.fed = [(leg, self._stream(call, seat)) for seat, leg in seats if leg is not None]
        for leg, stream in call.fed:
            flags = (VOICED if leg.voice.voiced else 0) | (CONCEALED if leg.concealed else 0)
            self._feeds.chunk(stream, at_ms, flags, leg.level_dbfs, leg.row)
            for packet in leg.packets:
                self._feeds.packet(stream, at_ms, packet)

    def _stream(self, call: Call, seat: Seat) -> Stream:
        if seat.stream is None:
            seat.stream = self._feeds.open(
                call.call_id,
                seat.seat_id,
                seat.role,
                call.zero_mono_ns,
                to_model=seat.transcribe,
                to_recorder=call.record,
            )
        return seat.stream
