"""What a media process knows of a call: its seats, the legs in them, and what is played there."""

from __future__ import annotations

from voicewatch.core.events import Role
from voicewatch.media.feeds import Stream
from voicewatch.media.leg import Leg
from voicewatch.media.loudness import Match, Speaker
from voicewatch.media.opus import CHUNK_MS
from voicewatch.media.prompt import Prompt
from voicewatch.media.room import Room
from voicewatch.media.switch import Switch
from voicewatch.media.watch import LegState, LegWatch, SilenceWatch
from voicewatch.media.webrtc import Connection
from voicewatch.processes.messages import OpenCall

MAX_SEATS = 12
"""Places in one call; more is a mistake of the asker."""
MICROPHONE_DBFS, MICROPHONE_CHUNKS = -85.0, 3
"""A microphone that works hears the room it is in; a dead one sends digital silence."""
_HALF_CHUNK_NS = CHUNK_MS * 500_000


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
        "told_silent",
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
        self.told_silent = False

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
    __slots__ = ("ai", "call_id", "fed", "is_restless", "keys", "phase", "prompts", "record", "room", "seats",
                 "silence", "switch", "zero_mono_ns")  # fmt: skip

    def __init__(self, opening: OpenCall, room: Room, switch: Switch) -> None:
        self.call_id, self.zero_mono_ns, self.record = opening.call_id, opening.zero_mono_ns, opening.record
        self.room, self.switch = room, switch
        self.phase = hash(opening.call_id) % 1_000
        """In which ticks it has its turn at what is done now and then: not all calls at once."""
        self.fed: list[tuple[Leg, Stream]] | None = None
        """Legs that are transcribed and recorded, as long as neither legs nor table change."""
        self.is_restless = True
        """A leg in it is not live yet, or not any more: to be looked at in every tick."""
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
        return max(0, (due_ns - self.zero_mono_ns + _HALF_CHUNK_NS) // (2 * _HALF_CHUNK_NS) * CHUNK_MS)
