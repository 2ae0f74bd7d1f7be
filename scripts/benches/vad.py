"""Voice detection: ours, webrtcvad's four modes and Silero alone, on the same audio in the same run.

Frame F1 is counted every 10 ms, for each condition apart; the mean over conditions is the figure. Every
detector's flags go through the same endpointing: onset is from a label's begin to `Started`, offset from its
end to `Ended` less the hangover, in audio time, what a detector waits for included.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import webrtcvad
from numpy.typing import NDArray

from audio_models.api import load_speech_judge
from scripts.benches.vad_corpus import RATE_HZ, Clip, Labels, Samples, conditions, non_speech
from voicewatch.core.endpointing import CHUNK_MS, Ended, Endpointer, EndpointSettings, Started
from voicewatch.speech.audio_file import level_dbfs
from voicewatch.speech.detection import Chunk, Detection, LegDetection

CHUNK = RATE_HZ // 50
GATE_MODE = 2
HANGOVER_MS = 500
WINDOW, CONTEXT = 512, 64
LEGS = 10
MATCHED_MS = 600
"""A boundary this far from a label's belongs to it."""
LEAST_PAUSE_MS = 900
"""Labels parted by less are one utterance for the latencies: no detector could end them apart."""
NON_SPEECH_S = 60

Flag = tuple[int, bool, int]
"""(at_ms of the chunk, voiced, audio time at which that was known)."""
Detector = Callable[[NDArray[np.int16]], list[Flag]]


# ---------------------------------------------------------------- detectors


def webrtc(mode: int) -> Detector:
    def detect(pcm: NDArray[np.int16]) -> list[Flag]:
        detector = webrtcvad.Vad(mode)
        return [(at, detector.is_speech(chunk, RATE_HZ), at + CHUNK_MS) for at, chunk in _chunks(pcm)]

    return detect


def silero(threshold: float) -> Detector:
    """As it is run live by itself: each window of 32 ms when it is there, by onnxruntime on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    path = Path(__import__("faster_whisper").__file__).parent / "assets" / "silero_vad_v6.onnx"
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def detect(pcm: NDArray[np.int16]) -> list[Flag]:
        heard = np.concatenate([np.zeros(CONTEXT, np.float32), pcm.astype(np.float32) / 32768])
        hidden = cell = np.zeros((1, 1, 128), np.float32)
        flags: list[bool] = []
        for end in range(CONTEXT + WINDOW, len(heard) + 1, WINDOW):
            given = heard[None, end - WINDOW - CONTEXT : end]
            answer, hidden, cell = session.run(None, {"input": given, "h": hidden, "c": cell})
            flags.append(float(answer[0]) > threshold)
        return [
            (at, flags[window], (window + 1) * 32)
            for at in range(0, len(pcm) * 1000 // RATE_HZ - CHUNK_MS + 1, CHUNK_MS)
            if (window := min((at + CHUNK_MS // 2) // 32, len(flags) - 1)) >= 0
        ]

    return detect


def ours(pcm: NDArray[np.int16]) -> list[Flag]:
    detection, leg = Detection(load_speech_judge()), LegDetection()
    found: list[Flag] = []
    for chunk in gated(pcm):
        now_ms = chunk.at_ms + CHUNK_MS
        found += [(one.at_ms, one.voiced, now_ms) for _, one in detection.hear([(leg, chunk)])]
    return found + [(one.at_ms, one.voiced, now_ms) for one in detection.finish(leg)]


def gated(pcm: NDArray[np.int16]) -> Iterator[Chunk]:
    """The chunks as media hands them on."""
    gate = webrtcvad.Vad(GATE_MODE)
    for at_ms, chunk in _chunks(pcm):
        yield Chunk(at_ms, chunk, gate.is_speech(chunk, RATE_HZ), level_dbfs(chunk))


def _chunks(pcm: NDArray[np.int16]) -> Iterator[tuple[int, bytes]]:
    for number in range(len(pcm) // CHUNK):
        yield number * CHUNK_MS, pcm[number * CHUNK : (number + 1) * CHUNK].tobytes()


# ---------------------------------------------------------------- measures


@dataclass
class Result:
    """Of one detector: counts of each condition, and the latencies of all."""

    hits: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    onsets_ms: list[int] = field(default_factory=list)
    offsets_ms: list[int] = field(default_factory=list)
    utterances: int = 0
    missed: int = 0
    seconds: float = 0.0
    cpu_s: float = 0.0

    def take(self, clip: Clip, flags: Sequence[Flag], cpu_s: float) -> None:
        said = np.repeat([voiced for _, voiced, _ in flags], 2)
        length = min(len(said), len(clip.speaking))
        said, speaking = said[:length], clip.speaking[:length]
        counts = np.array(
            [(said & speaking).sum(), (said & ~speaking).sum(), (~said & speaking).sum(), length]
        )
        self.hits[clip.condition] = self.hits.get(clip.condition, 0) + counts
        self.seconds += length / 100
        self.cpu_s += cpu_s
        self._latencies(clip, flags)

    def f1(self, condition: str) -> float:
        right, false, missed, _ = self.hits[condition]
        return float(2 * right / (2 * right + false + missed))

    def false_share(self, condition: str) -> float:
        return float(self.hits[condition][1] / self.hits[condition][3])

    def _latencies(self, clip: Clip, flags: Sequence[Flag]) -> None:
        endpointer = Endpointer(EndpointSettings(hangover_ms=HANGOVER_MS, max_utterance_ms=1 << 30))
        levels = _levels(clip.samples)
        started: list[tuple[int, int]] = []
        ended: list[tuple[int, int]] = []
        for at_ms, voiced, known_ms in flags:
            for one in endpointer.push(at_ms, bool(voiced), int(levels[at_ms // CHUNK_MS])):
                if isinstance(one, Started):
                    started.append((one.onset_ms, known_ms))
                elif isinstance(one, Ended):
                    ended.append((one.speech_end_ms, known_ms))
        for begin_ms, end_ms in _utterances(clip.speaking):
            self.utterances += 1
            onset = [known for at, known in started if abs(at - begin_ms) < MATCHED_MS]
            offset = [known for at, known in ended if abs(at - end_ms) < MATCHED_MS]
            self.missed += not onset
            self.onsets_ms += [onset[0] - begin_ms] if onset else []
            self.offsets_ms += [offset[-1] - end_ms - HANGOVER_MS] if offset else []


def _utterances(speaking: Labels) -> list[tuple[int, int]]:
    """(begin, end) in ms of what is spoken without a longer pause."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], speaking.astype(int), [0]]))) * 10
    spans: list[tuple[int, int]] = []
    for begin, end in edges.reshape(-1, 2).tolist():
        if spans and begin - spans[-1][1] < LEAST_PAUSE_MS:
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((begin, end))
    return spans


def _levels(samples: Samples) -> NDArray[np.float64]:
    count = len(samples) // CHUNK
    power = np.mean(samples[: count * CHUNK].reshape(count, CHUNK).astype(float) ** 2, axis=1)
    return np.maximum(-96, 10 * np.log10(power + 1e-10))


def _pcm(samples: Samples) -> NDArray[np.int16]:
    return (np.clip(samples, -1, 1) * 32767).astype("<i2")


def cost_of_legs(clips: list[Clip], legs: int) -> float:
    """CPU ms per leg-second of `legs` that are heard at once: ours asks for all of them together."""
    rows = [_pcm(clips[number % len(clips)].samples) for number in range(legs)]
    length = min(len(row) for row in rows) // CHUNK * CHUNK
    given = [list(gated(np.roll(row, -number * RATE_HZ)[:length])) for number, row in enumerate(rows)]
    detection, states = Detection(load_speech_judge()), [LegDetection() for _ in rows]
    began = time.process_time()
    for tick in zip(*given, strict=True):
        for _ in detection.hear(list(zip(states, tick, strict=True))):
            pass
    return (time.process_time() - began) * 1000 / (legs * length / RATE_HZ)


# ---------------------------------------------------------------- the run


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    root = Path(__file__).parents[2]
    arguments.add_argument("--data", type=Path, default=root.parent / "shared" / "data")
    arguments.add_argument("--short", action="store_true", help="a part of the conditions, for a look")
    arguments.add_argument("--json", action="store_true")
    given = arguments.parse_args()
    if not (given.data / "audio" / "manifest.jsonl").is_file():
        raise SystemExit(f"no evaluation audio in {given.data}: name the folder with --data")
    detectors: dict[str, Detector] = {"voicewatch": ours}
    detectors |= {f"webrtcvad {mode}": webrtc(mode) for mode in range(4)}
    detectors |= {f"silero {threshold}": silero(threshold) for threshold in (0.5, 0.3, 0.2)}
    spoken = list(conditions(given.data, short=given.short))
    silent = list(non_speech(10 if given.short else NON_SPEECH_S, given.data))
    results = {name: Result() for name in detectors}
    for name, detector in detectors.items():
        for clip in [*spoken, *silent]:
            pcm = _pcm(clip.samples)
            began = time.process_time()
            flags = detector(pcm)
            results[name].take(clip, flags, time.process_time() - began)
    long_ones = [clip for clip in spoken if len(clip.samples) > 60 * RATE_HZ]
    many = cost_of_legs(long_ones[:6], LEGS)
    report(
        results, [clip.condition for clip in spoken], [clip.condition for clip in silent], many, given.json
    )


def report(
    results: dict[str, Result], spoken: list[str], silent: list[str], many: float, as_json: bool
) -> None:
    spoken = list(dict.fromkeys(spoken))
    rows = {name: _row(result, spoken, silent) for name, result in results.items()}
    silero_ms = rows["silero 0.5"]["CPU ms per s"]
    best_webrtc = max(rows[f"webrtcvad {mode}"]["mean F1"] for mode in range(4))
    if as_json:
        mine = rows["voicewatch"]
        alone = rows["silero 0.5"]["mean F1"]
        measures = [
            _measure("vad_frame_f1", mine["mean F1"], "", "silero 0.5 alone", alone),
            _measure("vad_frame_f1_webrtcvad", mine["mean F1"], "", "webrtcvad, best mode", best_webrtc),
            _measure("vad_cpu_one_leg", mine["CPU ms per s"], "ms/s", "silero alone", silero_ms),
            _measure("vad_cpu_ten_legs", round(many, 3), "ms/s", "silero alone", silero_ms),
            *(
                {"name": f"{name}: {measure}", "value": value, "unit": ""}
                for name, row in rows.items()
                for measure, value in row.items()
            ),
        ]
        machine = {"cpu": platform.processor() or platform.machine(), "cores": os.cpu_count()}
        machine["load"] = os.getloadavg()[0]
        print(json.dumps({"schema": 1, "bench": "vad", "machine": machine, "measures": measures}))
        return
    for measure in rows["voicewatch"]:
        print(f"{measure:32}" + "".join(f"{row[measure]:>13}" for row in rows.values()))
    print(f"{'':32}" + "".join(f"{name:>13}" for name in rows))
    print(
        f"{LEGS} legs at once: {many:.2f} CPU ms per leg-second without the gate, which is media's; "
        f"Silero alone {silero_ms:.2f}, ratio {many / silero_ms:.2f}"
    )


def _measure(name: str, value: float, unit: str, peer: str, peer_value: float) -> dict[str, Any]:
    ratio = round(value / peer_value, 3) if peer_value else None
    against = {"name": peer, "value": peer_value}
    return {"name": name, "value": value, "unit": unit, "ratio": ratio, "peer": against}


def _row(result: Result, spoken: list[str], silent: list[str]) -> dict[str, float]:
    row = {f"F1 {name}": round(result.f1(name), 3) for name in spoken}
    row["mean F1"] = round(float(np.mean([result.f1(name) for name in spoken])), 4)
    row |= {f"voiced in {name}": round(result.false_share(name), 3) for name in silent}
    for name, latencies in (("onset", result.onsets_ms), ("offset", result.offsets_ms)):
        row[f"{name} p50 ms"] = float(np.quantile(latencies, 0.5)) if latencies else -1
        row[f"{name} p90 ms"] = round(float(np.quantile(latencies, 0.9))) if latencies else -1
    row["utterances without an onset"] = round(result.missed / max(1, result.utterances), 3)
    row["CPU ms per s"] = round(result.cpu_s * 1000 / result.seconds, 2)
    return row


if __name__ == "__main__":
    main()
