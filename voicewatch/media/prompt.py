"""What a customer may hear that nobody says: hold audio, the sign that a human takes over, pressed keys.

A `Prompt` is heard like a leg (`sounding`, `heard`, `heard_at`): the room mixes and ramps it as one. All
sounds are made here, but the spoken notice, a clip of our own synthesis (see prompts/README.md), and what the
operator gives instead.
"""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from voicewatch.media.mixer import Pcm
from voicewatch.media.opus import CHUNK_MS, CHUNK_SAMPLES, SAMPLE_RATE_HZ

HOLD_DBFS, TONE_DBFS, KEY_DBFS = -34.0, -26.0, -16.0
KEY_MS, BETWEEN_KEYS_MS = 120, 80
MAX_CLIP_S = 30
SPOKEN = Path(__file__).with_name("prompts") / "spoken.wav"
_FULL_SCALE = 32_767
_ROWS_HZ = {
    key: hz for keys, hz in (("123A", 697), ("456B", 770), ("789C", 852), ("*0#D", 941)) for key in keys
}
_COLUMNS_HZ = {
    key: hz
    for keys, hz in (("147*", 1_209), ("2580", 1_336), ("369#", 1_477), ("ABCD", 1_633))
    for key in keys
}
"""ITU-T Q.23."""

Samples = NDArray[np.float64]


class BadClip(Exception):
    """A sound that was set cannot be used; the text says why and what to do."""


class Prompt:
    """One place at which a sound is played, once or in a loop. `advance` after every tick."""

    __slots__ = ("_at", "_chunks", "_loops", "heard", "heard_at", "quiet_for", "sounding")

    at_unity = True
    concealed = False
    forwardable = b""
    """A leg's own packets may be passed on as they are; a prompt is always encoded."""
    level_dbfs = 0.0

    def __init__(self, sound: Pcm, *, loops: bool = False) -> None:
        """`sound`: rows of one chunk."""
        self._chunks, self._loops = sound, loops
        self._at = -1
        self.sounding = True
        self.quiet_for = 0
        self.advance()

    @property
    def is_over(self) -> bool:
        return not self.sounding

    def advance(self) -> None:
        """On to the next chunk."""
        self._at += 1
        if self._loops:
            self._at %= len(self._chunks)
        self.sounding = self._at < len(self._chunks)
        self.quiet_for = 0 if self.sounding else self.quiet_for + 1
        self.heard: Pcm = self._chunks[self._at] if self.sounding else _SILENCE
        self.heard_at = self.heard.ctypes.data


class Prompts:
    """The sounds of one process. Raises BadClip for a file that cannot be used."""

    def __init__(self, *, spoken_clip: str = "", hold_clip: str = "") -> None:
        self.notices = {
            "tone": _rows(_two_notes()),
            "spoken": _own_clip("handoff_notice_clip", spoken_clip) if spoken_clip else read_clip(SPOKEN),
        }
        self.hold = _own_clip("hold_audio_clip", hold_clip) if hold_clip else _rows(_calm())

    @property
    def notice_ms(self) -> dict[str, int]:
        return {name: len(sound) * CHUNK_MS for name, sound in self.notices.items()}


def key_tones(digits: str) -> Pcm:
    """The keys as a telephone sounds them."""
    parts: list[Samples] = []
    for digit in digits:
        at = _seconds(KEY_MS / 1000)
        both = np.sin(2 * np.pi * _ROWS_HZ[digit] * at) + np.sin(2 * np.pi * _COLUMNS_HZ[digit] * at)
        parts += [_soft(both, 0.005), np.zeros(SAMPLE_RATE_HZ * BETWEEN_KEYS_MS // 1000)]
    return _rows(_at_level(np.concatenate(parts), KEY_DBFS))


def _own_clip(setting: str, file: str) -> Pcm:
    try:
        return read_clip(Path(file))
    except BadClip as error:
        raise BadClip(f"media.{setting}: {error}") from None


def read_clip(path: Path) -> Pcm:
    """A WAV file, 16 kHz mono int16, as rows of one chunk."""
    remedy = f"make one with: ffmpeg -i YOURS -ar {SAMPLE_RATE_HZ} -ac 1 -c:a pcm_s16le {path.name}"
    try:
        with wave.open(str(path), "rb") as clip:
            found = (clip.getframerate(), clip.getnchannels(), clip.getsampwidth())
            frames = clip.readframes(min(clip.getnframes(), MAX_CLIP_S * SAMPLE_RATE_HZ + 1))
    except (OSError, EOFError, wave.Error) as error:
        raise BadClip(f"{path} cannot be read as WAV ({error}); {remedy}") from None
    if found != (SAMPLE_RATE_HZ, 1, 2):
        raise BadClip(f"{path} has {found[0]} Hz, {found[1]} channels, {8 * found[2]} bit; {remedy}")
    if not CHUNK_SAMPLES <= len(frames) // 2 <= MAX_CLIP_S * SAMPLE_RATE_HZ:
        raise BadClip(f"{path} must last between {CHUNK_MS} ms and {MAX_CLIP_S} s")
    return _whole(np.frombuffer(frames, "<i2").astype(np.int16))


def _two_notes() -> Samples:
    """A fifth upwards, a third of a second."""
    low, high = (_soft(np.sin(2 * np.pi * hz * _seconds(0.16)), 0.03) for hz in (660, 990))
    return _at_level(np.concatenate([low, high]), TONE_DBFS)


def _calm() -> Samples:
    """Twelve seconds of slow soft chords, that end where they begin."""
    chords = ((220.0, 277.5, 330.0), (185.0, 220.0, 277.5), (147.5, 220.0, 293.5), (165.0, 247.5, 330.0))
    length_s = 3.0
    at = _seconds(length_s)
    swell = np.sin(np.pi * at / length_s) ** 2
    parts = [
        sum(np.sin(2 * np.pi * hz * at) / (place + 1) for place, hz in enumerate(chord)) for chord in chords
    ]
    return _at_level(np.concatenate([part * (0.15 + 0.85 * swell) for part in parts]), HOLD_DBFS)


def _seconds(length_s: float) -> Samples:
    return np.arange(round(length_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ


def _soft(sound: Samples, edge_s: float) -> Samples:
    edge = np.linspace(0, 1, round(edge_s * SAMPLE_RATE_HZ))
    shaped = sound.copy()
    shaped[: len(edge)] *= edge
    shaped[-len(edge) :] *= edge[::-1]
    return shaped


def _at_level(sound: Samples, dbfs: float) -> Samples:
    levelled: Samples = sound * (10 ** (dbfs / 20) / np.sqrt(np.mean(sound**2)))
    return levelled


def _rows(sound: Samples) -> Pcm:
    return _whole(np.rint(sound * _FULL_SCALE).astype(np.int16))


def _whole(samples: Pcm) -> Pcm:
    """Rows of one chunk; the last is filled with silence."""
    missing = -len(samples) % CHUNK_SAMPLES
    rows: Pcm = np.pad(samples, (0, missing)).reshape(-1, CHUNK_SAMPLES)
    return np.ascontiguousarray(rows)


_SILENCE: Pcm = np.zeros(CHUNK_SAMPLES, np.int16)
