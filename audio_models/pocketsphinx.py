"""PocketSphinx with the English model of its wheel: the recogniser that is always there.

The only module that imports it. About a third to a half of the words are wrong in open speech; whoever
shows its words says so.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pocketsphinx

from audio_models.api import SAMPLE_RATE_HZ, Samples, Transcript, TranscriptWord, UnsupportedLanguage
from audio_models.guards import loop_start, signal_flaw

FRAMES_PER_S = 100
FILLERS = ("<", "[", "++")
LOUDNESS = 0.2
"""Peak that samples are brought to: the acoustic model was trained on close microphones."""


class PocketSphinxTranscriber:
    """See `Transcriber`. Every utterance is decoded whole, from a fresh cepstral mean."""

    name = "pocketsphinx"
    model = "en-us"
    low_fidelity = True
    description = "PocketSphinx en-us, embedded default: expect a third or more of the words to be wrong"

    def __init__(self, *, language: str = "en") -> None:
        """Raises UnsupportedLanguage for another language than English."""
        _require_english(language)
        self._idle: list[pocketsphinx.Decoder] = [_new_decoder()]
        self._guards: Counter[str] = Counter()
        self._lock = threading.Lock()

    def transcribe(
        self, samples: Samples, *, language: str = "en", prefix: Sequence[str] = (), final: bool = True
    ) -> Transcript:
        """See `Transcriber.transcribe`. `prefix` cannot be forced here and is ignored."""
        _require_english(language)
        flaw = signal_flaw(samples)
        if flaw:
            return self._counted(Transcript("", flags=(flaw,)))
        decoder = self._take()
        try:
            decoder.reinit_feat()  # else the last utterance's cepstral mean colours this one
            decoder.start_utt()
            decoder.process_raw(_levelled(samples), full_utt=True)
            decoder.end_utt()
            words = _words(decoder, len(samples))
        finally:
            self._give(decoder)
        kept = loop_start([word.text for word in words])
        flags = () if kept is None else ("loop",)
        words = words[:kept]
        text = " ".join(word.text for word in words)
        return self._counted(Transcript(text, tuple(words) if final else (), flags=flags))

    def guard_counts(self) -> Mapping[str, int]:
        with self._lock:
            return dict(self._guards)

    def _take(self) -> pocketsphinx.Decoder:
        """An idle decoder, or a new one: there are never more than threads that call at once."""
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return _new_decoder()

    def _give(self, decoder: pocketsphinx.Decoder) -> None:
        with self._lock:
            self._idle.append(decoder)

    def _counted(self, transcript: Transcript) -> Transcript:
        with self._lock:
            self._guards.update(transcript.flags)
        return transcript


def _new_decoder() -> pocketsphinx.Decoder:
    return pocketsphinx.Decoder(samprate=SAMPLE_RATE_HZ, cmn="batch", loglevel="FATAL")


def _require_english(language: str) -> None:
    if language.split("-")[0].lower() != "en":
        raise UnsupportedLanguage(f"PocketSphinx is here with English only, not {language!r}")


def _levelled(samples: Samples) -> bytes:
    peak = float(np.abs(samples).max(initial=0.0))
    gain = LOUDNESS / peak if peak > 0 else 1.0
    pcm: bytes = (np.clip(samples * gain, -1, 1) * 32767).astype("<i2").tobytes()
    return pcm


def _words(decoder: pocketsphinx.Decoder, length: int) -> list[TranscriptWord]:
    """Words with times. Its posteriors are 1.0 nearly throughout, so no probability is claimed."""
    end_ms = length * 1000 // SAMPLE_RATE_HZ
    words: list[TranscriptWord] = []
    for segment in decoder.seg() or ():
        text = segment.word.split("(")[0]
        if not text or text.startswith(FILLERS):
            continue
        start = min(segment.start_frame * 1000 // FRAMES_PER_S, end_ms)
        stop = min((segment.end_frame + 1) * 1000 // FRAMES_PER_S, end_ms)
        words.append(TranscriptWord(text, start, max(start, stop)))
    return words
