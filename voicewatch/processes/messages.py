"""What the processes say to each other. One file, both ends.

Three kinds of traffic run on a link (see `link.py`):
- **reports**: facts, carried as `(process, epoch, seq)`, kept by the sender until acknowledged, sent again;
- **asks**: a command and its reply, matched by id, retried by nobody but the asker;
- **tells**: everything else, at most once, dropped and counted when the pipe is full.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from voicewatch.core.events import Role

PROTOCOL = 1
"""Version of the framing and of these messages; a peer with another one is refused with a clear error."""


class Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")
    type: str


# ---------------------------------------------------------------- every link


class Welcome(Message):
    """First on every connection, from the listening side, when it begins to listen to this peer.

    A connection alone says nothing: the keeper's socket takes it even while nobody is there to read.
    """

    type: Literal["welcome"] = "welcome"
    protocol: int = PROTOCOL


class Hello(Message):
    """The connecting side's answer to Welcome; `state` is what it holds now (media: its calls)."""

    type: Literal["hello"] = "hello"
    process: str
    epoch: str
    """ULID made at process start: another epoch is another life."""
    protocol: int = PROTOCOL
    state: dict[str, Any] = Field(default_factory=dict)


class Report(Message):
    """Facts not yet acknowledged, in order: `first_seq` belongs to events[0], the rest follow by one."""

    type: Literal["report"] = "report"
    epoch: str
    first_seq: int
    events: list[dict[str, Any]]


class Ack(Message):
    """Everything of `epoch` up to and including `seq` is durable."""

    type: Literal["ack"] = "ack"
    epoch: str
    seq: int


class Signals(Message):
    type: Literal["signals"] = "signals"
    events: list[dict[str, Any]]


class Ask(Message):
    type: Literal["ask"] = "ask"
    id: int
    command: dict[str, Any]


class Reply(Message):
    """`problem` is None when it worked, else {status, title, detail} as in RFC 9457."""

    type: Literal["reply"] = "reply"
    id: int
    result: dict[str, Any] = Field(default_factory=dict)
    problem: dict[str, Any] | None = None


class ChildStatus(BaseModel):
    """One process as the keeper sees it; `down` has died again and again and is still being started again."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    state: Literal["up", "starting", "down", "stopped"]
    pid: int | None = None
    restarts: int = 0


# ---------------------------------------------------------------- keeper -> front (tells)


class HouseStatus(Message):
    """Sent by the peer `keeper` on connecting and at every change. `stopping`: take no new calls."""

    type: Literal["house_status"] = "house_status"
    processes: dict[str, ChildStatus]
    stopping: bool = False


class CallsLeft(Message):
    """Front to the keeper while the house stops: calls that live, or whose record is being completed."""

    type: Literal["calls_left"] = "calls_left"
    count: int


# ---------------------------------------------------------------- front -> media (asks)


class OpenCall(Message):
    """Idempotent: a known call answers the same. `zero_mono_ns` is CLOCK_MONOTONIC at at_ms = 0."""

    type: Literal["open_call"] = "open_call"
    call_id: str
    zero_mono_ns: int
    record: bool = True


class AttachLeg(Message):
    """An SDP offer for a seat; a leg already there is replaced. Result: {leg_id, sdp}."""

    type: Literal["attach_leg"] = "attach_leg"
    call_id: str
    seat_id: str
    role: Role
    leg_id: str
    sdp: str
    transcribe: bool = True
    """False for an AI that supplies its own text."""


class TrickleLeg(Message):
    """RFC 8840 fragment."""

    type: Literal["trickle_leg"] = "trickle_leg"
    leg_id: str
    fragment: str


class DetachLeg(Message):
    type: Literal["detach_leg"] = "detach_leg"
    leg_id: str
    reason: str = "hangup"


class SetAudibility(Message):
    """The table wanted. Older versions than the one in force are ignored.

    `fallbacks[seat]` applies by itself when that seat's leg is lost. With `after_clause_of` the change waits
    for that seat's next clause end (its `mark`, or `clause_silence_ms` without voice), at most
    `takeover_limit_ms`. With `needs_live` it waits before that until the seat's leg is live.
    """

    type: Literal["set_audibility"] = "set_audibility"
    call_id: str
    version: int
    hears: dict[str, list[str]]
    fallbacks: dict[str, dict[str, list[str]]] = Field(default_factory=dict)
    after_clause_of: str | None = None
    needs_live: str | None = None
    """Live means packets that decode, and some sound if it is a human's."""
    notice: Literal["none", "tone", "spoken"] = "none"
    """What everybody who will hear `needs_live` hears first, between the old voice and the new one."""
    why: str = ""


class SendDigits(Message):
    """Keys for the leg in a seat: as telephone events (RFC 4733) if it takes them, else as tones it hears."""

    type: Literal["send_digits"] = "send_digits"
    call_id: str
    seat_id: str
    digits: str


class MarkClause(Message):
    """The AI says that its clause ended here."""

    type: Literal["mark_clause"] = "mark_clause"
    call_id: str
    seat_id: str


class CloseCall(Message):
    type: Literal["close_call"] = "close_call"
    call_id: str
    reason: str = ""


# ---------------------------------------------------------------- front -> model (asks and tells)


class ScoreText(Message):
    """An utterance whose text is known (the AI's own): score it, answer with the fact utterance_scored."""

    type: Literal["score_text"] = "score_text"
    call_id: str
    utterance_id: str
    seat_id: str
    role: Role
    text: str
    at_ms: int = 0
    start_ms: int | None = None
    """When it began on the call's clock; it ended at `end_ms`."""
    end_ms: int | None = None
    language: str = "en"


class AIReport(Message):
    """What a call's AI said of itself: how sure it is (`value` 0..1), or whether a tool of its worked."""

    type: Literal["ai_report"] = "ai_report"
    call_id: str
    at_ms: int
    kind: Literal["tool", "confidence"]
    name: str = ""
    ok: bool = True
    value: float | None = None


class SpokenTurn(BaseModel):
    """An utterance of the past: scores of the next ones are given in its light."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    utterance_id: str
    role: Role
    text: str
    start_ms: int | None = None
    end_ms: int | None = None


class RememberCalls(Message):
    """The last turns of live calls, oldest first, and what their AIs reported of themselves, told to a model
    process that has just come.

    Sent on every connection before all else; `more`: another one follows. Nothing is scored until the last.
    """

    type: Literal["remember_calls"] = "remember_calls"
    calls: dict[str, list[SpokenTurn]] = Field(default_factory=dict)
    ai_reports: list[AIReport] = Field(default_factory=list)
    more: bool = False


class SetMeanings(Message):
    """The rules' `[meanings]`: name -> wordings; told to a model process that comes, and when they change."""

    type: Literal["set_meanings"] = "set_meanings"
    meanings: dict[str, list[str]] = Field(default_factory=dict)


class ForgetCall(Message):
    """The call ended: drop its context (model) or close its files (recorder)."""

    type: Literal["forget_call"] = "forget_call"
    call_id: str


# ---------------------------------------------------------------- front -> recorder (asks)


class SetRecording(Message):
    """Whether what is said in a call from `at_ms` on is kept. Idempotent; holds until the call is over."""

    type: Literal["set_recording"] = "set_recording"
    call_id: str
    at_ms: int
    paused: bool


# ---------------------------------------------------------------- media -> model, media -> recorder (tells)


class OpenStream(Message):
    """Names a stream of chunks or packets; `stream` is the number used in Audio and Packets."""

    type: Literal["open_stream"] = "open_stream"
    stream: int
    call_id: str
    seat_id: str
    role: Role
    zero_mono_ns: int
    language: str = ""
    """Empty: the one of the settings."""
    replay_from_ms: int | None = None
    """Model only: chunks before this were already understood."""
    levels_only: bool = False
    """Model only: what is said here is known; its loudness comes, in LevelsSent, to know its echo by."""


class CloseStream(Message):
    type: Literal["close_stream"] = "close_stream"
    stream: int
    at_ms: int
    reason: str = ""


class Audio(Message):
    """One tick of chunks for the model. The payload holds them one after the other, each
    `!HIBb` (stream, at_ms, flags, level dBFS) then 640 bytes of 16 kHz little-endian int16.
    flags: 1 voiced (webrtcvad), 2 concealed. Chunks of a stream follow by 20 ms; a jump is a gap.
    """

    type: Literal["audio"] = "audio"
    count: int


class LevelsSent(Message):
    """Loudness of chunks that are not recognised, for the model: each `!HIb` (stream, at_ms, level dBFS)."""

    type: Literal["levels_sent"] = "levels_sent"
    count: int


class Packets(Message):
    """One tick of Opus packets for the recorder: each `!HIH` (stream, at_ms, length) then the packet."""

    type: Literal["packets"] = "packets"
    count: int


class Heard(Message):
    """Model to media: finals up to `upto_ms` of this stream are durable; replay starts there."""

    type: Literal["heard"] = "heard"
    stream: int
    upto_ms: int


MESSAGES: dict[str, type[Message]] = {
    kind.model_fields["type"].default: kind for kind in Message.__subclasses__()
}


def parse_message(data: dict[str, Any]) -> Message:
    """The message in `data`; ValueError names an unknown type."""
    kind = MESSAGES.get(str(data.get("type")))
    if kind is None:
        raise ValueError(f"unknown message type {data.get('type')!r}")
    return kind.model_validate(data)
