"""The embedded recogniser: word errors and cost with the general language model alone and with the phrases'.

Read speech is of people, with words no call centre hears; the scenarios' lines are synthetic voices saying
what one does hear (none of the lines is among the phrases), clean and through a telephone.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audio_models.catalogue import word_error_rate
from audio_models.phrase_model import normal
from audio_models.pocketsphinx import DOMAIN, GENERAL, Recogniser
from scripts.benches.vad_corpus import RATE_HZ, Samples, read_clip, telephone
from voicewatch.demo.scenarios import list_scenarios, load_scenario

READ_SETS = ("librispeech_mini", "librivox", "ljspeech")
KINDS = {"general": (GENERAL,), "phrases": (DOMAIN,), "both": (DOMAIN, GENERAL)}
Clips = list[tuple[Samples, str]]


def clips(data: Path, share: int) -> dict[str, Clips]:
    manifest = [json.loads(line) for line in (data / "audio" / "manifest.jsonl").open(encoding="utf-8")]
    found = {
        name: [(read_clip(data / one["audio"]), one["text"]) for one in manifest if one["set"] == name]
        for name in READ_SETS
    }
    lines = [line for name in list_scenarios() for line in load_scenario(name).lines]
    said = [line for line in lines if line.role == "customer" and line.clip_path.is_file()][::share]
    scenario = [(read_clip(line.clip_path), line.text) for line in said]
    random = np.random.default_rng(1)
    found["scenarios"] = scenario
    found["scenarios, telephone"] = [
        (telephone((heard + random.normal(0, 0.002, len(heard))).astype(np.float32)), text)
        for heard, text in scenario
    ]
    return found


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    root = Path(__file__).parents[2]
    arguments.add_argument("--data", type=Path, default=root.parent / "shared" / "data")
    arguments.add_argument("--share", type=int, default=4, help="one of so many scenario lines")
    arguments.add_argument("--json", action="store_true")
    given = arguments.parse_args()
    recogniser = Recogniser()
    measures = []
    for name, heard in clips(given.data, given.share).items():
        seconds = sum(len(samples) for samples, _ in heard) / RATE_HZ
        words = sum(len(normal(text).split()) for _, text in heard)
        figures = {}
        for kind, searches in KINDS.items():
            began = time.process_time()
            wrong = sum(
                word_error_rate(normal(text), _text(recogniser, samples, searches))
                * len(normal(text).split())
                for samples, text in heard
            )
            figures[kind] = (wrong / words, (time.process_time() - began) / seconds)
        for kind, (wer, cost) in figures.items():
            measures.append({"name": f"{name}: WER, {kind}", "value": round(wer, 3), "unit": ""})
            measures.append({"name": f"{name}: CPU, {kind}", "value": round(cost, 3), "unit": "s/s"})
        if not given.json:
            shown = "  ".join(f"{kind} {wer:.3f} ({cost:.2f} s/s)" for kind, (wer, cost) in figures.items())
            print(f"{name:22} {words:4} words  {shown}", flush=True)
    if given.json:
        machine = {"cpu": platform.machine(), "cores": os.cpu_count(), "load": os.getloadavg()[0]}
        print(json.dumps({"schema": 1, "bench": "sphinx", "machine": machine, "measures": measures}))


def _text(recogniser: Recogniser, samples: Samples, searches: tuple[str, ...]) -> str:
    pcm: NDArray[np.int16] = (np.clip(samples, -1, 1) * 32767).astype("<i2")
    return " ".join(word for word, _, _ in recogniser.words(pcm, searches))


if __name__ == "__main__":
    main()
