"""The same utterances by others: stock faster-whisper, and whisperlivekit in an environment of its own.

Each is given an utterance as it grows, a step at a time, and at last the whole of it; what that costs is the
CPU time of the process, one thread. Nobody's scheduling is judged here, only what an update costs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import faster_whisper
import numpy as np
from asr_corpus import Clip

from audio_models.guards import normal_words

USED_AT = 0.6
"""A core is used when it works so much of its time."""
LIVEKIT_FOLDER = Path("out/livekit-venv")
LIVEKIT = "whisperlivekit==0.2.26"
LIVEKIT_NEEDS = ("numba", "librosa", "soundfile", "tiktoken", "python-multipart")
INSTALL_WITHIN_S = 600
LIVEKIT_WITHIN_S = 900


def updates_of(clip: Clip, step_ms: int) -> list[int]:
    """Ends, in ms of the clip, of the audio of each update; the last one is the whole."""
    return [*range(clip.start_ms + step_ms, clip.end_ms, step_ms), len(clip.pcm) // 16]


def stock(
    folder: str, clips: Sequence[Clip], step_ms: int, talk: float, tokens_per_s: float
) -> dict[str, Any]:
    """`WhisperModel.transcribe` at every update, as it comes: beam 5, temperatures, 30 s windows.

    With `tokens_per_s` one greedy decode of as many tokens, since on random weights every check fails.
    """
    model = faster_whisper.WhisperModel(folder, device="cpu", compute_type="int8", cpu_threads=1)
    spent_s, wrong, words = 0.0, 0, 0
    for clip in clips:
        for end_ms in updates_of(clip, step_ms):
            audio = clip.pcm[: end_ms * 16].astype(np.float32) / 32_768
            options: dict[str, Any] = {"language": "en"}
            if tokens_per_s:
                tokens = max(1, round(tokens_per_s * len(audio) / 16_000))
                options |= {"beam_size": 1, "temperature": 0.0, "without_timestamps": True}
                options |= {"max_new_tokens": tokens, "condition_on_previous_text": False}
            began_s = time.process_time()
            text = "".join(segment.text for segment in model.transcribe(audio, **options)[0])
            spent_s += time.process_time() - began_s
        wrong += errors_of(normal_words(clip.text), normal_words(text))
        words += len(normal_words(clip.text))
    told = _costs("faster_whisper.transcribe", clips, spent_s, talk)
    return told if tokens_per_s else told | {"wer_percent": round(100 * wrong / max(1, words), 2)}


def livekit(
    folder: str, clips: Sequence[Clip], step_ms: int, talk: float, tokens_per_s: float
) -> dict[str, Any] | None:
    """whisperlivekit's LocalAgreement (OnlineASRProcessor over its FasterWhisperASR); None if it cannot run.

    Random weights cannot be tried: the number of tokens cannot be fixed there.
    """
    if tokens_per_s:
        return None
    python = _livekit_python()
    if python is None:
        return None
    with tempfile.TemporaryDirectory() as work:
        np.savez(Path(work) / "clips.npz", *[clip.pcm for clip in clips])
        (Path(work) / "steps.json").write_text(json.dumps([updates_of(clip, step_ms) for clip in clips]))
        done = subprocess.run(
            [python, str(Path(__file__).with_name("asr_livekit_host.py")), work, folder],
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": ""},
            capture_output=True,
            text=True,
            timeout=LIVEKIT_WITHIN_S,
            check=False,
        )
    if done.returncode:
        print(f"whisperlivekit did not run: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
        return None
    found = json.loads(done.stdout.splitlines()[-1])
    wrong = sum(
        errors_of(normal_words(clip.text), normal_words(text))
        for clip, text in zip(clips, found["texts"], strict=True)
    )
    words = sum(len(normal_words(clip.text)) for clip in clips)
    told = _costs("whisperlivekit LocalAgreement", clips, found["cpu_s"], talk)
    return told | {"wer_percent": round(100 * wrong / max(1, words), 2)}


def errors_of(expected: Sequence[str], got: Sequence[str]) -> int:
    """Levenshtein distance in words."""
    row = list(range(len(got) + 1))
    for at, word in enumerate(expected, 1):
        before, row[0] = row[0], at
        for to, other in enumerate(got, 1):
            before, row[to] = row[to], min(row[to] + 1, row[to - 1] + 1, before + (word != other))
    return row[-1]


def _costs(name: str, clips: Sequence[Clip], spent_s: float, talk: float) -> dict[str, Any]:
    call_s = sum(clip.end_ms - clip.start_ms for clip in clips) / 1000 / talk
    return {
        "name": name,
        "calls_per_core": round(USED_AT * call_s / spent_s, 2),
        "cpu_ms_per_call_second": round(1000 * spent_s / call_s, 2),
    }


def _livekit_python() -> str | None:
    """Its interpreter, installed if need be; what it shares with us (torch above all) is seen, not copied."""
    python = LIVEKIT_FOLDER / "bin" / "python"
    if not python.exists():
        venv.create(LIVEKIT_FOLDER, with_pip=True)
        beside = next((LIVEKIT_FOLDER / "lib").glob("python3*")) / "site-packages" / "beside.pth"
        beside.write_text(sysconfig.get_path("purelib") + "\n")
    if (
        subprocess.run([python, "-c", "import whisperlivekit"], capture_output=True, check=False).returncode
        == 0
    ):
        return str(python)
    for wanted in (["--no-deps", LIVEKIT, "torchaudio"], list(LIVEKIT_NEEDS)):
        done = subprocess.run(
            [python, "-m", "pip", "install", "-q", *wanted],
            capture_output=True,
            text=True,
            timeout=INSTALL_WITHIN_S,
            check=False,
        )
        if done.returncode:
            print(
                f"whisperlivekit cannot be installed: {done.stderr.strip().splitlines()[-1:]}",
                file=sys.stderr,
            )
            return None
    return str(python)
