"""Sealing of a call's words: one random key per call, kept in a table apart from what it seals.

AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce in front of the ciphertext. Erasing the key erases
what it sealed, backups of the journal included.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BITS = 256
NONCE_BYTES = 12


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


def private_database(path: Path, *, full_sync: bool = True) -> sqlite3.Connection:
    """A WAL database only its owner can read. Autocommit: transactions are begun and ended by the caller."""
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
