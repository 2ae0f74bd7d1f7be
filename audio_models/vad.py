"""Voice activity by webrtcvad, the only module that imports it."""

from __future__ import annotations

import webrtcvad

from audio_models.api import SAMPLE_RATE_HZ

CHUNK_BYTES = 640


class SpeechDetector:
    """webrtcvad's Gaussian mixture detector: about 2 us a chunk, adapts to its leg, so one per leg."""

    def __init__(self, aggressiveness: int = 2) -> None:
        self._detector = webrtcvad.Vad(aggressiveness)

    def voiced(self, pcm: bytes) -> bool:
        """See `VoiceDetector`. ValueError for another length than 20 ms."""
        if len(pcm) != CHUNK_BYTES:
            raise ValueError(f"a chunk is {CHUNK_BYTES} bytes (20 ms of 16 kHz int16), got {len(pcm)}")
        return bool(self._detector.is_speech(pcm, SAMPLE_RATE_HZ))
