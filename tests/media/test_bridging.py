"""Real aiortc peers over loopback, bridged by the real engine: who hears whom, and without a seam."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

from tests.media.conftest import Stage
from tests.support.peers import Caller, level_at, tone, until
from voicewatch.core.audibility import Occupant, Table, audibility, fallbacks
from voicewatch.core.events import Mode, Role
from voicewatch.processes.messages import AttachLeg, OpenStream, SetAudibility
from voicewatch.processes.problem import Problem

CUSTOMER_HZ, AI_HZ, AGENT_HZ, COACH_HZ = 400, 700, 1_000, 1_500


def _plain(table: Table) -> dict[str, list[str]]:
    return {listener: sorted(heard) for listener, heard in table.items()}


async def test_two_hear_each_other_and_not_themselves(stage: Stage) -> None:
    stage.open()
    customer = await stage.attach("customer", Role.CUSTOMER, tone(CUSTOMER_HZ))
    ai = await stage.attach("ai", Role.AI, tone(AI_HZ))
    stage.hears(1, customer="ai", ai="customer")
    await stage.happens("audibility_changed", version=1)
    await stage.happens("leg_live", seat_id="customer")
    await stage.happens("leg_live", seat_id="ai")
    await asyncio.sleep(1.5)
    for hearer, own_hz, other_hz in ((customer, CUSTOMER_HZ, AI_HZ), (ai, AI_HZ, CUSTOMER_HZ)):
        pcm = hearer.pcm(last_s=0.8)
        assert level_at(pcm, other_hz) > -16
        assert level_at(pcm, own_hz) < -60
        assert hearer.breaks() == (0, 0, 0)


async def test_coach_reaches_the_agent_and_never_the_customer(stage: Stage) -> None:
    stage.open()
    customer = await stage.attach("customer", Role.CUSTOMER, tone(CUSTOMER_HZ))
    agent = await stage.attach("agent", Role.AGENT, tone(AGENT_HZ))
    coach = await stage.attach("coach", Role.SUPERVISOR, tone(COACH_HZ))
    stage.hears(1, customer="agent", agent="customer coach", coach="customer agent")
    for seat in ("customer", "agent", "coach"):
        await stage.happens("leg_live", seat_id=seat)
    await asyncio.sleep(1.5)
    assert level_at(agent.pcm(last_s=0.8), COACH_HZ) > -16
    assert level_at(agent.pcm(last_s=0.8), CUSTOMER_HZ) > -16
    assert level_at(customer.pcm(last_s=0.8), AGENT_HZ) > -16
    assert level_at(customer.pcm(last_s=0.8), COACH_HZ) < -60
    assert level_at(coach.pcm(last_s=0.8), AGENT_HZ) > -16
    fed = {message.seat_id for message, _ in stage.model.told if isinstance(message, OpenStream)}
    kept = {message.seat_id for message, _ in stage.recorder.told if isinstance(message, OpenStream)}
    assert fed == kept == {"customer", "agent"}


async def test_takeover_and_handback_leave_no_seam_in_the_customers_stream(stage: Stage) -> None:
    stage.open()
    customer = await stage.attach("customer", Role.CUSTOMER, tone(CUSTOMER_HZ))
    await stage.attach("ai", Role.AI, tone(AI_HZ))
    stage.hears(1, customer="ai", ai="customer")
    await stage.happens("leg_live", seat_id="ai")
    await asyncio.sleep(0.5)
    began_s = customer.heard[-1].at_s
    await stage.attach("agent", Role.AGENT, tone(AGENT_HZ))
    people = [Occupant("customer", Role.CUSTOMER), Occupant("ai", Role.AI)]
    taking = [*people, Occupant("agent", Role.AGENT, Mode.TAKEOVER)]
    stage.bridge.set_audibility(
        SetAudibility(
            call_id="call", version=2, hears=_plain(audibility(taking)),
            fallbacks={seat: _plain(table) for seat, table in fallbacks(taking).items()},
            after_clause_of="ai", needs_live="agent",
        )
    )  # fmt: skip
    live = await stage.happens("leg_live", seat_id="agent")
    changed = await stage.happens("audibility_changed", version=2)
    assert (
        0 <= changed.at_ms - live.at_ms <= 1_560
    )  # at a pause that the detector hears in a tone, or the limit
    await asyncio.sleep(1.0)
    assert level_at(customer.pcm(last_s=0.6), AGENT_HZ) > -16
    assert level_at(customer.pcm(last_s=0.6), AI_HZ) < -60
    stage.hears(3, customer="ai", ai="customer")
    await stage.happens("audibility_changed", version=3)
    await asyncio.sleep(1.0)
    assert level_at(customer.pcm(last_s=0.6), AI_HZ) > -16
    assert customer.breaks() == (0, 0, 0)
    assert customer.largest_gap_ms(began_s) <= 40 or stage.engine.counters.late_ticks


async def test_the_ai_covers_when_the_agent_vanishes(stage: Stage) -> None:
    stage.open()
    customer = await stage.attach("customer", Role.CUSTOMER, tone(CUSTOMER_HZ))
    await stage.attach("ai", Role.AI, tone(AI_HZ))
    agent = await stage.attach("agent", Role.AGENT, tone(AGENT_HZ))
    stage.bridge.set_audibility(
        SetAudibility(
            call_id="call", version=1,
            hears={"customer": ["agent"], "agent": ["customer"], "ai": ["customer"]},
            fallbacks={"agent": {"customer": ["ai"], "ai": ["customer"]}},
        )
    )  # fmt: skip
    await stage.happens("leg_live", seat_id="agent")
    await asyncio.sleep(0.5)
    gone_s = time.monotonic()
    agent.vanish()
    await stage.happens("leg_stalled", timeout_s=3, seat_id="agent")
    lost = await stage.happens("leg_lost", timeout_s=6, seat_id="agent")
    assert lost.reason in ("silent", "closed")
    assert time.monotonic() - gone_s < 6
    changed = await stage.happens("audibility_changed", cause="fallback")
    assert changed.hears["customer"] == ["ai"]
    await asyncio.sleep(1.0)
    assert level_at(customer.pcm(last_s=0.6), AI_HZ) > -16
    assert customer.breaks() == (0, 0, 0)


async def test_a_goodbye_is_known_at_once_and_the_seat_may_be_taken_again(stage: Stage) -> None:
    stage.open()
    customer = await stage.attach("customer", Role.CUSTOMER, tone(CUSTOMER_HZ))
    ai = await stage.attach("ai", Role.AI, tone(AI_HZ))
    stage.hears(1, customer="ai", ai="customer")
    await stage.happens("leg_live", seat_id="ai")
    await ai.close()
    await stage.happens("leg_lost", timeout_s=2, seat_id="ai", reason="closed")
    again = await stage.attach("ai", Role.AI, tone(AGENT_HZ))
    await stage.happens("leg_live", leg_id="leg3")
    await asyncio.sleep(1.0)
    assert level_at(customer.pcm(last_s=0.6), AGENT_HZ) > -16
    assert level_at(again.pcm(last_s=0.6), CUSTOMER_HZ) > -16
    assert customer.breaks() == (0, 0, 0)


async def test_a_second_leg_in_a_seat_replaces_the_first_without_a_loss(stage: Stage) -> None:
    stage.open()
    customer = await stage.attach("customer", Role.CUSTOMER, tone(CUSTOMER_HZ))
    await stage.attach("ai", Role.AI, tone(AI_HZ))
    stage.hears(1, customer="ai", ai="customer")
    await stage.happens("leg_live", seat_id="customer")
    roamed = await stage.attach("customer", Role.CUSTOMER, tone(CUSTOMER_HZ))
    await stage.happens("leg_live", leg_id="leg3")
    await asyncio.sleep(1.0)
    assert level_at(roamed.pcm(last_s=0.6), AI_HZ) > -16
    assert stage.told("leg_lost") == []
    await until(lambda: customer.pc.connectionState == "closed", "the old leg was said goodbye")


async def test_hanging_up_and_closing_free_everything(stage: Stage) -> None:
    stage.open()
    await stage.attach("customer", Role.CUSTOMER)
    await stage.attach("ai", Role.AI)
    stage.bridge.detach_leg("leg1", "hangup")
    await stage.happens("leg_lost", seat_id="customer", reason="hangup")
    stage.bridge.close_call("call", "customer_hangup")
    await stage.bridge.close()
    assert (stage.engine.legs, stage.engine.rooms, stage.engine._sources) == ([], set(), {})
    assert stage.told("leg_lost", seat_id="ai") == []
    with pytest.raises(Problem, match="no call"):
        stage.bridge.mark_clause("call", "ai")


async def test_bad_offers_get_a_problem_and_leave_nothing(stage: Stage) -> None:
    stage.open()
    caller = Caller()
    stage.callers.append(caller)
    good = await caller.offer()
    for sdp, said in (
        ("hello", "v=0"),
        (good.replace("opus", "flac"), "opus/48000/2"),
        (good.replace("a=ice-pwd:", "a=x-pwd:"), "a=ice-pwd"),
        (good.replace("a=fingerprint:sha-256 ", "a=fingerprint:"), "cannot be parsed"),
        (good.replace("a=sendrecv", "a=inactive"), "inactive"),
        (good.replace("a=rtpmap:96 opus/48000/2", "a=rtpmap:x"), "."),
    ):
        with pytest.raises(Problem, match=said) as refused:
            await stage.bridge.attach_leg(
                AttachLeg(call_id="call", seat_id="customer", role=Role.CUSTOMER, leg_id="bad", sdp=sdp)
            )
        assert refused.value.status == 400
        assert refused.value.field == "sdp"
    await stage.bridge.close()
    assert stage.bridge._legs == {}


async def test_an_offer_overtaken_by_the_next_is_told_so(stage: Stage) -> None:
    stage.open()
    caller = Caller()
    stage.callers.append(caller)
    sdp = (await caller.offer()).replace("a=sendrecv\r\n", "")  # said by leaving it out

    async def attach(leg_id: str) -> str:
        wanted = AttachLeg(call_id="call", seat_id="customer", role=Role.CUSTOMER, leg_id=leg_id, sdp=sdp)
        return str((await stage.bridge.attach_leg(wanted))["sdp"])

    *earlier, last = await asyncio.gather(*map(attach, "abcdef"), return_exceptions=True)
    assert isinstance(last, str)
    assert [one.status for one in earlier if isinstance(one, Problem)] == [409] * 5


async def test_a_peer_that_never_comes_is_given_up(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voicewatch.media.webrtc.CONNECT_LIMIT_S", 0.3)
    stage.open()
    caller = Caller()
    stage.callers.append(caller)
    await stage.bridge.attach_leg(
        AttachLeg(call_id="call", seat_id="ai", role=Role.AI, leg_id="mute", sdp=await caller.offer())
    )
    await stage.bridge.trickle_leg(
        "mute", "a=candidate:1 1 udp 1 10.0.0.9 9 typ host\r\na=end-of-candidates\r\n"
    )
    await stage.happens("leg_lost", leg_id="mute", reason="closed", timeout_s=3)
    with pytest.raises(Problem, match="no leg"):
        await stage.bridge.trickle_leg("mute", "")


async def test_calls_beyond_the_limit_are_told_to_come_again(stage: Stage) -> None:
    for n in range(60):
        stage.open(f"call{n}")
    with pytest.raises(Problem) as refused:
        stage.open("one more")
    assert (refused.value.status, refused.value.retry_after_s) == (503, 5)
    stage.open("call7")  # known: the same answer


async def test_forged_and_odd_packets_are_counted_and_nothing_else(stage: Stage) -> None:
    stage.open()
    await stage.attach("customer", Role.CUSTOMER, tone(CUSTOMER_HZ))
    await stage.happens("leg_live", seat_id="customer")
    leg = stage.engine.legs[0]
    sock, _ = leg.path.sockets[0]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for n in range(400):
            stranger.sendto(bytes([0x80, 111]) + n.to_bytes(2, "big") + bytes(60), sock.getsockname())
        stranger.sendto(b"", sock.getsockname())
        stranger.sendto(bytes(range(20, 64)), sock.getsockname())
    await until(lambda: leg.undecryptable >= 100, "forged packets are counted")
    before = leg.decoded
    await until(lambda: leg.decoded > before + 25, "the call goes on")
    assert not leg.dead
