"""Everything that can be said about a call, in one place: read this file first.

A **fact** is journalled, numbered per call and durable before anyone is shown it. A **signal** is the
latest value of something (interim text, levels): never journalled, newest wins, sent again in snapshots.

Every event has `type` and `v` (its schema version; upcasters run on read). `at_ms` is integer
milliseconds on the call's media clock, zero at `call_started`; `at` is the same instant in UTC and `seq`
the event's number in its call, both given by the journal. Fields named in `SEALED` hold a person's words
and are encrypted under the call's key; everything else must be free of them.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field


class Role(StrEnum):
    """Who someone is in a call. `agent` is always a human; the bot is `ai`."""

    CUSTOMER = "customer"
    AI = "ai"
    AGENT = "agent"
    SUPERVISOR = "supervisor"


class Mode(StrEnum):
    """How an agent or supervisor takes part (TERMS: modes)."""

    MONITOR = "monitor"
    COACH = "coach"
    BARGE = "barge"
    TAKEOVER = "takeover"


class Severity(StrEnum):
    """How bad, for sorting and sound; order of the members is order of urgency."""

    CRITICAL = "critical"
    HIGH = "high"
    WATCH = "watch"
    CALM = "calm"


class OfferState(StrEnum):
    """States of an offer (reservation) of one agent; all but pending are final for the ringing.

    An accepted one goes on to wrapping (the agent has left the call and does after-call work) and completed.
    """

    PENDING = "pending"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    TIMEOUT = "timeout"
    CANCELED = "canceled"
    RESCINDED = "rescinded"
    WRAPPING = "wrapping"
    COMPLETED = "completed"


class HandoffState(StrEnum):
    """States of one handoff, monotonic; the last four are final (completed also ends a bridged one)."""

    REQUESTED = "requested"
    BRIEFING = "briefing"
    RINGING = "ringing"
    ACCEPTED = "accepted"
    BRIDGED = "bridged"
    REJECTED = "rejected"
    FAILED = "failed"
    CANCELED = "canceled"
    COMPLETED = "completed"


class Value(BaseModel):
    """A frozen piece of an event."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Word(Value):
    """One recognised word; times on the call's clock, probability 0..1 (None where the engine gives none)."""

    text: str
    start_ms: int
    end_ms: int
    probability: float | None = None


class Sentiment(Value):
    """-5 (most negative) .. +5, Contact Lens' scale; confidence 0..1."""

    score: float
    label: Literal["negative", "neutral", "positive", "mixed"]
    confidence: float


class Uncertainty(Value):
    """0..1, total and parts; a part that could not be scored is None."""

    score: float
    recognition: float | None = None
    speaker: float | None = None
    dialogue: float | None = None


class Arousal(Value):
    """A customer's voice against his own beginning: -1 calmer .. 1 more excited; confidence 0..1.

    No emotion: anger and joy both raise it. Never there for anybody but a customer.
    """

    change: float
    confidence: float


class Evidence(Value):
    """Why something was scored or raised: the words (character span of the utterance) and what they did."""

    kind: str
    """What it speaks for: sentiment, uncertainty, rule, voice, ..."""
    quote: str = ""
    utterance_id: str | None = None
    start: int | None = None
    end: int | None = None
    value: float | None = None
    note: str = ""


class MaskSpan(Value):
    """Characters [start, end) of a text that are masked by default, and what they are."""

    start: int
    end: int
    type: str


class Event(BaseModel):
    """What all events have."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    SEALED: ClassVar[frozenset[str]] = frozenset()

    type: str
    v: int = 1
    call_id: str
    at_ms: int = 0
    at: datetime | None = None
    seq: int = 0


class Fact(Event):
    """A journalled event."""


class Signal(Event):
    """A latest-wins event; `key` names what it replaces."""

    @property
    def key(self) -> str:
        return f"{self.call_id}:{self.type}"


# ---------------------------------------------------------------- the call and its seats


class CallStarted(Fact):
    """The customer was let in. `zero_mono_ns` is CLOCK_MONOTONIC at at_ms = 0, shared by all processes."""

    type: Literal["call_started"] = "call_started"
    SEALED = frozenset({"customer_name"})
    attributes: dict[str, str] = Field(default_factory=dict)
    customer_name: str = ""
    zero_mono_ns: int = 0
    recording_consent: bool = True
    disclosure: str = ""
    """Text of the notice given to the customer (AI disclosure and recording), empty if none."""
    customer_key: str = ""
    """Digest of who called (`ids.customer_key`), so that all calls of a customer can be found and erased."""


class ClockRebased(Fact):
    """A new media process took the call; audio between the last chunk and this moment was lost."""

    type: Literal["clock_rebased"] = "clock_rebased"
    media: str
    epoch: str
    why: str = ""


class SeatOpened(Fact):
    """A place in the call was given to somebody; `mode` for agents and supervisors."""

    type: Literal["seat_opened"] = "seat_opened"
    seat_id: str
    role: Role
    who: str = ""
    """Account id of the person, or name of the AI worker."""
    name: str = ""
    """Shown name of staff or AI; empty for customers."""
    mode: Mode | None = None


class SeatClosed(Fact):
    type: Literal["seat_closed"] = "seat_closed"
    seat_id: str
    reason: str = ""


class ModeChanged(Fact):
    type: Literal["mode_changed"] = "mode_changed"
    seat_id: str
    mode: Mode
    by: str = ""


class LegConnected(Fact):
    """ICE and DTLS are up for a leg in this seat; replaces the seat's earlier leg."""

    type: Literal["leg_connected"] = "leg_connected"
    seat_id: str
    leg_id: str


class LegLive(Fact):
    """The leg is proved: packets arrive and decode."""

    type: Literal["leg_live"] = "leg_live"
    seat_id: str
    leg_id: str


class LegStalled(Fact):
    type: Literal["leg_stalled"] = "leg_stalled"
    seat_id: str
    leg_id: str


class LegRecovered(Fact):
    type: Literal["leg_recovered"] = "leg_recovered"
    seat_id: str
    leg_id: str


class LegLost(Fact):
    """No packets for long, or the connection closed.

    `reason` is hangup, silent, closed, replaced or media_died.
    """

    type: Literal["leg_lost"] = "leg_lost"
    seat_id: str
    leg_id: str
    reason: str = ""


class SeatMuted(Fact):
    """The one in this seat muted himself, or speaks again: as his page told it, and as media enforces."""

    type: Literal["seat_muted"] = "seat_muted"
    seat_id: str
    muted: bool


class MicrophoneSilent(Fact):
    """The leg of a human who is to take over brings packets and no sound: the AI does not yield to it."""

    type: Literal["microphone_silent"] = "microphone_silent"
    seat_id: str
    leg_id: str


class HoldBegan(Fact):
    """The customer hears hold audio; nobody hears him, and nothing of him is kept, until hold ends."""

    type: Literal["hold_began"] = "hold_began"
    by: str


class HoldEnded(Fact):
    """`by` is empty when it ended by itself: nobody was left to end it."""

    type: Literal["hold_ended"] = "hold_ended"
    by: str = ""


class DtmfSent(Fact):
    """A key was pressed for the one in this seat to hear."""

    type: Literal["dtmf_sent"] = "dtmf_sent"
    SEALED = frozenset({"digit"})
    seat_id: str
    digit: str
    """0-9, *, #, A-D; masked: `[digit]`."""
    by: str = ""


class Dtmf(Fact):
    """A key was pressed on the telephone in this seat: often of an account or card, so it is sealed."""

    type: Literal["dtmf"] = "dtmf"
    SEALED = frozenset({"digit"})
    seat_id: str
    digit: str
    """0-9, *, #, A-D; masked: `[digit]`."""


class AudibilityChanged(Fact):
    """The table in force, as media applied it: listener seat -> seats heard."""

    type: Literal["audibility_changed"] = "audibility_changed"
    version: int
    hears: dict[str, list[str]]
    cause: Literal["command", "fallback"] = "command"
    why: str = ""


class SilenceBegan(Fact):
    """Nobody the customer hears, nor the customer, has spoken for 3 s; `since_ms` is when it began."""

    type: Literal["silence_began"] = "silence_began"
    since_ms: int


class SilenceEnded(Fact):
    type: Literal["silence_ended"] = "silence_ended"
    since_ms: int


class CallEnded(Fact):
    type: Literal["call_ended"] = "call_ended"
    reason: str
    """customer_hangup, customer_lost, ended_by_agent, ended_by_supervisor, ai_ended or interrupted."""
    duration_ms: int = 0


class RecordComplete(Fact):
    """Last fact of a call: everything is on disk."""

    type: Literal["record_complete"] = "record_complete"
    utterances: int
    recordings: int
    summary: dict[str, Any] = Field(default_factory=dict)


# ---------------------------------------------------------------- understanding


class UtteranceFinal(Fact):
    """Speech between two endpoints, settled. `source` is asr, or reported (the AI supplied its own text)."""

    type: Literal["utterance_final"] = "utterance_final"
    SEALED = frozenset({"text", "words"})
    utterance_id: str
    """Deterministic: `<seat_id>-<start_ms>`, so that a replay after a crash is recognised."""
    seat_id: str
    role: Role
    start_ms: int
    end_ms: int
    text: str
    words: list[Word] = Field(default_factory=list)
    mask: list[MaskSpan] = Field(default_factory=list)
    language: str = "en"
    source: Literal["asr", "reported"] = "asr"
    engine: str = ""
    low_fidelity: bool = False
    suspect: bool = False
    """A hallucination guard fired: shown, never enough to escalate alone."""
    guards: list[str] = Field(default_factory=list)
    """Which ones: loop, budget, low_logprob, low_probability, too_fast."""
    degraded: list[str] = Field(default_factory=list)
    """What overload took from it: light (one decode, smallest beam), other_model, late."""
    revised_words: int = 0
    """Words shown as settled before that it does not bear out; a `revision` tells them."""
    avg_logprob: float | None = None
    no_speech_prob: float | None = None
    latency_ms: dict[str, int] = Field(default_factory=dict)
    """Parts: hangover, queue, compute, total (true speech end to final), first_partial if there was one."""


class UtteranceScored(Fact):
    """Scores of an utterance. A part that cannot be scored is None, with the reason in `not_scored`."""

    type: Literal["utterance_scored"] = "utterance_scored"
    SEALED = frozenset({"evidence"})
    utterance_id: str
    seat_id: str
    role: Role
    sentiment: Sentiment | None = None
    uncertainty: Uncertainty | None = None
    cues: dict[str, float] = Field(default_factory=dict)
    """0..1 by cue: wants_human, complaint, confusion, hedging, repeat, refusal, ...; rules read them."""
    meanings: dict[str, float] = Field(default_factory=dict)
    """0..1 by name of the rule file's `[meanings]`: how near the utterance comes to its examples."""
    escalation: float | None = None
    """0..1: the model's probability that a person is needed soon."""
    arousal: Arousal | None = None
    not_scored: dict[str, str] = Field(default_factory=dict)
    evidence: list[Evidence] = Field(default_factory=list)


class TranscriptGap(Fact):
    """Speech here was not transcribed, and why (model_died, overload, leg_lost)."""

    type: Literal["transcript_gap"] = "transcript_gap"
    seat_id: str
    start_ms: int
    end_ms: int
    reason: str


# ---------------------------------------------------------------- judgement


class AlertRaised(Fact):
    """A rule fired. `headline` is one sentence for a person without the customer's words (see `evidence`).

    Raised again under the same id, it has grown: the newer statement replaces the older.
    """

    type: Literal["alert_raised"] = "alert_raised"
    SEALED = frozenset({"evidence"})
    alert_id: str
    rule: str
    severity: Severity
    reasons: list[str]
    headline: str
    utterance_ids: list[str] = Field(default_factory=list)
    evidence: list[Evidence] = Field(default_factory=list)


class AlertCleared(Fact):
    type: Literal["alert_cleared"] = "alert_cleared"
    SEALED = frozenset({"why"})
    alert_id: str
    why: str = ""
    by: str = ""


class ShadowRaised(Fact):
    """A rule on trial fired: counted, and nothing follows. `escalates`: it would have called a person."""

    type: Literal["shadow_raised"] = "shadow_raised"
    SEALED = frozenset({"evidence"})
    alert_id: str
    rule: str
    severity: Severity
    reasons: list[str]
    escalates: bool = False
    utterance_ids: list[str] = Field(default_factory=list)
    evidence: list[Evidence] = Field(default_factory=list)


class ActionAsked(Fact):
    """What a rule asks for beside its alert: `value` is the webhook's URL, or the tag."""

    type: Literal["action_asked"] = "action_asked"
    alert_id: str
    rule: str
    action: Literal["webhook", "pause_recording", "resume_recording", "tag"]
    value: str = ""


class ActionDone(Fact):
    """What became of an action; `detail` is free of anybody's words."""

    type: Literal["action_done"] = "action_done"
    alert_id: str
    rule: str
    action: Literal["webhook", "pause_recording", "resume_recording"]
    ok: bool
    detail: str = ""


class EscalationRaised(Fact):
    """A person is needed: by a rule (alert_id) or by hand (by). The same id again: it got worse."""

    type: Literal["escalation_raised"] = "escalation_raised"
    SEALED = frozenset({"evidence"})
    escalation_id: str
    severity: Severity
    reasons: list[str]
    headline: str
    alert_id: str | None = None
    rule: str | None = None
    by: str = ""
    skill: str = ""
    queue: str = ""
    """The queue it is for, if a rule or person named one."""
    agent_id: str = ""
    """The agent asked for by name, by a supervisor or a rule; he is offered first."""
    evidence: list[Evidence] = Field(default_factory=list)


class Briefing(Value):
    """What the human reads before speaking. Every line is text for a person."""

    why_now: str
    wants: str = ""
    known: list[str] = Field(default_factory=list)
    tried: list[str] = Field(default_factory=list)
    do_not_ask: list[str] = Field(default_factory=list)
    commitments: list[str] = Field(default_factory=list)
    next_steps: list[str] = Field(default_factory=list)
    opening: str = ""
    """A way to begin."""
    mood: list[tuple[int, float]] = Field(default_factory=list)
    """(at_ms, sentiment) of the customer's scored utterances."""
    doubt: list[tuple[int, float]] = Field(default_factory=list)
    last_turns: list[tuple[str, str]] = Field(default_factory=list)
    """(role, text) of the last few utterances."""
    notes: list[str] = Field(default_factory=list)
    phrases: list[str] = Field(default_factory=list)
    """Sentences that calm, for this kind of trouble."""
    history: list[str] = Field(default_factory=list)
    """Earlier calls of this customer, newest first."""
    recording: str = ""
    """Whether the call is recorded now, and whether the customer agreed."""
    summary: str = ""
    """The matter in a few sentences by a language model, if one is set up and answered in time."""


class PastCall(Value):
    """An earlier call of the same customer, without anybody's words."""

    call_id: str
    started_at: datetime
    topic: str = ""
    reasons: list[str] = Field(default_factory=list)
    """Why it was escalated; empty: it was not."""
    disposition: str = ""
    with_human: bool = False


class HistoryFound(Fact):
    """Earlier calls of this customer, newest first."""

    type: Literal["history_found"] = "history_found"
    calls: list[PastCall]


class BriefingReady(Fact):
    type: Literal["briefing_ready"] = "briefing_ready"
    SEALED = frozenset({"briefing"})
    escalation_id: str
    briefing: Briefing


class OfferMade(Fact):
    type: Literal["offer_made"] = "offer_made"
    offer_id: str
    escalation_id: str
    agent_id: str
    agent_name: str = ""
    expires_at_ms: int


class OfferChanged(Fact):
    type: Literal["offer_changed"] = "offer_changed"
    SEALED = frozenset({"reason"})
    offer_id: str
    agent_id: str
    state: OfferState
    reason: str = ""


class QueueChanged(Fact):
    """The queue that an escalation waits in, where the routing plan has queues."""

    type: Literal["queue_changed"] = "queue_changed"
    escalation_id: str
    queue: str
    why: Literal["matched", "overflow", "closed"] = "matched"
    """overflow: it waited too long in the one before; closed: that one is not open now."""


class NobodyFree(Fact):
    """No agent could be offered the escalation; tried again when somebody becomes available."""

    type: Literal["nobody_free"] = "nobody_free"
    escalation_id: str
    why: Literal["no_agents", "busy", "closed"] = "busy"
    """no_agents: nobody works now; closed: outside the queue's hours."""
    position: int = 1
    """Place in the queue; 1 is next."""
    expected_wait_s: int | None = None
    """An estimate from the mean handle time; None where nobody works."""
    opens_at: datetime | None = None
    """When a closed queue opens next (UTC)."""
    callback: bool = True
    """Whether the customer may be offered to be called back."""


class CallbackRequested(Fact):
    """The customer is to be called back instead of waiting; the escalation ends with it."""

    type: Literal["callback_requested"] = "callback_requested"
    SEALED = frozenset({"number", "note"})
    by: str
    """Account of the AI worker, agent or supervisor who took it down."""
    number: str = ""
    """Empty: the number the customer calls from."""
    when: str = ""
    """What was agreed: as soon as possible, or an instant (ISO 8601)."""
    note: str = ""


class CallbackClosed(Fact):
    """Somebody called back, or will not."""

    type: Literal["callback_closed"] = "callback_closed"
    SEALED = frozenset({"note"})
    by: str
    outcome: Literal["reached", "not_reached", "withdrawn"]
    note: str = ""


class HandoffChanged(Fact):
    type: Literal["handoff_changed"] = "handoff_changed"
    handoff_id: str
    """The escalation_id it serves."""
    state: HandoffState
    reason: str = ""
    agent_id: str = ""


class AIPaused(Fact):
    type: Literal["ai_paused"] = "ai_paused"
    why: str


class AIResumed(Fact):
    type: Literal["ai_resumed"] = "ai_resumed"
    why: str


class HandedBack(Fact):
    """The AI has the call again."""

    type: Literal["handed_back"] = "handed_back"
    SEALED = frozenset({"note"})
    by: str
    note: str = ""


class Nudged(Fact):
    type: Literal["nudged"] = "nudged"
    SEALED = frozenset({"text"})
    by: str
    text: str


class AIReported(Fact):
    """Something the AI said of itself: tool, confidence, mark."""

    type: Literal["ai_reported"] = "ai_reported"
    SEALED = frozenset({"data"})
    kind: Literal["tool", "confidence", "mark"]
    data: dict[str, Any] = Field(default_factory=dict)


class DispositionSet(Fact):
    type: Literal["disposition_set"] = "disposition_set"
    SEALED = frozenset({"note"})
    agent_id: str
    code: str
    note: str = ""


class LabelSet(Fact):
    """A person's word on what the system made of a call: what training and back-tests learn from.

    Other corrections are facts of their own: an escalation by hand, a dismissed alert, a hand-back.
    """

    type: Literal["label_set"] = "label_set"
    SEALED = frozenset({"text", "note"})
    by: str
    about: Literal["call", "escalation", "alert", "transcript", "sentiment", "uncertainty"]
    target: str
    """Id of what it is about: call, escalation, alert or utterance. The same person's newer word replaces."""
    value: str = ""
    text: str = ""
    """What was really said (transcript)."""
    note: str = ""


# ---------------------------------------------------------------- record


class RecordingSegment(Fact):
    """A recording file of one seat was closed (or found readable after a crash)."""

    type: Literal["recording_segment"] = "recording_segment"
    seat_id: str
    role: Role
    path: str
    """Relative to the recordings folder."""
    start_ms: int
    duration_ms: int
    packets: int
    dropped: int = 0
    closed: bool = True


class RecordingGap(Fact):
    type: Literal["recording_gap"] = "recording_gap"
    seat_id: str
    start_ms: int
    end_ms: int
    reason: str


class RecordingChanged(Fact):
    """Recording was paused, or goes on; in between the recordings are silent.

    What `redaction.masked` hides of what is said in a pause is not written down at all.
    """

    type: Literal["recording_changed"] = "recording_changed"
    SEALED = frozenset({"reason"})
    state: Literal["paused", "recording"]
    by: str = ""
    """Account of the agent or supervisor."""
    reason: str = ""


# ---------------------------------------------------------------- signals


class Interim(Signal):
    """Interim text of an utterance being spoken; replaces the one before. Only `tail` may still change."""

    type: Literal["interim"] = "interim"
    SEALED = frozenset({"committed", "tail"})
    utterance_id: str
    seat_id: str
    role: Role
    start_ms: int
    committed: str
    tail: str
    first_partial_ms: int | None = None
    """On the first one: speech onset to this text."""
    heard_ms: int | None = None
    """The recogniser had heard audio up to here."""

    @property
    def key(self) -> str:
        return f"{self.call_id}:{self.seat_id}:interim"


class Revision(Signal):
    """A final changed words that were shown as settled; told right before it.

    No text: nothing was said. Masked, both texts are empty: the final tells the words.
    """

    type: Literal["revision"] = "revision"
    SEALED = frozenset({"committed", "text"})
    utterance_id: str
    seat_id: str
    role: Role
    committed: str
    """As it was shown."""
    text: str
    """As the final has it."""
    changed: int
    """Settled words that are not in it any more."""

    @property
    def key(self) -> str:
        return f"{self.call_id}:{self.seat_id}:revision"


class Levels(Signal):
    """Speech level by seat in dBFS (-96 is silence) and who is voiced now."""

    type: Literal["levels"] = "levels"
    dbfs: dict[str, float]
    voiced: list[str] = Field(default_factory=list)


class LegStats(Signal):
    type: Literal["leg_stats"] = "leg_stats"
    seat_id: str
    leg_id: str
    packets_in: int
    packets_out: int
    lost: int
    concealed: int
    late: int
    buffer_ms: float
    jitter_ms: float
    role: Role | None = None
    round_trip_ms: float | None = None
    """By the peer's RTCP reports; None before the first."""
    one_way_ms: float | None = None
    """From the peer's network to the mix, estimated: half the round trip, the receive buffer and a tick."""
    strays: int = 0
    """Packets of other streams or kinds, and such that are no Opus."""
    undecryptable: int = 0
    """Datagrams that the leg's keys do not open: damaged, replayed or forged."""
    unsent: int = 0
    """Packets that the system did not take."""

    @property
    def key(self) -> str:
        return f"{self.call_id}:{self.seat_id}:leg_stats"


class SystemStatus(Signal):
    """The house itself (`call_id` is empty): processes and what is degraded."""

    type: Literal["system"] = "system"
    processes: dict[str, str] = Field(default_factory=dict)
    """name -> up | starting | down"""
    degraded: list[str] = Field(default_factory=list)
    analysis_lag_ms: int = 0
    engines: dict[str, str] = Field(default_factory=dict)


class MediaStatus(Signal):
    """How a media process fares (`call_id` is empty), about once a second. Counts are since its start."""

    type: Literal["media_status"] = "media_status"
    process: str
    calls: int
    legs: int
    load: float
    """Share of a tick's 20 ms spent working, mean of a second."""
    complexity: int
    """Opus encoder complexity in force; lower than set while the process works hard."""
    admits: bool
    """False: it works so hard that new calls are refused."""
    ticks: int = 0
    late_ticks: int = 0
    """More than 10 ms late."""
    skipped_ticks: int = 0
    late_ms: float = 0.0
    """The latest tick since the status before."""
    mix_ms: float = 0.0
    """Mixing, encoding and sending, per tick, since the status before."""
    cpu_s: float = 0.0
    packets_in: int = 0
    packets_out: int = 0
    lost: int = 0
    concealed: int = 0
    late: int = 0
    strays: int = 0
    undecryptable: int = 0
    unsent: int = 0
    failed_legs: int = 0
    """Ended because their packets could not be handled."""
    failed_rooms: int = 0
    """Times a call could not be mixed."""
    recorder_dropped: int = 0
    """Packets that the recorder was not there for, or did not read."""
    model_missed: int = 0
    """Chunks that the model process could not be given in time."""
    tells_dropped: int = 0
    """Messages told to nobody: signals to front, ticks to model and recorder."""
    spool_waiting: int = 0
    """Facts that front has not yet made durable."""
    spool_dropped: int = 0
    """Facts lost because there were too many of those."""

    @property
    def key(self) -> str:
        return f":{self.process}:media_status"


class RecorderStatus(Signal):
    """How the recorder fares (`call_id` is empty), about once a second. Counts are since its start."""

    type: Literal["recorder_status"] = "recorder_status"
    files: int = 0
    """Being written."""
    paused: int = 0
    """Calls that are not to be recorded now."""
    packets: int = 0
    """Written."""
    late: int = 0
    """Left out: their time in the file was over. Counted when a file ends."""
    malformed: int = 0
    """Left out: no Opus."""
    failures: int = 0
    """Files that broke off or could not be begun: the disk, or no key."""
    sync_ms: float = 0.0
    """How long the last sync of all files took."""


class SpeechStatus(Signal):
    """How the model process fares (`call_id` is empty), about twice a second. Counts are since its start."""

    type: Literal["speech_status"] = "speech_status"
    process: str
    legs: int
    step: int
    """Of the overload ladder: 0 normal .. 5 finals come late."""
    step_name: str
    load: float
    """Share of the recogniser threads' time spent working, mean of 5 s."""
    lag_ms: int
    """Age of the oldest final not yet decoded."""
    waiting_finals: int = 0
    waiting_audio_ms: int = 0
    steps_taken: int = 0
    """How often the step changed."""
    finals: int = 0
    partials: int = 0
    decodes: int = 0
    batches: int = 0
    """Calls of the recogniser; `decodes` by `batches` is how many were done at once."""
    shed: int = 0
    """Interim and early decodes left out, since something better had to be done."""
    given_up: int = 0
    """Finals that became a `transcript_gap`."""
    hung: int = 0
    committed_words: int = 0
    revised_words: int = 0
    legs_refused: int = 0
    cpu_s: float = 0.0
    guards: dict[str, int] = Field(default_factory=dict)
    """How often each hallucination guard fired."""

    @property
    def key(self) -> str:
        return f":{self.process}:speech_status"


def _kinds(base: type[Event]) -> dict[str, type[Any]]:
    found: dict[str, type[Any]] = {}
    for kind in base.__subclasses__():
        found |= _kinds(kind) if kind.__subclasses__() else {kind.model_fields["type"].default: kind}
    return found


FACTS: dict[str, type[Fact]] = _kinds(Fact)
SIGNALS: dict[str, type[Signal]] = _kinds(Signal)


def parse_event(data: dict[str, Any]) -> Event:
    """The event written in `data` (as `model_dump(mode="json")` gives). ValueError names an unknown type."""
    kind = data.get("type")
    found = FACTS.get(str(kind)) or SIGNALS.get(str(kind))
    if found is None:
        raise ValueError(f"unknown event type {kind!r}; known: {', '.join(sorted(FACTS | SIGNALS))}")
    return found.model_validate(data)
