"""Calls that wait for a person, and customers who are to be called back."""

from __future__ import annotations

import json
from typing import Any

from tests.server.house import House, until


async def waiting(house: House, **attributes: str) -> tuple[dict[str, Any], Any]:
    """A call whose customer has asked for a person while nobody was there; and its AI worker."""
    bot = await house.worker()
    call = await house.call(attributes=attributes)
    await house.attach(call["seat_token"])
    invite = await until(lambda: bot.of("invite") and bot.of("invite")[0])
    await house.attach(invite["seat_token"])
    house.says(call, "I want to speak to a human being right now")
    return call, bot


async def test_a_declined_call_waits_in_the_queue_and_is_claimed(house: House) -> None:
    dana, lee, boss = house.token("agent", "Dana"), house.token("agent", "Lee"), house.token("supervisor")
    eyes, feed = await house.watch(boss), await house.watch(dana, presence="available")
    call, bot = await waiting(house, tier="gold", language="en")
    call_id = call["call_id"]
    offer = await feed.fact("offer_made")
    rings = (await house.ask("GET", "/api/queue", boss)).json()["waiting"]
    assert [(row["call_id"], row["position"], row["tier"], row["ringing_at"]) for row in rings] == [
        (call_id, 1, "gold", ["Dana"])
    ]
    assert "human being" not in json.dumps(rings)
    await house.ask("POST", f"/api/offers/{offer['offer_id']}/decline", dana)
    told = (await until(lambda: bot.of("waiting")))[0]
    assert (told["why"], told["position"], told["callback"]) == ("busy", 1, True)
    assert "called back" in told["text"]

    assert (await house.ask("POST", f"/api/calls/{call_id}/claim", boss)).status_code == 403
    assert (await house.ask("POST", f"/api/calls/{call_id}/claim", lee)).status_code == 409
    seat = await house.ask("POST", f"/api/calls/{call_id}/claim", dana)
    assert seat.status_code == 200, seat.text
    assert seat.json()["briefing"]["why_now"]
    assert (await house.attach(seat.json()["seat_token"])).status_code == 201
    await eyes.fact("handoff_changed", state="bridged")
    assert (await house.ask("GET", "/api/queue", dana)).json()["waiting"] == []
    assert (await house.ask("POST", f"/api/calls/{call_id}/claim", dana)).status_code == 409
    assert (await house.ask("POST", f"/api/calls/{call_id}/release", boss)).status_code == 409
    for one in (eyes, feed, bot):
        await one.close()


async def test_a_supervisor_takes_a_call_off_the_queue(house: House) -> None:
    boss, dana = house.token("supervisor"), house.token("agent", "Dana")
    call, bot = await waiting(house)
    path = f"/api/calls/{call['call_id']}/release"
    await until(lambda: bot.of("waiting"))
    assert (await house.ask("POST", path, dana)).status_code == 403
    assert (await house.ask("POST", path, boss, {"reason": "the AI can do this"})).status_code == 204
    assert (await house.ask("GET", "/api/queue", boss)).json()["waiting"] == []
    assert (await house.ask("POST", "/api/calls/nonsense/release", boss)).status_code == 404
    await bot.close()


async def test_a_callback_that_the_ai_agreed_stays_on_the_list_until_somebody_called(house: House) -> None:
    boss, chief = house.token("supervisor"), house.token("supervisor", "Chief", "unmask")
    dana = house.token("agent", "Dana")
    call, bot = await waiting(house)
    call_id = call["call_id"]
    await until(lambda: bot.of("waiting"))
    agreed = {"type": "callback", "call_id": call_id, "number": "030 1234567", "when": "tomorrow"}
    eyes = await house.watch(boss)
    await bot.socket.send(json.dumps(agreed))
    await until(lambda: any(told["view"]["callback"] for told in eyes.of("call")))
    view = (await house.ask("GET", f"/api/calls/{call_id}", boss)).json()
    assert (view["handoff"]["state"], view["handoff"]["reason"]) == ("canceled", "callback")
    assert view["callback"]["number"] == "[phone]"
    await house.ask("POST", f"/api/calls/{call_id}/end", boss)

    masked = (await house.ask("GET", "/api/callbacks", dana)).json()["callbacks"]
    assert [(row["call_id"], row["callback"]["when"]) for row in masked] == [(call_id, "tomorrow")]
    assert "1234567" not in json.dumps(masked)
    revealed = (await house.ask("GET", "/api/callbacks", chief)).json()["callbacks"]
    assert revealed[0]["callback"]["number"] == "030 1234567"

    path = f"/api/callbacks/{call_id}"
    assert (await house.ask("POST", path, dana, {"outcome": "maybe"})).status_code == 422
    assert (await house.ask("POST", path, dana, {"outcome": "not_reached"})).status_code == 204
    assert len((await house.ask("GET", "/api/callbacks", dana)).json()["callbacks"]) == 1
    await house.end("front")
    house.start_front()
    await house.healthy()
    assert (await house.ask("POST", path, dana, {"outcome": "reached"})).status_code == 204
    assert (await house.ask("GET", "/api/callbacks", dana)).json()["callbacks"] == []
    assert (await house.ask("POST", path, dana, {"outcome": "reached"})).status_code == 409
    for one in (eyes, bot):
        await one.close()
