"""The model process as a server runs it, for a bench that plays media and front.

    asr_host.py RUN_DIR ENGINE MODEL PARTIAL_STEP_MS TOKENS_PER_S [BEAM_SIZE]

With TOKENS_PER_S above 0 the model's weights mean nothing: every decode makes as many tokens as people speak
in its audio, those that are forced included, and its text is a counting rhyme of as many words. So the work
is that of a trained model of these dimensions, and the policy around it behaves as always.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import structlog

from audio_models.api import Transcriber, TranscriptWord, load_transcriber
from audio_models.whisper import WhisperTranscriber, _decoded, _stacked, _Window
from voicewatch.processes.sockets import Sockets
from voicewatch.settings import Settings, SpeechSettings
from voicewatch.speech.process import run

SURE, SURE_LOGPROB, NO_SPEECH = 0.9, -0.2, 0.01

structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))


class CountingWhisper(WhisperTranscriber):
    """Real encoding, decoding and aligning; a text that is made up."""

    tokens_per_s = 3.5

    def _stands_short_windows(self) -> bool:
        return True

    def _align(self, decoded: Sequence[Any], wanted: Sequence[bool]) -> list[list[TranscriptWord]]:
        aligned = super()._align(decoded, wanted)
        return [[replace(word, probability=SURE) for word in words] for words in aligned]

    def _decode(self, windows: Sequence[_Window]) -> list[Any]:
        tokenizer = windows[0].tokenizer
        start = [*tokenizer.sot_sequence, tokenizer.no_timestamps]
        said = [max(1, round(self.tokens_per_s * window.length / 16_000)) for window in windows]
        forced = [
            list(range(min(len(window.request.prefix), count - 1)))
            for window, count in zip(windows, said, strict=True)
        ]
        self._model.model.generate(
            _stacked([window.encoded for window in windows]),
            [[*start, *known] for known in forced],
            beam_size=self._beam_of(windows[0].request),
            # CTranslate2 gives a Whisper window half of max_length, forced tokens included; none ends a text.
            max_length=2 * max(said),
            return_scores=True,
            return_no_speech_prob=True,
        )
        counted = [
            SimpleNamespace(
                sequences_ids=[list(range(count))], scores=[SURE_LOGPROB], no_speech_prob=NO_SPEECH
            )
            for count in said
        ]
        return [
            replace(_decoded(result, window, count + 1), out_of_budget=False)
            for result, window, count in zip(counted, windows, said, strict=True)
        ]


def engine_of(engine: str, model: str, tokens_per_s: float, beam_size: int) -> Transcriber:
    if tokens_per_s <= 0:
        return load_transcriber(engine, model, beam_size=beam_size)
    counting = CountingWhisper(model, name="whisper-tiny dimensions, random weights", beam_size=beam_size)
    counting.tokens_per_s = tokens_per_s
    return counting


async def main() -> None:
    run_dir, engine, model, step_ms, tokens_per_s, *beam = sys.argv[1:]
    settings = Settings(speech=SpeechSettings(partial_step_ms=int(step_ms)))
    made = engine_of(engine, model, float(tokens_per_s), int(beam[0]) if beam else 1)
    sockets = Sockets(Path(run_dir))
    task = asyncio.create_task(run(settings, sockets, "model", made))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        pass
    finally:
        sockets.close()


if __name__ == "__main__":
    asyncio.run(main())
