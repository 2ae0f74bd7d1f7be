"""Real Chromium against the media process: mDNS candidates, Opus both ways, nothing lost, RTCP understood."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Page, async_playwright

from tests.media.conftest import Stage
from tests.support.peers import level_at, tone
from voicewatch.core.events import Role
from voicewatch.processes.messages import AttachLeg

pytestmark = pytest.mark.browser

SAY_A_TONE_AND_OFFER = """
async hz => {
  const context = new AudioContext();
  await context.resume();
  const tone = context.createOscillator(), out = context.createMediaStreamDestination();
  tone.frequency.value = hz;
  tone.connect(out);
  tone.start();
  window.pc = new RTCPeerConnection();
  pc.addTrack(out.stream.getAudioTracks()[0], out.stream);
  pc.ontrack = event => {
    window.player = new Audio();
    player.srcObject = event.streams[0];
    player.play();
  };
  await pc.setLocalDescription(await pc.createOffer());
  return pc.localDescription.sdp;
}
"""
ACCEPT = "async sdp => { await pc.setRemoteDescription({type: 'answer', sdp}); }"
STATS = """
async () => Object.fromEntries([...(await pc.getStats()).values()].map(one => [one.type, {...one}]))
"""


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("no chromium here: apt install chromium")
    async with async_playwright() as playwright:
        flags = ["--autoplay-policy=no-user-gesture-required", "--mute-audio", "--disable-gpu"]
        browser = await playwright.chromium.launch(executable_path=path, args=flags)
        page = await browser.new_page()
        await page.route("http://localhost/", lambda route: route.fulfill(body="<!doctype html>"))
        await page.goto("http://localhost/")
        yield page
        await browser.close()


async def test_chromium_talks_with_a_peer_and_loses_nothing(stage: Stage, page: Page) -> None:
    stage.open()
    ai = await stage.attach("ai", Role.AI, tone(700))
    stage.hears(1, customer="ai", ai="customer")
    offer = await page.evaluate(SAY_A_TONE_AND_OFFER, 400)
    answer = await stage.bridge.attach_leg(
        AttachLeg(call_id="call", seat_id="customer", role=Role.CUSTOMER, leg_id="browser", sdp=offer)
    )
    assert "a=extmap:" in offer
    assert "a=extmap:" not in answer["sdp"]  # so its packets have a header and a payload, and nothing else
    await page.evaluate(ACCEPT, answer["sdp"])
    await stage.happens("leg_live", leg_id="browser")
    await asyncio.sleep(4.0)
    stats = await page.evaluate(STATS)
    inbound = stats["inbound-rtp"]
    assert inbound["packetsReceived"] > 150
    assert inbound["packetsLost"] == 0
    assert inbound["totalAudioEnergy"] > 0.01
    assert stats["remote-inbound-rtp"]["packetsLost"] == 0
    assert "roundTripTime" in stats["remote-inbound-rtp"]
    assert level_at(ai.pcm(last_s=0.8), 400) > -30
    assert level_at(ai.pcm(last_s=0.8), 700) < -60
    leg = next(one for one in stage.engine.legs if one.leg_id == "browser")
    assert leg.round_trip_ms is not None
    assert leg.strays == leg.undecryptable == 0
