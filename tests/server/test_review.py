"""One click, one fact: what people say of the system's work."""

from __future__ import annotations

import asyncio

from tests.server.house import House, until
from tests.server.test_queues import waiting


async def test_labels_are_facts_checked_and_masked(house: House) -> None:
    boss, chief = house.token("supervisor"), house.token("supervisor", "Chief", "unmask")
    dana, lee = house.token("agent", "Dana"), house.token("agent", "Lee")
    eyes, feed = await house.watch(boss), await house.watch(dana, presence="available")
    call, bot = await waiting(house)
    call_id = call["call_id"]
    offer = await feed.fact("offer_made")
    seat = await house.ask("POST", f"/api/offers/{offer['offer_id']}/accept", dana)
    assert seat.status_code == 200
    path = f"/api/calls/{call_id}/labels"
    utterance_id = (await eyes.fact("utterance_final", role="customer"))["utterance_id"]
    said = {"about": "transcript", "target": utterance_id, "text": "My card is 4111 1111 1111 1111"}

    assert (await house.ask("POST", path, dana, said)).status_code == 204
    assert (await house.ask("POST", path, lee, said)).status_code == 404
    assert (await house.ask("POST", path, dana, {**said, "text": " "})).status_code == 422
    late = {"about": "escalation", "target": offer["escalation_id"], "value": "late"}
    assert (await house.ask("POST", path, dana, late)).status_code == 204
    assert (await house.ask("POST", path, dana, {**late, "value": "soon"})).status_code == 422
    assert (await house.ask("POST", path, dana, {**late, "target": "x"})).status_code == 404
    again = {"about": "escalation", "target": offer["escalation_id"], "value": "right"}
    assert (await house.ask("POST", path, dana, again)).status_code == 204

    await until(lambda: len(eyes.facts("label_set")) == 3)
    masked = (await house.ask("GET", f"/api/calls/{call_id}", boss)).json()["labels"]
    assert [(one["about"], one["value"]) for one in masked] == [("transcript", ""), ("escalation", "right")]
    assert "4111" not in str(masked) + str(eyes.facts("label_set"))
    revealed = (await house.ask("GET", f"/api/calls/{call_id}", chief)).json()["labels"]
    assert revealed[0]["text"] == said["text"]
    for one in (eyes, feed, bot):
        await one.close()


async def test_a_reviewed_call_leaves_the_list(house: House) -> None:
    boss, eyes = house.token("supervisor"), await house.watch(house.token("supervisor"))
    calls = []
    for _ in range(12):
        call, bot = await waiting(house)
        await eyes.fact("escalation_raised", call_id=call["call_id"])
        await house.ask("POST", f"/api/calls/{call['call_id']}/end", boss)
        calls.append(call["call_id"])
        await bot.close()
    listed = (await house.ask("GET", "/api/review", boss)).json()["calls"]
    assert {row["stratum"] for row in listed} <= {"escalated"}
    assert (await house.ask("GET", "/api/review", house.token("agent", "Dana"))).status_code == 403
    for row in listed:
        told = {"about": "call", "value": "needed_person"}
        answer = await house.ask("POST", f"/api/calls/{row['call_id']}/labels", boss, told)
        assert answer.status_code == 204, answer.text
    assert (await house.ask("GET", "/api/review", boss)).json()["calls"] == []
    told = (await house.ask("GET", "/api/insights?days=1", boss)).json()
    assert (told["monitored"], told["escalated"], told["dropped"]) == (12, 12, 12)
    assert told["judged"] == len(listed)
    assert (await house.ask("GET", "/api/insights?days=0", boss)).status_code == 422
    await house.end("front")
    house.start_front()
    await house.healthy()
    async with asyncio.timeout(8):
        while (await house.ask("GET", "/api/insights", boss)).json()["monitored"] < 12:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    await eyes.close()
