"""The caller's voice: arousal of unseen speakers on bad lines, what gain moves, what it costs.

Ten actors, each judged by a model fitted to the other nine and to readers (and the women by one fitted to the
men, and the other way round: as near as one corpus comes to another). "unknown caller" is judged without
anything heard of him before, "known caller" after three neutral utterances of 2 s. The clips are levelled:
how loud they are tells nothing. Loudness and pitch alone are measured beside.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from audio_models.api import Samples, VoiceNotJudged, load_caller_voice
from audio_models.arousal import WEIGHTS
from audio_models.prosody import FEATURES, Numbers, measure
from scripts.benches.fusion import sensitivity
from scripts.voice.corpus import CLIPPED, TRAINED, Clip, changed, conditions, emodb, plain_speech
from scripts.voice.fitting import Measured, area_under_curve, judged_apart
from scripts.voice.synthetic import available, callers

KNOWN_CLIPS = 3
MEN = ("03", "10", "11", "12", "15")
WOMEN = ("08", "09", "13", "14", "16")
PITCH = FEATURES.index("pitch")
Row = dict[str, Any]


def measures(data: Path, short: bool) -> list[Row]:
    clips, known = [*emodb(data), *plain_speech(data)], conditions(data)
    if short:
        looked_at = ("clean", CLIPPED, "telephone", "gain -12 dB", "noise 15 dB, telephone")
        known = {name: known[name] for name in looked_at}
    measured = {name: [measure(one) for one in changed(clips, name, known[name])] for name in known}
    return [*_of_people(clips, measured), *(_synthetic() if available() else []), *_cost(clips)]


def _of_people(clips: Sequence[Clip], measured: Measured) -> list[Row]:
    trained = [name for name in TRAINED if name in measured]
    rows = []
    for who, baseline in (("unknown", 0), ("known", KNOWN_CLIPS)):
        apart = judged_apart(clips, measured, trained, baseline)
        rows += [_auc(f"{who} caller, {name}", apart[name], clips, bar=0.92) for name in measured]
        other = judged_apart(clips, measured, trained, baseline, folds=(MEN, WOMEN))
        rows.append(_auc(f"{who} caller, other sex, telephone", other["telephone"], clips, bar=0.75))
        rows += [row for name in measured if name != "clean" for row in _moved(who, name, apart)]
    rows += [_row(f"auc of negative, {name}", value) for name, value in _by_weight(clips, apart["telephone"])]
    refused = [one is None or not one.judgeable for one in measured["telephone"]]
    return [*rows, _row("clips not judged, telephone", float(np.mean(refused))), *_alone(clips, measured)]


def _auc(name: str, changes: Numbers, clips: Sequence[Clip], bar: float) -> Row:
    return _row(f"auc high/low arousal, {name}", area_under_curve(changes, clips), bar=f">= {bar}")


def _moved(who: str, name: str, apart: dict[str, Numbers]) -> list[Row]:
    """By how much a clip's change differs from that of the clean clip."""
    moved = np.abs(apart[name] - apart["clean"])
    moved = moved[~np.isnan(moved)]
    bar = {"bar": "< 0.05"} if name.startswith(("gain ", "telephone")) else {}
    return [
        _row(f"moved, {who} caller, {name}, mean", float(moved.mean()), **bar),
        _row(f"moved, {who} caller, {name}, p95", float(np.quantile(moved, 0.95)), **bar),
    ]


def _by_weight(clips: Sequence[Clip], changes: Numbers) -> Iterator[tuple[str, float]]:
    """Of the known caller by telephone."""
    by_emotion = {
        emotion: [float(one) for clip, one in zip(clips, changes, strict=True) if clip.emotion == emotion]
        for emotion in ("anger", "neutral")
    }
    told = {emotion: [one for one in values if one == one] for emotion, values in by_emotion.items()}
    return sensitivity(told)


def _alone(clips: Sequence[Clip], measured: Measured) -> list[Row]:
    level = np.array([10 * np.log10(np.mean(np.square(clip.samples))) for clip in clips])
    pitch = np.array([one.values[PITCH] if one else np.nan for one in measured["telephone"]])
    return [
        _row("auc, loudness alone", area_under_curve(level, clips)),
        _row("auc, pitch alone, telephone", area_under_curve(pitch, clips)),
    ]


def _synthetic() -> list[Row]:
    """A voice's excited sentences against its plain ones, by the shipped model."""
    above, plain_changes = [], []
    for first, plain, excited in callers():
        voice = load_caller_voice("customer")
        for samples in first:
            voice.judge(samples)
        usual, higher = _judged(voice, plain), _judged(voice, excited)
        above.append(np.mean([one > other for one in higher for other in usual]))
        plain_changes += usual
    return [
        _row("auc excited/plain in a synthetic voice, mean", float(np.mean(above)), bar=">= 0.75"),
        _row("the same, worst voice", float(np.min(above))),
        _row("change of a plain synthetic utterance, mean", float(np.mean(plain_changes))),
    ]


def _judged(voice: Any, utterances: Sequence[Samples]) -> list[float]:
    found = []
    for samples in utterances:
        try:
            found.append(voice.judge(samples).change)
        except VoiceNotJudged:
            found.append(0.0)
    return found


def _cost(clips: Sequence[Clip]) -> list[Row]:
    """Of 3 s of speech, judged and learned from, on one thread."""
    spoken = np.concatenate([clips[0].samples, clips[1].samples[:16_000]])
    voice = load_caller_voice("customer")
    voice.judge(spoken)
    took_ms = []
    for _ in range(100):
        began = time.process_time()
        voice.judge(spoken)
        took_ms.append((time.process_time() - began) * 1000)
    cost_ms = float(np.median(took_ms))
    return [
        _row("cpu of 3 s of speech, median", cost_ms, "ms", "<= 3"),
        _row("real-time factor", cost_ms / 3000, "", "< 0.01"),
        _row("weights", WEIGHTS.stat().st_size / 1000, "kB", "< 100"),
    ]


def _row(name: str, value: float, unit: str = "", bar: str = "") -> Row:
    return {"name": name, "value": round(value, 4), "unit": unit} | ({"bar": bar} if bar else {})


def main() -> None:
    root = Path(__file__).parents[2]
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--data", type=Path, default=root.parent / "shared" / "data")
    arguments.add_argument("--short", action="store_true", help="four conditions only, for a look")
    arguments.add_argument("--cpu", action="store_true", help="only what it costs")
    arguments.add_argument("--json", action="store_true")
    given = arguments.parse_args()
    if not (given.data / "audio" / "manifest.jsonl").is_file():
        raise SystemExit(f"no evaluation audio in {given.data}: name the folder with --data")
    rows = _cost(list(islice(emodb(given.data), 2))) if given.cpu else measures(given.data, given.short)
    if given.json:
        machine = {"cpu": platform.processor() or platform.machine(), "cores": os.cpu_count()}
        machine["load"] = round(os.getloadavg()[0], 1)
        print(json.dumps({"schema": 1, "bench": "voice", "machine": machine, "measures": rows}))
        return
    for row in rows:
        print(f"{row['name']:72}{row['value']:>9} {row['unit']:3} {row.get('bar', '')}")


if __name__ == "__main__":
    main()
