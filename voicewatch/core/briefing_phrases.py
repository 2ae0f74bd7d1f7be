"""Set phrases of the briefing card: what to do next, how to begin, what calms. One row a reason code.

Sources of the calming phrases: the LAST method as taught in service (listen, acknowledge, solve, thank) and
HEARD (hear, empathise, apologise, resolve, diagnose); each names the matter and a next step, none argues.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

NEXT_STEPS: Mapping[str, str] = {
    "asks_human": "Say at once that you are a person and that you stay on the call.",
    "angry": "Let them finish, name what went wrong, then say what you will do and by when.",
    "confused": "One thing at a time, in short sentences; ask them to say back what they understood.",
    "ambiguous_consent": "The yes was not clear: ask once more, plainly, before anything is changed.",
    "repeated_failure": "Do not repeat what was tried: take another way, or take the case over.",
    "high_stakes": "Check identity and authority before money, contracts or the account are touched.",
    "vulnerable": "Slow down, offer help beyond this matter, and note what they need.",
    "language_mismatch": "Find out which language they prefer; hand on if you do not speak it.",
    "ai_wrong": "Check what the AI said against the account before you confirm any of it.",
    "ai_policy": "Correct what the AI should not have said.",
    "dead_air": "Make sure that they hear you, and say why it was silent.",
    "ai_lost": "The AI dropped out: greet them and ask what they need, as they may not have been answered.",
    "by_hand": "A supervisor asked for you: see the note.",
}

OPENINGS = (
    ("angry", "I have read what happened, and I am sorry that it took so long. I will sort this out now."),
    (
        "repeated_failure",
        "I have read everything so far, so you need not say it again. Let us try another way.",
    ),
    ("confused", "I will explain it step by step, and you stop me at any time."),
    ("asks_human", "I am a person, and I have read what you told us, so you need not start again."),
    ("dead_air", "I am sorry for the silence. I am with you now."),
    ("ai_lost", "I am sorry, our assistant was cut off. I am with you now."),
)

CALMING: Mapping[str, tuple[str, ...]] = {
    "angry": (
        "You are right to be upset; this should have been put right the first time.",
        "I will stay with this until it is settled, and I will tell you each step.",
    ),
    "repeated_failure": ("You have explained this often enough. I have it all here, and it is with me now.",),
    "confused": ("That was not clear, and that is our fault. Shall we take it one step at a time?",),
    "vulnerable": ("Take all the time you need. Is there somebody you would like to have with you?",),
    "high_stakes": ("Nothing is changed on your account until you have told me that it is right.",),
    "ambiguous_consent": ("Before I do anything: would you like me to go ahead, yes or no? Both are fine.",),
    "ai_wrong": ("What you were told before may not be right. Let me check it for you now.",),
    "dead_air": ("I can hear you now. I am sorry that you were left waiting.",),
}

LANGUAGE_NOTES: Mapping[str, str] = {
    "hi": "“Theek hai”, “accha” or “haan ji” may only mean “I heard you”: ask plainly before you act on it.",
    "ja": "“Hai” may only mean “I am listening”: ask plainly before you act on it.",
    "id": "A “no” is often put politely: ask what they would prefer.",
    "th": "A “yes” may only mean “I heard you”: ask plainly before you act on it.",
}
"""Language -> how agreement can be misheard in it. Words only, never the people."""

MAX_CALMING = 3


def calming(reasons: Iterable[str]) -> list[str]:
    """Phrases for these reasons, the first reason's first."""
    found = [phrase for code in reasons for phrase in CALMING.get(code, ())]
    return list(dict.fromkeys(found))[:MAX_CALMING]


def language_note(language: str) -> str:
    """What to mind about agreement in this language (BCP 47), empty if nothing is known."""
    return LANGUAGE_NOTES.get(language.lower().split("-")[0], "")
