"""The journal's files: SQLite tables, what goes in and how it comes out. It waits for the disk only.

A `Ledger` belongs to one thread. `journal.py` runs one that writes and one that reads.
"""

from __future__ import annotations

import errno
import json
import shutil
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from voicewatch.core.events import Fact, RecordingSegment, UtteranceFinal, UtteranceScored, parse_event
from voicewatch.record.sealing import KeyRing, SealBroken, private_database, seal, unseal

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]
"""An event's data at version v -> the same at v + 1, with `v` raised."""

UPCASTERS: Mapping[tuple[str, int], Upcaster] = {}
"""By (type, v): how an old fact is read today. Written facts are never changed."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (
    cursor INTEGER PRIMARY KEY AUTOINCREMENT,
    call_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    type TEXT NOT NULL,
    v INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    at TEXT NOT NULL,
    body TEXT NOT NULL,
    sealed BLOB,
    UNIQUE (call_id, seq)
);
CREATE TABLE IF NOT EXISTS calls (
    call_id TEXT PRIMARY KEY,
    zero_at TEXT NOT NULL,
    first_cursor INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    ended INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS calls_by_age ON calls (first_cursor);
CREATE INDEX IF NOT EXISTS callbacks ON facts (call_id) WHERE type = 'callback_requested';
CREATE TABLE IF NOT EXISTS utterances (
    call_id TEXT NOT NULL,
    utterance_id TEXT NOT NULL,
    seat_id TEXT NOT NULL,
    source TEXT NOT NULL,
    start_ms INTEGER NOT NULL,
    end_ms INTEGER NOT NULL,
    kept INTEGER NOT NULL,
    PRIMARY KEY (call_id, utterance_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS scores (
    call_id TEXT NOT NULL, utterance_id TEXT NOT NULL, PRIMARY KEY (call_id, utterance_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sources (
    process TEXT NOT NULL, epoch TEXT NOT NULL, last_seq INTEGER NOT NULL, PRIMARY KEY (process, epoch)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS erased (call_id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS erasures (
    call_id TEXT PRIMARY KEY, at TEXT NOT NULL, by TEXT NOT NULL, reason TEXT NOT NULL
) WITHOUT ROWID;
"""

_COLUMNS = frozenset({"type", "v", "call_id", "at_ms", "at", "seq"})
_OF_A_CALL = ("facts", "calls", "utterances", "scores")


@dataclass(frozen=True)
class Erasure:
    """What remains of an erased call: that it was erased, when (UTC, ISO 8601), by whom and why."""

    call_id: str
    at: str
    by: str
    reason: str


class JournalFailed(Exception):
    """The journal could not be written or read; the text says why and what to do. Nothing was written."""


class JournalDamaged(JournalFailed):
    """What is on the disk cannot be read, and will not be by trying again."""


@dataclass(frozen=True)
class Source:
    """Where a report came from. Its `last_seq` becomes the mark of (process, epoch) in the same transaction.

    With `first_seq`, fact i has number first_seq + i up to last_seq and those at or below the mark are left
    out (facts after last_seq are what the report caused, and are always written). Without it a report is
    taken whole, or, if last_seq is at or below the mark, not at all.
    """

    process: str
    epoch: str
    last_seq: int
    first_seq: int | None = None


@dataclass(frozen=True)
class Stored:
    """A fact as written, with `seq` and `at`. `cursor` orders all facts of all calls: rising, with gaps."""

    cursor: int
    fact: Fact


@dataclass(frozen=True)
class Prepared:
    """A fact ready to be written: its plain fields, and the sealed ones apart."""

    fact: Fact
    body: str
    secret: bytes | None

    @classmethod
    def of(cls, fact: Fact) -> Prepared:
        data = fact.model_dump(mode="json", exclude=set(_COLUMNS))
        secret = {name: data.pop(name) for name in sorted(fact.SEALED)}
        return cls(fact, json.dumps(data), json.dumps(secret).encode() if secret else None)


@dataclass(frozen=True)
class Append:
    facts: Sequence[Prepared]
    source: Source | None = None


class Ledger:
    def __init__(
        self,
        folder: Path,
        *,
        upcasters: Mapping[tuple[str, int], Upcaster] = UPCASTERS,
        utc_now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Opens or makes journal.db and keys.db in `folder`. Raises JournalFailed."""
        self._upcasters = upcasters
        self._utc_now = utc_now
        self.path = folder / "journal.db"
        ring = folder / "keys.db"
        has_journal, has_ring = _holds_something(self.path), _holds_something(ring)
        if has_journal and not has_ring:
            raise _half_lost(ring)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._keys = KeyRing(ring)
            if not has_journal and self._keys.has_any():
                self._keys.close()
                raise _half_lost(self.path)
            self._database = private_database(self.path)
            self._database.executescript(SCHEMA)
        except (OSError, sqlite3.Error) as error:
            if getattr(error, "sqlite_errorname", "") in ("SQLITE_NOTADB", "SQLITE_CORRUPT"):
                raise JournalDamaged(
                    f"journal.db or keys.db in {folder} is damaged ({error}); restore both from a backup"
                ) from error
            raise JournalFailed(_remedy(self.path, error)) from error

    def close(self) -> None:
        self._database.close()
        self._keys.close()

    def check(self) -> None:
        """Raises JournalFailed if the file is damaged."""
        try:
            found = self._database.execute("PRAGMA quick_check(1)").fetchone()[0]
        except sqlite3.Error as error:
            found = str(error)
        if found != "ok":
            raise JournalDamaged(f"the journal {self.path} is damaged ({found}); restore it from a backup")

    # ------------------------------------------------------------ writing

    def write(self, appends: Sequence[Append]) -> list[list[Stored]]:
        """All of `appends` in one transaction, durable on return, or JournalFailed and none of them."""
        try:
            self._database.execute("BEGIN IMMEDIATE")
            stored = [self._write_one(append) for append in appends]
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            raise JournalFailed(_remedy(self.path, error)) from error
        except BaseException:
            self._roll_back()
            raise
        return stored

    def _roll_back(self) -> None:
        if self._database.in_transaction:  # some disk errors have rolled back already
            self._database.execute("ROLLBACK")

    def _write_one(self, append: Append) -> list[Stored]:
        facts = list(append.facts)
        if append.source is not None:
            mark = self.high_water(append.source.process, append.source.epoch)
            if append.source.last_seq <= mark:
                return []
            if append.source.first_seq is not None:
                del facts[: max(0, mark - append.source.first_seq + 1)]
            self._database.execute(
                "INSERT INTO sources VALUES (?, ?, ?)"
                " ON CONFLICT (process, epoch) DO UPDATE SET last_seq = excluded.last_seq",
                (append.source.process, append.source.epoch, append.source.last_seq),
            )
        return [self._insert(fact) for fact in facts if self._is_new(fact.fact)]

    def _is_new(self, fact: Fact) -> bool:
        """False for what a restarted process says again, and for facts of an erased call."""
        if self._erasure_began(fact.call_id):
            return False
        if isinstance(fact, UtteranceFinal):
            return self._is_new_utterance(fact)
        if isinstance(fact, UtteranceScored):
            return self._is_new_score(fact)
        if isinstance(fact, RecordingSegment):
            return self._is_new_recording(fact)
        return True

    def _is_new_utterance(self, fact: UtteranceFinal) -> bool:
        known = self._database.execute(
            "SELECT 1 FROM utterances WHERE call_id = ? AND utterance_id = ?",
            (fact.call_id, fact.utterance_id),
        ).fetchone()
        if known:
            return False
        # Endpoints found again after a replay may differ a little, so the same speech is known by overlap.
        # Not so with reported text: a worker that sends two sentences at once gives both the same end.
        overlapping = (
            fact.source == "asr"
            and self._database.execute(
                "SELECT 1 FROM utterances"
                " WHERE call_id = :call AND seat_id = :seat AND kept AND source = 'asr'"
                " AND 2 * (min(end_ms, :end) - max(start_ms, :start)) > min(end_ms - start_ms, :end - :start)"
                " AND start_ms < :end AND end_ms > :start",
                {"call": fact.call_id, "seat": fact.seat_id, "start": fact.start_ms, "end": fact.end_ms},
            ).fetchone()
        )
        self._database.execute(
            "INSERT INTO utterances VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                fact.call_id,
                fact.utterance_id,
                fact.seat_id,
                fact.source,
                fact.start_ms,
                fact.end_ms,
                not overlapping,
            ),
        )
        return not overlapping

    def _is_new_score(self, fact: UtteranceScored) -> bool:
        """The first score of an utterance stays; a score of a dropped utterance goes with it."""
        place = (fact.call_id, fact.utterance_id)
        dropped = self._database.execute(
            "SELECT 1 FROM utterances WHERE call_id = ? AND utterance_id = ? AND NOT kept", place
        ).fetchone()
        if dropped:
            return False
        return self._database.execute("INSERT OR IGNORE INTO scores VALUES (?, ?)", place).rowcount == 1

    def _is_new_recording(self, fact: RecordingSegment) -> bool:
        """A recorder that died before it knew that its fact is durable says it again."""
        known = self._database.execute(
            "SELECT 1 FROM facts WHERE call_id = ? AND type = ? AND json_extract(body, '$.path') = ?",
            (fact.call_id, fact.type, fact.path),
        ).fetchone()
        return known is None

    def _insert(self, prepared: Prepared) -> Stored:
        fact = prepared.fact
        row = self._database.execute(
            "SELECT last_seq, zero_at FROM calls WHERE call_id = ?", (fact.call_id,)
        ).fetchone()
        seq = row[0] + 1 if row else 1
        offset = timedelta(milliseconds=fact.at_ms)
        zero_at = datetime.fromisoformat(row[1]) if row else (fact.at or self._utc_now()) - offset
        at = zero_at + offset
        sealed = None
        if prepared.secret is not None:
            key = self._keys.find_or_make(fact.call_id)
            sealed = seal(key, _place(fact.call_id, seq, fact.type), prepared.secret)
        cursor = self._database.execute(
            "INSERT INTO facts (call_id, seq, type, v, at_ms, at, body, sealed)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (fact.call_id, seq, fact.type, fact.v, fact.at_ms, at.isoformat(), prepared.body, sealed),
        ).lastrowid
        assert cursor is not None
        self._database.execute(
            "INSERT INTO calls VALUES (:call, :zero, :cursor, :seq, :ended) ON CONFLICT (call_id)"
            " DO UPDATE SET last_seq = excluded.last_seq, ended = max(ended, excluded.ended)",
            {
                "call": fact.call_id,
                "zero": zero_at.isoformat(),
                "cursor": cursor,
                "seq": seq,
                "ended": fact.type == "call_ended",
            },
        )
        return Stored(cursor, fact.model_copy(update={"seq": seq, "at": at}))

    def erase(self, call_id: str, by: str = "", reason: str = "") -> None:
        """Key first, then all that is known of the call. Interrupted, it is finished at the next start."""
        try:
            self._database.execute("INSERT OR IGNORE INTO erased VALUES (?)", (call_id,))
            self._database.execute(
                "INSERT OR IGNORE INTO erasures VALUES (?, ?, ?, ?)",
                (call_id, self._utc_now().isoformat(timespec="seconds"), by, reason),
            )
            self._keys.forget(call_id)
            self._database.execute("BEGIN IMMEDIATE")
            for table in _OF_A_CALL:
                self._database.execute(f"DELETE FROM {table} WHERE call_id = ?", (call_id,))
            self._database.execute("COMMIT")
            self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as error:
            self._roll_back()
            raise JournalFailed(_remedy(self.path, error)) from error

    def finish_erasures(self) -> None:
        rows = self._database.execute("SELECT call_id FROM erased JOIN calls USING (call_id)").fetchall()
        for (call_id,) in rows:
            self.erase(call_id)

    # ------------------------------------------------------------ reading

    def erasures(self) -> list[Erasure]:
        """All there ever were, oldest first."""
        rows = self._database.execute("SELECT call_id, at, by, reason FROM erasures ORDER BY at, call_id")
        return [Erasure(*row) for row in rows]

    def calls_of_customer(self, key: str) -> list[str]:
        """Calls whose first fact names this `customer_key`, oldest first."""
        rows = self._database.execute(
            "SELECT calls.call_id FROM calls JOIN facts ON facts.call_id = calls.call_id AND facts.seq = 1"
            " WHERE json_extract(facts.body, '$.customer_key') = ? ORDER BY first_cursor",
            (key,),
        )
        return [str(row[0]) for row in rows]

    def ended_before(self, instant: datetime) -> list[str]:
        """Calls whose last fact is older than that, and which ended; oldest first."""
        rows = self._database.execute(
            "SELECT calls.call_id, facts.at FROM calls"
            " JOIN facts ON facts.call_id = calls.call_id AND facts.seq = calls.last_seq"
            " WHERE ended ORDER BY first_cursor"
        )
        return [str(call_id) for call_id, at in rows if datetime.fromisoformat(at) < instant]

    def high_water(self, process: str, epoch: str) -> int:
        row = self._database.execute(
            "SELECT last_seq FROM sources WHERE process = ? AND epoch = ?", (process, epoch)
        ).fetchone()
        return int(row[0]) if row else 0

    def read(self, call_id: str, after_seq: int) -> list[Fact]:
        return [
            stored.fact for stored in self._select("call_id = ? AND seq > ? ORDER BY seq", call_id, after_seq)
        ]

    def since(self, cursor: int, limit: int) -> list[Stored]:
        return self._select("cursor > ? ORDER BY cursor LIMIT ?", cursor, limit)

    def last_cursor(self) -> int:
        # The sequence and not max(cursor): it stays when the newest call is erased.
        row = self._database.execute("SELECT seq FROM sqlite_sequence WHERE name = 'facts'").fetchone()
        return int(row[0]) if row else 0

    def live_calls(self) -> list[str]:
        return self._call_ids("WHERE NOT ended ORDER BY first_cursor")

    def recent_calls(self, limit: int) -> list[str]:
        return self._call_ids("ORDER BY first_cursor DESC LIMIT ?", limit)

    def calls_with_callbacks(self, limit: int) -> list[str]:
        """Calls in which a callback was ever agreed, newest first."""
        return self._call_ids(
            "WHERE call_id IN (SELECT call_id FROM facts WHERE type = 'callback_requested')"
            " ORDER BY first_cursor DESC LIMIT ?",
            limit,
        )

    def _call_ids(self, which: str, *values: int) -> list[str]:
        return [str(row[0]) for row in self._database.execute(f"SELECT call_id FROM calls {which}", values)]

    def _select(self, which: str, *values: object) -> list[Stored]:
        rows = self._rows(
            f"SELECT cursor, call_id, seq, type, v, at_ms, at, body, sealed FROM facts WHERE {which}", values
        )
        keys = {call_id: self._keys.find(call_id) for call_id in {row[1] for row in rows if row[8]}}
        # A call whose erasure has begun since these rows were found is gone, though they are still here.
        gone = {call_id for call_id, key in keys.items() if key is None and self._erasure_began(call_id)}
        found = []
        for cursor, call_id, seq, kind, v, at_ms, at, body, sealed in rows:
            if call_id in gone:
                continue
            data = {
                **_fields(body, call_id, seq, kind),
                **self._open_sealed(call_id, seq, kind, sealed, keys),
                "type": kind,
                "v": v,
                "call_id": call_id,
                "at_ms": at_ms,
                "at": at,
                "seq": seq,
            }
            found.append(Stored(cursor, self._parse(data)))
        return found

    def _rows(self, query: str, values: Sequence[object]) -> list[Any]:
        try:
            return self._database.execute(query, values).fetchall()
        except sqlite3.Error as error:
            name = getattr(error, "sqlite_errorname", "")  # none if a text is no UTF-8, which it would quote
            failure = JournalDamaged if name in ("", "SQLITE_CORRUPT", "SQLITE_NOTADB") else JournalFailed
            raise failure(
                f"the journal {self.path} cannot be read ({name or 'torn text'}); "
                "see that its disk is sound, or restore it from a backup"
            ) from None

    def _erasure_began(self, call_id: str) -> bool:
        marked = self._database.execute("SELECT 1 FROM erased WHERE call_id = ?", (call_id,)).fetchone()
        return marked is not None

    def _open_sealed(
        self, call_id: str, seq: int, kind: str, sealed: bytes | None, keys: Mapping[str, bytes | None]
    ) -> dict[str, Any]:
        if sealed is None:
            return {}
        key = keys[call_id]
        if key is None:
            raise JournalDamaged(
                f"the key of call {call_id} is missing: keys.db does not belong to {self.path}; restore both"
            )
        try:
            opened: dict[str, Any] = json.loads(unseal(key, _place(call_id, seq, kind), sealed))
        except SealBroken as error:
            raise JournalDamaged(f"{self.path}: {error}; it was changed, restore it from a backup") from None
        return opened

    def _parse(self, data: dict[str, Any]) -> Fact:
        try:
            fact = parse_event(upcast(data, self._upcasters))
        except ValueError as error:
            # The values stay out of the text: they may be a customer's words.
            reason = str(error) if "unknown event type" in str(error) else "fields do not fit"
            raise JournalDamaged(
                f"fact {data['seq']} of call {data['call_id']} ({data['type']} v{data['v']}) cannot be read:"
                f" {reason}; was it written by a newer version?"
            ) from None
        assert isinstance(fact, Fact)
        return fact


def upcast(data: dict[str, Any], upcasters: Mapping[tuple[str, int], Upcaster]) -> dict[str, Any]:
    """`data` brought to the newest version there is a way to."""
    while (step := upcasters.get((data["type"], data["v"]))) is not None:
        data = step(data)
    return data


def _fields(body: str, call_id: str, seq: int, kind: str) -> dict[str, Any]:
    try:
        fields: dict[str, Any] = json.loads(body)
    except ValueError:
        raise JournalDamaged(f"fact {seq} of call {call_id} ({kind}) is torn; restore the journal") from None
    return fields


def _half_lost(file: Path) -> JournalDamaged:
    """One without the other is no beginning: what was lost is not to be taken for what never was."""
    return JournalDamaged(
        f"{file} is missing or empty, though journal.db and keys.db are made together: restore both from a "
        "backup, or remove both to begin anew"
    )


def _holds_something(file: Path) -> bool:
    try:
        return file.stat().st_size > 0
    except OSError:
        return False


def _place(call_id: str, seq: int, kind: str) -> str:
    """What a sealed part is bound to: it cannot be moved to another call, fact or type."""
    return f"{call_id}|{seq}|{kind}"


FULL_BYTES = 256 * 1024
"""With less than this free SQLite's own files find no room, and it calls that an I/O error."""


def _remedy(path: Path, error: sqlite3.Error | OSError) -> str:
    name = getattr(error, "sqlite_errorname", "")
    if name == "SQLITE_FULL" or getattr(error, "errno", 0) in (errno.ENOSPC, errno.EDQUOT) or _is_full(path):
        return f"the disk of the journal {path} is full; free some space there"
    if name.startswith("SQLITE_READONLY") or getattr(error, "errno", 0) == errno.EROFS:
        return f"the journal {path} cannot be written to (read-only); make its folder writable"
    return f"cannot open or write the journal {path}: {error} ({name or type(error).__name__})"


def _is_full(path: Path) -> bool:
    try:
        return shutil.disk_usage(path.parent).free < FULL_BYTES
    except OSError:
        return False
