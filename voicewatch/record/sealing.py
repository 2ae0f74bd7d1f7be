"""Sealing of a call's words and voices: one random key per call, kept in a table apart from what it seals.

Words: AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce in front of the ciphertext. Recordings, which
are written and read in pieces: `SegmentSeal`. Erasing the key erases what it sealed, in backups of the
journal and of the recordings too.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from contextlib import closing
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BITS = 256
NONCE_BYTES = 12
TAG_BYTES = 16
SALT_BYTES = 32


class SealBroken(Exception):
    """Sealed bytes do not belong to this key and place: changed, moved, or another key."""


def seal(key: bytes, place: str, plain: bytes) -> bytes:
    """`plain` sealed for `place` (where it is stored; needed again to open it): nonce, ciphertext, tag."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plain, place.encode())


def unseal(key: bytes, place: str, sealed: bytes) -> bytes:
    """What `seal` was given. Raises SealBroken."""
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], place.encode())
    except (InvalidTag, ValueError):
        raise SealBroken(f"the sealed part of {place} cannot be opened with its call's key") from None


class SegmentSeal:
    """Seals one file piece by piece: each can be opened alone, none can be moved, left out or added.

    The STREAM construction (Hoang, Reyhanitabar, Rogaway and Vizar, "Online Authenticated-Encryption and its
    Nonce-Reuse Misuse-Resistance", CRYPTO 2015): AES-256-GCM whose nonce is the number of the piece and
    whether it is the last. The key is the file's own, derived from the call's by HKDF (RFC 5869) with a salt
    that no other file has, so that numbers may serve as nonces. Holds nothing that opens another file.
    """

    def __init__(self, call_key: bytes, salt: bytes, place: str) -> None:
        """`place` is where the file belongs; under another name it does not open."""
        info = b"voicewatch recording " + place.encode()
        derivation = HKDF(algorithm=SHA256(), length=KEY_BITS // 8, salt=salt, info=info)
        self._cipher = AESGCM(derivation.derive(call_key))
        self._place = place

    def seal(self, number: int, plain: bytes, *, last: bool) -> bytes:
        """Ciphertext and tag. A number is used once."""
        return self._cipher.encrypt(_segment_nonce(number, last), plain, None)

    def unseal(self, number: int, sealed: bytes, *, last: bool) -> bytes:
        """Raises SealBroken."""
        try:
            return self._cipher.decrypt(_segment_nonce(number, last), sealed, None)
        except (InvalidTag, ValueError):
            raise SealBroken(
                f"piece {number} of {self._place} cannot be opened with its call's key"
            ) from None


def _segment_nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(NONCE_BYTES - 1, "big") + bytes((last,))


def find_key(path: Path, call_id: str) -> bytes | None:
    """A call's key from the ring at `path`, whoever else has it open; None if there is none (any more).

    Opened and closed again: the caller may be any thread of any process. OSError if it cannot be read.
    """
    if not path.exists():
        return None
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=1.0)) as ring:
            row = ring.execute("SELECT key FROM keys WHERE call_id = ?", (call_id,)).fetchone()
    except sqlite3.Error as error:
        raise OSError(errno.EIO, f"the key table cannot be read: {error}", str(path)) from error
    return bytes(row[0]) if row else None


def private_database(path: Path, *, full_sync: bool = True) -> sqlite3.Connection:
    """A WAL database only its owner can read. Autocommit: transactions are begun and ended by the caller.

    A file that is there is never opened past SQLite: closing it would drop the locks of every connection of
    this process (POSIX, fcntl), and another process that closes its own would then take the log away.
    """
    if not path.exists():
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    path.chmod(0o600)  # SQLite gives -wal and -shm the mode of the database
    database = sqlite3.connect(path, isolation_level=None, timeout=5.0)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute(f"PRAGMA synchronous={'FULL' if full_sync else 'NORMAL'}")
    database.execute("PRAGMA secure_delete=ON")
    return database


class KeyRing:
    """The keys of all calls, in `keys.db`. Belongs to one thread; holds no key longer than a request."""

    def __init__(self, path: Path) -> None:
        self._database = private_database(path)
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS keys (call_id TEXT PRIMARY KEY, key BLOB NOT NULL) WITHOUT ROWID"
        )

    def find(self, call_id: str) -> bytes | None:
        row = self._database.execute("SELECT key FROM keys WHERE call_id = ?", (call_id,)).fetchone()
        return bytes(row[0]) if row else None

    def has_any(self) -> bool:
        """Whether it holds the key of any call."""
        return self._database.execute("SELECT 1 FROM keys LIMIT 1").fetchone() is not None

    def find_or_make(self, call_id: str) -> bytes:
        """Durable before it is returned: nothing is ever sealed under a key that a crash could lose."""
        found = self.find(call_id)
        if found is not None:
            return found
        key = AESGCM.generate_key(KEY_BITS)
        self._database.execute("INSERT INTO keys VALUES (?, ?)", (call_id, key))
        return key

    def forget(self, call_id: str) -> None:
        """The key is gone from the file and its write-ahead log."""
        self._database.execute("DELETE FROM keys WHERE call_id = ?", (call_id,))
        self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        self._database.close()
