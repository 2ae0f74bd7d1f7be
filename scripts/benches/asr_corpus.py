"""Speech for the recogniser's bench: clips with their words, true beginning and end; legs made of them."""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from voicewatch.demo.scenarios import clip_samples, list_scenarios, load_scenario

RATE_HZ = 16_000
CHUNK_MS = 20
CHUNK_SAMPLES = RATE_HZ * CHUNK_MS // 1000
SPEECH_DB = 35.0
"""A 10 ms frame less than this under the clip's loudest is speech: tells its true beginning and end."""
LEAD_MS = 600
ROOM_DBFS = -66.0
"""White noise under all: there is a room, not digital silence."""

Pcm = NDArray[np.int16]


@dataclass(frozen=True)
class Clip:
    """One utterance; `start_ms` and `end_ms` of its speech within `pcm`."""

    name: str
    text: str
    pcm: Pcm
    start_ms: int
    end_ms: int


@dataclass(frozen=True)
class Spoken:
    """A clip's speech on a leg's clock."""

    clip: Clip
    start_ms: int
    end_ms: int


@dataclass(frozen=True)
class Leg:
    """What one leg says: all its chunks, and what is in them."""

    pcm: Pcm
    spoken: tuple[Spoken, ...]

    @property
    def chunks(self) -> int:
        return len(self.pcm) // CHUNK_SAMPLES


def demo_clips() -> list[Clip]:
    """The customers' lines of the demonstration: synthetic voices; the small model knows the sentences."""
    return [
        clip_of(f"{name}/{line.id}", line.text, clip_samples(line))
        for name in list_scenarios()
        for line in load_scenario(name).lines_of("customer")
    ]


def manifest_clips(folder: Path, sets: Sequence[str]) -> list[Clip]:
    """Clips with a transcript of a folder with `manifest.jsonl`, of these sets."""
    rows = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    return [
        clip_of(row["id"], row["text"], decoded(folder.parent / row["audio"]))
        for row in rows
        if row["set"] in sets and row.get("text") and row["duration_s"] <= 20
    ]


def decoded(path: Path) -> Pcm:
    resampler = av.AudioResampler("s16", "mono", RATE_HZ)
    with av.open(str(path)) as container:
        parts = [out for one in container.decode(audio=0) for out in resampler.resample(one)]
    parts += resampler.resample(None)
    return np.concatenate([part.to_ndarray().reshape(-1) for part in parts]).astype(np.int16)


def clip_of(name: str, text: str, pcm: Pcm) -> Clip:
    frame = RATE_HZ // 100
    count = len(pcm) // frame
    power = np.mean(pcm[: count * frame].reshape(count, frame).astype(np.float64) ** 2, axis=1)
    levels = 10 * np.log10(power + 1e-9)
    active = np.flatnonzero(levels > levels.max() - SPEECH_DB)
    return Clip(name, text, pcm, int(active[0]) * 10, int(active[-1] + 1) * 10)


def leg_of(
    clips: Sequence[Clip], seconds: float, talk_share: float, seed: int, room_dbfs: float = ROOM_DBFS
) -> Leg:
    """Clips in random order, each followed by so much silence that the share of talk comes out."""
    order = random.Random(seed)
    room = np.random.default_rng(seed)
    left = order.sample(list(clips), len(clips))
    pieces: list[Pcm] = [np.zeros(order.randrange(LEAD_MS, 4_000) * 16, np.int16)]
    spoken: list[Spoken] = []
    at_ms, turn = len(pieces[0]) // 16, 0
    while at_ms < seconds * 1000:
        clip = left[turn % len(left)]
        turn += 1
        length_ms = clip.end_ms - clip.start_ms
        silence_ms = max(1_000, round(length_ms * (1 / talk_share - 1)))
        pieces += [clip.pcm, np.zeros(silence_ms * 16, np.int16)]
        spoken.append(Spoken(clip, at_ms + clip.start_ms, at_ms + clip.end_ms))
        at_ms += len(clip.pcm) // 16 + silence_ms
    pcm = np.concatenate(pieces)
    noise = room.normal(0.0, 32_768 * 10 ** (room_dbfs / 20), len(pcm))
    whole = np.clip(pcm + noise, -32_768, 32_767).astype(np.int16)
    return Leg(whole[: len(whole) // CHUNK_SAMPLES * CHUNK_SAMPLES], tuple(spoken))


# ---------------------------------------------------------------- a model that costs what Whisper tiny costs

_TEXT_TOKENS, _TIMES = 50_257, 1_501


def random_tiny(folder: Path) -> Path:
    """A CTranslate2 folder of Whisper tiny.en's dimensions (d 384, 4 + 4 layers), int8, random weights,
    with an end of text that never comes. Made once.
    """
    if (folder / "model.bin").is_file():
        return folder
    import torch

    from scripts.tiny_whisper.export import PREPROCESSOR, specification
    from scripts.tiny_whisper.model import Size, TinyWhisper

    tokenizer, listing = _tokenizer()
    torch.manual_seed(0)
    size = Size(width=384, heads=6, encoder_layers=4, decoder_layers=4)
    model = TinyWhisper(size, len(listing), 28, 40)
    spec = specification(model)
    spec.register_vocabulary(listing)
    end = listing.index("<|endoftext|>")
    spec.config.suppress_ids = [end, *range(end + 1, len(listing))]
    spec.config.suppress_ids_begin = []
    spec.config.lang_ids = []
    spec.config.alignment_heads = [[3, head] for head in range(6)]
    spec.validate()
    spec.optimize(quantization="int8")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as fresh:
        spec.save(fresh)
        for path in Path(fresh).iterdir():
            path.replace(folder / path.name)
    (folder / "tokenizer.json").write_text(tokenizer)
    (folder / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR))
    return folder


def _tokenizer() -> tuple[str, list[str]]:
    """A byte-level tokenizer with as many tokens as tiny.en's, all but the bytes made up."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    from scripts.tiny_whisper.tokens import _SPECIAL

    words = [f"Ġw{number}" for number in range(_TEXT_TOKENS - 1 - 256)]
    names = [*words, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE({name: at for at, name in enumerate(names)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in _SPECIAL])
    times = [f"<|{number * 0.02:.2f}|>" for number in range(_TIMES)]
    tokenizer.add_tokens([AddedToken(name, special=False, normalized=False) for name in times])
    by_id = {number: name for name, number in tokenizer.get_vocab().items()}
    return tokenizer.to_str(), [by_id[number] for number in range(len(by_id))]
