"""The card a human reads before speaking, written without any language model."""

from __future__ import annotations

from voicewatch.core.call import CallState
from voicewatch.core.events import Briefing, EscalationRaised
from voicewatch.core.quoting import quote


def write_briefing(call: CallState, raised: EscalationRaised) -> Briefing:
    turns = [one.final for one in call.spoken() if one.final][-6:]
    return Briefing(
        why_now=raised.headline,
        last_turns=[(final.role.value, quote(final)) for final in turns],
    )
