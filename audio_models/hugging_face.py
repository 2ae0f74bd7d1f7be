"""Heavier engines by name: a Hugging Face classifier of sentiment, and one of how aroused a voice is.

`hf:FOLDER` or `hf:OWNER/NAME` (as it lies in the hub's cache: nothing is downloaded here). Only safetensors
are read and no code of the model's is run, so that a model is data. Needs the package `transformers`.
"""

from __future__ import annotations

import importlib.util
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from audio_models.api import SAMPLE_RATE_HZ, MissingModel, Samples, SentimentScore
from audio_models.hub import REPOSITORY, cache_folder

PREFIX = "hf:"
BATCH = 8
"""Read at once: more would need the memory of the longest for each."""
MAX_TOKENS = 256
LONGEST_S = 12
"""Of an utterance a voice model hears no more than this, from its beginning."""
CALIBRATION = "voicewatch.json"
"""Beside the weights: {"temperature": T}, what to divide the logits by, fitted on labelled utterances."""
CLEARLY = 0.3
"""A model without a neutral class is neutral where positive and negative are no further apart than this."""
SENTIMENT_OF = {
    "very negative": -4.5, "1 star": -4.5, "negative": -3.0, "neg": -3.0, "2 stars": -2.0,
    "neutral": 0.0, "neu": 0.0, "3 stars": 0.0, "mixed": 0.0,
    "positive": 3.0, "pos": 3.0, "4 stars": 2.0, "very positive": 4.5, "5 stars": 4.5,
}  # fmt: skip
AROUSAL_OF = {
    "angry": 1.0, "anger": 1.0, "ang": 1.0, "happy": 0.8, "happiness": 0.8, "joy": 0.8, "hap": 0.8,
    "fear": 0.7, "fearful": 0.7, "surprise": 0.7, "surprised": 0.7, "excited": 1.0, "disgust": 0.2,
    "disgusted": 0.2, "neutral": 0.0, "neu": 0.0, "calm": -0.4, "sad": -0.6, "sadness": -0.6,
    "boredom": -0.8, "bored": -0.8, "high": 1.0, "medium": 0.0, "low": -1.0,
}  # fmt: skip
"""Of the classes that models know. A class's name is never told to anybody: how aroused it is, is."""


class _Model(ABC):
    """What both kinds share: the folder, its configuration, how its classes are named."""

    def __init__(self, named: str, kind: str) -> None:
        self.name = named
        self.folder = _folder(named)
        self.config = _read_json(self.folder / "config.json", named)
        transformers = _transformers(named)
        try:
            loader = getattr(transformers, kind)
            self.network = loader.from_pretrained(
                str(self.folder), local_files_only=True, use_safetensors=True, trust_remote_code=False
            ).eval()
            self.reader = self._load_reader(transformers)
        except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
            raise MissingModel(
                f"{named} cannot be loaded ({_first_line(error)}); it has to be a {kind[20:]} model with "
                "config.json, model.safetensors and its own tokenizer or feature extractor"
            ) from None
        self.temperature = self._temperature()

    @abstractmethod
    def _load_reader(self, transformers: Any) -> Any: ...

    def _temperature(self) -> float | None:
        path = self.folder / CALIBRATION
        if not path.exists():
            return None
        found = _read_json(path, self.name).get("temperature")
        if not isinstance(found, int | float) or not 0 < found < 100:
            raise MissingModel(f'{path} needs {{"temperature": a number above 0}}; remove it to go without')
        return float(found)

    def _shares(self, inputs: Mapping[str, torch.Tensor]) -> list[list[float]]:
        """[items, classes], each adding up to 1."""
        with torch.inference_mode():
            logits = self.network(**inputs).logits.float() / (self.temperature or 1.0)
            if not bool(torch.isfinite(logits).all()):
                raise ValueError("the model answers with no number")
            found: list[list[float]] = logits.softmax(-1).tolist()
        return found

    @property
    def labels(self) -> list[str]:
        named = self.config.get("id2label") or {}
        return [
            str(named.get(str(at), f"LABEL_{at}")).strip() for at in range(self.network.config.num_labels)
        ]

    def _values(self, known: Mapping[str, float], about: str) -> list[float]:
        names = [re.sub(r"[_\-\s]+", " ", label.lower()).strip() for label in self.labels]
        if len(names) < 2 or any(name not in known for name in names):
            raise MissingModel(
                f"{self.name} has the classes {', '.join(self.labels)}, whose {about} is not known; name "
                f'them in its config.json under "id2label" with words of: {", ".join(known)}'
            )
        return [known[name] for name in names]


class SentimentClassifier(_Model):
    """A sequence classifier with two, three or five classes of sentiment."""

    def __init__(self, named: str) -> None:
        """Raises MissingModel, saying what to do."""
        super().__init__(named, "AutoModelForSequenceClassification")
        self._of_class = self._values(SENTIMENT_OF, "sentiment")
        self._longest = min(MAX_TOKENS, int(self.config.get("max_position_embeddings") or MAX_TOKENS) - 2)

    @property
    def description(self) -> str:
        return self.name if self.temperature else f"{self.name} (confidence not calibrated)"

    def _load_reader(self, transformers: Any) -> Any:
        return transformers.AutoTokenizer.from_pretrained(
            str(self.folder), local_files_only=True, trust_remote_code=False
        )

    def judge(self, texts: Sequence[str]) -> list[SentimentScore | str]:
        """Of each text, or why not; what is too long is read from its end, where the point is."""
        found: list[SentimentScore | str] = []
        for at in range(0, len(texts), BATCH):
            found += _each(self._judge_batch, texts[at : at + BATCH])
        return found

    def _judge_batch(self, texts: Sequence[str]) -> list[SentimentScore]:
        self.reader.truncation_side = "left"
        inputs = self.reader(
            list(texts), padding=True, truncation=True, max_length=self._longest, return_tensors="pt"
        )
        return [self._score(shares) for shares in self._shares(inputs)]

    def _score(self, shares: Sequence[float]) -> SentimentScore:
        score = (
            round(sum(share * value for share, value in zip(shares, self._of_class, strict=True)), 2) + 0.0
        )
        below, above = (
            sum(share for share, value in zip(shares, self._of_class, strict=True) if value * side > 0)
            for side in (-1, 1)
        )
        neutral = 1 - below - above
        if 0.0 not in self._of_class and abs(above - below) < CLEARLY:
            return SentimentScore(score, "neutral", round(1 - abs(above - below), 3))
        if neutral >= max(below, above):
            return SentimentScore(score, "neutral", round(neutral, 3))
        if below > above:
            return SentimentScore(score, "negative", round(below, 3))
        return SentimentScore(score, "positive", round(above, 3))


class ArousalClassifier(_Model):
    """A wav2vec2-like classifier of emotions, or of low, medium and high arousal."""

    def __init__(self, named: str) -> None:
        """Raises MissingModel, saying what to do."""
        super().__init__(named, "AutoModelForAudioClassification")
        self._of_class = self._values(AROUSAL_OF, "arousal")

    def _load_reader(self, transformers: Any) -> Any:
        reader = transformers.AutoFeatureExtractor.from_pretrained(
            str(self.folder), local_files_only=True, trust_remote_code=False
        )
        if reader.sampling_rate != SAMPLE_RATE_HZ:
            raise ValueError(f"it wants {reader.sampling_rate} Hz, and hears {SAMPLE_RATE_HZ}")
        return reader

    def measure(self, utterances: Sequence[Samples]) -> list[float | str]:
        """Arousal -1..1 of each, or why not."""
        found: list[float | str] = []
        for at in range(0, len(utterances), BATCH):
            found += _each(self._measure_batch, utterances[at : at + BATCH])
        return found

    def _measure_batch(self, utterances: Sequence[Samples]) -> list[float]:
        heard = [np.asarray(one[: LONGEST_S * SAMPLE_RATE_HZ], np.float32) for one in utterances]
        inputs = self.reader(heard, sampling_rate=SAMPLE_RATE_HZ, padding=True, return_tensors="pt")
        return [
            sum(share * value for share, value in zip(shares, self._of_class, strict=True))
            for shares in self._shares(inputs)
        ]


def _each(judge: Any, items: Sequence[Any]) -> list[Any]:
    """Together; if that fails, one by one, so that one item cannot spoil the others."""
    if not items:
        return []
    try:
        return list(judge(items))
    except (RuntimeError, ValueError, IndexError, TypeError, MemoryError) as error:
        if len(items) == 1:
            return [f"the model failed ({type(error).__name__})"]
        return [one for item in items for one in _each(judge, [item])]


@lru_cache(maxsize=2)
def sentiment_classifier(named: str) -> SentimentClassifier:
    """The same for all who ask. Raises MissingModel."""
    return SentimentClassifier(named)


@lru_cache(maxsize=2)
def arousal_classifier(named: str) -> ArousalClassifier:
    """The same for all who ask. Raises MissingModel."""
    return ArousalClassifier(named)


def missing(named: str) -> str:
    """What is not there to load it, with the remedy; empty where all seems to be. Loads nothing."""
    try:
        folder = _folder(named)
        _read_json(folder / "config.json", named)
    except MissingModel as error:
        return str(error)
    if importlib.util.find_spec("transformers") is None:
        return _no_transformers(named)
    return (
        "" if list(folder.glob("*.safetensors")) else f"{named} has no weights as *.safetensors in {folder}"
    )


def _folder(named: str) -> Path:
    name = named.removeprefix(PREFIX)
    folder = Path(name).expanduser()
    if named.startswith(PREFIX) and folder.is_dir():
        return folder
    if not named.startswith(PREFIX) or not REPOSITORY.fullmatch(name):
        raise MissingModel(f"{named!r} names no engine; write hf:FOLDER or hf:OWNER/NAME")
    home = cache_folder() / ("models--" + name.replace("/", "--"))
    try:
        commit = (home / "refs" / "main").read_text(encoding="utf-8").strip()
    except OSError:
        raise MissingModel(
            f"{named} is not on this machine; fetch it with `hf download {name}` where there is a network, "
            "or name a folder that holds it: hf:/path/to/it"
        ) from None
    return home / "snapshots" / commit


def _read_json(path: Path, named: str) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MissingModel(f"{named}: {path} cannot be read ({type(error).__name__})") from None
    if not isinstance(found, dict):
        raise MissingModel(f"{named}: {path} is no JSON object")
    return found


def _transformers(named: str) -> Any:
    try:
        import transformers
    except ImportError:
        raise MissingModel(_no_transformers(named)) from None
    transformers.utils.logging.disable_progress_bar()
    return transformers


def _no_transformers(named: str) -> str:
    return f'{named} needs the package transformers: pip install "voicewatch[engines]"'


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
