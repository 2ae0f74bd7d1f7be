"""Who hears whom among the legs of one call, and what each is sent this tick.

Listeners of the same mix share one `Rendition`: it is mixed and encoded once. A rendition follows its
listeners when what they hear changes, so its encoder never starts anew in the middle of a word; when
listeners of one rendition part, the encoder is copied in full, and renditions that have become equal are
joined once both encoders have heard the same for a second (measured: 0 clicks of 57 between warm encoders).

Where one voice alone is heard, as it came, his packets are passed on instead of being encoded again. The
encoder then rests, and is warmed with the last chunks heard in the very tick in which it is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from voicewatch.media.backdrop import Backdrop
from voicewatch.media.leg import Leg
from voicewatch.media.mixer import Pcm, fade_in, mix
from voicewatch.media.opus import CHUNK_SAMPLES, Encoder, is_transform_coded
from voicewatch.media.prompt import Prompt

SETTLE_CHUNKS = 5
"""Backdrop encoded before its cached packets stand for it, so that both leave a decoder in the same state."""
WARM_CHUNKS = 50
WARM_UP_CHUNKS = 3
"""Of the past, encoded at once before an encoder that rested is used again (measured in the middle of speech:
with none 9 clicks in 153 changes, with one or more 0)."""
ALONE_CHUNKS = 15
"""So long nobody else made a sound before one voice's packets are passed on (300 ms)."""
RESUME_CHUNKS = 5
"""So long it pauses for a chunk of the same voice that has no packet of its own."""
SOFT_DBFS = -45.0
"""CELT is passed on from a softer chunk on (measured at any: 2 clicks in 51; SILK and hybrid: 0 in 102)."""
STILL_CHUNKS = 25
"""So long a voice passed on may be digital silence before the backdrop takes its place."""

Voice = Leg | Prompt
Hears = frozenset[Voice]
_NOBODY: Hears = frozenset()


class Rendition:
    """One mix, encoded once a tick, or one voice passed on."""

    __slots__ = (
        "_alone_for",
        "_encoder",
        "_forwarded",
        "_forwards",
        "_only",
        "_out",
        "_out_at",
        "_passed_on",
        "_quiet_for",
        "_sounded",
        "_still_for",
        "hears",
        "listeners",
        "steady_for",
    )

    def __init__(self, encoder: Encoder, hears: Hears, *, forwards: bool = True) -> None:
        """Without `forwards` all is encoded here."""
        self.listeners: list[Leg] = []
        self._name(hears)
        self._encoder = encoder
        self._sounded: Hears = hears
        self._quiet_for = SETTLE_CHUNKS
        self._out = np.zeros(CHUNK_SAMPLES, np.int16)
        self._out_at = self._out.ctypes.data
        self._forwards = forwards
        self._forwarded: Leg | None = None
        self._passed_on = 0
        """Packets of his in a row."""
        self._alone_for = self._still_for = 0

    def copy(self) -> Rendition:
        other = Rendition(self._encoder.copy(), self.hears, forwards=self._forwards)
        other._sounded, other._quiet_for = self._sounded, self._quiet_for
        other._forwarded, other._alone_for, other._still_for = (
            self._forwarded,
            self._alone_for,
            self._still_for,
        )
        other._passed_on = self._passed_on
        return other

    def set_complexity(self, complexity: int) -> None:
        self._encoder.set_complexity(complexity)

    @property
    def forwarding(self) -> bool:
        """Whether a voice is passed on as it came."""
        return self._forwarded is not None

    def change(self, hears: Hears) -> None:
        """From the next tick on. A resting encoder is warmed here, not when that tick's packets are due."""
        self._name(hears)
        self._stop_forwarding()

    def _name(self, hears: Hears) -> None:
        self.hears = hears
        self._only = next(iter(hears)) if len(hears) == 1 else None
        self.steady_for = 0

    def render(self, tick: int, backdrop: Backdrop) -> bytes:
        """This tick's packet."""
        voice = self._forwarded
        if self.hears is not self._sounded and self.hears != self._sounded:
            return self._encode_change(tick, backdrop)
        self.steady_for += 1
        if voice is not None and self._goes_on(voice):
            self._passed_on += 1
            self._still_for = 0
            return voice.forwardable
        if self._forwards:
            packet = self._forward()
            if packet:
                return packet
        sounding = [leg for leg in self.hears if leg.sounding]
        if not sounding:
            return self._encode_backdrop(tick, backdrop)
        if len(sounding) == 1 and not self._quiet_for:
            return self._encoder.encode(sounding[0].heard_at)
        mix(self._out, [leg.heard for leg in sounding], leaving=self._backdrop_before(tick, backdrop))
        return self._encoder.encode(self._out_at)

    # -------------------------------------------------------------- passing on

    def _goes_on(self, voice: Leg) -> bool:
        """The ordinary case of `_forward`: nobody else could be heard, and nothing has changed."""
        return voice is self._only and voice.sounding and bool(voice.forwardable) and voice.at_unity

    def _forward(self) -> bytes:
        """The packet of the one who is heard alone; empty when this tick has to be encoded."""
        alone = self._alone()
        if alone is None or not alone.at_unity:
            self._stop_forwarding()
            return b""
        if not alone.forwardable or isinstance(alone, Prompt):
            self._stop_forwarding(min(self._alone_for, ALONE_CHUNKS - RESUME_CHUNKS))
            return b""
        if self._forwarded is not alone:
            if self._forwarded is not None:
                self._stop_forwarding()
            self._alone_for += 1
            if not self._may_begin(alone):
                return b""
            self._forwarded = alone
        self._still_for = 0 if alone.sounding else self._still_for + 1
        if self._still_for > STILL_CHUNKS:
            self._stop_forwarding()
            return b""
        self._quiet_for = 0
        self._passed_on += 1
        return alone.forwardable

    def _alone(self) -> Voice | None:
        """The only one of those heard who has not been quiet for long."""
        alone = None
        for leg in self.hears:
            if leg.quiet_for < ALONE_CHUNKS or len(self.hears) == 1:
                if alone is not None:
                    return None
                alone = leg
        return alone or self._forwarded

    def _may_begin(self, alone: Voice) -> bool:
        if not alone.sounding or alone.concealed or self._alone_for < ALONE_CHUNKS:
            return False
        return alone.level_dbfs < SOFT_DBFS or not is_transform_coded(alone.forwardable)

    def _stop_forwarding(self, alone_for: int = 0) -> None:
        """The encoder goes on from where the packets passed on have led its listeners' decoders."""
        self._alone_for = alone_for
        voice = self._forwarded
        if voice is None:
            return
        for age in range(min(self._passed_on, WARM_UP_CHUNKS), 0, -1):
            self._encoder.encode(voice.before(age).ctypes.data)
        self._forwarded, self._passed_on, self._still_for = None, 0, 0

    # -------------------------------------------------------------- encoding

    def _encode_change(self, tick: int, backdrop: Backdrop) -> bytes:
        self._stop_forwarding()
        before, self._sounded = self._sounded, self.hears
        self.steady_for = 0
        steady = [leg.heard for leg in self.hears & before if leg.sounding]
        entering = [leg.heard for leg in self.hears - before if leg.sounding]
        leaving = [leg.heard for leg in before - self.hears if leg.sounding]
        if not (steady or entering or leaving):
            return self._encode_backdrop(tick, backdrop)
        mix(self._out, steady, entering, leaving + self._backdrop_before(tick, backdrop))
        return self._encoder.encode(self._out_at)

    def _backdrop_before(self, tick: int, backdrop: Backdrop) -> list[Pcm]:
        """What was sent while nobody sounded, to fade out under the voice that comes."""
        was_quiet, self._quiet_for = self._quiet_for, 0
        return [backdrop.pcm(tick)] if was_quiet else []

    def _encode_backdrop(self, tick: int, backdrop: Backdrop) -> bytes:
        self._quiet_for += 1
        if self._quiet_for > SETTLE_CHUNKS:
            return backdrop.packet(tick)
        self._out[:] = backdrop.pcm(tick)
        if self._quiet_for == 1:
            fade_in(self._out)
        return self._encoder.encode(self._out_at)


class Room:
    """The legs of one call that are connected."""

    __slots__ = ("_backdrop", "_forwards", "_new_encoder", "by_listener", "renditions")

    def __init__(
        self, new_encoder: Callable[[], Encoder], backdrop: Backdrop, *, forwards: bool = True
    ) -> None:
        self._new_encoder, self._forwards = new_encoder, forwards
        self._backdrop = backdrop
        self.by_listener: dict[Leg, Rendition] = {}
        self.renditions: list[Rendition] = []

    def set_hears(self, table: Mapping[Leg, Hears]) -> None:
        """The table from the next tick on: listener -> legs heard. A leg that is no key is sent nothing."""
        claimed: dict[Rendition, Hears] = {}
        by_part: dict[tuple[Hears, Rendition | None], Rendition] = {}
        placed: dict[Leg, Rendition] = {}
        newcomers = [leg for leg in table if leg not in self.by_listener]
        for leg, hears in table.items():
            old = self.by_listener.get(leg)
            if old is None:
                continue
            part = by_part.get((hears, old))
            if part is None:
                part = old if old not in claimed else old.copy()
                claimed[part] = hears
                by_part[hears, old] = part
            placed[leg] = part
        for leg in newcomers:  # their decoders begin here: they may join any stream, or have one of their own
            hears = table[leg]
            part = next((one for one, heard in claimed.items() if heard == hears), None)
            if part is None:
                part = Rendition(self._new_encoder(), hears, forwards=self._forwards)
                claimed[part] = hears
            placed[leg] = part
        for rendition, hears in claimed.items():
            if rendition.hears != hears:
                rendition.change(hears)
        self.by_listener = placed
        self.renditions = list(claimed)
        self._list_listeners()

    def render(self, tick: int, outgoing: list[tuple[Leg, bytes]]) -> None:
        """Encode what is heard now; every listener and his packet are added to `outgoing`."""
        if len(self.renditions) > 1 and tick % WARM_CHUNKS == 0:
            self._join_equal()
        backdrop = self._backdrop
        for rendition in self.renditions:
            packet = rendition.render(tick, backdrop)
            outgoing += [(leg, packet) for leg in rendition.listeners]

    def set_complexity(self, complexity: int) -> None:
        """Of all encoders here, from the next packet on."""
        for rendition in self.renditions:
            rendition.set_complexity(complexity)

    def _join_equal(self) -> None:
        kept: dict[Hears, Rendition] = {}
        for rendition in self.renditions:
            if rendition.steady_for >= WARM_CHUNKS:
                kept.setdefault(rendition.hears, rendition)
        for leg, rendition in self.by_listener.items():
            if rendition.steady_for >= WARM_CHUNKS:
                self.by_listener[leg] = kept[rendition.hears]
        alive = set(self.by_listener.values())
        self.renditions = [one for one in self.renditions if one in alive]
        self._list_listeners()

    def _list_listeners(self) -> None:
        for rendition in self.renditions:
            rendition.listeners.clear()
        for leg, rendition in self.by_listener.items():
            rendition.listeners.append(leg)
