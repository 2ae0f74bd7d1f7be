"""A recording's file: pieces sealed one by one, each as long as it says, the last one marked.

    magic (8 bytes) | salt (32) | pieces: word (4, big endian: bit 31 marks the last, the rest is the length)
                                  then so many bytes of ciphertext and tag

A writer that is killed leaves a file that can be read up to its last whole piece. Any part of the plain
content can be read without the rest, also while the file is being written.
"""

from __future__ import annotations

import os
import struct
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

from voicewatch.record.sealing import SALT_BYTES, TAG_BYTES, SealBroken, SegmentSeal

MAGIC = b"VWSEAL1\n"
PLAIN_BYTES_MAX = 1 << 20
"""In one piece; a length beyond it is damage."""
_WORD = struct.Struct("!I")
_LAST = 1 << 31
_HEADER_BYTES = len(MAGIC) + SALT_BYTES


class SealedWriter:
    """A new file. Raises OSError where the disk does, and has then written nothing of that piece.

    After a failed write it is to be abandoned: a number is never used for two pieces.
    """

    def __init__(self, path: Path, call_key: bytes, place: str) -> None:
        """FileExistsError if `path` is there already."""
        salt = os.urandom(SALT_BYTES)
        self._seal = SegmentSeal(call_key, salt, place)
        self._number = 0
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self.length = 0
        """Bytes written."""
        try:
            self._write(MAGIC + salt)
        except OSError:
            self.close()
            raise

    def append(self, plain: bytes, *, last: bool = False) -> None:
        sealed = self._seal.seal(self._number, plain, last=last)
        self._write(_WORD.pack(len(sealed) | (_LAST if last else 0)) + sealed)
        self._number += 1

    def descriptor(self) -> int:
        """A descriptor of the file for somebody else to sync and close."""
        return os.dup(self._file)

    def close(self) -> None:
        os.close(self._file)

    def _write(self, data: bytes) -> None:
        try:
            written = 0
            while written < len(data):  # in more than one go: the disk is becoming full
                written += os.write(self._file, data[written:])
        except OSError:
            os.ftruncate(self._file, self.length)
            raise
        self.length += len(data)


class SealedReader:
    """The whole pieces there were in a file when it was opened. Closed by its owner.

    Raises OSError, and SealBroken for a file that is none of this call and place.
    """

    def __init__(self, path: Path, call_key: bytes, place: str) -> None:
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            header = os.pread(self._file, _HEADER_BYTES, 0)
            if len(header) < _HEADER_BYTES or not header.startswith(MAGIC):
                raise SealBroken(f"{place} is not a sealed recording")
            self._seal = SegmentSeal(call_key, header[len(MAGIC) :], place)
            self._pieces = list(_pieces(self._file))
        except BaseException:
            self.close()
            raise
        self._starts = [0, *accumulate(length for _, length, _ in self._pieces)]

    def close(self) -> None:
        os.close(self._file)

    def __len__(self) -> int:
        """Pieces."""
        return len(self._pieces)

    @property
    def size(self) -> int:
        """Bytes of plain content."""
        return self._starts[-1]

    @property
    def is_whole(self) -> bool:
        """It was ended by its writer."""
        return bool(self._pieces) and self._pieces[-1][2]

    def end_of(self, count: int) -> int:
        """Where in the file the first `count` pieces end."""
        if count == 0:
            return _HEADER_BYTES
        at, length, _ = self._pieces[count - 1]
        return at + length + TAG_BYTES

    def piece(self, number: int) -> bytes:
        at, length, last = self._pieces[number]
        return self._seal.unseal(number, os.pread(self._file, length + TAG_BYTES, at), last=last)

    def pieces_from(self, start: int) -> int:
        """The number of the piece that byte `start` of the plain content is in."""
        return bisect_right(self._starts, start) - 1

    def read(self, start: int, end: int) -> bytes:
        """Bytes [start, end) of the plain content, as far as there are."""
        end = min(end, self.size)
        if start >= end:
            return b""
        first, last = self.pieces_from(start), self.pieces_from(end - 1)
        plain = b"".join(self.piece(number) for number in range(first, last + 1))
        return plain[start - self._starts[first] : end - self._starts[first]]


def _pieces(file: int) -> Iterator[tuple[int, int, bool]]:
    """(place in the file, plain length, is the last) of each whole piece; ends quietly at what is cut off."""
    size = os.fstat(file).st_size
    at = _HEADER_BYTES
    while at + _WORD.size <= size:
        (word,) = _WORD.unpack(os.pread(file, _WORD.size, at))
        length, last = word & ~_LAST, bool(word & _LAST)
        at += _WORD.size
        if not TAG_BYTES <= length <= PLAIN_BYTES_MAX + TAG_BYTES or at + length > size:
            return
        yield at, length - TAG_BYTES, last
        if last:
            return
        at += length
