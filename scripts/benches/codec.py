"""Which Opus settings for speech at 16 kHz: quality (PESQ wideband, ITU-T P.862.2) against CPU, bit by bit.

For each bitrate and complexity: SILK, as `Encoder` sets it up, and CELT, as the low-delay application would.
Needs `pip install pesq` (it is compiled), which nothing else here does. Without --audio the demonstration's
synthetic customers are encoded; real recordings tell more.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import platform
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pesq import pesq  # type: ignore[import-not-found]

from voicewatch.demo.scenarios import clip_samples, list_scenarios, load_scenario
from voicewatch.media.opus import CHUNK_SAMPLES, MAX_PACKET_BYTES, SAMPLE_RATE_HZ, Decoder, OpusLibrary
from voicewatch.speech.audio_file import opened

Pcm = NDArray[np.int16]
CODECS = {"silk": (2048, ((4024, 3001),)), "celt": (2051, ())}
"""Application and further settings (opus_defines.h)."""
_SET_BITRATE, _SET_COMPLEXITY = 4002, 4010
MAX_S = 10


def encoded(
    lib: OpusLibrary, codec: str, bitrate_bps: int, complexity: int, pcm: Pcm
) -> tuple[list[bytes], float]:
    """The packets, and the CPU seconds they took."""
    application, settings = CODECS[codec]
    state = ctypes.create_string_buffer(lib.encoder_size(1))
    at = ctypes.addressof(state)
    out = (ctypes.c_char * MAX_PACKET_BYTES)()
    if lib.encoder_init(at, SAMPLE_RATE_HZ, 1, application) != 0:
        raise SystemExit(f"libopus refused application {application}")
    for setting, value in ((_SET_BITRATE, bitrate_bps), (_SET_COMPLEXITY, complexity), *settings):
        if lib.encoder_ctl(at, setting, value) != 0:
            raise SystemExit(f"libopus refused setting {setting}={value}")
    packets = []
    start_s = time.thread_time()
    for chunk in range(len(pcm) // CHUNK_SAMPLES):
        pcm_at = pcm.ctypes.data + 2 * CHUNK_SAMPLES * chunk
        packets.append(out[: lib.encode(at, pcm_at, CHUNK_SAMPLES, ctypes.addressof(out), MAX_PACKET_BYTES)])
    return packets, time.thread_time() - start_s


def decoded(lib: OpusLibrary, packets: list[bytes]) -> Pcm:
    decoder = Decoder(lib)
    rows = np.zeros((len(packets), CHUNK_SAMPLES), np.int16)
    for packet, row in zip(packets, rows, strict=True):
        decoder.decode(packet, row.ctypes.data, CHUNK_SAMPLES)
    return rows.reshape(-1)


def clips(files: list[Path]) -> Iterator[Pcm]:
    if not files:
        for line in load_scenario(list_scenarios()[0]).lines:
            yield np.ascontiguousarray(clip_samples(line)[: MAX_S * SAMPLE_RATE_HZ])
    for path in files:
        with opened(path) as audio:
            yield np.frombuffer(b"".join(chunk[0] for chunk in islice(audio.chunks(), 50 * MAX_S)), np.int16)


def measure(
    lib: OpusLibrary, codec: str, bitrate_bps: int, complexity: int, speech: list[Pcm]
) -> dict[str, Any]:
    scores, cpu_s, octets, chunks = [], 0.0, 0, 0
    for pcm in speech:
        packets, took_s = encoded(lib, codec, bitrate_bps, complexity, pcm)
        heard = decoded(lib, packets)
        scores.append(pesq(SAMPLE_RATE_HZ, pcm[: len(heard)], heard, "wb"))
        cpu_s, octets, chunks = cpu_s + took_s, octets + sum(map(len, packets)), chunks + len(packets)
    return {
        "pesq": round(float(np.mean(scores)), 3),
        "pesq_least": round(min(scores), 3),
        "encode_us": round(cpu_s / chunks * 1e6, 1),
        "kbit_s": round(octets * 8 / chunks / 20, 1),
    }


def main(arguments: argparse.Namespace) -> None:
    lib = OpusLibrary()
    speech = list(clips(arguments.audio))
    rows = []
    for codec in CODECS:
        for bitrate_bps in arguments.bitrates:
            for complexity in arguments.complexities:
                found = measure(lib, codec, bitrate_bps, complexity, speech)
                name = f"{codec}_{bitrate_bps // 1000}k_complexity_{complexity}"
                units = {
                    "pesq": "MOS-LQO",
                    "pesq_least": "MOS-LQO",
                    "encode_us": "us/chunk",
                    "kbit_s": "kbit/s",
                }
                rows += [
                    {"name": f"{name}_{key}", "value": value, "unit": units[key]}
                    for key, value in found.items()
                ]
                if not arguments.json:
                    print(f"{name:28}", *(f"{key} {value}" for key, value in found.items()), flush=True)
    if arguments.json:
        machine = {"cores": os.cpu_count(), "python": platform.python_version(), "libopus": lib.version}
        print(json.dumps({"schema": 1, "bench": "codec", "machine": machine, "measures": rows}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--audio", type=Path, nargs="+", default=[], help="speech files, their first channel")
    parser.add_argument("--bitrates", type=int, nargs="+", default=[24_000, 32_000])
    parser.add_argument("--complexities", type=int, nargs="+", default=[0, 2, 4])
    parser.add_argument("--json", action="store_true")
    main(parser.parse_args())
