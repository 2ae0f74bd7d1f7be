"""The journal: once, in order, durable, sealed."""

from __future__ import annotations

import asyncio
import os
import random
import resource
import sqlite3
import stat
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from voicewatch.core.events import (
    AlertRaised,
    CallEnded,
    CallStarted,
    Evidence,
    Fact,
    LegLive,
    RecordingSegment,
    Severity,
    SilenceBegan,
    UtteranceFinal,
    UtteranceScored,
)
from voicewatch.record import journal as journal_module
from voicewatch.record.journal import Journal, JournalDamaged, JournalFailed, Source

NOON = datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC)


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    opened = await Journal.open(tmp_path / "journal", utc_now=lambda: NOON)
    yield opened
    await opened.close()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def live(number: int, call: str = "c1") -> Fact:
    return LegLive(call_id=call, at_ms=number, seat_id="s", leg_id=str(number))


def said(start_ms: int, end_ms: int, text: str = "hello", **more: Any) -> UtteranceFinal:
    fields = {"call_id": "c1", "seat_id": "s", "role": "customer", "utterance_id": f"s-{start_ms}", **more}
    return UtteranceFinal(start_ms=start_ms, end_ms=end_ms, text=text, **fields)


def scored(utterance_id: str) -> UtteranceScored:
    return UtteranceScored(call_id="c1", utterance_id=utterance_id, seat_id="s", role="customer")


async def test_facts_come_back_numbered_and_timed(journal: Journal) -> None:
    start = CallStarted(call_id="c1", customer_name="Ann", attributes={"tier": "gold"})
    stored = await journal.append([start, live(1500), live(20, call="c2")])
    assert [(s.fact.call_id, s.fact.seq) for s in stored] == [("c1", 1), ("c1", 2), ("c2", 1)]
    assert stored[1].fact.at == datetime(2026, 1, 2, 12, 0, 1, 500_000, tzinfo=UTC)
    assert await journal.read("c1") == [s.fact for s in stored[:2]]
    assert await journal.read("c1", after_seq=1) == [stored[1].fact]
    assert await journal.since(0) == stored
    assert await journal.since(stored[0].cursor, limit=1) == [stored[1]]
    assert await journal.last_cursor() == stored[-1].cursor


async def test_it_goes_on_after_it_is_opened_again(tmp_path: Path) -> None:
    first = await Journal.open(tmp_path)
    before = await first.append([CallStarted(call_id="c1", customer_name="Ann")])
    await first.close()
    second = await Journal.open(tmp_path)
    after = await second.append([live(1)])
    assert after[0].fact.seq == 2
    assert await second.since(0) == before + after
    await second.close()
    with pytest.raises(JournalFailed, match="closed"):
        await second.append([live(2)])


async def test_live_and_recent_calls(journal: Journal) -> None:
    for call in ("c1", "c2", "c3"):
        await journal.append([CallStarted(call_id=call)])
    await journal.append([CallEnded(call_id="c2", reason="customer_hangup"), live(9, "c2")])
    assert await journal.live_calls() == ["c1", "c3"]
    assert await journal.recent_calls(2) == ["c3", "c2"]


async def test_a_report_is_taken_once(journal: Journal) -> None:
    report = [live(1), live(2), live(3)]
    assert len(await journal.append(report, Source("media-0", "e1", last_seq=3))) == 3
    assert await journal.append(report, Source("media-0", "e1", last_seq=3)) == []
    assert await journal.high_water("media-0", "e1") == 3
    assert await journal.high_water("media-0", "e2") == 0
    # Sent again with more behind it, and with a fact that the report caused.
    again = [*report, live(4), live(100)]
    new = await journal.append(again, Source("media-0", "e1", last_seq=4, first_seq=1))
    assert [s.fact.at_ms for s in new] == [4, 100]
    assert len(await journal.append(report, Source("media-0", "e2", last_seq=3))) == 3


@pytest.mark.parametrize(
    ("second", "kept"),
    [
        (said(1000, 2000), False),
        (said(1040, 2100), False),
        (said(1400, 1500), False),
        (said(1600, 2800), True),
        (said(2000, 3000), True),
        (said(1040, 2100, seat_id="other", utterance_id="other-1040"), True),
        (said(1040, 2100, call_id="c2"), True),
        (said(1040, 2100, source="reported"), True),
    ],
)
async def test_speech_heard_again_is_known(journal: Journal, second: UtteranceFinal, kept: bool) -> None:
    await journal.append([said(1000, 2000), scored("s-1000")])
    assert bool(await journal.append([second])) is kept
    if not kept:  # also when it comes a third time, and its score goes with it
        assert await journal.append([second, scored(second.utterance_id)]) == []


async def test_a_recording_is_known_by_its_path(journal: Journal) -> None:
    def segment(path: str) -> RecordingSegment:
        return RecordingSegment(
            call_id="c1", seat_id="s", role="ai", path=path, start_ms=0, duration_ms=1, packets=1
        )

    assert len(await journal.append([segment("c1/s-1.opus"), segment("c1/s-1.opus")])) == 1
    assert len(await journal.append([segment("c1/s-1.opus"), segment("c1/s-2.opus")])) == 1


async def test_what_waits_is_committed_together(journal: Journal) -> None:
    await journal.append([live(0)])
    before = journal.commits
    stored = await asyncio.gather(*(journal.append([live(n)]) for n in range(1, 301)))
    assert [s[0].fact.at_ms for s in sorted(stored, key=lambda s: s[0].cursor)] == list(range(1, 301))
    assert journal.commits - before < 30


async def test_a_full_queue_makes_append_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "QUEUE_LIMIT", 2)
    journal = await Journal.open(tmp_path)
    stored = await asyncio.gather(*(journal.append([live(n)]) for n in range(20)))
    assert [s[0].fact.seq for s in stored] == list(range(1, 21))
    await journal.close()


async def test_a_fact_sqlite_cannot_take_fails_alone(journal: Journal) -> None:
    bad = live(1).model_copy(update={"at_ms": 10**30})
    results = await asyncio.gather(
        journal.append([live(1)]), journal.append([bad]), journal.append([live(2)]), return_exceptions=True
    )
    assert isinstance(results[1], JournalFailed)
    assert [f.at_ms for f in await journal.read("c1")] == [1, 2]


async def test_a_full_disk_is_said_and_passes(tmp_path: Path) -> None:
    journal = await Journal.open(tmp_path)
    await journal.append([live(1)])
    size = max(map(len, contents(tmp_path).values()))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        big = [said(n, n, text="x" * 4000, utterance_id=f"u{n}") for n in range(100)]
        with pytest.raises(JournalFailed, match=r"journal\.db"):
            await journal.append(big)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(await journal.append(big)) == 100
    assert [f.seq for f in await journal.read("c1")] == list(range(1, 102))
    await journal.close()


async def test_the_remedies_are_named(tmp_path: Path) -> None:
    journal = await Journal.open(tmp_path)
    await journal.append([live(1)])
    await journal.close()
    (tmp_path / "journal.db").write_bytes(b"this is not a database, it is a text" * 200)
    with pytest.raises(JournalFailed, match="not a database"):
        await Journal.open(tmp_path)
    with pytest.raises(JournalFailed, match="cannot open"):
        await Journal.open(tmp_path / "journal.db")


async def test_damage_is_found_at_start(tmp_path: Path) -> None:
    journal = await Journal.open(tmp_path)
    await journal.append([live(n) for n in range(400)])
    await journal.close()
    file = tmp_path / "journal.db"
    content = bytearray(file.read_bytes())
    content[8 * 4096 : 12 * 4096] = os.urandom(4 * 4096)
    file.write_bytes(content)
    with pytest.raises(JournalFailed, match="damaged"):
        await Journal.open(tmp_path)


@pytest.mark.parametrize("body", ["CAST(X'7b22c3' AS TEXT)", '\'{"who": "harlequin\''])
async def test_a_torn_fact_is_damage_of_its_call_and_is_not_quoted(tmp_path: Path, body: str) -> None:
    journal = await Journal.open(tmp_path)
    await journal.append([live(1), live(1, call="c2")])
    changed(tmp_path / "journal.db", f"UPDATE facts SET body = {body} WHERE call_id = 'c1'")
    with pytest.raises(JournalDamaged, match=r"torn.*restore") as damage:
        await journal.read("c1")
    assert SECRET not in str(damage.value)
    assert len(await journal.read("c2")) == 1
    await journal.close()


@pytest.mark.parametrize("file", ["journal.db", "keys.db"])
@pytest.mark.parametrize("is_gone", [True, False])
async def test_half_a_journal_is_not_taken_for_a_new_one(tmp_path: Path, file: str, is_gone: bool) -> None:
    journal = await Journal.open(tmp_path)
    await journal.append([said(0, 900)])
    await journal.close()
    if is_gone:
        (tmp_path / file).unlink()
    else:
        (tmp_path / file).write_bytes(b"")
    for _ in range(2):  # nor the second time, when somebody just starts it again
        with pytest.raises(JournalDamaged, match=rf"{file} is missing or empty.*restore both.*begin anew"):
            await Journal.open(tmp_path)


async def test_opening_may_be_given_up(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    strays: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: strays.append(context))
    opening = asyncio.ensure_future(Journal.open(tmp_path))
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert not strays


SECRET = "harlequin"


async def test_words_are_nowhere_in_the_files(journal: Journal, tmp_path: Path) -> None:
    evidence = [Evidence(kind="rule", quote=f"the {SECRET}")]
    raised = AlertRaised(
        call_id="c1",
        alert_id="a",
        rule="r",
        severity=Severity.HIGH,
        reasons=["angry"],
        headline="Angry",
        evidence=evidence,
    )
    started = CallStarted(call_id="c1", customer_name=SECRET)
    await journal.append([started, said(0, 900, text=f"my {SECRET} words"), raised])
    files = contents(tmp_path / "journal")
    assert len(files["journal.db-wal"]) > 0
    assert all(SECRET.encode() not in content for content in files.values())
    assert b"Angry" in files["journal.db-wal"]
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "journal").iterdir()}
    assert modes == {0o600}
    assert stat.S_IMODE((tmp_path / "journal").stat().st_mode) == 0o700
    assert (await journal.read("c1"))[2].model_dump()["evidence"][0]["quote"] == f"the {SECRET}"


async def test_sealed_words_cannot_be_moved(tmp_path: Path) -> None:
    journal = await Journal.open(tmp_path)
    await journal.append([said(0, 900, "one"), said(1000, 1900, "two")])
    await journal.close()
    with sqlite3.connect(tmp_path / "journal.db") as database:
        database.execute("UPDATE facts SET sealed = (SELECT sealed FROM facts WHERE seq = 1) WHERE seq = 2")
    database.close()
    journal = await Journal.open(tmp_path)
    with pytest.raises(JournalFailed, match="restore"):
        await journal.read("c1")
    await journal.close()


async def test_a_call_is_gone_as_soon_as_its_erasure_begins(tmp_path: Path) -> None:
    """Its key goes first: who reads in between finds nothing, and takes the journal for sound."""
    journal = await Journal.open(tmp_path)
    await journal.append([said(0, 900), live(1, call="c2")])
    changed(tmp_path / "keys.db", "DELETE FROM keys WHERE call_id = 'c1'")
    with pytest.raises(JournalFailed, match="key of call c1 is missing"):
        await journal.read("c1")
    changed(tmp_path / "journal.db", "INSERT INTO erased VALUES ('c1')")
    assert await journal.read("c1") == []
    assert [stored.fact.call_id for stored in await journal.since(0, 10)] == ["c2"]
    await journal.close()


def changed(database: Path, statement: str) -> None:
    """As another process would."""
    connection = sqlite3.connect(database)
    with connection:
        connection.execute(statement)
    connection.close()


async def test_an_erased_call_is_gone_for_good(tmp_path: Path) -> None:
    journal = await Journal.open(tmp_path)
    await journal.append([CallStarted(call_id="c1", attributes={"topic": SECRET}), said(0, 900)])
    await journal.append([live(1, call="c2")])
    last = await journal.last_cursor()
    await journal.erase("c1")
    assert await journal.read("c1") == []
    assert await journal.append([live(5)]) == []
    assert await journal.last_cursor() == last
    assert await journal.live_calls() == ["c2"]
    assert all(SECRET.encode() not in content for content in contents(tmp_path).values())
    await journal.close()
    with sqlite3.connect(tmp_path / "keys.db") as keys:
        assert keys.execute("SELECT count(*) FROM keys").fetchone() == (0,)
    keys.close()


async def test_old_facts_are_read_as_new_ones(tmp_path: Path) -> None:
    def seconds_became_ms(data: dict[str, Any]) -> dict[str, Any]:
        return {**data, "v": 1, "since_ms": data["since_s"] * 1000}

    journal = await Journal.open(tmp_path, upcasters={("silence_began", 0): seconds_became_ms})
    await journal.append([SilenceBegan(call_id="c1", since_ms=0)])
    with sqlite3.connect(tmp_path / "journal.db") as database:
        database.execute("""UPDATE facts SET v = 0, body = '{"since_s": 4}'""")
    database.close()
    (fact,) = await journal.read("c1")
    assert isinstance(fact, SilenceBegan)
    assert (fact.since_ms, fact.v) == (4000, 1)
    await journal.close()


async def test_the_writer_is_one_thread_and_ends(tmp_path: Path) -> None:
    before = threading.active_count()
    journal = await Journal.open(tmp_path)
    await asyncio.gather(*(journal.append([live(0, f"c{n}")]) for n in range(50)))
    assert threading.active_count() == before + 2
    await journal.close()
    assert threading.active_count() == before


def killed_writer(folder: Path, life: str, lines: int) -> list[str]:
    """What a writing process said was acknowledged before it was killed."""
    command = [sys.executable, "-m", "tests.record.writer_child", str(folder), life]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        heard = [process.stdout.readline().strip() for _ in range(lines)]
        process.kill()
        return heard + process.stdout.read().split()[:-1]  # the last line may be cut


async def test_kill_9_loses_nothing_acknowledged(tmp_path: Path) -> None:
    choice = random.Random(7)
    lives = [f"life{n}" for n in range(4)]
    acknowledged = [name for life in lives for name in killed_writer(tmp_path, life, choice.randint(1, 60))]
    journal = await Journal.open(tmp_path)
    facts = [stored.fact for stored in await journal.since(0, limit=100_000)]
    found = Counter(fact.utterance_id for fact in facts if isinstance(fact, UtteranceFinal))
    assert len(acknowledged) > 10
    assert set(acknowledged) <= set(found)
    assert set(found.values()) == {1}
    for lane in range(4):
        mine = [fact for fact in facts if fact.call_id == f"call{lane}"]
        assert [fact.seq for fact in mine] == list(range(1, len(mine) + 1))
        # A transaction is whole: both facts of an append, and the mark with them.
        marks = [await journal.high_water(f"p{lane}", life) for life in lives]
        assert len(mine) == 2 * sum(marks)
    await journal.close()
