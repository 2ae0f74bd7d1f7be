"""Measures of classifiers: no library, so that a figure means the same wherever it is printed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray


def auc(scores: ArrayLike, truth: ArrayLike) -> float:
    """Area under the ROC curve: the chance that a true one scores above a false one; ties count half."""
    values, labels = np.asarray(scores, float), np.asarray(truth, bool)
    positives, negatives = int(labels.sum()), int((~labels).sum())
    if not positives or not negatives:
        return float("nan")
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return float((ranks[labels].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def macro_f1(found: Sequence[str], truth: Sequence[str], classes: Sequence[str]) -> float:
    """Mean over classes of their F1; a class that is nowhere counts 0."""
    scores = []
    for name in classes:
        hits = sum(one == name == other for one, other in zip(found, truth, strict=True))
        total = sum(one == name for one in found) + sum(one == name for one in truth)
        scores.append(2 * hits / total if total else 0.0)
    return sum(scores) / len(scores)


def precision_recall(scores: ArrayLike, truth: ArrayLike, at: float) -> tuple[float, float, float]:
    """(precision, recall, F1) where a score of `at` or more says yes."""
    said, labels = np.asarray(scores, float) >= at, np.asarray(truth, bool)
    hits = int((said & labels).sum())
    precision = hits / max(1, int(said.sum()))
    recall = hits / max(1, int(labels.sum()))
    return precision, recall, 2 * precision * recall / max(1e-9, precision + recall)


def recall_at_precision(scores: ArrayLike, truth: ArrayLike, precision: float) -> float:
    """The most of the true ones that can be found while this share of what is said is right."""
    values, labels = np.asarray(scores, float), np.asarray(truth, bool)
    order = np.argsort(-values, kind="stable")
    hits = np.cumsum(labels[order])
    right = hits / np.arange(1, len(order) + 1)
    good = right >= precision
    return float(hits[good].max() / labels.sum()) if good.any() else 0.0


def best_f1(scores: ArrayLike, truth: ArrayLike) -> float:
    values, labels = np.asarray(scores, float), np.asarray(truth, bool)
    order = np.argsort(-values, kind="stable")
    hits = np.cumsum(labels[order])
    return float((2 * hits / (np.arange(1, len(order) + 1) + labels.sum())).max())


def best_threshold(scores: ArrayLike, truth: ArrayLike) -> float:
    """Where F1 is best: the middle between the last score said yes to and the next."""
    values, labels = np.asarray(scores, float), np.asarray(truth, bool)
    order = np.argsort(-values, kind="stable")
    hits = np.cumsum(labels[order])
    at = int((2 * hits / (np.arange(1, len(order) + 1) + labels.sum())).argmax())
    return float((values[order][at] + values[order][min(at + 1, len(order) - 1)]) / 2)


def calibration_error(confidence: ArrayLike, right: ArrayLike, bins: int = 10) -> float:
    """Expected calibration error: |stated - true| share of right ones, over bins of equal width
    (Guo et al. 2017, https://arxiv.org/abs/1706.04599)."""
    stated, truth = np.asarray(confidence, float), np.asarray(right, float)
    place = np.minimum((stated * bins).astype(int), bins - 1)
    error = 0.0
    for one in range(bins):
        inside = place == one
        if inside.any():
            error += inside.mean() * abs(stated[inside].mean() - truth[inside].mean())
    return float(error)


def temperature(logits: NDArray[np.float32], truth: NDArray[np.int64]) -> float:
    """What to divide logits by for the likeliest truth, by search."""
    tried = np.geomspace(0.4, 6.0, 60)
    return float(min(tried, key=lambda t: _surprise(logits / t, truth)))


def _surprise(logits: NDArray[np.float32], truth: NDArray[np.int64]) -> float:
    shifted = logits - logits.max(1, keepdims=True)
    likely = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    return float(-likely[np.arange(len(truth)), truth].mean())
