"""Whether who speaks is sure of what he says: what the network hears, and hesitation that can be counted."""

from __future__ import annotations

from audio_models.api import Span
from audio_models.text import Plain

FILLERS = frozenset({"um", "uh", "uhm", "er", "erm", "hmm", "mm"})
MOST = 0.45
"""Hesitation alone is never more than this: people who know stammer too."""


def hesitation(said: Plain) -> tuple[float, list[Span]]:
    """0..MOST from fillers and restarts per word, with the words."""
    spans = []
    words = said.words
    for at, token in enumerate(said.tokens):
        restarted = at > 0 and words[at - 1] == token.word and not token.word.isdigit()
        if token.word in FILLERS or restarted:
            spans.append(Span("uncertainty", token.start, token.end, 0.2, "hesitation"))
    share = len(spans) / max(4, len(words))
    return min(MOST, 1.2 * share), spans
