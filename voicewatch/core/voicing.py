"""Which chunks of a leg are voiced: a cheap gate opens, and a dear judge decides.

The gate is webrtcvad's flag, made where the audio arrives. It is quick and misses little, but stays open in
noise, music and ringing. So while it is open a judge (Silero) is asked how probable speech is, and no longer
than somebody may be speaking. Where it is sure it is asked several things at once, later, which is cheaper
and gives the same answers. Pure, in audio time: the same chunks give the same flags.
"""

from __future__ import annotations

from dataclasses import dataclass

from voicewatch.core.endpointing import CHUNK_MS, FILLED_GAP_MS

STEP_MS = 40
"""Between two windows that are judged. Silero's own step is 32 ms; two chunks do as well."""
HALF_WINDOW_MS = 22
"""From where the answer belongs to the end of the window; its later part weighs more than its context."""


@dataclass(frozen=True)
class VoicingSettings:
    """Times in ms, multiples of STEP_MS where something is asked after them."""

    voiced_above: float = 0.3
    sure_above: float = 0.9
    sure_below: float = 0.05
    sure_times: int = 3
    """So many answers in a row are sure, and later questions wait for one another."""
    sure_speech_ms: int = 120
    sure_silence_ms: int = 80
    """Shorter than in speech: an onset is waited for. One window in that time is enough: asked more often
    Silero hears no more, in speech it does."""
    warm_up: int = 3
    """Windows before the gate opened that are judged too, so that the judge has heard something."""
    close_ms: int = 1_400
    """Neither gate nor judge has found a voice for so long: nobody is speaking, and the judge forgets."""


@dataclass(frozen=True)
class Voiced:
    """The chunk [at_ms, at_ms + 20) and whether somebody speaks in it."""

    at_ms: int
    voiced: bool
    level_dbfs: int


@dataclass(frozen=True)
class Question:
    """How probable is speech where the audio ends at each of `ends_ms`? `anew`: as if nothing was before."""

    ends_ms: tuple[int, ...]
    anew: bool = False


class Voicing:
    """One leg: `push` a chunk, `answer` its question if there is one, then `take` what is decided."""

    def __init__(self, settings: VoicingSettings | None = None) -> None:
        self._settings = settings or VoicingSettings()
        self._asked: Question | None = None
        self._pending: list[tuple[int, int]] = []  # (at_ms, level); as long as the longest wait
        self._decided: list[Voiced] = []  # taken after every chunk
        self._now_ms = 0
        self._first = True
        self._forget()

    def _forget(self) -> None:
        self._open = False
        self._due_ms = 0
        self._judged_ms = 0
        self._sure = 0
        self._heard_ms = 0
        self._before: tuple[float, float] | None = None  # (middle of the window, probability)

    def push(self, at_ms: int, gate: bool, level_dbfs: int) -> Question | None:
        """The next chunk; they come in order. After a longer gap the judge begins anew."""
        if not self._first and at_ms - self._now_ms > FILLED_GAP_MS:
            self._close()
        self._first = False
        self._now_ms = at_ms + CHUNK_MS
        if not self._open and not gate:
            self._decided.append(Voiced(at_ms, False, level_dbfs))
            return None
        self._pending.append((at_ms, level_dbfs))
        if gate:
            self._heard_ms = self._now_ms
        self._asked = self._question()
        return self._asked

    def answer(self, probabilities: list[float]) -> None:
        """To the question of the last `push`, one for each of its ends."""
        asked, self._asked = self._asked, None
        if asked is None or len(probabilities) != len(asked.ends_ms):
            raise ValueError(f"{len(probabilities)} answers to {asked}")
        for end_ms, probability in zip(asked.ends_ms, probabilities, strict=True):
            self._take_in(end_ms, probability)
        settings = self._settings
        wait_ms = STEP_MS
        if self._sure >= settings.sure_times:
            speech = probabilities[-1] > settings.sure_above
            wait_ms = settings.sure_speech_ms if speech else settings.sure_silence_ms
        self._due_ms = self._now_ms + wait_ms
        if self._now_ms - self._heard_ms >= settings.close_ms:
            self._close()

    def take(self) -> list[Voiced]:
        """The chunks decided since the last call, in order."""
        decided, self._decided = self._decided, []
        return decided

    def finish(self) -> list[Voiced]:
        """The leg ends: what is still open is decided by what was last heard."""
        self._close()
        return self.take()

    def _question(self) -> Question | None:
        if not self._open:
            self._open = True
            ends_ms = range(self._now_ms - STEP_MS * self._settings.warm_up, self._now_ms + 1, STEP_MS)
            return Question(tuple(ends_ms), anew=True)
        if self._now_ms < self._due_ms:
            return None
        settings = self._settings
        silent = self._before is not None and self._before[1] < settings.sure_below
        step_ms = settings.sure_silence_ms if silent and self._sure >= settings.sure_times else STEP_MS
        return Question(tuple(range(self._judged_ms + step_ms, self._now_ms + 1, step_ms)))

    def _take_in(self, end_ms: int, probability: float) -> None:
        """Decides each chunk up to `end_ms` by the line between the last answer and this one."""
        settings = self._settings
        middle_ms = float(end_ms - HALF_WINDOW_MS)
        before_ms, before = self._before or (middle_ms - STEP_MS, probability)
        while self._pending and self._pending[0][0] < end_ms:
            at_ms, level_dbfs = self._pending.pop(0)
            part = (at_ms + CHUNK_MS / 2 - before_ms) / (middle_ms - before_ms)
            here = before + (probability - before) * min(1.0, max(0.0, part))
            self._decided.append(Voiced(at_ms, here > settings.voiced_above, level_dbfs))
        self._before, self._judged_ms = (middle_ms, probability), end_ms
        sure = probability > settings.sure_above or probability < settings.sure_below
        self._sure = self._sure + 1 if sure else 0
        if probability > settings.voiced_above:
            self._heard_ms = max(self._heard_ms, end_ms)

    def _close(self) -> None:
        voiced = self._before is not None and self._before[1] > self._settings.voiced_above
        self._decided += [Voiced(at_ms, voiced, level) for at_ms, level in self._pending]
        self._pending.clear()
        self._asked = None
        self._forget()
