"""Is somebody speaking in this chunk? webrtcvad, 2 µs a chunk; the model process decides more finely."""

from __future__ import annotations

import webrtcvad

from voicewatch.media.opus import SAMPLE_RATE_HZ

SURE_CHUNKS = 3
"""So many voiced chunks in a row are a voice; fewer may be a click or a breath."""


class VoiceDetector:
    """One speaker's detector and how long he has been speaking or not."""

    __slots__ = ("_vad", "unvoiced_chunks", "voiced", "voiced_chunks")

    def __init__(self, mode: int) -> None:
        self._vad = webrtcvad.Vad(mode)
        self.voiced = False
        self.voiced_chunks = 0
        self.unvoiced_chunks = 0

    def hear(self, chunk: bytes | None) -> None:
        """One chunk of 16 kHz int16; None is silence."""
        self.voiced = voiced = chunk is not None and self._vad.is_speech(chunk, SAMPLE_RATE_HZ)
        if voiced:
            self.voiced_chunks += 1
            self.unvoiced_chunks = 0
        else:
            self.unvoiced_chunks += 1
            self.voiced_chunks = 0

    @property
    def speaking(self) -> bool:
        return self.voiced_chunks >= SURE_CHUNKS
