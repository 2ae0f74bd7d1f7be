"""libopus by ctypes: 16 kHz mono, 20 ms chunks, no allocation per call but the packet itself.

PyAV's wheel carries a newer and faster libopus than most systems; it is taken first. Codec state lives in
memory of ours, as the API allows (opus.h: a state is one block and may be copied by memcpy): so
`Encoder.copy` splits one running stream into two that both go on without a seam.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from importlib.util import find_spec
from pathlib import Path
from typing import Any

SAMPLE_RATE_HZ = 16_000
CHUNK_MS = 20
CHUNK_SAMPLES = SAMPLE_RATE_HZ * CHUNK_MS // 1000
CHUNK_BYTES = 2 * CHUNK_SAMPLES
MAX_PACKET_SAMPLES = SAMPLE_RATE_HZ * 120 // 1000
"""RFC 6716: a packet holds at most 120 ms."""
MAX_PACKET_BYTES = 1_275

BUFFER_TOO_SMALL = -2
MAX_FORWARDED_BYTES = 240
"""A packet passed on as it came is no larger (96 kbit/s): nobody may flood another's line."""
_APPLICATION_VOIP = 2048
_SET_BITRATE, _SET_COMPLEXITY, _SET_DTX, _SET_SIGNAL = 4002, 4010, 4016, 4024
_SIGNAL_VOICE = 3001


class OpusError(Exception):
    """libopus refused, or is not there; the text says why and what to do."""


class OpusLibrary:
    """The functions used, typed once. Raises OpusError when no libopus is found."""

    def __init__(self) -> None:
        self.path = _find_library()
        try:
            lib = ctypes.PyDLL(self.path)  # keeps the GIL: no thread waits for it, and giving it up costs
        except OSError as error:
            raise OpusError(f"libopus at {self.path} cannot be loaded: {error}") from None
        self.encoder_size = _function(lib, "opus_encoder_get_size", [ctypes.c_int])
        self.encoder_init = _function(lib, "opus_encoder_init", [ctypes.c_void_p] + [ctypes.c_int] * 3)
        self.encoder_ctl = _function(lib, "opus_encoder_ctl", [ctypes.c_void_p, ctypes.c_int, ctypes.c_int])
        self.encode = _function(
            lib,
            "opus_encode",
            [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_int],
        )
        self.decoder_size = _function(lib, "opus_decoder_get_size", [ctypes.c_int])
        self.decoder_init = _function(lib, "opus_decoder_init", [ctypes.c_void_p] + [ctypes.c_int] * 2)
        self.decode = _function(
            lib,
            "opus_decode",
            [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_int],
        )
        version = lib.opus_get_version_string
        version.restype = ctypes.c_char_p
        self.version = version().decode()


class Encoder:
    """16 kHz mono speech, no DTX: a packet for every chunk."""

    __slots__ = ("_encode", "_lib", "_out", "_out_at", "_size", "_state", "_state_at", "complexity")

    def __init__(self, lib: OpusLibrary, bitrate_bps: int, complexity: int) -> None:
        self._lib = lib
        self._size = lib.encoder_size(1)
        self._allocate()
        _check(lib.encoder_init(self._state_at, SAMPLE_RATE_HZ, 1, _APPLICATION_VOIP), "encoder")
        for setting, value in (
            (_SET_BITRATE, bitrate_bps),
            (_SET_SIGNAL, _SIGNAL_VOICE),
            (_SET_DTX, 0),
        ):
            _check(lib.encoder_ctl(self._state_at, setting, value), f"encoder setting {setting}={value}")
        self.set_complexity(complexity)

    def encode(self, pcm_at: int) -> bytes:
        """The packet for the 320 samples (int16) at address `pcm_at`."""
        size = self._encode(self._state_at, pcm_at, CHUNK_SAMPLES, self._out_at, MAX_PACKET_BYTES)
        if size < 0:
            raise OpusError(f"opus_encode: error {size}")
        packet: bytes = self._out[:size]
        return packet

    def set_complexity(self, complexity: int) -> None:
        """From the next packet on; the stream goes on without a seam."""
        setting = self._lib.encoder_ctl(self._state_at, _SET_COMPLEXITY, complexity)
        _check(setting, f"encoder setting {_SET_COMPLEXITY}={complexity}")
        self.complexity = complexity

    def copy(self) -> Encoder:
        """Another encoder in the same state: listeners that part each go on without a seam."""
        other = Encoder.__new__(Encoder)
        other._lib, other._size, other.complexity = self._lib, self._size, self.complexity
        other._allocate()
        ctypes.memmove(other._state_at, self._state_at, self._size)
        return other

    def _allocate(self) -> None:
        self._encode = self._lib.encode
        self._state = ctypes.create_string_buffer(self._size)
        self._state_at = ctypes.addressof(self._state)
        self._out: Any = (ctypes.c_char * MAX_PACKET_BYTES)()  # slices are bytes, cheaply
        self._out_at = ctypes.addressof(self._out)


def is_one_chunk(packet: bytes) -> bool:
    """Whether it holds exactly one 20 ms frame with audio in it (RFC 6716 §3.1), and is of ordinary size."""
    return 2 < len(packet) <= MAX_FORWARDED_BYTES and packet[0] in _ONE_CHUNK


def is_transform_coded(packet: bytes) -> bool:
    """CELT alone: its decoder starts anew after SILK, which may be heard (configurations 16 to 31)."""
    return packet[0] >= 0x80


def hole(packet: bytes) -> bytes:
    """The packet that says "here one like this was lost": its listener's decoder conceals 20 ms.

    A code 0 packet whose frame has no bytes (RFC 6716 §3.2.1).
    """
    return packet[:1]


_ONE_CHUNK = frozenset(
    config << 3 | stereo for config in (1, 5, 9, 13, 15, 19, 23, 27, 31) for stereo in (0, 4)
)
"""First bytes of packets with one frame (code 0) of 20 ms: SILK, hybrid, CELT (RFC 6716, table 2)."""


class Decoder:
    """Any Opus stream, decoded straight to 16 kHz mono (no resampler: RFC 6716 decoders do that inside)."""

    __slots__ = ("_decode", "_state", "_state_at")

    def __init__(self, lib: OpusLibrary) -> None:
        self._decode = lib.decode
        self._state = ctypes.create_string_buffer(lib.decoder_size(1))
        self._state_at = ctypes.addressof(self._state)
        _check(lib.decoder_init(self._state_at, SAMPLE_RATE_HZ, 1), "decoder")

    def decode(self, packet: bytes, pcm_at: int, room: int) -> int:
        """Samples written to `pcm_at`, or a negative libopus error (BUFFER_TOO_SMALL: needs more room)."""
        return self._decode(self._state_at, packet, len(packet), pcm_at, room, 0)  # type: ignore[no-any-return]

    def conceal(self, pcm_at: int, samples: int) -> int:
        """A guess at `samples` that never came (packet loss concealment)."""
        return self._decode(self._state_at, None, 0, pcm_at, samples, 0)  # type: ignore[no-any-return]

    def recover(self, following: bytes, pcm_at: int, samples: int) -> int:
        """The lost chunk from the forward error correction in the packet after it, else concealment."""
        return self._decode(self._state_at, following, len(following), pcm_at, samples, 1)  # type: ignore[no-any-return]


def _find_library() -> str:
    spec = find_spec("av")
    if spec is not None and spec.origin is not None:
        beside = Path(spec.origin).parent.parent / "av.libs"
        for found in sorted(beside.glob("libopus-*")):
            return str(found)
    system = ctypes.util.find_library("opus")
    if system is None:
        raise OpusError(
            "no libopus: PyAV's wheel brings one (pip install av), or use the system's (apt install libopus0)"
        )
    return system


def _function(lib: ctypes.CDLL, name: str, arguments: list[type[object]]) -> ctypes._CFuncPtr:  # type: ignore[name-defined]
    function = getattr(lib, name)
    function.argtypes = arguments
    function.restype = ctypes.c_int
    return function


def _check(code: int, what: str) -> None:
    if code != 0:
        raise OpusError(f"libopus refused the {what}: error {code}")
