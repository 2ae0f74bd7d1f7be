"""A language model of a deployment's own phrases, in the ARPA format that every decoder reads.

Bigrams with Witten-Bell smoothing (Witten and Bell, 1991): what was never said after a word falls back to how
often it was said at all.
"""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

from audio_models.api import MissingModel

DEFAULT_PHRASES = Path(__file__).parent / "weights" / "phrases.txt"
OWN_WEIGHT = 3
"""A deployment's phrase counts as much as so many of ours."""
MAX_PHRASES = 20_000
BEGIN, END = "<s>", "</s>"


def read_phrases(path: Path) -> list[str]:
    """One phrase a line, in any writing; lines that begin with # are none. Raises MissingModel."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise MissingModel(
            f"speech.phrases: {path} cannot be read ({error}); it is a text file with a phrase a line"
        ) from None
    if len(lines) > MAX_PHRASES:
        raise MissingModel(f"speech.phrases: {path} has {len(lines)} lines; at most {MAX_PHRASES} are used")
    return [phrase for line in lines if not line.startswith("#") and (phrase := normal(line))]


def normal(phrase: str) -> str:
    """Lower case, words of letters and apostrophes: as pronouncing dictionaries write them."""
    return " ".join(re.findall(r"[a-z']+", phrase.lower()))


def arpa(phrases: Iterable[str], is_known: Callable[[str], bool]) -> str:
    """The model of `phrases` (as `normal` writes them); a phrase with an unknown word is left out.

    Raises ValueError when none is left.
    """
    words: Counter[str] = Counter()
    pairs: Counter[tuple[str, str]] = Counter()
    for phrase in phrases:
        said = phrase.split()
        if not said or not all(map(is_known, said)):
            continue
        sentence = [BEGIN, *said, END]
        words.update(sentence[1:])
        pairs.update(itertools.pairwise(sentence))
    if not words:
        raise ValueError("no phrase of which every word can be pronounced")
    total = sum(words.values())
    share = {word: count / total for word, count in words.items()}
    followers: defaultdict[str, list[str]] = defaultdict(list)
    said_before: Counter[str] = Counter()
    for (first, second), count in pairs.items():
        followers[first].append(second)
        said_before[first] += count
    lines = ["\\data\\", f"ngram 1={len(share) + 1}", f"ngram 2={len(pairs)}", "", "\\1-grams:"]
    lines.append(f"-99 {BEGIN} {_fall_back(followers[BEGIN], said_before[BEGIN], share):.4f}")
    for word in sorted(share):
        behind = _fall_back(followers[word], said_before[word], share) if word in said_before else 0.0
        lines.append(f"{math.log10(share[word]):.4f} {word} {behind:.4f}")
    lines += ["", "\\2-grams:"]
    for (first, second), count in sorted(pairs.items()):
        probability = count / (said_before[first] + len(followers[first]))
        lines.append(f"{math.log10(probability):.4f} {first} {second}")
    return "\n".join([*lines, "", "\\end\\", ""])


def _fall_back(followers: list[str], count: int, share: dict[str, float]) -> float:
    """Log10 weight of what never followed: as many as there were kinds of followers."""
    left = len(followers) / (count + len(followers))
    rest = 1 - sum(share[word] for word in followers)
    return math.log10(left / max(rest, 1e-6))
