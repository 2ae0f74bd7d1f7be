"""A call as the fold of its facts. Nothing here decides anything: `director.py` does.

`CallState.apply` takes facts in journal order and is tolerant: a fact about an unknown seat, a late score
or a type it does not know changes nothing. What pages see of a call is made in `call_view.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from voicewatch.core.audibility import HOLD, Occupant, Table, audibility, without_coaches_alone
from voicewatch.core.call_view import call_view
from voicewatch.core.events import (
    AIPaused,
    AIResumed,
    AlertCleared,
    AlertRaised,
    AudibilityChanged,
    Briefing,
    BriefingReady,
    CallbackClosed,
    CallbackRequested,
    CallEnded,
    CallStarted,
    DispositionSet,
    EscalationRaised,
    Fact,
    HandedBack,
    HandoffChanged,
    HandoffState,
    HistoryFound,
    HoldBegan,
    HoldEnded,
    LabelSet,
    LegConnected,
    LegLive,
    LegLost,
    LegRecovered,
    LegStalled,
    MicrophoneSilent,
    Mode,
    ModeChanged,
    NobodyFree,
    OfferChanged,
    OfferMade,
    OfferState,
    PastCall,
    QueueChanged,
    RecordingChanged,
    RecordingSegment,
    Role,
    SeatClosed,
    SeatMuted,
    SeatOpened,
    SilenceBegan,
    SilenceEnded,
    TranscriptGap,
    UtteranceFinal,
    UtteranceScored,
)
from voicewatch.core.handoff import WAITING, is_final
from voicewatch.core.redaction import masked

SPEAKS = (Mode.TAKEOVER, Mode.BARGE)
"""Modes in which the customer hears a human."""


@dataclass
class Seat:
    """A place in the call. `leg` is none, connecting, live, stalled or lost."""

    seat_id: str
    role: Role
    who: str = ""
    name: str = ""
    mode: Mode | None = None
    leg: str = "none"
    leg_id: str = ""
    is_open: bool = True
    leg_since_ms: int = 0
    """When `leg` became what it is; of none: when the seat was opened."""
    lost_reason: str = ""
    is_muted: bool = False
    unheard_since_ms: int | None = None
    """Since when media waits for sound from him; None while it does not."""

    @property
    def carries_audio(self) -> bool:
        return self.leg in ("live", "stalled")


@dataclass
class Utterance:
    """One utterance with its scores, whichever of the two came first."""

    utterance_id: str
    final: UtteranceFinal | None = None
    scored: UtteranceScored | None = None
    with_human: bool = False
    """Said while a human had the voice."""
    _masked: UtteranceFinal | None = None

    def hear(self, final: UtteranceFinal) -> None:
        self.final, self._masked = final, None

    def masked(self, final: UtteranceFinal) -> UtteranceFinal:
        """`final` without personal data; made once, as pages ask for it again and again."""
        if self._masked is None:
            self._masked = masked(final)
        return self._masked


@dataclass
class Alert:
    """`raised` is the newest statement of it: an alert that grows is raised again under its id."""

    raised: AlertRaised
    since_ms: int
    state: str = "open"


@dataclass
class Offer:
    made: OfferMade
    state: OfferState = OfferState.PENDING


@dataclass
class Escalation:
    """An escalation with its handoff (same id) and what came of it; times None until they happen."""

    raised: EscalationRaised
    since_ms: int
    handoff: HandoffState | None = None
    handoff_reason: str = ""
    agent_id: str = ""
    briefing: Briefing | None = None
    queue: str = ""
    queued_at_ms: int | None = None
    """When it came into the queue it is in."""
    nobody_free: NobodyFree | None = None
    """The newest word that nobody could be asked; None once somebody is."""
    offered_at_ms: int | None = None
    accepted_at_ms: int | None = None
    bridged_at_ms: int | None = None

    @property
    def is_active(self) -> bool:
        return self.handoff is None or not is_final(self.handoff)

    @property
    def is_waiting(self) -> bool:
        """Nobody has said yes yet."""
        return self.handoff is None or self.handoff in WAITING


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
    on_hold: bool = False
    holds: list[tuple[int, int | None]] = field(default_factory=list)
    """(start, end) in which the customer was on hold; None: still."""
    floor: frozenset[str] = frozenset()
    """Seats that speak to the customer. Hold and mute silence them and take nothing from them."""
    table_version: int = 0
    ai_paused: str | None = None
    pauses: list[tuple[int, int | None]] = field(default_factory=list)
    """(start, end) in which a human had the voice; None: still."""
    ai_unheard: list[tuple[int, int | None]] = field(default_factory=list)
    """(start, end) in which the customer did not hear the AI; None: still."""
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
    recording_pauses: list[tuple[int, int | None]] = field(default_factory=list)
    """(start, end) in which nothing was recorded because somebody asked for it; None: still."""
    engine: str = ""
    handbacks: int = 0

    # ------------------------------------------------------------ reading

    @property
    def is_live(self) -> bool:
        return self.ended is None

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
        return "paused" if self.recording_pauses and self.recording_pauses[-1][1] is None else "on"

    # ------------------------------------------------------------ applying

    def apply(self, fact: Fact) -> None:
        """Takes one fact; facts of other calls are the caller's mistake and are ignored."""
        if fact.call_id != self.call_id:
            return
        self.at_ms = max(self.at_ms, fact.at_ms)
        self.last_seq = max(self.last_seq, fact.seq)
        handler = _HANDLERS.get(type(fact))
        if handler is not None:
            handler(self, fact)


def _started(call: CallState, fact: CallStarted) -> None:
    call.started_at = fact.at
    call.zero_mono_ns = fact.zero_mono_ns
    call.attributes = dict(fact.attributes)
    call.customer_name = fact.customer_name
    call.customer_key = fact.customer_key
    call.recording_consent = fact.recording_consent
    call.disclosure = fact.disclosure


def _history(call: CallState, fact: HistoryFound) -> None:
    call.history = list(fact.calls)


def _ended(call: CallState, fact: CallEnded) -> None:
    call.ended = call.ended or fact
    _close_pause(call, fact.at_ms)
    if call.on_hold:
        call.on_hold = False
        call.holds[-1] = (call.holds[-1][0], fact.at_ms)
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

    return apply


def _leg_lost(call: CallState, fact: LegLost) -> None:
    seat = call.seats.get(fact.seat_id)
    if seat is None or fact.reason == "replaced" or seat.leg_id not in ("", fact.leg_id):
        return
    seat.leg, seat.leg_since_ms, seat.lost_reason = "lost", fact.at_ms, fact.reason


def _audibility(call: CallState, fact: AudibilityChanged) -> None:
    call.take_table({listener: frozenset(heard) for listener, heard in fact.hears.items()})
    call.table_version = max(call.table_version, fact.version)
    ai, customer = call.open_seats(Role.AI), call.open_seats(Role.CUSTOMER)
    if ai and customer:
        _note_ai_heard(call, ai[0].seat_id in fact.hears.get(customer[0].seat_id, ()), fact.at_ms)


def _note_ai_heard(call: CallState, is_heard: bool, at_ms: int) -> None:
    was_unheard = bool(call.ai_unheard) and call.ai_unheard[-1][1] is None
    if is_heard and was_unheard:
        call.ai_unheard[-1] = (call.ai_unheard[-1][0], at_ms)
    elif not is_heard and not was_unheard:
        call.ai_unheard.append((at_ms, None))


def _utterance(call: CallState, utterance_id: str) -> Utterance:
    known = call.utterances.get(utterance_id)
    if known is None:
        known = Utterance(utterance_id, with_human=call.ai_paused is not None)
        call.utterances[utterance_id] = known
    return known


def _final(call: CallState, fact: UtteranceFinal) -> None:
    _utterance(call, fact.utterance_id).hear(fact)
    if fact.source == "asr" and fact.engine:
        call.engine = fact.engine


def _scored(call: CallState, fact: UtteranceScored) -> None:
    _utterance(call, fact.utterance_id).scored = fact


def _gap(call: CallState, fact: TranscriptGap) -> None:
    call.gaps.append(fact)


def _alert_raised(call: CallState, fact: AlertRaised) -> None:
    known = call.alerts.get(fact.alert_id)
    if known is None:
        call.alerts[fact.alert_id] = Alert(fact, fact.at_ms)
    else:
        known.raised = fact


def _alert_cleared(call: CallState, fact: AlertCleared) -> None:
    alert = call.alerts.get(fact.alert_id)
    if alert is not None:
        alert.state = "dismissed" if fact.by else "cleared"


def _escalated(call: CallState, fact: EscalationRaised) -> None:
    known = call.escalations.get(fact.escalation_id)
    if known is None:
        call.escalations[fact.escalation_id] = Escalation(fact, fact.at_ms)
    else:
        known.raised = fact


def _briefed(call: CallState, fact: BriefingReady) -> None:
    escalation = call.escalations.get(fact.escalation_id)
    if escalation is not None:
        escalation.briefing = fact.briefing


def _offered(call: CallState, fact: OfferMade) -> None:
    call.offers[fact.offer_id] = Offer(fact)
    escalation = call.escalations.get(fact.escalation_id)
    if escalation is not None:
        escalation.nobody_free = None
        if escalation.offered_at_ms is None:
            escalation.offered_at_ms = fact.at_ms


def _offer_changed(call: CallState, fact: OfferChanged) -> None:
    offer = call.offers.get(fact.offer_id)
    if offer is not None:
        offer.state = fact.state
    if fact.state == OfferState.WRAPPING:
        call.wrapping[fact.offer_id] = fact.at_ms
    elif fact.offer_id in call.wrapping:
        call.wrap_up_ms += fact.at_ms - call.wrapping.pop(fact.offer_id)
    if fact.state in (OfferState.REJECTED, OfferState.TIMEOUT):
        call.refusals[fact.agent_id] = fact.at_ms


def _nobody_free(call: CallState, fact: NobodyFree) -> None:
    escalation = call.escalations.get(fact.escalation_id)
    if escalation is not None:
        escalation.nobody_free = fact


def _queued(call: CallState, fact: QueueChanged) -> None:
    escalation = call.escalations.get(fact.escalation_id)
    if escalation is not None:
        escalation.queue, escalation.queued_at_ms = fact.queue, fact.at_ms


def _callback(call: CallState, fact: CallbackRequested) -> None:
    call.callback = fact


def _called_back(call: CallState, fact: CallbackClosed) -> None:
    if fact.outcome != "not_reached":
        call.callback = None


def _handoff(call: CallState, fact: HandoffChanged) -> None:
    escalation = call.escalations.get(fact.handoff_id)
    if escalation is None:
        return
    escalation.handoff, escalation.handoff_reason = fact.state, fact.reason
    escalation.agent_id = fact.agent_id or escalation.agent_id
    if fact.state == HandoffState.ACCEPTED:
        escalation.accepted_at_ms = fact.at_ms
    elif fact.state == HandoffState.BRIDGED:
        escalation.bridged_at_ms = fact.at_ms
    elif is_final(fact.state):
        escalation.nobody_free = None
    if fact.state == HandoffState.FAILED and fact.agent_id:
        call.refusals[fact.agent_id] = fact.at_ms


def _muted(call: CallState, fact: SeatMuted) -> None:
    seat = call.seats.get(fact.seat_id)
    if seat is not None:
        seat.is_muted = fact.muted


def _hold_began(call: CallState, fact: HoldBegan) -> None:
    if not call.on_hold:
        call.on_hold = True
        call.holds.append((fact.at_ms, None))


def _hold_ended(call: CallState, fact: HoldEnded) -> None:
    if call.on_hold:
        call.on_hold = False
        call.holds[-1] = (call.holds[-1][0], fact.at_ms)


def _unheard(call: CallState, fact: MicrophoneSilent) -> None:
    seat = call.seats.get(fact.seat_id)
    if seat is not None:
        seat.unheard_since_ms = fact.at_ms


def _ai_paused(call: CallState, fact: AIPaused) -> None:
    if call.ai_paused is None:
        call.pauses.append((fact.at_ms, None))
    call.ai_paused = fact.why


def _ai_resumed(call: CallState, fact: AIResumed) -> None:
    call.ai_paused = None
    _close_pause(call, fact.at_ms)


def _close_pause(call: CallState, at_ms: int) -> None:
    if call.pauses and call.pauses[-1][1] is None:
        call.pauses[-1] = (call.pauses[-1][0], at_ms)


def _handed_back(call: CallState, fact: HandedBack) -> None:
    call.handbacks += 1


def _silence_began(call: CallState, fact: SilenceBegan) -> None:
    call.silent_since_ms = fact.since_ms


def _silence_ended(call: CallState, fact: SilenceEnded) -> None:
    call.silences.append((fact.since_ms, fact.at_ms))
    call.silent_since_ms = None


def _disposition(call: CallState, fact: DispositionSet) -> None:
    call.disposition = fact


def _labelled(call: CallState, fact: LabelSet) -> None:
    call.labels[fact.about, fact.target, fact.by] = fact


def _segment(call: CallState, fact: RecordingSegment) -> None:
    call.recordings.add(fact.path)


def _recording_changed(call: CallState, fact: RecordingChanged) -> None:
    is_paused = call.recording == "paused"
    if fact.state == "paused" and not is_paused:
        call.recording_pauses.append((fact.at_ms, None))
    elif fact.state == "recording" and is_paused:
        call.recording_pauses[-1] = (call.recording_pauses[-1][0], fact.at_ms)


_HANDLERS: dict[type[Fact], Callable[[CallState, Any], None]] = {
    CallStarted: _started,
    HistoryFound: _history,
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
    UtteranceFinal: _final,
    UtteranceScored: _scored,
    TranscriptGap: _gap,
    AlertRaised: _alert_raised,
    AlertCleared: _alert_cleared,
    EscalationRaised: _escalated,
    BriefingReady: _briefed,
    OfferMade: _offered,
    OfferChanged: _offer_changed,
    NobodyFree: _nobody_free,
    QueueChanged: _queued,
    CallbackRequested: _callback,
    CallbackClosed: _called_back,
    HandoffChanged: _handoff,
    AIPaused: _ai_paused,
    AIResumed: _ai_resumed,
    HandedBack: _handed_back,
    SeatMuted: _muted,
    HoldBegan: _hold_began,
    HoldEnded: _hold_ended,
    MicrophoneSilent: _unheard,
    SilenceBegan: _silence_began,
    SilenceEnded: _silence_ended,
    DispositionSet: _disposition,
    LabelSet: _labelled,
    RecordingChanged: _recording_changed,
    RecordingSegment: _segment,
}
