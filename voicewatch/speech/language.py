"""Which language a call is in: found out from its first seconds of speech, then kept. Pure.

Whisper asked anew for each utterance takes a mumbled "yes" for Welsh; asked once, over enough speech, it is
right. Finals that are doubted one after the other open the question again.
"""

from __future__ import annotations

from collections import Counter

from audio_models.api import ANY_LANGUAGE, Transcript

ENOUGH_SPEECH_MS = 3_000
SURE = 0.6
DOUBTS = 3
DOUBTFUL_LOGPROB = -1.0


class LanguageLock:
    """The language of one call, all its legs together; `wanted` is a language, or `auto`."""

    def __init__(self, wanted: str) -> None:
        self._fixed = wanted != ANY_LANGUAGE
        self.language = wanted
        """What to ask the engine for: the language, or `auto` while it is not known."""
        self._speech_ms = 0
        self._votes: Counter[str] = Counter()
        self._doubts = 0

    def heard(self, transcript: Transcript, speech_ms: int) -> None:
        """A final of the call."""
        if self._fixed or not transcript.text:
            return
        if self.language == ANY_LANGUAGE:
            self._vote(transcript, speech_ms)
        else:
            self._doubt(transcript)

    def _vote(self, transcript: Transcript, speech_ms: int) -> None:
        if not transcript.language or transcript.language_probability is None:
            return
        self._speech_ms += speech_ms
        self._votes[transcript.language] += round(speech_ms * transcript.language_probability)
        language, weight = self._votes.most_common(1)[0]
        if self._speech_ms >= ENOUGH_SPEECH_MS and weight >= SURE * self._speech_ms:
            self.language = language

    def _doubt(self, transcript: Transcript) -> None:
        doubtful = transcript.suspect or (transcript.avg_logprob or 0.0) < DOUBTFUL_LOGPROB
        self._doubts = self._doubts + 1 if doubtful else 0
        if self._doubts >= DOUBTS:
            self.language, self._doubts, self._speech_ms = ANY_LANGUAGE, 0, 0
            self._votes.clear()
