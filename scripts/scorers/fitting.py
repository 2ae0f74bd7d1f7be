"""Small fits: logistic regression drawn towards what is believed beforehand, since labels are few."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize


def logistic(
    features: ArrayLike,
    truth: ArrayLike,
    prior: ArrayLike,
    *,
    pull: float,
    least: ArrayLike | None = None,
    weights: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """Weights (one for each feature, then the offset) of the likeliest truth under a Gaussian prior.

    `pull` is how many surprises a unit of distance from `prior` costs; `least` bounds weights from below.
    """
    x = np.column_stack([np.asarray(features, float), np.ones(len(np.asarray(truth)))])
    y, start = np.asarray(truth, float), np.asarray(prior, float)
    each = np.ones(len(y)) if weights is None else np.asarray(weights, float)

    def cost(w: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        z = x @ w
        likely = each * (np.logaddexp(0, z) - y * z)
        slope = x.T @ (each * (1 / (1 + np.exp(-z)) - y)) + 2 * pull * (w - start)
        return float(likely.sum() + pull * ((w - start) ** 2).sum()), slope

    bounds = None if least is None else [(low, None) for low in np.asarray(least, float)]
    found = minimize(cost, start, jac=True, method="L-BFGS-B", bounds=bounds)
    return np.asarray(found.x)


MOST_WORDS = 0.5
"""Reviews name feelings more often than callers do: lists that serve them well count too much in calls."""


def label_line(
    logits: NDArray[np.float32], words: NDArray[np.float64], truth: NDArray[np.int64]
) -> dict[str, Any]:
    """Temperature, offsets of the labels and the weight of the word lists, for the likeliest labels.

    Offsets are small on purpose: how often a label is right differs from trade to trade.
    """

    def surprise(w: NDArray[np.float64]) -> float:
        moved = logits / np.exp(w[0])
        moved = moved + np.array([w[1], 0.0, w[2]])
        moved[:, 0] -= w[3] * words
        moved[:, 2] += w[3] * words
        moved = moved - moved.max(1, keepdims=True)
        likely = moved - np.log(np.exp(moved).sum(1, keepdims=True))
        return float(-likely[np.arange(len(truth)), truth].mean() + 0.02 * (w[1] ** 2 + w[2] ** 2))

    found = minimize(surprise, np.zeros(4), method="Nelder-Mead", options={"maxiter": 2000})
    w = found.x
    return {
        "temperature": round(float(np.exp(w[0])), 3),
        "label": {
            "negative": round(float(w[1]), 3),
            "neutral": 0.0,
            "positive": round(float(w[2]), 3),
            "words": round(min(MOST_WORDS, max(0.0, float(w[3]))), 3),
        },
    }


def named(names: Sequence[str], fitted: NDArray[np.float64]) -> Mapping[str, Any]:
    """As `audio_models.calibration` stores a regression."""
    weights = {name: round(float(weight), 4) for name, weight in zip(names, fitted, strict=False)}
    return {"weights": weights, "offset": round(float(fitted[-1]), 4)}
