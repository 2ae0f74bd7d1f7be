"""Quotes from utterances with what is masked in them masked."""

from __future__ import annotations

from collections.abc import Sequence

from voicewatch.core.events import MaskSpan, UtteranceFinal
from voicewatch.core.redaction import label, mask


def quote(final: UtteranceFinal, start: int = 0, end: int | None = None) -> str:
    """Characters [start, end) of an utterance, masked by its own mask."""
    stop = len(final.text) if end is None else end
    if not final.mask:
        return final.text[start:stop]
    inside = [
        MaskSpan(start=max(span.start, start) - start, end=min(span.end, stop) - start, type=span.type)
        for span in sorted(final.mask, key=lambda span: span.start)
        if span.start < stop and span.end > start
    ]
    return mask(final.text[start:stop], inside)


def masked_place(offset: int, spans: Sequence[MaskSpan]) -> int:
    """Where a character of the text is once `spans` are masked; inside of one: at its label's start."""
    shift = 0
    for span in sorted(spans, key=lambda span: span.start):
        if offset >= span.end:
            shift += len(label(span.type)) - (span.end - span.start)
        elif offset > span.start:
            return span.start + shift
    return offset + shift
