"""Sealed recordings: opened by their key alone, in any part, and by nobody who changed them."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from voicewatch.record.sealed_file import SealedReader, SealedWriter
from voicewatch.record.sealing import KeyRing, SealBroken, find_key

KEY = bytes(range(32))
PLACE = "call1/seat1-1.opus.sealed"
PIECES = [b"first " * 50, b"", b"third", b"the last one"]
PLAIN = b"".join(PIECES)


def written(path: Path, *, whole: bool = True) -> Path:
    writer = SealedWriter(path, KEY, PLACE)
    for number, piece in enumerate(PIECES):
        writer.append(piece, last=whole and number == len(PIECES) - 1)
    writer.close()
    return path


def content(path: Path, key: bytes = KEY, place: str = PLACE) -> bytes:
    reader = SealedReader(path, key, place)
    try:
        return reader.read(0, reader.size)
    finally:
        reader.close()


def test_a_file_is_read_back_in_any_part_and_shows_nothing_of_it(tmp_path: Path) -> None:
    path = written(tmp_path / "a")
    assert content(path) == PLAIN
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert b"first" not in path.read_bytes()
    reader = SealedReader(path, KEY, PLACE)
    for start in range(0, len(PLAIN), 7):
        for end in (start, start + 1, start + 290, len(PLAIN) + 9):
            assert reader.read(start, end) == PLAIN[start:end]
    assert reader.is_whole
    reader.close()


def test_another_key_or_place_opens_nothing(tmp_path: Path) -> None:
    path = written(tmp_path / "a")
    with pytest.raises(SealBroken):
        content(path, bytes(32))
    with pytest.raises(SealBroken):
        content(path, place="call2/seat1-1.opus.sealed")
    (tmp_path / "b").write_bytes(b"OggS" + bytes(100))
    with pytest.raises(SealBroken, match="not a sealed recording"):
        content(tmp_path / "b")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, 600))
def test_a_file_cut_anywhere_is_readable_up_to_its_last_whole_piece(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "cut"
    path.unlink(missing_ok=True)
    data = written(path).read_bytes()[:cut]
    path.write_bytes(data)
    if len(data) < 40:
        with pytest.raises(SealBroken):
            content(path)
        return
    reader = SealedReader(path, KEY, PLACE)
    assert PLAIN.startswith(reader.read(0, reader.size))
    assert reader.is_whole == (cut >= reader.end_of(4) if len(reader) == 4 else False)
    reader.close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(8, 500), value=st.integers(1, 255))
def test_no_changed_byte_is_taken_for_what_was_written(tmp_path: Path, at: int, value: int) -> None:
    path = tmp_path / "changed"
    path.unlink(missing_ok=True)
    data = bytearray(written(path).read_bytes())
    data[at % len(data)] ^= value
    if data[:8] != b"VWSEAL1\n":
        return
    path.write_bytes(bytes(data))
    reader = SealedReader(path, KEY, PLACE)
    for number in range(len(reader)):
        try:
            assert reader.piece(number) == PIECES[number]
        except SealBroken:
            continue
    reader.close()


def test_pieces_cannot_be_swapped_nor_the_end_forged(tmp_path: Path) -> None:
    path = written(tmp_path / "a", whole=False)
    data = path.read_bytes()
    last = len(data) - (4 + 16 + len(PIECES[3]))
    path.write_bytes(data[:last] + bytes((0x80,)) + data[last + 1 :])  # said to be the last piece
    with pytest.raises(SealBroken):
        content(path)
    one, two = data[40 : 40 + 4 + 316], data[40 + 4 + 316 : 40 + 4 + 316 + 20]
    path.write_bytes(data[:40] + two + one + data[40 + len(one) + len(two) :])
    with pytest.raises(SealBroken):
        content(path)


def test_a_key_is_found_while_another_connection_has_the_ring_and_gone_when_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "keys.db"
    assert find_key(path, "call1") is None
    ring = KeyRing(path)
    key = ring.find_or_make("call1")
    assert find_key(path, "call1") == key
    ring.forget("call1")
    assert find_key(path, "call1") is None
    ring.close()
    path.write_bytes(b"damaged" * 100)
    with pytest.raises(OSError, match="cannot be read"):
        find_key(path, "call1")
