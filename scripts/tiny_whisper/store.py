"""Recordings on disk: one array of all samples and one list of what they are."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from .voices import Recording, Speaker


def save(recordings: list[Recording], stem: Path) -> None:
    """Write ``stem``.npy (int16, one after another) and ``stem``.json."""
    np.save(stem.with_suffix(".npy"), np.concatenate([r.samples for r in recordings]))
    entries = [
        {
            "kind": r.kind,
            "text": r.text,
            "speaker": asdict(r.speaker),
            "length": len(r.samples),
            "phones": r.phones,
        }
        for r in recordings
    ]
    stem.with_suffix(".json").write_text(json.dumps(entries))


def load(stem: Path) -> list[Recording]:
    """Read what save() wrote; the samples stay on disk until they are used."""
    samples = np.load(stem.with_suffix(".npy"), mmap_mode="r")
    recordings, start = [], 0
    for entry in json.loads(stem.with_suffix(".json").read_text()):
        end = start + entry["length"]
        speaker = Speaker(**entry["speaker"])
        phones = tuple((name, at_s) for name, at_s in entry["phones"])
        recordings.append(Recording(entry["kind"], entry["text"], speaker, samples[start:end], phones))
        start = end
    return recordings
