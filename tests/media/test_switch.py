"""When an audibility table comes into force."""

from __future__ import annotations

from voicewatch.core.audibility import Occupant, audibility, fallbacks
from voicewatch.core.events import Mode, Role
from voicewatch.media.switch import Switch
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
    assert not one.knows("agent")
    assert one.knows("ai")
