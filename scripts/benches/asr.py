"""Many legs recognised while they speak: latencies, churn, words wrong, calls per core, by engine and policy.

The model process runs as in a server; this program is its media (20 ms chunks with webrtcvad's flag, in real
time) and its front (takes finals and interim text and stamps their arrival). CPU and memory are the model
process's own. One leg is one call: the AI's words are not recognised. Peers: the same utterances through
stock `faster_whisper.transcribe`, and through whisperlivekit's LocalAgreement where it can be installed.

  --cost  a model of Whisper tiny's dimensions with random weights (int8) and 3.5 tokens per second of speech
  --data  folder with manifest.jsonl: clips of its sets are said besides the demonstration's
  --speed audio fed so many times faster: latencies mean nothing then, memory and words do
  --memory memory after each minute of audio; 20 legs for 600 s unless told otherwise
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import statistics
import struct
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import structlog
from asr_corpus import (
    CHUNK_MS,
    CHUNK_SAMPLES,
    ROOM_DBFS,
    Clip,
    Leg,
    Spoken,
    demo_clips,
    leg_of,
    manifest_clips,
    random_tiny,
)
from asr_peers import USED_AT, errors_of, livekit, stock

from audio_models.api import BUNDLED_FOLDER, BUNDLED_MODEL, load_voice_detector
from audio_models.guards import normal_words
from voicewatch.core.events import (
    Event,
    Interim,
    Role,
    SpeechStatus,
    TranscriptGap,
    UtteranceFinal,
    parse_event,
)
from voicewatch.processes.link import Link, LinkServer, Peer
from voicewatch.processes.messages import Audio, Hello, Message, OpenStream, RememberCalls, Signals
from voicewatch.processes.sockets import Sockets
from voicewatch.speech.audio_file import level_dbfs

structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))

TOKENS_PER_S = 3.5
COST_FOLDER = Path("out/bench/whisper-tiny-random")
CLEAN_SETS = ("librispeech_mini", "librivox", "ljspeech")
TAIL_S = 3.0
_CHUNK = struct.Struct("!HIBb")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


# ---------------------------------------------------------------- the model process and its peers


@dataclass
class Line:
    """What became of one utterance id."""

    shown: list[tuple[int, list[str], list[str], int | None]] = field(default_factory=list)
    """(arrival in ms of the leg's clock, committed, tail, audio heard up to)."""
    final: UtteranceFinal | None = None
    final_ms: int = 0


class Model:
    """The process under test, seen from both its sides."""

    def __init__(self, run_dir: Path, arguments: list[str]) -> None:
        self._sockets = Sockets(run_dir)
        self._arguments = arguments
        self._run_dir = run_dir
        self.zero_ns = 0
        self.lines: dict[str, Line] = {}
        self.gaps = 0
        self.status: list[tuple[float, SpeechStatus]] = []
        self.ready = asyncio.Event()
        self._up = asyncio.Event()
        self.link = Link(
            self._sockets.path("model"), "media-0", "bench", on_up=self._up.set, tell_limit=1 << 26
        )

    async def __aenter__(self) -> Model:
        server = LinkServer(
            on_hello=self._hello, on_gone=lambda _: None, on_message=self._message, on_report=self._report
        )
        host = Path(__file__).with_name("asr_host.py")
        self._tasks = [asyncio.create_task(server.serve(self._sockets.listener("front")))]
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, str(host), str(self._run_dir), *self._arguments
        )
        self._tasks.append(asyncio.create_task(self.link.run()))
        async with asyncio.timeout(120):
            await self._up.wait()
            await self.ready.wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._process.terminate()
        await self._process.wait()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._sockets.close()

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S

    def rss_mb(self) -> float:
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def now_ms(self) -> int:
        return (time.monotonic_ns() - self.zero_ns) // 1_000_000

    def _hello(self, peer: Peer, _: Hello) -> None:
        peer.tell(RememberCalls())

    def _message(self, _: Peer, message: Message, __: bytes) -> None:
        if not isinstance(message, Signals):
            return
        for data in message.events:
            event = parse_event(data)
            if isinstance(event, SpeechStatus):
                self.status.append((time.monotonic(), event))
                self.ready.set()
            elif isinstance(event, Interim):
                self._line(f"{event.call_id}:{event.utterance_id}").shown.append(
                    (self.now_ms(), event.committed.split(), event.tail.split(), event.heard_ms)
                )

    async def _report(self, _: Peer, __: str, ___: int, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, UtteranceFinal):
                line = self._line(f"{event.call_id}:{event.utterance_id}")
                line.final, line.final_ms = event, self.now_ms()
            self.gaps += isinstance(event, TranscriptGap)

    def _line(self, key: str) -> Line:
        return self.lines.setdefault(key, Line())


async def speak(model: Model, legs: Sequence[Leg], seconds: float, speed: float) -> None:
    """All legs for so long, a message a tick as media sends them."""
    detectors = [load_voice_detector() for _ in legs]
    model.zero_ns = time.monotonic_ns()
    for number in range(len(legs)):
        model.link.tell(
            OpenStream(
                stream=number,
                call_id=f"call{number}",
                seat_id="customer",
                role=Role.CUSTOMER,
                zero_mono_ns=model.zero_ns,
            )
        )
    for tick in range(int(seconds * 1000 / CHUNK_MS)):
        due_s = model.zero_ns / 1e9 + (tick + 1) * CHUNK_MS / 1000 / speed
        await asyncio.sleep(max(0.0, due_s - time.monotonic()))
        parts = []
        for number, leg in enumerate(legs):
            if tick < leg.chunks:
                pcm = leg.pcm[tick * CHUNK_SAMPLES : (tick + 1) * CHUNK_SAMPLES].tobytes()
                voiced = detectors[number].voiced(pcm)
                parts.append(_CHUNK.pack(number, tick * CHUNK_MS, voiced, round(level_dbfs(pcm))) + pcm)
        if parts and not model.link.tell(Audio(count=len(parts)), b"".join(parts)):
            raise RuntimeError("the model process takes no audio: slower machine, fewer --legs")


# ---------------------------------------------------------------- one run


@dataclass
class Found:
    """Figures of one run."""

    legs: int
    seconds: float
    cpu_s: float
    rss_mb: list[float]
    """After each minute of audio (of a shorter run each fifth), and at the end."""
    lines: dict[str, Line]
    said: list[list[Spoken]]
    gaps: int
    status: SpeechStatus


async def measure(
    arguments: argparse.Namespace, clips: Sequence[Clip], model: str, tokens_per_s: float
) -> Found:
    legs = [
        leg_of(clips, arguments.seconds, arguments.talk, seed, arguments.room_dbfs)
        for seed in range(arguments.legs)
    ]
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        host = [arguments.engine, model, str(arguments.step_ms), str(tokens_per_s), str(arguments.beam)]
        async with Model(Path(folder), host) as process, asyncio.TaskGroup() as tasks:
            cpu_s, began_s = process.cpu_s(), time.monotonic()
            memory = tasks.create_task(_watch_memory(process, arguments))
            await speak(process, legs, arguments.seconds + TAIL_S, arguments.speed)
            await asyncio.sleep(1.0)
            wall_s = time.monotonic() - began_s
            return Found(
                len(legs),
                wall_s * arguments.speed,
                process.cpu_s() - cpu_s,
                [*await memory, process.rss_mb()],
                process.lines,
                [list(leg.spoken) for leg in legs],
                process.gaps,
                process.status[-1][1],
            )


async def _watch_memory(process: Model, arguments: argparse.Namespace) -> list[float]:
    step_s = min(60.0, arguments.seconds / 5)
    found = []
    for _ in range(int(arguments.seconds / step_s)):
        await asyncio.sleep(step_s / arguments.speed)
        found.append(process.rss_mb())
    return found


def matched(found: Found, number: int, until_ms: float) -> list[tuple[Spoken, list[Line]]]:
    """Each utterance said in full, with the recognised ones that overlap it."""
    own = [line for key, line in found.lines.items() if key.startswith(f"call{number}:") and line.final]
    return [
        (
            one,
            [
                line
                for line in own
                if line.final and line.final.start_ms < one.end_ms and line.final.end_ms > one.start_ms
            ],
        )
        for one in found.said[number]
        if one.end_ms < until_ms
    ]


def figures(found: Found, arguments: argparse.Namespace) -> dict[str, float]:
    """All measures of a run by name."""
    firsts, finals, lags, commits = [], [], [], []
    parts: dict[str, list[int]] = {"hangover": [], "queue": [], "compute": []}
    changed_shown = changed_committed = wrong = words = finals_words = utterances = unheard = 0
    for number in range(found.legs):
        for said, lines in matched(found, number, arguments.seconds * 1000):
            utterances += 1
            lines.sort(key=lambda line: line.final.start_ms if line.final else 0)
            text = [word for line in lines if line.final for word in normal_words(line.final.text)]
            expected = normal_words(said.clip.text)
            wrong += errors_of(expected, text)
            words += len(expected)
            if not lines:
                unheard += 1
                continue
            shown_at = [at for line in lines for at, committed, tail, _ in line.shown if committed or tail]
            last = lines[-1]
            assert last.final is not None
            firsts.append(min([*shown_at, last.final_ms]) - said.start_ms)
            finals.append(last.final_ms - said.end_ms)
            for name, values in parts.items():
                values.append(last.final.latency_ms[name])
            for line in lines:
                lags += [at - heard for at, _, __, heard in line.shown if heard is not None]
                commits += _commit_lags(line)
                churned, broken = _churn(line)
                changed_shown += churned
                changed_committed += broken
                finals_words += len(normal_words(line.final.text)) if line.final else 0
    status = found.status
    report: dict[str, float] = {
        "utterances": utterances,
        "not_heard": unheard,
        "gaps": found.gaps,
        "calls_per_core": round(USED_AT * found.legs * found.seconds / found.cpu_s, 1),
        "cpu_ms_per_call_second": round(found.cpu_s * 1000 / found.legs / found.seconds, 2),
        "decodes_per_batch": round(status.decodes / max(1, status.batches), 2),
        "shed": status.shed,
        "step": status.step,
        "churn_per_100_words": round(100 * changed_shown / max(1, finals_words), 1),
        "committed_changed_in_partials": changed_committed,
        "committed_revised_percent": round(100 * status.revised_words / max(1, status.committed_words), 2),
        "wer_percent": round(100 * wrong / max(1, words), 2),
        "rss_warm": round(found.rss_mb[0], 1),
        "rss_end": round(found.rss_mb[-1], 1),
    }
    if arguments.memory:
        report |= {f"rss_minute_{at}": round(one, 1) for at, one in enumerate(found.rss_mb[:-1], 1)}
        # A straight line through the second half: what a long call would add.
        half = found.rss_mb[len(found.rss_mb) // 2 :]
        report["rss_growth_per_minute"] = round(float(np.polyfit(range(len(half)), half, 1)[0]), 3)
    for name, values in (
        ("first_partial", firsts),
        ("final", finals),
        ("partial_lag", lags),
        ("commit_lag", commits),
    ):
        report |= {f"{name}_p50": _quantile(values, 0.5), f"{name}_p95": _quantile(values, 0.95)}
    return report | {f"final_{name}_p50": _quantile(values, 0.5) for name, values in parts.items()}


def _commit_lags(line: Line) -> list[int]:
    """From the end of a word (as the final has it) to its being settled."""
    if line.final is None or not line.final.words:
        return []
    lags, count = [], 0
    for at, committed, _, _ in line.shown:
        for place in range(count, min(len(committed), len(line.final.words))):
            word = line.final.words[place]
            if normal_words(word.text) == normal_words(committed[place]):
                lags.append(at - word.end_ms)
        count = max(count, len(committed))
    return lags


def _churn(line: Line) -> tuple[int, int]:
    """(words shown and then changed, settled words changed while it was spoken)."""
    changed = broken = 0
    for (_, was, was_tail, _), (_, now, now_tail, _) in zip(line.shown, line.shown[1:], strict=False):
        before, after = [*was, *was_tail], [*now, *now_tail]
        if not after:
            continue
        kept = next(
            (at for at, (a, b) in enumerate(zip(before, after, strict=False)) if a != b),
            min(len(before), len(after)),
        )
        changed += len(before) - kept
        broken += now[: len(was)] != was
    return changed, broken


def _quantile(values: Sequence[int], share: float) -> float:
    if len(values) < 2:
        return float(values[0]) if values else float("nan")
    return round(statistics.quantiles(values, n=100, method="inclusive")[round(share * 100) - 1], 1)


# ---------------------------------------------------------------- the report

UNITS = {
    "_p50": "ms",
    "_p95": "ms",
    "_percent": "%",
    "cpu_ms_per_call_second": "ms",
}


def unit_of(name: str) -> str:
    if name.startswith("rss_"):
        return "MB"
    return next((unit for ending, unit in UNITS.items() if name.endswith(ending)), "")


def machine() -> dict[str, Any]:
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "cpu": names[0].split(":", 1)[1].strip() if names else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "load_1m": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
    }


def clips_of(arguments: argparse.Namespace) -> list[Clip]:
    clips = demo_clips()
    if arguments.data:
        clips += manifest_clips(Path(arguments.data), CLEAN_SETS)
    return [clip for clip in clips if clip.end_ms - clip.start_ms >= 1_000 * arguments.least_s]


async def main(arguments: argparse.Namespace) -> None:
    clips = clips_of(arguments)
    model = str(random_tiny(COST_FOLDER)) if arguments.cost else arguments.model
    tokens_per_s = TOKENS_PER_S if arguments.cost else 0.0
    found = await measure(arguments, clips, model, tokens_per_s)
    ours = figures(found, arguments)
    peers: list[dict[str, Any]] = []
    if arguments.peers:
        folder = str(BUNDLED_FOLDER) if model == BUNDLED_MODEL else model
        some = clips if not arguments.cost else clips[: arguments.peer_clips]
        for run in (stock, livekit):
            told = run(folder, some, arguments.step_ms, arguments.talk, tokens_per_s)
            if told is not None:
                peers.append(told)
    if arguments.cost:
        ours.pop("wer_percent")
    rows = [
        {
            "name": f"{'cost' if arguments.cost else arguments.model or arguments.engine}_{name}",
            "value": value,
            "unit": unit_of(name),
        }
        for name, value in ours.items()
    ]
    for row in rows:
        name = row["name"].split("_", 1)[1]
        told = [{"name": peer["name"], "value": peer[name]} for peer in peers if name in peer]
        if told:
            row["peer"], row["peers"] = told[0], told
            if name == "calls_per_core" and told[0]["value"]:
                row["ratio"] = round(row["value"] / told[0]["value"], 2)
    policy = {
        "legs": arguments.legs,
        "seconds": arguments.seconds,
        "talk": arguments.talk,
        "step_ms": arguments.step_ms,
        "speed": arguments.speed,
        "beam": arguments.beam,
        "room_dbfs": arguments.room_dbfs,
    }
    report = {"schema": 1, "bench": "asr", "machine": machine(), "policy": policy, "measures": rows}
    if arguments.json:
        print(json.dumps(report))
        return
    print(report["machine"], policy)
    for row in rows:
        told = "".join(f"   {peer['name']} {peer['value']}" for peer in row.get("peers", ()))
        print(
            f"{row['name']:44}{row['value']!s:>9} {row['unit']}{told}"
            + (f"   ratio {row['ratio']}" if "ratio" in row else "")
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--model", default=BUNDLED_MODEL)
    parser.add_argument("--legs", type=int, help="20 with --memory, else 10")
    parser.add_argument("--seconds", type=float, help="600 with --memory, else 60")
    parser.add_argument("--memory", action="store_true", help="memory after each minute")
    parser.add_argument("--talk", type=float, default=0.4, help="share of the time that a customer speaks")
    parser.add_argument("--step-ms", type=int, default=500, help="speech.partial_step_ms")
    parser.add_argument("--beam", type=int, default=1, help="speech.beam_size")
    parser.add_argument("--least-s", type=float, default=0.5, help="only clips with so much speech")
    parser.add_argument("--room-dbfs", type=float, default=ROOM_DBFS, help="white noise under all")
    parser.add_argument("--cost", action="store_true")
    parser.add_argument("--data", default="")
    parser.add_argument("--speed", type=float, default=1.0)
    parser.add_argument("--peers", action="store_true", help="the same utterances through the peers")
    parser.add_argument("--peer-clips", type=int, default=4, help="utterances for the peers with --cost")
    parser.add_argument("--json", action="store_true")
    told = parser.parse_args()
    told.legs = told.legs or (20 if told.memory else 10)
    told.seconds = told.seconds or (600 if told.memory else 60)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(told))
