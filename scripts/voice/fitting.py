"""The model of voices (audio_models/arousal.py) from measured clips, and how it does on other speakers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from audio_models.arousal import Baseline, VoiceModel
from audio_models.prosody import Numbers, Prosody
from scripts.voice.corpus import CLIPPED, Clip

DIAGONAL = 0.5
"""Share of the diagonal in every covariance: few speakers tell little of how measures go together."""
MORE_SPEAKERS = 3.0
"""Callers differ more than so few speakers."""

Measured = Mapping[str, Sequence[Prosody | None]]
"""By condition: each clip's prosody, in the order of the clips."""


def fit(clips: Sequence[Clip], measured: Measured, speakers: Collection[str]) -> VoiceModel:
    """From these speakers in all conditions given; a speaker in each but CLIPPED counts as a caller.

    Those who do not act tell what is usual, the others also what arousal does.
    """
    usual, moved, noise = [], [], []
    for name, prosodies in measured.items():
        for speaker in speakers if name != CLIPPED else ():
            calm = _values(clips, prosodies, speaker, ("low",))
            high = _values(clips, prosodies, speaker, ("high",))
            neutral = _values(clips, prosodies, speaker, ("neutral",))
            if len(neutral):
                usual.append(neutral.mean(axis=0))
            if not len(high):
                continue
            moved.append(high.mean(axis=0) - calm.mean(axis=0))
            noise += [_around_mean(calm), _around_mean(high)]
    within = np.cov(np.concatenate(noise).T)
    between = np.cov(np.array(usual).T) * MORE_SPEAKERS
    return VoiceModel(
        np.mean(usual, axis=0),
        _nearer_diagonal(between),
        _nearer_diagonal(within),
        np.mean(moved, axis=0),
        _clipping(clips, measured, speakers),
    )


def _clipping(clips: Sequence[Clip], measured: Measured, speakers: Collection[str]) -> Numbers:
    """What clipping does to each measure, by the root of the share of samples cut off (least squares)."""
    pairs = [
        (clean.values, cut)
        for clip, clean, cut in zip(clips, measured["clean"], measured[CLIPPED], strict=True)
        if clip.speaker in speakers and clean is not None and cut is not None
    ]
    moved = np.array([cut.values - clean for clean, cut in pairs])
    roots = np.sqrt([cut.clipped for _, cut in pairs])
    return np.asarray(roots @ moved / (roots @ roots))


def judged_apart(
    clips: Sequence[Clip],
    measured: Measured,
    trained: Collection[str],
    baseline_clips: int,
    folds: Sequence[Collection[str]] = (),
) -> dict[str, Numbers]:
    """Change of each actor's clip in each condition by a model fitted to the others in `trained` conditions.

    NaN for the speaker's clips that made the baseline: the first `baseline_clips` neutral ones. `folds`: the
    speakers judged together; default one by one.
    """
    everybody = sorted({clip.speaker for clip in clips})
    fitted_to = {name: measured[name] for name in (*trained, CLIPPED)}
    found = {name: np.full(len(clips), np.nan) for name in measured}
    actors = sorted({clip.speaker for clip in clips if clip.arousal == "high"})
    for fold in folds or [[speaker] for speaker in actors]:
        model = fit(clips, fitted_to, [speaker for speaker in everybody if speaker not in fold])
        for name, prosodies in measured.items():
            for speaker in fold:
                own = [at for at, clip in enumerate(clips) if clip.speaker == speaker]
                first = [at for at in own if clips[at].emotion == "neutral"][:baseline_clips]
                baseline = Baseline(model)
                for at in first:
                    if (one := prosodies[at]) is not None and one.judgeable:
                        baseline.learn(one)
                for at in own:
                    if at not in first and (one := prosodies[at]) is not None and one.judgeable:
                        found[name][at] = baseline.judge(one).change
    return found


def area_under_curve(changes: Numbers, clips: Sequence[Clip]) -> float:
    """Of high against low arousal; ties count half."""
    high = changes[[clip.arousal == "high" for clip in clips] & ~np.isnan(changes)]
    low = changes[[clip.arousal == "low" for clip in clips] & ~np.isnan(changes)]
    above = (high[:, None] > low).mean() + 0.5 * (high[:, None] == low).mean()
    return float(above)


def _values(
    clips: Sequence[Clip], prosodies: Sequence[Prosody | None], speaker: str, wanted: tuple[str, ...]
) -> Numbers:
    return np.array(
        [
            one.values
            for clip, one in zip(clips, prosodies, strict=True)
            if clip.speaker == speaker
            and one is not None
            and one.judgeable
            and (clip.arousal in wanted or clip.emotion in wanted)
        ]
    )


def _around_mean(values: Numbers) -> NDArray[np.float64]:
    """Deviations, as large as if the mean had been known."""
    return (values - values.mean(axis=0)) * np.sqrt(len(values) / max(1, len(values) - 1))


def _nearer_diagonal(covariance: Numbers) -> Numbers:
    return (1 - DIAGONAL) * covariance + DIAGONAL * np.diag(np.diag(covariance))
