"""A whole call by plain messages: customer, AI, trouble, agent, supervisor, hand back, end."""

from __future__ import annotations

import json

from tests.server.house import House, until
from voicewatch.processes.messages import AIReport


async def test_a_call_from_the_first_word_to_the_record(house: House) -> None:
    supervisor = house.token("supervisor", "Sam", "unmask")
    agent = house.token("agent", "Dana")
    watching = await house.watch(supervisor)
    assert watching.messages[0]["type"] == "snapshot"
    assert watching.messages[0]["you"] == {"role": "supervisor", "sub": "supervisor-sam", "name": "Sam"}
    dana = await house.watch(agent, presence="available")
    assert dana.messages[0]["you"]["presence"] == "available"

    bot = await house.worker()
    call = await house.call(attributes={"topic": "billing"}, customer_name="Robin Example")
    call_id = call["call_id"]
    assert (await house.attach(call["seat_token"])).status_code == 201
    invite = await until(lambda: bot.of("invite") and bot.of("invite")[0])
    assert invite["call_id"] == call_id
    assert invite["attributes"] == {"topic": "billing"}
    assert (await house.attach(invite["seat_token"])).status_code == 201
    customer_seat, ai_seat = call["seat_id"], invite["seat_id"]
    both = {customer_seat: [ai_seat], ai_seat: [customer_seat]}
    await watching.fact("audibility_changed", hears=both)  # front knows it, too

    now_ms = house.media.at_ms(call_id)  # from here on the customer hears the AI
    said = {"type": "said", "call_id": call_id, "text": "How can I help you today?"}
    said |= {"start_ms": now_ms, "end_ms": now_ms + 1}
    await bot.socket.send(json.dumps(said))
    final = await watching.fact("utterance_final")
    assert (final["source"], final["role"], final["text"]) == ("reported", "ai", said["text"])
    await until(lambda: [score.text for score in house.model.scored] == [said["text"]])
    await bot.socket.send(json.dumps({"type": "tool", "call_id": call_id, "name": "lookup", "ok": False}))
    await bot.socket.send(json.dumps({"type": "confidence", "call_id": call_id, "value": 0.3}))
    reports = await until(lambda: [one for one in house.model.told if isinstance(one, AIReport)][1:])
    assert reports[0].value == 0.3

    house.says(call, "I want to speak to a human being right now")
    await watching.fact("escalation_raised")
    assert (await until(lambda: bot.of("heard")))[0]["role"] == "customer"
    offer = await dana.fact("offer_made")
    full = await until(lambda: next((m for m in dana.of("call") if "utterances" in m["view"]), None))
    assert len(full["view"]["utterances"]) == 2

    accepted = await house.ask("POST", f"/api/offers/{offer['offer_id']}/accept", agent)
    assert accepted.status_code == 200, accepted.text
    seat = accepted.json()
    assert seat["briefing"]["why_now"]
    assert (await house.attach(seat["seat_token"])).status_code == 201
    await watching.fact("handoff_changed", state="bridged")
    hears = house.media.tables[call_id].hears
    assert hears[customer_seat] == [seat["seat_id"]]
    assert house.media.tables[call_id].fallbacks[seat["seat_id"]][customer_seat] == [ai_seat]
    paused = await until(lambda: bot.of("paused"))
    assert paused[0]["call_id"] == call_id

    stubborn = {"type": "said", "call_id": call_id, "text": "Let me tell you more.", "duration_ms": 0}
    await bot.socket.send(json.dumps(stubborn))
    watched = await house.ask("POST", f"/api/calls/{call_id}/supervise", supervisor, {"mode": "coach"})
    assert watched.json()["mode"] == "coach"
    assert (await house.attach(watched.json()["seat_token"])).status_code == 201
    await until(lambda: watched.json()["seat_id"] in house.media.tables[call_id].hears[seat["seat_id"]])
    assert watched.json()["seat_id"] not in house.media.tables[call_id].hears[customer_seat]

    house.says(call, "Thank you that helps a lot")
    await watching.fact("utterance_final", text="Thank you that helps a lot")
    back = await house.ask("POST", f"/api/calls/{call_id}/handback", agent, {"note": "all done"})
    assert back.status_code == 204, back.text
    resumed = (await until(lambda: bot.of("resumed")))[0]
    assert [turn["text"] for turn in resumed["transcript"]] == ["Thank you that helps a lot"]
    await until(lambda: house.media.tables[call_id].hears[customer_seat] == [ai_seat])
    done = await house.ask("POST", f"/api/calls/{call_id}/disposition", agent, {"code": "resolved"})
    assert done.status_code == 204, done.text

    leg = next(leg_id for leg_id, leg in house.media.legs.items() if leg.seat_id == customer_seat)
    hung_up = await house.ask("DELETE", f"/api/whip/{leg}", call["seat_token"])
    assert hung_up.status_code == 200
    complete = await watching.fact("record_complete")
    assert complete["utterances"] == 3
    assert complete["recordings"] == 1
    assert bot.of("ended")[0]["reason"] == "customer_hangup"
    assert call_id in house.media.closed
    texts = [fact["text"] for fact in watching.facts("utterance_final")]
    assert stubborn["text"] not in texts
    seqs = [fact["seq"] for fact in watching.facts()]
    assert seqs == list(range(1, len(seqs) + 1))

    listed = (await house.ask("GET", "/api/calls", supervisor)).json()["calls"]
    assert [(one["call_id"], one["state"]) for one in listed] == [(call_id, "ended")]
    events = (await house.ask("GET", f"/api/calls/{call_id}/events?after=1", supervisor)).json()["events"]
    assert [event["seq"] for event in events] == seqs[1:]
    for feed in (watching, dana, bot):
        await feed.close()
