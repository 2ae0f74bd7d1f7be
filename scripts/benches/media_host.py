"""The media engine and bridge as the media process runs them, with nobody at the other ends of its links.

Offers come as JSON lines on standard input, answers go to standard output. What the model and the recorder
would be sent is packed as always, and thrown away.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

import structlog

from voicewatch.core.events import Role
from voicewatch.media.bridge import Bridge
from voicewatch.media.engine import Engine
from voicewatch.media.feeds import Feeds
from voicewatch.media.prompt import Prompts
from voicewatch.media.webrtc import WebRtc
from voicewatch.processes.messages import AttachLeg, Message, OpenCall, SetAudibility
from voicewatch.settings import MediaSettings


class Nowhere:
    """A link whose other end takes all."""

    connected = True

    def tell(self, message: Message, payload: bytes = b"") -> bool:
        return True


structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))


async def main(address: str, complexity: int) -> None:
    settings = MediaSettings(opus_complexity=complexity, max_calls=1_000)
    engine = Engine(
        bitrate_bps=settings.opus_bitrate_bps,
        complexity=complexity,
        vad_mode=2,
        max_legs=2_000,
        backdrop_dbfs=settings.comfort_noise_dbfs,
        adapts=False,
    )
    nothing: Any = lambda *_: None  # noqa: E731
    bridge = Bridge(
        engine,
        WebRtc(address, allow_private=True, max_candidates=16),
        Feeds(Nowhere(), Nowhere(), nothing, settings.audio_ring_s),
        settings,
        Prompts(),
        process="media-0",
        report=nothing,
        signal=nothing,
        now_ns=time.monotonic_ns,
    )
    ticking = asyncio.create_task(engine.run())
    lines = asyncio.StreamReader(limit=1 << 20)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        print(json.dumps(await obey(bridge, engine, json.loads(line))), flush=True)
    ticking.cancel()


async def obey(bridge: Bridge, engine: Engine, wanted: dict[str, Any]) -> dict[str, Any]:
    if "sdp" not in wanted:
        return engine.status("media-0", len(bridge.calls)).model_dump(mode="json")
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
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
