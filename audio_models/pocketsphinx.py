"""PocketSphinx with the English model of its wheel, in a process of its own: it keeps the GIL while it works.

The only module that imports it; `audio_models.pocketsphinx_pool` runs it. Each utterance is decoded twice,
with the general English model and with one of a call centre's phrases, and the likelier of the two is taken:
both find the best path through the same acoustics, so their scores compare. Of what a call centre hears that
leaves a tenth to a quarter of the wrong words, of other speech it changes nothing.
"""

from __future__ import annotations

import fcntl
import json
import math
import os
import select
import signal
import struct
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pocketsphinx
from numpy.typing import NDArray

from audio_models.phrase_model import DEFAULT_PHRASES, OWN_WEIGHT, arpa, read_phrases
from audio_models.spotting import urgent

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
"""Bytes of JSON that follow: {"words": [[word, start_ms, end_ms], ...], "spotted": [... and how sure]}."""
HANDICAP_PER_S = 0.025
"""By how much, a second of speech, the phrases must beat general English: they are ahead by 0.03 to 0.12
where they are right, and by up to 0.013 on long, noisy speech where they are not."""
NICENESS = 5
"""It may be late; audio may not."""
GENERAL, DOMAIN, URGENT = "_default", "domain", "urgent"
"""Searches; the first is the one a decoder is made with."""

Word = tuple[str, int, int]
Hit = tuple[str, int, int, float]
"""A phrase, where it is, and how sure that is, 0..1."""


class Recogniser:
    """One decoder with both language models."""

    def __init__(self, phrases: Path | None = None, urgent_phrases: Iterable[str] = ()) -> None:
        """`phrases` are the deployment's own, beside ours; `urgent_phrases` are listened for by themselves.

        Raises MissingModel, ValueError.
        """
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
        self._urgent = {one.phrase: one for one in urgent(urgent_phrases, self._phones_in)}
        if self._urgent:
            with tempfile.NamedTemporaryFile("w", suffix=".kws") as file:
                file.writelines(one.line + "\n" for one in self._urgent.values())
                file.flush()
                self._decoder.add_kws(URGENT, file.name)

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

    def spotted(self, pcm: NDArray[np.int16]) -> list[Hit]:
        """The urgent phrases in it, each once, where it is surest: a tenth of the cost of `words`."""
        if not self._urgent:
            return []
        self._run(URGENT, _levelled(pcm))
        end_ms = len(pcm) * 1000 // RATE_HZ
        best: dict[str, Hit] = {}
        for segment in self._decoder.seg() or ():
            phrase = segment.word.strip()
            sure = self._urgent[phrase].confidence(segment.prob) if phrase in self._urgent else None
            if sure is not None and sure > best.get(phrase, ("", 0, 0, 0.0))[3]:
                start_ms = segment.start_frame * 1000 // FRAMES_PER_S
                stop_ms = (segment.end_frame + 1) * 1000 // FRAMES_PER_S
                best[phrase] = (phrase, min(start_ms, end_ms), min(stop_ms, end_ms), sure)
        return list(best.values())

    def _phones_in(self, word: str) -> int | None:
        phones = self._decoder.lookup_word(word)
        return None if phones is None else len(phones.split())

    def _decoded(self, search: str, pcm: bytes) -> tuple[float, list[Word]]:
        """(logarithm of the best path's score, its words)."""
        self._run(search, pcm)
        best = self._decoder.hyp()
        if not best or best.best_score <= 0:
            return float("-inf"), []
        return math.log(best.best_score), list(self._said())

    def _run(self, search: str, pcm: bytes) -> None:
        self._decoder.activate_search(search)
        self._decoder.reinit_feat()  # else the last utterance's cepstral mean colours this one
        self._decoder.start_utt()
        self._decoder.process_raw(pcm, full_utt=True)
        self._decoder.end_utt()

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


def serve(requests: BinaryIO, replies: BinaryIO, phrases: Path | None, urgent_phrases: Sequence[str]) -> None:
    """Answers until `requests` ends. The first reply, without a request, says that it is ready."""
    recogniser = Recogniser(phrases, urgent_phrases)
    os.nice(NICENESS)
    _reply(replies, [], [])
    while len(head := requests.read(REQUEST.size)) == REQUEST.size:
        pcm = requests.read(REQUEST.unpack(head)[0])
        heard = np.frombuffer(pcm, "<i2")
        _reply(replies, recogniser.words(heard), recogniser.spotted(heard))


def _reply(replies: BinaryIO, words: list[Word], spotted: list[Hit]) -> None:
    body = json.dumps({"words": words, "spotted": spotted}).encode()
    replies.write(REPLY.pack(len(body)) + body)
    replies.flush()


def end_with_the_other_end_of(lifeline: int) -> None:
    """From now on the kernel ends this process as soon as nobody holds the other end of this pipe any more.

    In the midst of a decode too, which lets no handler of Python run, and without a word.
    """
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
    if select.select([lifeline], [], [], 0)[0]:  # nothing is ever written to it: it was let go before
        raise SystemExit(0)


if __name__ == "__main__":
    held, own, *listened_for = sys.argv[1:]
    end_with_the_other_end_of(int(held))
    serve(sys.stdin.buffer, sys.stdout.buffer, Path(own) if own else None, listened_for)
