"""The embedded recogniser: its phrases, and its processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from audio_models.api import MissingModel, load_transcriber
from audio_models.phrase_model import DEFAULT_PHRASES, arpa, normal, read_phrases
from audio_models.pocketsphinx_pool import PocketSphinxTranscriber, RecogniserProcessDied

Samples = NDArray[np.float32]


@pytest.fixture(scope="module")
def sphinx() -> Iterator[PocketSphinxTranscriber]:
    made = PocketSphinxTranscriber()
    yield made
    made.close()


def test_what_callers_say_is_heard_well(sphinx: PocketSphinxTranscriber, speech: Samples) -> None:
    assert sphinx.transcribe(speech).text == "i was charged twice and i want to speak to a real person please"


def test_a_process_that_dies_is_an_error_once_and_replaced(
    sphinx: PocketSphinxTranscriber, speech: Samples
) -> None:
    text = sphinx.transcribe(speech).text
    os.kill(sphinx._idle[0]._process.pid, signal.SIGKILL)
    with pytest.raises(RecogniserProcessDied):
        sphinx.transcribe(speech)
    assert sphinx.transcribe(speech).text == text


OWNER = """
import os, signal
import numpy as np
from audio_models.pocketsphinx_pool import PocketSphinxTranscriber, _Worker

def die(worker):
    print(worker._process.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

{until_loaded}
_Worker._answer = die
noise = np.random.default_rng(0).normal(0, 0.1, 480_000)
loaded._idle[0].words(noise) if loaded else PocketSphinxTranscriber()
"""
AT_THE_START, IN_A_DECODE = "loaded = None", "loaded = PocketSphinxTranscriber()"


@pytest.mark.parametrize("until_loaded", [AT_THE_START, IN_A_DECODE])
def test_a_process_ends_with_its_owner_at_once_and_says_nothing(until_loaded: str) -> None:
    """However that ends; half a minute of noise would take it many seconds."""
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER.format(until_loaded=until_loaded)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert owner.stdout is not None
    assert owner.stderr is not None
    assert owner.stdout.readline().strip().isdigit()
    assert owner.wait() == -signal.SIGKILL
    with owner.stdout, owner.stderr:
        started_s = time.monotonic()
        assert owner.stderr.read() == b""  # its end is the end of both: the process has it too
        assert time.monotonic() - started_s < 5


def test_a_deployment_adds_its_own_phrases(tmp_path: Path) -> None:
    own = tmp_path / "phrases.txt"
    own.write_text("# ours\nMy zeppelin subscription, please!\n\nThe zeppelin is late\n", encoding="utf-8")
    assert read_phrases(own) == ["my zeppelin subscription please", "the zeppelin is late"]
    made = load_transcriber("pocketsphinx", phrases=str(own))
    assert isinstance(made, PocketSphinxTranscriber)
    assert "2 of this deployment" in made.description
    made.close()


def test_wrong_phrase_files_are_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(MissingModel, match="a phrase a line"):
        load_transcriber("pocketsphinx", phrases=str(tmp_path / "none.txt"))
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(MissingModel, match=r"speech\.phrases"):
        read_phrases(tmp_path / "binary.txt")


def test_the_phrase_model_is_a_probability_distribution() -> None:
    """Of what may follow a word: what did, by its bigram, and all else, by fall-back and unigram, make 1."""
    said = ["speak to a human", "speak to a person", "to a person"]
    unigrams, fall_back, bigrams = parsed(arpa(said, lambda _: True))
    assert sum(value for word, value in unigrams.items() if word != "<s>") == pytest.approx(1, abs=1e-3)
    for first in ("<s>", "to", "a", "speak", "human"):
        following = {second: value for (one, second), value in bigrams.items() if one == first}
        others = sum(value for word, value in unigrams.items() if word not in following and word != "<s>")
        assert sum(following.values()) + fall_back[first] * others == pytest.approx(1, abs=1e-3)
    assert bigrams["a", "person"] == pytest.approx(2 / 5, abs=1e-3)


def test_phrases_with_words_nobody_can_pronounce_are_left_out() -> None:
    unigrams, _, _ = parsed(arpa(["speak to a human", "my xqzt"], lambda word: word != "xqzt"))
    assert "my" not in unigrams
    with pytest.raises(ValueError, match="pronounced"):
        arpa(["xqzt"], lambda _: False)


def test_our_phrases_are_written_as_the_dictionary_has_them() -> None:
    phrases = read_phrases(DEFAULT_PHRASES)
    assert len(phrases) > 1_000
    assert all(phrase == normal(phrase) for phrase in phrases)


def parsed(text: str) -> tuple[dict[str, float], dict[str, float], dict[tuple[str, str], float]]:
    unigrams, fall_back, bigrams = {}, {}, {}
    for line in text.splitlines():
        match line.split():
            case [value, word, behind]:
                try:
                    fall_back[word] = 10 ** float(behind)
                    unigrams[word] = 10 ** float(value)
                except ValueError:
                    bigrams[word, behind] = 10 ** float(value)
    return unigrams, fall_back, bigrams
