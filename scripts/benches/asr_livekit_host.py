"""Run by its own interpreter (see asr_peers.py): utterances through whisperlivekit's LocalAgreement.

asr_livekit_host.py FOLDER MODEL   FOLDER holds clips.npz and steps.json; prints {"cpu_s", "texts"}
"""

from __future__ import annotations

import json
import logging
import sys
import time
from pathlib import Path

import numpy as np
from whisperlivekit.local_agreement.backends import FasterWhisperASR
from whisperlivekit.local_agreement.online_asr import OnlineASRProcessor

logging.disable(logging.WARNING)


def main() -> None:
    folder, model = Path(sys.argv[1]), sys.argv[2]
    clips = np.load(folder / "clips.npz")
    steps = json.loads((folder / "steps.json").read_text())
    asr = FasterWhisperASR("en", model_dir=model)
    # As its own factory sets them by default.
    asr.tokenizer, asr.confidence_validation = None, False
    asr.buffer_trimming, asr.buffer_trimming_sec = "segment", 15
    texts, spent_s = [], 0.0
    for name, ends_ms in zip(clips.files, steps, strict=True):
        audio = clips[name].astype(np.float32) / 32_768
        online = OnlineASRProcessor(asr)
        tokens, heard = [], 0
        began_s = time.process_time()
        for end_ms in ends_ms:
            online.insert_audio_chunk(audio[heard : end_ms * 16], end_ms / 1000)
            heard = end_ms * 16
            tokens += online.process_iter()[0]
        rest, _ = online.finish()
        spent_s += time.process_time() - began_s
        texts.append("".join(token.text for token in [*tokens, *rest]))
    print(json.dumps({"cpu_s": spent_s, "texts": texts}))


if __name__ == "__main__":
    main()
