"""Words heard where nobody speaks: silence, hiss, ringing, pressed keys, music, noise, the AI's own echo.

Each is analysed as a call by the whole pipeline; the bar is 0 words.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import wave
from pathlib import Path

import numpy as np

from audio_models.api import BUNDLED_MODEL, load_transcriber
from scripts.benches.vad_corpus import RATE_HZ, Samples, non_speech
from voicewatch.settings import Settings, SpeechSettings
from voicewatch.speech.analyze import analyze

CLIP = Path(__file__).parents[2] / "audio_models" / "weights" / "selftest.wav"
ECHO_DELAY_MS, ECHO_GAIN = 180, 0.2


def echoed(seconds: float) -> tuple[Samples, Samples]:
    """(what comes on the customer's leg, what the AI says): nothing but the AI, late, faint and with hiss."""
    with wave.open(str(CLIP)) as clip:
        said = np.frombuffer(clip.readframes(clip.getnframes()), "<i2").astype(np.float32) / 32768
    once = np.concatenate([np.zeros(RATE_HZ, np.float32), said, np.zeros(2 * RATE_HZ, np.float32)])
    sent = np.resize(once, int(seconds * RATE_HZ))
    came = ECHO_GAIN * np.roll(sent, ECHO_DELAY_MS * RATE_HZ // 1000)
    hiss = np.random.default_rng(8).normal(0, 0.0008, len(sent))
    return (came + hiss).astype(np.float32), sent


def write(path: Path, channels: list[Samples]) -> Path:
    pcm = (np.clip(np.stack(channels, axis=1), -1, 1) * 32767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(channels))
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(pcm.tobytes())
    return path


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    root = Path(__file__).parents[2]
    arguments.add_argument("--data", type=Path, default=root.parent / "shared" / "data")
    arguments.add_argument("--seconds", type=int, default=600, help="of each")
    arguments.add_argument("--engine", default="faster-whisper")
    arguments.add_argument("--model", default=BUNDLED_MODEL)
    arguments.add_argument("--json", action="store_true")
    given = arguments.parse_args()
    data = given.data if (given.data / "audio").is_dir() else None
    settings = Settings(speech=SpeechSettings(engine=given.engine, model=given.model))
    engine = load_transcriber(given.engine, given.model)
    calls: list[tuple[str, list[Samples]]] = [
        (clip.condition, [clip.samples]) for clip in non_speech(given.seconds, data)
    ]
    calls.append(("the AI's echo", list(echoed(given.seconds))))
    measures = []
    with tempfile.TemporaryDirectory() as folder:
        for name, channels in calls:
            path = write(Path(folder) / "call.wav", channels)
            result = analyze(path, ["customer", "ai"], None, settings, engine=engine)
            heard = [one for one in result["utterances"] if one["leg"] == "customer"]
            spans = sum(one["leg"] == "customer" for one in result["speech"])
            words = sum(len(one["text"].split()) for one in heard)
            measures += [
                {"name": f"words in {name}", "value": words, "unit": "words"},
                {"name": f"decodes in {name}", "value": spans, "unit": "utterances"},
            ]
            if not given.json:
                said = "; ".join(one["text"] for one in heard[:3])
                print(f"{name:16} {given.seconds} s: {words} words, {spans} spans decoded {said}")
    if given.json:
        machine = {"cpu": platform.machine(), "cores": os.cpu_count(), "load": os.getloadavg()[0]}
        print(json.dumps({"schema": 1, "bench": "nothing", "machine": machine, "measures": measures}))


if __name__ == "__main__":
    main()
