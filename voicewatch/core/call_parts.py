"""What a call is made of: seats, utterances, alerts, offers, escalations. `folds` change them."""

from __future__ import annotations

from dataclasses import dataclass

from voicewatch.core.events import (
    AlertRaised,
    Briefing,
    EscalationRaised,
    HandoffState,
    Mode,
    NobodyFree,
    OfferMade,
    OfferState,
    Role,
    UtteranceFinal,
    UtteranceScored,
)
from voicewatch.core.handoff import WAITING, is_final
from voicewatch.core.redaction import masked

SPEAKS = (Mode.TAKEOVER, Mode.BARGE)
"""Modes in which the customer hears a human."""
SEAT_KEPT_MS = 30_000
"""Consent of a silent peer lasts so long (RFC 7675 §5.1): media keeps his leg, the call his seat."""


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
    away_since_ms: int | None = None
    """Since when his leg is lost, however often another was begun; None while he is there, or never was."""
    is_muted: bool = False
    unheard_since_ms: int | None = None
    """Since when media waits for sound from him; None while it does not."""

    @property
    def carries_audio(self) -> bool:
        return self.leg in ("live", "stalled")

    @property
    def kept_until_ms(self) -> int | None:
        """An agent's seat waits so long for him to come back into it; None while he is there, or hung up."""
        may_return = self.role == Role.AGENT and self.lost_reason != "hangup"
        return self.away_since_ms + SEAT_KEPT_MS if self.away_since_ms is not None and may_return else None


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
