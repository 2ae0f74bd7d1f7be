"""Messages as bytes and back. Pure.

    u32 length of what follows | u8 PROTOCOL | u32 length of the header | header, JSON | payload

All numbers are big-endian. The first five bytes mean the same in every version, so that a peer of another
version is recognised.
"""

from __future__ import annotations

import json
import struct

from voicewatch.processes.messages import PROTOCOL, Message, parse_message

MAX_MESSAGE_BYTES = 16 << 20
"""A tick of audio of 60 calls is 0.1 MB, a full batch of reports some 2 MB: more than this is a mistake."""

_PREFIX = struct.Struct("!IBI")
_LENGTH = struct.Struct("!I")
_AFTER_LENGTH = _PREFIX.size - _LENGTH.size


class BadPeer(Exception):
    """The other side does not speak this protocol; the connection is of no more use."""


Payload = bytes | bytearray | memoryview


def encode(message: Message, payload: Payload = b"") -> bytes:
    """The message with its payload. ValueError if it is longer than MAX_MESSAGE_BYTES."""
    header = message.model_dump_json().encode()
    length = _AFTER_LENGTH + len(header) + len(payload)
    if length > MAX_MESSAGE_BYTES:
        raise ValueError(f"message {message.type} has {length} bytes, allowed are {MAX_MESSAGE_BYTES}")
    return b"".join((_PREFIX.pack(length, PROTOCOL, len(header)), header, payload))


class Decoder:
    """Takes bytes as they arrive, cut anywhere, and gives the messages that are complete."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[tuple[Message, bytes]]:
        """The messages that `data` completed, each with its payload, in order. BadPeer ends the stream."""
        self._buffer += data
        found: list[tuple[Message, bytes]] = []
        start = 0
        with memoryview(self._buffer) as view:
            while (end := _message_end(view, start)) is not None and end <= len(view):
                with view[start:end] as whole:
                    found.append(_decode(whole))
                start = end
        if start:
            del self._buffer[:start]
        return found


def _message_end(view: memoryview, start: int) -> int | None:
    """Where the message at `start` ends, None if too little of it is here to tell."""
    if len(view) - start <= _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack_from(view, start)
    version = view[start + _LENGTH.size]
    if version != PROTOCOL:
        raise BadPeer(f"the peer speaks protocol {version}, this process {PROTOCOL}: restart all processes")
    if not _AFTER_LENGTH <= length <= MAX_MESSAGE_BYTES:
        raise BadPeer(f"message length {length} is outside {_AFTER_LENGTH}..{MAX_MESSAGE_BYTES}")
    return start + _LENGTH.size + int(length)


def _decode(whole: memoryview) -> tuple[Message, bytes]:
    header_end = _PREFIX.size + _PREFIX.unpack_from(whole)[2]
    if header_end > len(whole):
        raise BadPeer("a header is longer than its message")
    try:
        header = json.loads(bytes(whole[_PREFIX.size : header_end]))
    except ValueError:
        raise BadPeer("a header is not JSON") from None
    try:
        return parse_message(header), bytes(whole[header_end:])
    except (ValueError, AttributeError):  # a list or number where an object belongs has no `get`
        kind = header.get("type") if isinstance(header, dict) else type(header).__name__
        raise BadPeer(f"message {kind!r} is unknown or does not have its fields") from None
