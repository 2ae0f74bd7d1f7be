"""Fit the model of callers' voices (for developers): 3 minutes of one core, no chance in it.

--data names the folder with audio/manifest.jsonl (EMO-DB in 2 s clips, CC0; readers; noises). The model goes
into --out; how well it does on speakers it does not know is told by scripts/bench voice.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from audio_models.arousal import WEIGHTS
from audio_models.prosody import FEATURES, measure
from scripts.voice.corpus import CLIPPED, TRAINED, changed, conditions, emodb, plain_speech
from scripts.voice.fitting import fit


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    args = parser.parse_args()
    clips, known = [*emodb(args.data), *plain_speech(args.data)], conditions(args.data)
    measured = {}
    for name in (*TRAINED, CLIPPED):
        measured[name] = [measure(samples) for samples in changed(clips, name, known[name])]
        print(f"measured: {name}", flush=True)
    model = fit(clips, measured, sorted({clip.speaker for clip in clips}))
    stored = {
        "features": FEATURES,
        "mean": model.mean.round(5).tolist(),
        "between": model.between.round(5).tolist(),
        "within": model.within.round(5).tolist(),
        "direction": model.direction.round(5).tolist(),
        "clipping": model.clipping.round(5).tolist(),
    }
    args.out.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
    print(f"{args.out}: {args.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
