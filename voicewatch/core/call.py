"""A call as the fold of its facts. Nothing here decides anything: `director.py` does.

`CallState.apply` takes facts in journal order and is tolerant: a fact about an unknown seat, a late score
or a type it does not know changes nothing. What pages see of a call is made in `call_view.py`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from voicewatch.core.audibility import HOLD, Occupant, Table, audibility, without_coaches_alone
from voicewatch.core.call_parts import SPEAKS, Alert, Escalation, Offer, Seat, Utterance
from voicewatch.core.call_view import call_view
from voicewatch.core.events import (
    AIReported,
    CallbackRequested,
    CallEnded,
    DispositionSet,
    Fact,
    LabelSet,
    Mode,
    OfferState,
    PastCall,
    Role,
    TranscriptGap,
)
from voicewatch.core.folds import FOLDS
from voicewatch.core.spans import Span, is_open

__all__ = ["SPEAKS", "Alert", "CallState", "Escalation", "Offer", "Seat", "Utterance"]

REPORTS_KEPT = 16
"""Of what the AI reported of itself; older ones are forgotten."""


@dataclass
class CallState:
    """Everything known of one call."""

    call_id: str
    started_at: datetime | None = None
    zero_mono_ns: int = 0
    attributes: dict[str, str] = field(default_factory=dict)
    history: list[PastCall] = field(default_factory=list)
    customer_name: str = ""
    customer_key: str = ""
    recording_consent: bool = True
    disclosure: str = ""
    at_ms: int = 0
    """Newest time any fact has named."""
    last_seq: int = 0
    ended: CallEnded | None = None
    seats: dict[str, Seat] = field(default_factory=dict)
    in_force: Table | None = None
    holds: list[Span] = field(default_factory=list)
    """When the customer was on hold."""
    floor: frozenset[str] = frozenset()
    """Seats that speak to the customer. Hold and mute silence them and take nothing from them."""
    table_version: int = 0
    ai_paused: str | None = None
    pauses: list[Span] = field(default_factory=list)
    """When a human had the voice."""
    ai_unheard: list[Span] = field(default_factory=list)
    """When the customer did not hear the AI."""
    ai_reports: deque[AIReported] = field(default_factory=lambda: deque(maxlen=REPORTS_KEPT))
    """What the AI said of itself, how sure it is and which tools failed; the last of it."""
    utterances: dict[str, Utterance] = field(default_factory=dict)
    alerts: dict[str, Alert] = field(default_factory=dict)
    escalations: dict[str, Escalation] = field(default_factory=dict)
    offers: dict[str, Offer] = field(default_factory=dict)
    wrapping: dict[str, int] = field(default_factory=dict)
    """Offers whose agent does after-call work -> since when."""
    wrap_up_ms: int = 0
    """After-call work done."""
    refusals: dict[str, int] = field(default_factory=dict)
    """Agent -> when he last declined, missed or lost this call."""
    gaps: list[TranscriptGap] = field(default_factory=list)
    silences: list[tuple[int, int]] = field(default_factory=list)
    silent_since_ms: int | None = None
    disposition: DispositionSet | None = None
    callback: CallbackRequested | None = None
    """Agreed with the customer and not done yet."""
    labels: dict[tuple[str, str, str], LabelSet] = field(default_factory=dict)
    """(about, target, by) -> that person's newest word."""
    recordings: set[str] = field(default_factory=set)
    recording_pauses: list[Span] = field(default_factory=list)
    """When nothing was recorded because somebody asked for it."""
    engine: str = ""
    handbacks: int = 0

    # ------------------------------------------------------------ reading

    @property
    def is_live(self) -> bool:
        return self.ended is None

    @property
    def on_hold(self) -> bool:
        return is_open(self.holds)

    @property
    def escalation(self) -> Escalation | None:
        """The newest one, active or not."""
        return next(reversed(self.escalations.values()), None)

    @property
    def active_escalation(self) -> Escalation | None:
        newest = self.escalation
        return newest if newest is not None and newest.is_active else None

    @property
    def pending_offers(self) -> list[Offer]:
        """Those that ring now, the oldest first."""
        return [one for one in self.offers.values() if one.state == OfferState.PENDING]

    @property
    def open_reservations(self) -> list[Offer]:
        """Accepted offers whose agent is not done with the call."""
        return [
            one for one in self.offers.values() if one.state in (OfferState.ACCEPTED, OfferState.WRAPPING)
        ]

    def open_seats(self, *roles: Role) -> list[Seat]:
        """Open seats of these roles (of all, if none is named)."""
        return [seat for seat in self.seats.values() if seat.is_open and (not roles or seat.role in roles)]

    def seat_of(self, who: str, *roles: Role) -> Seat | None:
        return next((seat for seat in self.open_seats(*roles) if seat.who == who), None)

    def occupants(self) -> list[Occupant]:
        """Who is in the call, as the audibility table wants it: every open seat with its mode.

        A human whose leg is not there yet speaks nowhere, so that he mutes nobody either; nor does one who
        muted himself before he began. A seat whose leg is lost is left out, as in the fallback that media has
        applied by then, until its leg is back.
        """
        return without_coaches_alone(
            Occupant(
                seat.seat_id,
                seat.role,
                None if seat.mode in SPEAKS and not self._may_speak(seat) else seat.mode,
                seat.is_muted,
            )
            for seat in self.open_seats()
            if seat.leg != "lost" or seat.role == Role.CUSTOMER
        )

    def _may_speak(self, seat: Seat) -> bool:
        return seat.carries_audio and (not seat.is_muted or seat.seat_id in self.floor)

    def table(self) -> Table:
        """Who should hear whom now; `in_force` is what media has applied."""
        return audibility(self.occupants(), self.on_hold) if self.is_live else {}

    def heard_by_customer(self) -> list[Seat]:
        """Open seats that speak to the customer by the table in force, with a leg that carries it."""
        heard = self.floor if self.in_force is not None else self._heard_in(self.table())
        return [seat for seat in self.open_seats() if seat.seat_id in heard and seat.carries_audio]

    def _heard_in(self, table: Table) -> frozenset[str]:
        customers = [seat.seat_id for seat in self.open_seats(Role.CUSTOMER)]
        return frozenset().union(*(table.get(customer, frozenset()) for customer in customers))

    def take_table(self, table: Table) -> None:
        """That table is in force now."""
        self.in_force = table
        heard = self._heard_in(table)
        if HOLD in heard:
            return
        silenced = {
            seat.seat_id for seat in self.open_seats() if seat.is_muted and seat.mode in (None, *SPEAKS)
        }
        self.floor = heard | (self.floor & silenced)

    def human_voice(self) -> Seat | None:
        """The human who speaks to the customer, takeover before barge, agent before supervisor."""
        speaking = [
            seat
            for seat in self.heard_by_customer()
            if seat.role in (Role.AGENT, Role.SUPERVISOR) and seat.mode in SPEAKS
        ]
        return min(
            speaking, key=lambda seat: (seat.mode != Mode.TAKEOVER, seat.role != Role.AGENT), default=None
        )

    def voice(self) -> Seat | None:
        """Who speaks to the customer: a human, else the AI, else nobody."""
        if not self.is_live:
            return None
        human = self.human_voice()
        return human or next((seat for seat in self.heard_by_customer() if seat.role == Role.AI), None)

    def spoken(self, *roles: Role) -> list[Utterance]:
        """Utterances with text, in order of speech."""
        found = [
            one
            for one in self.utterances.values()
            if one.final is not None and (not roles or one.final.role in roles)
        ]
        return sorted(found, key=lambda one: one.final.start_ms if one.final else 0)

    def view(self, full: bool, reveal: bool = False) -> dict[str, Any]:
        """CallView of docs/API.md, JSON-ready. Personal data is masked unless `reveal`."""
        return call_view(self, full, reveal)

    @property
    def recording(self) -> Literal["on", "paused", "off"]:
        """`off`: the customer did not agree to it."""
        if not self.recording_consent:
            return "off"
        return "paused" if is_open(self.recording_pauses) else "on"

    # ------------------------------------------------------------ applying

    def apply(self, fact: Fact) -> None:
        """Takes one fact; facts of other calls are the caller's mistake and are ignored."""
        if fact.call_id != self.call_id:
            return
        self.at_ms = max(self.at_ms, fact.at_ms)
        self.last_seq = max(self.last_seq, fact.seq)
        fold = FOLDS.get(type(fact))
        if fold is not None:
            fold(self, fact)
