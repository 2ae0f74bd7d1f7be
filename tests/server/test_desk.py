"""The ordered path by itself: reports sent again, and what is judged once only."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from voicewatch.core.director import Director
from voicewatch.core.events import Event, LegConnected, LegLive, Role, UtteranceFinal
from voicewatch.core.rules import default_rules
from voicewatch.processes.problem import Problem
from voicewatch.record.journal import Journal, JournalFailed, Source
from voicewatch.server.desk import Desk
from voicewatch.server.process import new_id
from voicewatch.server.shown import Shown


def new_desk(journal: Journal) -> Desk:
    director = Director(
        default_rules(), offer_timeout_ms=20_000, wrap_up_ms=60_000, customer_grace_ms=15_000, new_id=new_id
    )
    return Desk(journal, director, Shown(), source=Source, record_failed=JournalFailed)


def demand(number: int) -> UtteranceFinal:
    return UtteranceFinal(
        call_id="c",
        at_ms=number * 1_000,
        utterance_id=f"s-{number}",
        seat_id="s",
        role=Role.CUSTOMER,
        start_ms=number * 1_000,
        end_ms=number * 1_000 + 500,
        text="I want to speak to a human being",
    )


LEG: list[Event] = [
    LegConnected(call_id="c", seat_id="s", leg_id="l"),
    LegLive(call_id="c", seat_id="s", leg_id="l"),
]


async def kinds(journal: Journal) -> list[str]:
    return [fact.type for fact in await journal.read("c")]


async def test_reports_sent_again_are_taken_once_also_by_the_next_life(tmp_path: Path) -> None:
    journal = await Journal.open(tmp_path)
    desk = new_desk(journal)
    await desk.command(lambda director: director.start_call("c", seat_id="s"))
    await desk.report("media-0", "life", 1, LEG)
    await desk.report("model", "m1", 1, [demand(1)])
    before = await kinds(journal)
    assert before.count("escalation_raised") == 1
    assert before.count("leg_live") == 1
    for again in (desk, new_desk(journal)):
        if again is not desk:
            await again.restore("c")
        await again.report("media-0", "life", 1, LEG)
        await again.report("media-0", "life", 2, LEG[1:])
        await again.report("model", "m1", 1, [demand(1)])
        await again.report("model", f"m-{id(again)}", 1, [demand(1)])  # a restarted model says it again
        assert await kinds(journal) == before
    more = [*LEG, LegLive(call_id="c", seat_id="s", leg_id="l")]
    await desk.report("media-0", "life", 1, more)
    assert (await kinds(journal)).count("leg_live") == 2
    await journal.close()


async def test_facts_of_unknown_calls_are_let_go_and_acknowledged(tmp_path: Path) -> None:
    journal = await Journal.open(tmp_path)
    await new_desk(journal).report("media-0", "life", 1, LEG)
    assert await journal.high_water("media-0", "life") == 2
    assert await journal.last_cursor() == 0
    await journal.close()


async def test_what_is_begun_is_finished_and_refusals_say_why(tmp_path: Path) -> None:
    journal = await Journal.open(tmp_path)
    desk = new_desk(journal)
    starting = asyncio.ensure_future(desk.command(lambda director: director.start_call("c", seat_id="s")))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    with pytest.raises(Problem) as refused:
        await desk.command(lambda director: director.start_call("c", seat_id="s"))
    assert refused.value.status == 409
    assert await kinds(journal) == ["call_started", "seat_opened"]
    assert desk.shown.is_live("c")
    await journal.close()


async def test_nothing_is_shown_before_it_is_durable(tmp_path: Path) -> None:
    journal = await Journal.open(tmp_path)
    desk = new_desk(journal)
    order: list[str] = []
    append = journal.append

    async def slow(*given: object) -> object:
        order.append("write")
        written = await append(*given)  # type: ignore[arg-type]
        order.append("written")
        return written

    journal.append = slow  # type: ignore[method-assign, assignment]
    desk.readers.append(lambda stored: order.append("shown"))
    await desk.command(lambda director: director.start_call("c", seat_id="s"))
    assert order == ["write", "written", "shown"]
    await journal.close()
