"""Training: cross entropy, with two helpers that the finished model does not carry.

A character head on the encoder (CTC, Graves et al. 2006) makes a small encoder hear letters
long before the decoder knows the language, and a guided cross-attention head (in the spirit of
arXiv 1710.08969) looks where a word is said. Word times come from a path through that head's attention,
each moment compared over the tokens, so that comparison is trained too. What is kept is an average of the
weights over the last steps (Polyak and Juditsky 1992), which hears better than any of them.
"""

from __future__ import annotations

import itertools
import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from .examples import ALPHABET, IGNORED, PHONES, UNKNOWN_PHONE, Batch, ExampleSource
from .model import Size, TinyWhisper
from .tokens import Vocabulary
from .voices import Recording

PEAK_LEARNING_RATE = 2e-3
WARM_UP_STEPS = 150
BATCH = 16
LONG_BATCH = 4
LONG_FROM = 0.5  # share of the training after which padded 30 s windows are mixed in
LONG_EVERY = 10
SAVE_EVERY_S = 240.0
REPORT_EVERY = 100
AVERAGED = 0.998
RESUMED = 0.3
"""Of the peak learning rate, for a model that is trained further."""


class _Stream(IterableDataset[Batch]):
    """Examples made in a process of their own, next to the training."""

    def __init__(self, recordings: list[Recording], vocabulary_file: Path, long: bool) -> None:
        self._recordings, self._vocabulary_file, self._long = recordings, vocabulary_file, long

    def __iter__(self) -> Iterator[Batch]:
        torch.set_num_threads(1)
        worker = get_worker_info()
        seed = (worker.id if worker else 0) + (1000 if self._long else 0)
        source = ExampleSource(self._recordings, Vocabulary.load(self._vocabulary_file), seed)
        return source.long_batches(LONG_BATCH) if self._long else source.batches(BATCH)


def _loader(recordings: list[Recording], vocabulary_file: Path, long: bool, workers: int) -> Iterator[Batch]:
    stream = _Stream(recordings, vocabulary_file, long)
    return iter(DataLoader(stream, batch_size=None, num_workers=workers, prefetch_factor=16))


def train(
    recordings: list[Recording],
    folder: Path,
    minutes: float,
    size: Size,
    workers: int = 1,
    report: Callable[[str], None] = print,
    resume: bool = False,
) -> None:
    """Train for some minutes of wall time; the learning rate follows the clock to its end.

    ``folder`` holds tokenizer.json and gets model.pt, first after four minutes.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    vocabulary_file = folder / "tokenizer.json"
    vocabulary = Vocabulary.load(vocabulary_file)
    torch.manual_seed(0)
    model = TinyWhisper(size, vocabulary.size, len(ALPHABET) + 1, len(PHONES)).to(device)
    if resume:
        model.load_state_dict(torch.load(folder / "model.pt", weights_only=True))
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=PEAK_LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.01
    )
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(AVERAGED))
    count = sum(parameter.numel() for parameter in model.parameters())
    report(f"{count:,} parameters, {len(recordings)} recordings, {device}")

    short = _loader(recordings, vocabulary_file, False, workers)
    long = _loader(recordings, vocabulary_file, True, 1)
    recent: dict[str, float] = defaultdict(float)
    started = saved = time.monotonic()
    for step in itertools.count():
        now = time.monotonic()
        progress = (now - started) / (60 * minutes)
        if progress >= 1:
            break
        if now - saved > SAVE_EVERY_S:
            torch.save(average.module.state_dict(), folder / "model.pt")
            saved = now
        peak = PEAK_LEARNING_RATE * (RESUMED if resume else 1)
        for group in optimizer.param_groups:
            group["lr"] = peak * min(1.0, (step + 1) / WARM_UP_STEPS) * _cosine(progress)
        padded = progress > LONG_FROM and step % LONG_EVERY == 0
        losses = _losses(model, next(long if padded else short), device)
        loss = (
            losses["text"]
            + (0.4 if progress < 0.7 else 0.2) * losses["letters"]
            + 0.1 * losses["guide"]
            + 0.2 * losses["times"]
            + 0.5 * losses["phones"]
        )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        average.update_parameters(model)
        for name, value in losses.items():
            recent[name] = recent[name] + value.item() / REPORT_EVERY
        if step % REPORT_EVERY == REPORT_EVERY - 1:
            told = " ".join(f"{name} {value:.3f}" for name, value in recent.items())
            report(f"step {step + 1} at {(now - started) / 60:.1f} min: {told}")
            recent.clear()
    torch.save(average.module.state_dict(), folder / "model.pt")
    report(f"{step} steps")


def _cosine(progress: float) -> float:
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress))


def _losses(model: TinyWhisper, batch: Batch, device: torch.device) -> dict[str, Tensor]:
    heard = model.encoder(batch.mel.to(device))
    logits, attention = model.decoder(batch.inputs.to(device), heard)
    text = F.cross_entropy(
        logits.flatten(0, 1), batch.targets.to(device).flatten(), ignore_index=IGNORED, label_smoothing=0.05
    )
    return {
        "text": text,
        "letters": _letters_loss(model, heard, batch),
        "phones": _phones_loss(model, heard, batch),
        "guide": _guide_loss(attention, batch.guide.to(device)),
        "times": _times_loss(attention, batch.rows.to(device)),
    }


def _letters_loss(model: TinyWhisper, heard: Tensor, batch: Batch) -> Tensor:
    spoken = [i for i, letters in enumerate(batch.characters) if letters]
    if not spoken:
        return heard.new_zeros(())
    scores = model.characters(heard[spoken]).log_softmax(-1).transpose(0, 1)
    letters = [batch.characters[i] for i in spoken]
    return F.ctc_loss(
        scores,
        torch.tensor(list(itertools.chain.from_iterable(letters)), device=heard.device),
        torch.tensor([min(batch.positions[i], heard.shape[1]) for i in spoken]),
        torch.tensor([len(part) for part in letters]),
        zero_infinity=True,
    )


def _phones_loss(model: TinyWhisper, heard: Tensor, batch: Batch) -> Tensor:
    scores = model.phones(heard).flatten(0, 1)
    targets = batch.phones.to(heard.device).flatten()
    total = F.cross_entropy(scores, targets, ignore_index=UNKNOWN_PHONE, reduction="sum")
    known: Tensor = (targets != UNKNOWN_PHONE).sum().clamp(min=1)
    return total / known


def _guide_loss(attention: Tensor, guide: Tensor) -> Tensor:
    """How much of the guided head looks away from the time at which its token is said."""
    within = (attention * guide).sum(-1)
    guided = guide.any(-1)
    return -(within[guided] + 1e-4).log().sum() / guided.sum().clamp(min=1)


def _times_loss(attention: Tensor, rows: Tensor) -> Tensor:
    """How surely each position tells which token is said there, by the guided head alone."""
    shares = (attention + 1e-6).log()
    known = rows != IGNORED
    told = torch.zeros(shares.shape[:2], dtype=torch.bool, device=rows.device)
    told.scatter_(1, rows.clamp(min=0), known)
    shares = shares.masked_fill(~told.unsqueeze(-1), -torch.inf).log_softmax(1)
    picked = shares.gather(1, rows.clamp(min=0).unsqueeze(1)).squeeze(1)
    return -picked[known].sum() / known.sum().clamp(min=1)
