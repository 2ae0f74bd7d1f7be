"""Masking of texts and of whole events. What to mask, `find_spans` says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from voicewatch.core.events import (
    Briefing,
    CallbackRequested,
    CallStarted,
    Dtmf,
    DtmfSent,
    Event,
    Evidence,
    Interim,
    MaskSpan,
    Revision,
    UtteranceFinal,
    Value,
    Word,
)
from voicewatch.core.private_spans import Context, find_in_fragment, find_spans, merged

__all__ = ["Context", "find_spans", "label", "mask", "masked"]

AnyEvent = TypeVar("AnyEvent", bound=Event)


def mask(text: str, spans: Sequence[MaskSpan]) -> str:
    """`text` with each span replaced by its label, as in "[card number]"; spans as from `find_spans`."""
    parts = []
    done = 0
    for span in spans:
        parts += [text[done : span.start], label(span.type)]
        done = span.end
    return "".join([*parts, text[done:]])


def label(kind: str) -> str:
    """What stands for a masked span."""
    return f"[{kind.replace('_', ' ')}]"


# ---------------------------------------------------------------- events


def masked(event: AnyEvent, context: Context = ()) -> AnyEvent:
    """The event as anyone without the grant may see it: every SEALED field masked, nested ones too.

    `context` are the utterances before an interim or final one. The `mask` of a final utterance, found with
    its context when it was made, is honoured, and then names where the labels are in the masked text.
    """
    if isinstance(event, UtteranceFinal):
        return event.model_copy(update=_masked_utterance(event, context))
    if isinstance(event, Interim):
        return event.model_copy(update=_masked_interim(event, context))
    if isinstance(event, Revision):
        # The final, which is masked by all that is known, tells what was said; half a number would slip by.
        return event.model_copy(update={"committed": "", "text": ""})
    if isinstance(event, CallStarted):
        return event.model_copy(update={"customer_name": event.customer_name and label("name")})
    if isinstance(event, Dtmf):
        return event.model_copy(update={"digit": label("digit")})
    if isinstance(event, DtmfSent):
        return event.model_copy(update={"digit": label("digit")})
    if isinstance(event, CallbackRequested):
        event = event.model_copy(update={"number": event.number and label("phone")})
    fields = {name: _masked_value(getattr(event, name), ()) for name in event.SEALED}
    return event.model_copy(update=fields)


def _masked_utterance(event: UtteranceFinal, context: Context) -> dict[str, Any]:
    inside = [span for span in event.mask if 0 <= span.start < span.end <= len(event.text)]
    spans = merged([*inside, *find_spans(event.text, context)])
    return {
        "text": mask(event.text, spans),
        "words": _masked_words(event, spans),
        "mask": _labels(spans),
        "spotted": _masked_value(event.spotted, ()),
    }


def _labels(spans: Sequence[MaskSpan]) -> list[MaskSpan]:
    """Where the labels are after `mask`."""
    found = []
    shift = 0
    for span in spans:
        start = span.start + shift
        end = start + len(label(span.type))
        found.append(MaskSpan(start=start, end=end, type=span.type))
        shift = end - span.end
    return found


def _masked_words(event: UtteranceFinal, spans: Sequence[MaskSpan]) -> list[Word]:
    words = _without_spans(event.text, event.words, spans)
    # Once more for themselves, for an engine whose words are not quite those of its text.
    joined = " ".join(word.text.strip() for word in words)
    return _without_spans(joined, words, find_in_fragment(joined))


def _without_spans(text: str, words: Sequence[Word], spans: Sequence[MaskSpan]) -> list[Word]:
    """Words of one span become one with its label and their time."""
    found: list[Word] = []
    last: MaskSpan | None = None
    at = 0
    for word in words:
        said = word.text.strip()
        start = text.find(said, at)
        if start >= 0:
            at = start + len(said)
            span = next((span for span in spans if span.start < at and start < span.end), None)
        else:  # a word that is not in the text cannot be judged: hidden as soon as anything is
            span = last or (spans[0] if spans else None)
        if span is None:
            found.append(word)
        elif span is last:
            found[-1] = found[-1].model_copy(update={"end_ms": word.end_ms})
        else:
            found.append(word.model_copy(update={"text": label(span.type)}))
        last = span
    return found


def _masked_interim(event: Interim, context: Context) -> dict[str, Any]:
    """Both parts masked as one text, since a number may begin in one and end in the other."""
    gap = "" if not event.committed or event.committed[-1:].isspace() or event.tail[:1].isspace() else " "
    cut = len(event.committed) + len(gap)
    spans = find_in_fragment(event.committed + gap + event.tail, context, grows=True)
    # A span across the cut belongs to the tail, as it may still change.
    ends = [span for span in spans if span.end > cut]
    committed = mask(event.committed, [span for span in spans if span.end <= cut])
    if not ends or ends[0].start >= cut:
        return {"committed": committed, "tail": mask(event.tail, [_moved(span, -cut) for span in ends])}
    whole = event.committed + gap + event.tail
    start = ends[0].start
    before = [span for span in spans if span.end <= start]
    return {
        "committed": mask(whole[:start], before),
        "tail": mask(whole[start:], [_moved(span, -start) for span in ends]),
    }


def _moved(span: MaskSpan, by: int) -> MaskSpan:
    return MaskSpan(start=span.start + by, end=span.end + by, type=span.type)


def _masked_value(value: Any, context: Context) -> Any:
    """Any value that may hold a person's words; `context` is what names it."""
    if isinstance(value, Evidence):
        note = mask(value.note, find_spans(value.note))
        return value.model_copy(update={"quote": _masked_fragment(value.quote), "note": note})
    if isinstance(value, Briefing):
        turns = [(role, _masked_turn(value, at)) for at, (role, _) in enumerate(value.last_turns)]
        lines = {name: _masked_value(getattr(value, name), ()) for name in type(value).model_fields}
        return value.model_copy(update={**lines, "last_turns": turns})
    if isinstance(value, Value):
        lines = {name: _masked_value(getattr(value, name), ()) for name in type(value).model_fields}
        return value.model_copy(update=lines)
    if isinstance(value, str):
        return mask(value, find_spans(value, context))
    if isinstance(value, list | tuple):
        return type(value)(_masked_value(item, context) for item in value)
    if isinstance(value, dict):
        return {key: _masked_value(item, (("", str(key).replace("_", " ")),)) for key, item in value.items()}
    if context and isinstance(value, int) and not isinstance(value, bool):
        spans = find_spans(str(value), context)
        return mask(str(value), spans) if spans else value
    return value


def _masked_fragment(text: str) -> str:
    return mask(text, find_in_fragment(text))


def _masked_turn(briefing: Briefing, at: int) -> str:
    text = briefing.last_turns[at][1]
    return mask(text, find_spans(text, briefing.last_turns[:at]))
