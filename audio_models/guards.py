"""Guards against text that nobody spoke: recognisers invent fluent sentences on noise and fall into loops.

Figures are those of the public experience collected for Whisper (no_speech 0.6 and logprob -1.0 are
openai/whisper's own; loops can be confident, faster-whisper issue 506, hence the structural test).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from audio_models.api import SAMPLE_RATE_HZ, Samples

SILENCE_DBFS = -55.0
STEADY_DB = 1.6
"""A level that varies less than this over its active frames is a tone or stationary noise; speech is > 4."""

MAX_WORDS_PER_S = 6.5
MAX_REPEATS = 3
DIGITS = frozenset(
    ("zero", "oh", "o", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "double")
)
PHANTOMS = frozenset(
    {
        "you",
        "bye",
        "thank you",
        "thanks for watching",
        "thank you for watching",
        "please subscribe",
        "subtitles by the amara org community",
    }
)
"""What Whisper says on nothing; kept when the speech was long and sure enough to have been said."""


def signal_flaw(samples: Samples) -> str | None:
    """`silence` or `steady` when these samples cannot hold speech, else None.

    Speech is modulated at 2 to 8 Hz; ringing, a held tone and stationary noise keep one level while they
    last. Levels are those of 25 ms frames; frames more than 25 dB under the loudest do not count.
    """
    frame = SAMPLE_RATE_HZ // 40
    count = len(samples) // frame
    if count == 0:
        return "silence"
    power = np.mean(samples[: count * frame].reshape(count, frame).astype(np.float64) ** 2, axis=1)
    levels = 10 * np.log10(power + 1e-12)
    loudest = float(levels.max())
    if loudest < SILENCE_DBFS:
        return "silence"
    active = levels[levels > loudest - 25]
    # The edges of a burst are frames half filled: the middle 80 % speak for it.
    low, high = np.quantile(active, (0.1, 0.9))
    return "steady" if len(active) >= 10 and high - low < STEADY_DB else None


def normal_words(text: str) -> list[str]:
    """Lower-case words without punctuation, for comparing."""
    kept = "".join(sign if sign.isalnum() or sign == "'" else " " for sign in text.lower())
    return kept.split()


def loop_start(words: Sequence[str]) -> int | None:
    """Index of the first word that only repeats what was said, when the text ends in a loop; else None.

    A loop is one word four times, or two to six words three times, back to back at the end; read-out
    digits are none ("nine nine nine nine").
    """
    total = len(words)
    for size in range(1, 7):
        unit = words[total - size :]
        if len(unit) < size or all(word in DIGITS or word.isdigit() for word in unit):
            continue
        repeats = 1
        while total - size * (repeats + 1) >= 0 and list(
            words[total - size * (repeats + 1) : total - size * repeats]
        ) == list(unit):
            repeats += 1
        if repeats >= (MAX_REPEATS + 1 if size == 1 else MAX_REPEATS):
            return total - size * (repeats - 1)
    return None


def is_phantom(text: str, speech_s: float, mean_probability: float | None) -> bool:
    """Whether this is one of the phrases recognisers invent, with too little behind it."""
    said = " ".join(normal_words(text))
    unsure = mean_probability is not None and mean_probability < 0.5
    return said in PHANTOMS and (speech_s < 0.6 or unsure)
