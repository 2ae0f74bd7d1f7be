"""Which recognisers are on this machine, whether one works, and fetching another."""

from __future__ import annotations

import os
import time
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from audio_models.api import BUNDLED_FOLDER, BUNDLED_MODEL, MissingModel, Samples, Transcriber

SELF_TEST = Path(__file__).parent / "weights" / "selftest.wav"


@dataclass(frozen=True)
class FoundModel:
    """`name` is what `speech.model` takes (for PocketSphinx: the engine's name)."""

    name: str
    engine: str
    where: str
    note: str


@dataclass(frozen=True)
class SelfTest:
    """What a recogniser made of the bundled clip of synthetic speech."""

    text: str
    audio_ms: int
    took_ms: int


def found_models() -> list[FoundModel]:
    """The built-in ones, and every Whisper that was fetched before."""
    found = [
        FoundModel(
            "pocketsphinx",
            "pocketsphinx",
            "in its wheel",
            "English; low fidelity; the default without a model",
        )
    ]
    if (BUNDLED_FOLDER / "model.bin").is_file():
        found.append(
            FoundModel(
                BUNDLED_MODEL,
                "faster-whisper",
                str(BUNDLED_FOLDER),
                "knows the demonstration's synthetic voices only",
            )
        )
    for folder in sorted(_hub_folder().glob("models--*whisper*/snapshots/*")):
        if (folder / "model.bin").exists():
            repository = folder.parent.parent.name.removeprefix("models--").replace("--", "/")
            name = repository.removeprefix("Systran/faster-whisper-")
            found.append(FoundModel(name, "faster-whisper", str(folder), "fetched from the Hugging Face hub"))
    return found


def pull(name: str) -> Path:
    """Fetches a CTranslate2 Whisper from the Hugging Face hub: its folder. MissingModel if it cannot."""
    import faster_whisper  # heavy, and needed here only when something is fetched

    try:
        return Path(faster_whisper.download_model(name))
    except ValueError as error:
        raise MissingModel(f"{str(error).splitlines()[0]}") from None
    except (OSError, RuntimeError) as error:
        raise MissingModel(
            f"the model {name!r} could not be fetched ({type(error).__name__}): is this machine online, "
            "and is the name right? Or fetch it elsewhere and copy its folder: speech.model takes a folder"
        ) from None


def self_test(transcriber: Transcriber) -> SelfTest:
    """Transcribes the bundled clip."""
    samples = _read(SELF_TEST)
    began = time.perf_counter()
    transcript = transcriber.transcribe(samples)
    return SelfTest(transcript.text, len(samples) // 16, round((time.perf_counter() - began) * 1000))


def _read(path: Path) -> Samples:
    with wave.open(str(path)) as clip:
        pcm = np.frombuffer(clip.readframes(clip.getnframes()), dtype="<i2")
    return pcm.astype(np.float32) / np.float32(32768)


def _hub_folder() -> Path:
    """Where huggingface_hub keeps what it fetched, by its documented variables."""
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"
    return Path(os.environ.get("HF_HUB_CACHE") or Path(home) / "hub").expanduser()
