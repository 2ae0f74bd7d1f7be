"""Real Chromium with a microphone that says what a test wants and an ear on what the page plays."""

from __future__ import annotations

import base64
import contextlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import numpy as np
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from voicewatch.demo.ear import Ear, Heard
from voicewatch.demo.scenarios import Scenario, clip_samples

AXE = Path(__file__).parents[2] / "voicewatch" / "web" / "node_modules" / "axe-core" / "axe.min.js"
"""Installed with what builds the pages."""
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]

SCHEMES: tuple[Literal["dark", "light"], ...] = ("dark", "light")

FLAGS = [
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-features=WebRtcHideLocalIpsWithMdns",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
    "--mute-audio",
    "--disable-gpu",
]

_MICROPHONE_AND_EAR = """
(() => {
  const context = new AudioContext({sampleRate: 16000});
  const microphone = context.createMediaStreamDestination();
  const room = context.createBuffer(1, 16000, 16000);   // a microphone that works hears the room
  room.copyToChannel(Float32Array.from({length: 16000}, () => (Math.random() - 0.5) / 1000), 0);
  const hum = context.createBufferSource();
  hum.buffer = room;
  hum.loop = true;
  hum.connect(microphone);
  hum.start();
  navigator.mediaDevices.getUserMedia = async () => microphone.stream.clone();
  const heard = [];
  const listened = new WeakSet();
  const taps = [];   // a script processor that nobody holds is collected and falls deaf
  const listen = (element) => {
    const stream = element.srcObject;
    if (!stream || listened.has(stream) || !stream.getAudioTracks().length) return;
    listened.add(stream);
    const tap = context.createScriptProcessor(4096, 1, 1);
    tap.onaudioprocess = (event) => heard.push(event.inputBuffer.getChannelData(0).slice());
    const source = context.createMediaStreamSource(stream);
    source.connect(tap);
    tap.connect(context.destination);
    taps.push(source, tap);
  };
  setInterval(() => document.querySelectorAll('audio').forEach(listen), 50);
  window.testSay = async (base64) => {
    const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
    const samples = new Int16Array(bytes.buffer);
    const buffer = context.createBuffer(1, samples.length, 16000);
    buffer.copyToChannel(Float32Array.from(samples, (s) => s / 32768), 0);
    const source = context.createBufferSource();
    source.buffer = buffer;
    source.connect(microphone);
    const ended = new Promise((resolve) => { source.onended = resolve; });
    source.start();
    await ended;
  };
  window.testHeard = () => {
    const all = heard.splice(0);
    const samples = new Int16Array(all.length * 4096);
    all.forEach((part, n) => part.forEach((value, i) => {
      samples[n * 4096 + i] = Math.max(-1, Math.min(1, value)) * 32767;
    }));
    const bytes = new Uint8Array(samples.buffer);
    let text = '';
    for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
    return btoa(text);
  };
})();
"""


@contextlib.asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Debian's Chromium, headless."""
    path = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
    assert path is not None, "the page tests need Chromium; scripts/test installs it"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=path, headless=True, chromium_sandbox=False, args=FLAGS
        )
        try:
            yield browser
        finally:
            await browser.close()


class Visitor:
    """One person at one page of his own browser profile."""

    def __init__(self, context: BrowserContext, page: Page, scenario: Scenario) -> None:
        self.page = page
        self._context = context
        self._clips = {line.id: clip_samples(line) for line in scenario.lines}
        self._ear = Ear(self._clips)
        self.sightings: list[Heard] = []
        self.complaints: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda line: self.complaints.append(line.text) if line.type == "error" else None)

    @classmethod
    async def arrive(cls, browser: Browser, scenario: Scenario, url: str, *, dark: bool = False) -> Visitor:
        context = await browser.new_context(
            permissions=["microphone"],
            viewport={"width": 1440, "height": 900},
            color_scheme="dark" if dark else "light",
        )
        await context.add_init_script(_MICROPHONE_AND_EAR)
        page = await context.new_page()
        visitor = cls(context, page, scenario)
        await page.goto(url)
        return visitor

    async def say(self, line_id: str) -> None:
        """Speak a clip into the page's microphone, to its end."""
        spoken = base64.b64encode(self._clips[line_id].astype("<i2").tobytes()).decode()
        await self.page.evaluate("text => window.testSay(text)", spoken)

    async def has_heard(self, line_id: str) -> bool:
        """Whether the page has played this clip so far."""
        sound = base64.b64decode(await self.page.evaluate("() => window.testHeard()"))
        self.sightings += self._ear.hear(np.frombuffer(sound, "<i2"))
        return sum(heard.line_id == line_id for heard in self.sightings) >= 3

    async def see(self, test_id: str, *, timeout_s: float = 10.0, **attributes: str) -> None:
        """Wait until the element is visible with these data attributes."""
        conditions = "".join(f'[data-{key}="{value}"]' for key, value in attributes.items())
        await self.page.wait_for_selector(f'[data-testid="{test_id}"]{conditions}', timeout=timeout_s * 1000)

    async def press(self, test_id: str) -> None:
        await self.page.click(f'[data-testid="{test_id}"]', timeout=10_000)

    async def picture(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        await self.page.screenshot(path=path)

    async def hindrances(self) -> list[str]:
        """What axe-core finds wrong in the page as it is now, light and dark, by WCAG 2.2 at A and AA.

        Nothing moves meanwhile: half-way through a change of colour no contrast is right.
        """
        await self.page.evaluate(AXE.read_text(encoding="utf-8"))
        told = []
        for scheme in SCHEMES:
            await self.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            found = await self.page.evaluate(
                "tags => axe.run(document, {runOnly: {type: 'tag', values: tags}})", WCAG
            )
            told += [
                f"{self.page.url}, {scheme}: {one['id']}: {node['html'][:120]}"
                for one in found["violations"]
                for node in one["nodes"]
            ]
        return told

    async def leave(self) -> None:
        await self._context.close()
