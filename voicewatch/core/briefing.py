"""The card a human reads before speaking, written without any language model."""

from __future__ import annotations

from voicewatch.core.call import CallState
from voicewatch.core.call_view import mask_text
from voicewatch.core.events import Briefing, EscalationRaised


def write_briefing(call: CallState, raised: EscalationRaised) -> Briefing:
    turns = [one.final for one in call.spoken() if one.final][-6:]
    return Briefing(
        why_now=raised.headline,
        last_turns=[(final.role.value, mask_text(final.text, final.mask)) for final in turns],
    )
