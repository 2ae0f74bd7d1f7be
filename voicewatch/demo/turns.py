"""Taking turns by listening to levels alone, as a person does: pure, in audio time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from voicewatch.demo.ear import RATE_HZ, dbfs

_VOICE_DBFS = -42.0
_CHUNK = RATE_HZ // 50


class TurnListener:
    """Says when the others have finished speaking, or have been silent for too long."""

    def __init__(self, pause_s: float = 0.9, patience_s: float = 8.0) -> None:
        self._pause_s = pause_s
        self._patience_s = patience_s
        self._voiced_s = 0.0
        self._silent_s = 0.0
        self._left: npt.NDArray[np.int16] = np.zeros(0, np.int16)

    def start_waiting(self) -> None:
        """From now on, wait for a turn of the others."""
        self._voiced_s = self._silent_s = 0.0

    def hear(self, samples: npt.NDArray[np.int16]) -> None:
        self._left = np.concatenate([self._left, samples])
        while len(self._left) >= _CHUNK:
            chunk, self._left = self._left[:_CHUNK], self._left[_CHUNK:]
            if dbfs(chunk.astype(np.float32)) > _VOICE_DBFS:
                self._voiced_s += 0.02
                self._silent_s = 0.0
            else:
                self._silent_s += 0.02

    @property
    def turn_is_over(self) -> bool:
        """They spoke for at least 0.3 s and then paused."""
        return self._voiced_s >= 0.3 and self._silent_s >= self._pause_s

    @property
    def nobody_speaks(self) -> bool:
        return self._silent_s >= self._patience_s
