"""The media engine and bridge as the media process runs them, with nobody at the other ends of its links.

Offers come as JSON lines on standard input, answers go to standard output. What the model and the recorder
would be sent is packed as always, and thrown away.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import sys
import time
from dataclasses import dataclass
from typing import Any

import structlog

from voicewatch.core.events import Role
from voicewatch.media import engine as engine_module
from voicewatch.media.bridge import Bridge
from voicewatch.media.engine import Engine
from voicewatch.media.feeds import Feeds
from voicewatch.media.opus import CHUNK_BYTES, CHUNK_SAMPLES
from voicewatch.media.prompt import Prompts
from voicewatch.media.webrtc import WebRtc
from voicewatch.processes.messages import AttachLeg, Message, OpenCall, SetAudibility
from voicewatch.processes.problem import Problem
from voicewatch.settings import MediaSettings


@dataclass(frozen=True)
class Options:
    """`bare`: no decoding and no voice detection, which no call of ours does without: forwarding alone."""

    address: str
    complexity: int = 4
    bitrate_bps: int = 24_000
    adapts: bool = False
    forwards: bool = False
    bare: bool = False
    model_hangs: bool = False
    ring_s: int = 15


class Nowhere:
    """A link whose other end takes all, or is there and takes nothing."""

    connected = True

    def __init__(self, takes: bool = True) -> None:
        self._takes = takes

    def tell(self, message: Message, payload: bytes = b"") -> bool:
        return self._takes


class NoDecoder:
    """Every packet is one chunk with something in it."""

    def __init__(self, *_: object) -> None: ...

    def decode(self, packet: bytes, pcm_at: int, room: int) -> int:
        ctypes.memset(pcm_at, 1, CHUNK_BYTES)
        return CHUNK_SAMPLES

    def conceal(self, pcm_at: int, samples: int) -> int:
        return samples


class NoVoiceDetector:
    """Says that nobody speaks."""

    voiced = speaking = False
    voiced_chunks = unvoiced_chunks = 0

    def __init__(self, *_: object) -> None: ...

    def hear(self, chunk: object) -> bool:
        return False

    def spoke_since_asked(self) -> bool:
        return False


structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))


async def main(options: Options) -> None:
    settings = MediaSettings(opus_complexity=options.complexity, max_calls=1_000)
    if options.bare:
        engine_module.Decoder = NoDecoder  # type: ignore[assignment,misc]
        engine_module.VoiceDetector = NoVoiceDetector  # type: ignore[assignment,misc]
    engine = Engine(
        bitrate_bps=options.bitrate_bps,
        complexity=options.complexity,
        vad_mode=2,
        max_legs=2_000,
        backdrop_dbfs=settings.comfort_noise_dbfs,
        adapts=options.adapts,
        forwards=options.forwards,
    )
    nothing: Any = lambda *_: None  # noqa: E731
    webrtc = WebRtc(options.address, allow_private=True, max_candidates=16, lull=engine.lull)
    bridge = Bridge(
        engine,
        webrtc,
        Feeds(Nowhere(not options.model_hangs), Nowhere(), nothing, options.ring_s),
        settings,
        process="media-0",
        report=nothing,
        signal=nothing,
        prompts=Prompts(),
        now_ns=time.monotonic_ns,
    )
    await webrtc.warm_up()
    ticking = asyncio.create_task(engine.run())
    lines = asyncio.StreamReader(limit=1 << 20)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        try:
            reply = await obey(bridge, engine, json.loads(line))
        except Problem as problem:
            reply = {"refused": problem.detail}
        print(json.dumps(reply), flush=True)
    ticking.cancel()


async def obey(bridge: Bridge, engine: Engine, wanted: dict[str, Any]) -> dict[str, Any]:
    if "sdp" not in wanted:
        forwarding = sum(one.forwarding for room in engine.rooms for one in room.renditions)
        status = engine.status("media-0", len(bridge.calls)).model_dump(mode="json")
        return {**status, "forwarding": forwarding}
    call_id, seat_id = wanted["call"], wanted["seat"]
    if call_id not in bridge.calls:
        bridge.open_call(OpenCall(call_id=call_id, zero_mono_ns=time.monotonic_ns()))
        hears = {"customer": ["ai"], "ai": ["customer"]}
        bridge.set_audibility(SetAudibility(call_id=call_id, version=1, hears=hears))
    return await bridge.attach_leg(
        AttachLeg(
            call_id=call_id,
            seat_id=seat_id,
            role=Role(seat_id),
            leg_id=f"{call_id}-{seat_id}",
            sdp=wanted["sdp"],
        )
    )


if __name__ == "__main__":
    asyncio.run(main(Options(**json.loads(sys.argv[1]))))
