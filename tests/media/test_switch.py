"""When an audibility table comes into force."""

from __future__ import annotations

from dataclasses import replace

from voicewatch.core.audibility import Occupant, audibility, fallbacks
from voicewatch.core.events import Mode, Role
from voicewatch.media.switch import UNDERWAY_MS, Switch
from voicewatch.processes.messages import SetAudibility

CUSTOMER, AI = Occupant("customer", Role.CUSTOMER), Occupant("ai", Role.AI)
AGENT = Occupant("agent", Role.AGENT, Mode.TAKEOVER)
MONITOR = Occupant("boss", Role.SUPERVISOR, Mode.MONITOR)
LIVE = {"customer", "ai", "agent"}


def command(version: int, people: list[Occupant], **more: str) -> SetAudibility:
    def plain(table: dict[str, frozenset[str]]) -> dict[str, list[str]]:
        return {listener: sorted(heard) for listener, heard in table.items()}

    return SetAudibility(
        call_id="call",
        version=version,
        hears=plain(audibility(people)),
        fallbacks={seat: plain(table) for seat, table in fallbacks(people).items()},
        **more,
    )


def switch(people: list[Occupant] | None = None) -> Switch:
    made = Switch("call", takeover_limit_ms=1_500, clause_silence_ms=200)
    if people:
        made.want(command(1, people))
        assert made.tick(0, LIVE, {}) is not None
    return made


def test_older_and_equal_versions_are_ignored() -> None:
    one = switch([CUSTOMER, AI])
    assert not one.want(command(1, [CUSTOMER]))
    assert one.want(command(3, [CUSTOMER, AI]))
    assert not one.want(command(2, [CUSTOMER]))
    changed = one.tick(20, LIVE, {})
    assert changed is not None
    assert (changed.version, changed.cause, changed.hears["customer"]) == (3, "command", ["ai"])


def test_takeover_waits_for_the_agent_then_for_the_clause() -> None:
    one = switch([CUSTOMER, AI])
    one.want(command(2, [CUSTOMER, AI, AGENT], after_clause_of="ai", needs_live="agent"))
    assert one.tick(20, {"ai"}, {"ai": 5_000}) is None
    assert one.tick(40, LIVE, {"ai": 0}) is None
    assert one.tick(1_000, LIVE, {"ai": 180}) is None
    changed = one.tick(1_020, LIVE, {"ai": 200})
    assert changed is not None
    assert changed.hears["customer"] == ["agent"]
    assert changed.at_ms == 1_020


def test_the_limit_ends_the_wait_for_a_clause() -> None:
    one = switch([CUSTOMER, AI])
    one.want(command(2, [CUSTOMER, AI, AGENT], after_clause_of="ai"))
    times = [at for at in range(20, 3_000, 20) if one.tick(at, LIVE, {"ai": 0}) is not None]
    assert times == [1_520]


def test_a_mark_ends_the_clause_but_not_the_wait_for_the_agent() -> None:
    one = switch([CUSTOMER, AI])
    one.want(command(2, [CUSTOMER, AI, AGENT], after_clause_of="ai", needs_live="agent"))
    one.tick(20, {"ai"}, {"ai": 0})
    assert one.clause_marked("ai", 30) is None
    one.tick(40, LIVE, {"ai": 0})
    assert one.clause_marked("customer", 50) is None
    changed = one.clause_marked("ai", 60)
    assert changed is not None
    assert changed.version == 2


def test_a_speaker_who_is_gone_has_no_clause_to_end() -> None:
    one = switch([CUSTOMER, AI])
    one.want(command(2, [CUSTOMER, AI, AGENT], after_clause_of="ai"))
    assert one.tick(20, LIVE, {"agent": 0}) is not None


def test_the_agent_lost_brings_the_ai_back_at_once_and_until_a_newer_version() -> None:
    one = switch([CUSTOMER, AI, AGENT, MONITOR])
    changed = one.lost("agent", 100)
    assert changed is not None
    assert (changed.cause, changed.version) == ("fallback", 1)
    assert one.table["customer"] == {"ai"}
    assert one.lost("boss", 120) is None
    assert one.table["customer"] == {"ai"}
    assert not one.want(command(1, [CUSTOMER, AI, AGENT]))
    assert one.want(command(2, [CUSTOMER, AI]))


def test_losing_one_who_only_listens_or_whom_nobody_replaces_changes_nothing() -> None:
    one = switch([CUSTOMER, AI, AGENT, MONITOR])
    before = one.table
    assert one.lost("boss", 100) is None
    assert one.lost("customer", 100) is None
    assert one.table is before


def test_nobody_hears_himself_whatever_is_told() -> None:
    one = switch()
    one.want(SetAudibility(call_id="call", version=1, hears={"customer": ["customer", "ai"]}))
    one.tick(0, set(), {})
    assert one.table["customer"] == {"ai"}


def test_a_seat_is_known_while_a_table_has_a_place_for_it() -> None:
    one = switch([CUSTOMER, AI, AGENT])
    assert one.want(command(2, [CUSTOMER, AI]))
    assert one.knows("agent")
    one.tick(20, LIVE, {})
    one.tick(20 + UNDERWAY_MS, LIVE, {})
    assert not one.knows("agent")
    assert one.knows("ai")


def test_what_was_said_before_one_was_to_be_heard_stays_unheard() -> None:
    coach, agent = Occupant("boss", Role.SUPERVISOR, Mode.COACH), AGENT
    one = switch([CUSTOMER, AI, agent, coach])
    assert one.want(command(2, [CUSTOMER, AI, agent, replace(coach, mode=Mode.BARGE)]))
    told = {at_ms: one.tick(at_ms, LIVE, {}) for at_ms in range(0, UNDERWAY_MS + 20, 20)}
    assert [at_ms for at_ms, changed in told.items() if changed] == [UNDERWAY_MS]
    assert one.want(command(3, [CUSTOMER, AI, agent, coach]))
    assert one.tick(1_000, LIVE, {}) is not None  # less is heard at once


def test_a_notice_is_heard_between_the_old_voice_and_the_new() -> None:
    one = Switch("call", takeover_limit_ms=1_500, clause_silence_ms=200, notice_ms={"tone": 320})
    one.want(command(1, [CUSTOMER, AI]))
    one.tick(0, LIVE, {})
    one.want(command(2, [CUSTOMER, AI, AGENT], needs_live="agent", notice="tone"))
    assert one.tick(20, {"customer", "ai"}, {}) is None
    assert one.awaits_live == "agent"
    first = one.tick(40, LIVE, {})
    assert first is not None
    assert first.hears == {
        "customer": ["notice"],
        "ai": ["customer", "notice"],
        "agent": ["customer", "notice"],
    }
    assert one.notice == "tone"
    told = {at_ms: one.tick(at_ms, LIVE, {}) for at_ms in range(60, 400, 20)}
    [(at_ms, second)] = [(at_ms, changed) for at_ms, changed in told.items() if changed]
    assert at_ms == 360
    assert second.hears["customer"] == ["agent"]
    assert not one.is_waiting


def test_an_agent_lost_during_the_notice_leaves_the_ai_speaking() -> None:
    one = Switch("call", takeover_limit_ms=1_500, clause_silence_ms=200, notice_ms={"tone": 320})
    one.want(command(1, [CUSTOMER, AI]))
    one.tick(0, LIVE, {})
    one.want(command(2, [CUSTOMER, AI, AGENT], needs_live="agent", notice="tone"))
    one.tick(20, LIVE, {})
    covered = one.lost("agent", 100)
    assert covered is not None
    assert covered.hears["customer"] == ["ai"]
    assert all(one.tick(at_ms, LIVE, {}) is None for at_ms in range(120, 600, 20))


def test_a_newer_table_during_the_notice_decides_whether_the_human_is_heard() -> None:
    for later, hears in (([CUSTOMER, AI, AGENT, MONITOR], ["agent"]), ([CUSTOMER, AI, MONITOR], ["ai"])):
        one = Switch("call", takeover_limit_ms=1_500, clause_silence_ms=200, notice_ms={"tone": 320})
        one.want(command(1, [CUSTOMER, AI]))
        one.tick(0, LIVE, {})
        one.want(command(2, [CUSTOMER, AI, AGENT], needs_live="agent", notice="tone"))
        one.tick(20, LIVE, {})
        assert one.want(command(3, later))
        assert not one.want(command(3, later))
        told = [changed for at_ms in range(40, 600, 20) if (changed := one.tick(at_ms, LIVE, {}))]
        assert [(changed.version, changed.hears["customer"]) for changed in told] == [(3, hears)]
        assert "boss" in one.table
