"""What ICE sends to whom: few packets to strangers, all that is needed to peers."""

from __future__ import annotations

import asyncio
import re
import socket

import pytest

from tests.media.conftest import Stage
from tests.support.peers import Caller, tone
from voicewatch.core.events import Role
from voicewatch.media.webrtc import CHECKS_TO_STRANGERS
from voicewatch.processes.messages import AttachLeg

CANDIDATE = re.compile(r"^a=(candidate:.*|end-of-candidates)\r\n", re.MULTILINE)


async def test_an_offer_draws_few_packets_to_addresses_that_do_not_answer(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aioice.stun.RETRY_RTO", 0.01)  # all retries within the test
    stage.open()
    caller = Caller()
    stage.callers.append(caller)
    sinks = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(16)]
    for sink in sinks:
        sink.bind(("127.0.0.1", 0))
        sink.setblocking(False)
    lines = "".join(
        f"a=candidate:{n} 1 udp {2_130_706_431 - n} 127.0.0.1 {sink.getsockname()[1]} typ host\r\n"
        for n, sink in enumerate(sinks)
    )
    sdp = CANDIDATE.sub("", await caller.offer()) + lines
    await stage.bridge.attach_leg(
        AttachLeg(call_id="call", seat_id="customer", role=Role.CUSTOMER, leg_id="leg", sdp=sdp)
    )
    await asyncio.sleep(2.0)
    drawn = [_received(sink) for sink in sinks]
    for sink in sinks:
        sink.close()
    assert 0 < sum(drawn) <= CHECKS_TO_STRANGERS


async def test_a_trickled_candidate_alone_connects_a_peer(stage: Stage) -> None:
    stage.open()
    caller = Caller(tone(440))
    stage.callers.append(caller)
    offer = await caller.offer()
    candidates = "".join(f"a={found}\r\n" for found in CANDIDATE.findall(offer) if found.startswith("c"))
    answered = await stage.bridge.attach_leg(
        AttachLeg(
            call_id="call",
            seat_id="customer",
            role=Role.CUSTOMER,
            leg_id="leg",
            sdp=CANDIDATE.sub("", offer),
        )
    )
    await caller.accept(CANDIDATE.sub("", answered["sdp"]))  # he cannot find us
    await asyncio.sleep(0.5)
    assert not stage.told("leg_connected")
    await stage.bridge.trickle_leg("leg", candidates + "a=end-of-candidates\r\n")
    await stage.happens("leg_live", leg_id="leg", timeout_s=5)


def _received(sink: socket.socket) -> int:
    count = 0
    while True:
        try:
            sink.recv(2_048)
        except BlockingIOError:
            return count
        count += 1
