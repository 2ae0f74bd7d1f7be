"""Is somebody speaking in this chunk? webrtcvad, 2 µs a chunk; the model process decides more finely."""

from __future__ import annotations

import webrtcvad

from voicewatch.media.opus import CHUNK_SAMPLES, SAMPLE_RATE_HZ

Buffer = bytes | memoryview
SURE_CHUNKS = 3
"""So many voiced chunks in a row are a voice; fewer may be a click or a breath."""


class VoiceDetector:
    """One speaker's detector and how long he has been speaking or not."""

    __slots__ = ("_spoke", "_vad", "unvoiced_chunks", "voiced", "voiced_chunks")

    def __init__(self, mode: int) -> None:
        self._vad = webrtcvad.Vad(mode)
        self._spoke = False
        self.voiced = False
        self.voiced_chunks = 0
        self.unvoiced_chunks = 0

    def hear(self, chunk: Buffer | None) -> bool:
        """One chunk of 16 kHz int16, None is silence; whether it is voiced."""
        self.voiced = voiced = chunk is not None and self._vad.is_speech(chunk, SAMPLE_RATE_HZ, CHUNK_SAMPLES)
        if voiced:
            self.voiced_chunks += 1
            self.unvoiced_chunks = 0
            if self.voiced_chunks == SURE_CHUNKS:
                self._spoke = True
        else:
            self.unvoiced_chunks += 1
            self.voiced_chunks = 0
        return voiced

    @property
    def speaking(self) -> bool:
        return self.voiced_chunks >= SURE_CHUNKS

    def spoke_since_asked(self) -> bool:
        """Whether he was speaking at any time since this was asked before."""
        spoke, self._spoke = self._spoke, self.speaking
        return spoke or self._spoke
