"""PocketSphinx with the English model of its wheel, in a process of its own: it keeps the GIL while it works.

The only module that imports it; `audio_models.pocketsphinx_pool` runs it. Each utterance is decoded twice,
with the general English model and with one of a call centre's phrases, and the likelier of the two is taken:
both find the best path through the same acoustics, so their scores compare. Of what a call centre hears that
leaves a tenth to a quarter of the wrong words, of other speech it changes nothing.
"""

from __future__ import annotations

import json
import math
import os
import struct
import sys
import tempfile
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pocketsphinx
from numpy.typing import NDArray

from audio_models.phrase_model import DEFAULT_PHRASES, OWN_WEIGHT, arpa, read_phrases

RATE_HZ = 16_000
FRAMES_PER_S = 100
FILLERS = ("<", "[", "++")
LOUDNESS = 0.2
"""Peak that samples are brought to: the acoustic model was trained on close microphones."""
LOOK_AHEAD = 5
"""Frames of the phone loop that decides which words may begin: 40 % less work for the same words."""
REQUEST = struct.Struct("!I")
"""Bytes of int16 samples that follow."""
REPLY = struct.Struct("!I")
"""Bytes of JSON that follow: [[word, start_ms, end_ms], ...]."""
HANDICAP_PER_S = 0.025
"""By how much, a second of speech, the phrases must beat general English: they are ahead by 0.03 to 0.12
where they are right, and by up to 0.013 on long, noisy speech where they are not."""
NICENESS = 5
"""It may be late; audio may not."""
GENERAL, DOMAIN = "_default", "domain"
"""Searches; the first is the one a decoder is made with."""

Word = tuple[str, int, int]


class Recogniser:
    """One decoder with both language models."""

    def __init__(self, phrases: Path | None = None) -> None:
        """`phrases` are the deployment's own, beside ours. Raises MissingModel, ValueError."""
        general = Path(pocketsphinx.get_model_path()) / "en-us" / "en-us.lm.bin"
        self._decoder = pocketsphinx.Decoder(
            samprate=RATE_HZ, cmn="batch", loglevel="FATAL", pl_window=LOOK_AHEAD, lm=str(general)
        )
        said = read_phrases(DEFAULT_PHRASES) + (OWN_WEIGHT * read_phrases(phrases) if phrases else [])
        model = arpa(said, lambda word: self._decoder.lookup_word(word) is not None)
        with tempfile.NamedTemporaryFile("w", suffix=".arpa") as file:
            file.write(model)
            file.flush()
            self._decoder.add_lm_file(DOMAIN, file.name)

    def words(self, pcm: NDArray[np.int16], searches: tuple[str, ...] = (DOMAIN, GENERAL)) -> list[Word]:
        """What is said, with times in ms from the first sample. Nothing is remembered for the next."""
        levelled = _levelled(pcm)
        handicap = HANDICAP_PER_S * len(pcm) / RATE_HZ
        tried = [
            (score - handicap * (name == DOMAIN), words)
            for name in searches
            for score, words in [self._decoded(name, levelled)]
        ]
        _, words = max(tried)
        end_ms = len(pcm) * 1000 // RATE_HZ
        return [(text, min(start, end_ms), min(stop, end_ms)) for text, start, stop in words]

    def _decoded(self, search: str, pcm: bytes) -> tuple[float, list[Word]]:
        """(logarithm of the best path's score, its words)."""
        self._decoder.activate_search(search)
        self._decoder.reinit_feat()  # else the last utterance's cepstral mean colours this one
        self._decoder.start_utt()
        self._decoder.process_raw(pcm, full_utt=True)
        self._decoder.end_utt()
        best = self._decoder.hyp()
        if not best or best.best_score <= 0:
            return float("-inf"), []
        return math.log(best.best_score), list(self._said())

    def _said(self) -> list[Word]:
        """Its posteriors are 1.0 nearly throughout, so no probability is claimed."""
        said: list[Word] = []
        for segment in self._decoder.seg() or ():
            text = segment.word.split("(")[0]
            if text and not text.startswith(FILLERS):
                start_ms = segment.start_frame * 1000 // FRAMES_PER_S
                said.append((text, start_ms, (segment.end_frame + 1) * 1000 // FRAMES_PER_S))
        return said


def _levelled(pcm: NDArray[np.int16]) -> bytes:
    samples = pcm.astype(np.float32) / np.float32(32768)
    peak = float(np.abs(samples).max(initial=0.0))
    gain = LOUDNESS / peak if peak > 0 else 1.0
    levelled: bytes = (np.clip(samples * gain, -1, 1) * 32767).astype("<i2").tobytes()
    return levelled


# ---------------------------------------------------------------- the process


def serve(requests: BinaryIO, replies: BinaryIO, phrases: Path | None) -> None:
    """Answers until `requests` ends. The first reply, without a request, says that it is ready."""
    recogniser = Recogniser(phrases)
    os.nice(NICENESS)
    _reply(replies, [])
    while len(head := requests.read(REQUEST.size)) == REQUEST.size:
        pcm = requests.read(REQUEST.unpack(head)[0])
        _reply(replies, recogniser.words(np.frombuffer(pcm, "<i2")))


def _reply(replies: BinaryIO, words: list[Word]) -> None:
    body = json.dumps(words).encode()
    replies.write(REPLY.pack(len(body)) + body)
    replies.flush()


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer, Path(sys.argv[1]) if len(sys.argv) > 1 else None)
