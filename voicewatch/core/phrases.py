"""Phrases as a supervisor writes them, found in what was said however it was spelled.

A phrase is words with a space between; what was said is compared in lower case, without punctuation, with
contractions written out (`don't`, `dont` and `do not` are one), fillers and stutters left out.

    cancel*                     any ending
    speak|talk to someone       either word
    (speak to|reach) a person   either group of words
    speak to [a|the] person     may be missing
    charged ... twice           up to four words between
    {person}                    a list of the file's `[lists]`
    ^ fine $                    at the beginning, at the end of the utterance

Between any two words of a phrase up to two words that change nothing (`just`, `please`, …) may stand.
Of many phrases only those are tried whose rarest word was said: so a long list costs next to nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

_MARKS = "\u0300-\u036f\u0610-\u061a\u064b-\u065f\u0900-\u0903\u093a-\u094f\u0951-\u0957\u0962\u0963"
"""Combining signs of Latin, Arabic and Devanagari, which regular expressions do not take for letters."""
_WORD = re.compile(rf"[^\W_](?:[^\W_]|[{_MARKS}])*(?:['’][^\W_]+)*")
_FILLERS = frozenset(("um", "uh", "uhm", "er", "erm", "umm", "uhh"))
_SOFT = "just|please|really|actually|even|still|simply|kindly|literally|honestly|also|bloody|fucking|damn"
_BETWEEN = rf" (?:(?:{_SOFT}) ){{0,2}}"
_GAP = r"(?: [^ ]+){0,4}"
NEGATIONS = frozenset(("not", "never", "without", "nor", "hardly"))
NEGATED_WITHIN = 3
"""A negation among so many words before a phrase turns it round."""

_SHORT: dict[str, str] = {
    "can't": "can not", "cant": "can not", "cannot": "can not", "won't": "will not", "wont": "will not",
    "shan't": "shall not", "ain't": "is not", "aint": "is not", "im": "i am", "ive": "i have",
    "youre": "you are", "youve": "you have", "theyre": "they are", "weve": "we have", "thats": "that is",
    "whats": "what is", "gonna": "going to", "wanna": "want to", "gotta": "got to", "lemme": "let me",
    "gimme": "give me", "dunno": "do not know", "kinda": "kind of", "sorta": "sort of", "u": "you",
    "ur": "your", "pls": "please", "plz": "please", "ok": "okay", "let's": "let us", "y'all": "you all",
    "outta": "out of", "cuz": "because", "'cause": "because", "ya": "you", "alright": "all right",
}  # fmt: skip
_NO_APOSTROPHE = ("do", "did", "does", "is", "was", "are", "were", "have", "has", "had", "could", "would",
                  "should")  # fmt: skip
_SHORT |= {f"{verb}nt": f"{verb} not" for verb in _NO_APOSTROPHE}
_ENDINGS = {"n't": "not", "'m": "am", "'re": "are", "'ve": "have", "'ll": "will", "'d": "would"}
_IS = frozenset(("it", "that", "what", "he", "she", "there", "here", "who", "where", "how", "this"))
_EXPANDED: dict[str, tuple[str, ...]] = {}
"""Spelled word -> words compared; grows with the words met and is emptied when it is full."""
_EXPANDED_LIMIT = 20_000


class BadPhrase(ValueError):
    """A phrase cannot be read; the text says why."""


@dataclass(frozen=True)
class Plain:
    """What was said as compared words; `spans` has each word's characters in the text as it was written."""

    words: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]
    joined: str
    starts: tuple[int, ...]
    """Where each word begins in `joined`."""

    def place(self, start: int, end: int) -> tuple[int, int]:
        """Characters of the text for characters [start, end) of `joined`."""
        inside = [
            span
            for begin, word, span in zip(self.starts, self.words, self.spans, strict=True)
            if begin < end and begin + len(word) > start
        ]
        return (inside[0][0], inside[-1][1]) if inside else (0, 0)

    def is_negated(self, start: int) -> bool:
        """Whether one of the few words before character `start` of `joined` is a negation."""
        before = [word for begin, word in zip(self.starts, self.words, strict=True) if begin < start]
        return not NEGATIONS.isdisjoint(before[-NEGATED_WITHIN:])


def plain(text: str) -> Plain:
    """The compared words of `text`."""
    words: list[str] = []
    spans: list[tuple[int, int]] = []
    for match in _WORD.finditer(text):
        for word in _expanded(match.group().lower()):
            if words and words[-1] == word:
                spans[-1] = (spans[-1][0], match.end())  # a stutter, or said twice to stress it
                continue
            words.append(word)
            spans.append(match.span())
    starts, at = [], 0
    for word in words:
        starts.append(at)
        at += len(word) + 1
    return Plain(tuple(words), tuple(spans), " ".join(words), tuple(starts))


def _expanded(word: str) -> tuple[str, ...]:
    known = _EXPANDED.get(word)
    if known is None:
        if len(_EXPANDED) >= _EXPANDED_LIMIT:
            _EXPANDED.clear()
        known = _EXPANDED[word] = tuple(_expand(word.replace("’", "'")))
    return known


def _expand(word: str) -> Sequence[str]:
    if word in _FILLERS:
        return ()
    if word in _SHORT:
        return _SHORT[word].split()
    for ending, full in _ENDINGS.items():
        if word.endswith(ending):
            return (word.removesuffix(ending), full)
    if word.endswith("'s"):
        stem = word[:-2]
        return (stem, "is") if stem in _IS else (stem,)
    return (word.replace("'", ""),)


# ---------------------------------------------------------------- reading phrases


@dataclass(frozen=True)
class Phrase:
    """A phrase to be searched in `Plain.joined`.

    `anchors` are words of which one must have been said for the phrase to be there; one that ends in `*`
    stands for any ending.
    """

    expression: str
    anchors: frozenset[str]

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Compiled when one of its anchors is said for the first time: most never are."""
        return re.compile(self.expression)


_ELEMENT = re.compile(r"\[[^\]]*\]|\([^)]*\)|\.\.\.|\S+")


def read_phrase(written: str, lists: Mapping[str, Sequence[str]] | None = None) -> Phrase:
    """The phrase as written. BadPhrase if it is empty or asks for a list that is not there."""
    text = written.strip()
    at_start, at_end = text.startswith("^"), text.endswith("$")
    text = _with_lists(text.removeprefix("^").removesuffix("$"), lists or {})
    parts: list[str] = []
    anchors: list[frozenset[str]] = []
    for match in _ELEMENT.finditer(text):
        element = match.group()
        if element == "...":
            parts.append(_GAP)
            continue
        optional = element.startswith("[")
        choices = _choices(element.strip("[]()"))
        if not choices:
            raise BadPhrase(f"{written!r} has an empty place: {element!r}")
        choice = "|".join(_choice(words) for words in choices)
        if optional:
            parts.append(f"(?:(?:{choice}){_BETWEEN})?" if not anchors else f"(?:{_BETWEEN}(?:{choice}))?")
        else:
            parts.append(f"(?:{choice})" if not anchors else f"{_BETWEEN}(?:{choice})")
            anchors.append(frozenset(max(words, key=len) for words in choices))
    if not anchors:
        raise BadPhrase(f"{written!r} has no word in it")
    best = max(anchors, key=lambda words: min(len(word) for word in words))
    if any(len(word.rstrip("*")) < 2 and word.endswith("*") for word in best):
        raise BadPhrase(f"{written!r} is too short for *")
    begin = "^" if at_start else "(?<![^ ])"
    end = "$" if at_end else "(?![^ ])"
    return Phrase(begin + "".join(parts) + end, best)


def _with_lists(text: str, lists: Mapping[str, Sequence[str]]) -> str:
    """`{name}` written out: as choices inside of brackets, as a group outside of them."""

    def written_out(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in lists:
            raise BadPhrase(f"there is no list {{{name}}}; lists: {', '.join(sorted(lists)) or 'none'}")
        choices = "|".join(lists[name])
        before = text[: match.start()]
        inside = before.count("(") > before.count(")") or before.count("[") > before.count("]")
        return choices if inside else f"({choices})"

    return re.sub(r"{(\w+)}", written_out, text)


def _choices(element: str) -> list[tuple[str, ...]]:
    found = []
    for choice in element.split("|"):
        words: list[str] = []
        for word in choice.split():
            if word.endswith("*"):
                words.append(word.lower())
            else:
                words += plain(word).words
        if words:
            found.append(
                tuple(word for word, before in zip(words, ["", *words], strict=False) if word != before)
            )
    return found


def _choice(words: Sequence[str]) -> str:
    return _BETWEEN.join(
        f"{re.escape(word[:-1])}[^ ]*" if word.endswith("*") else re.escape(word) for word in words
    )


# ---------------------------------------------------------------- finding many at once


@dataclass(frozen=True)
class Hit:
    """A phrase (by its place in the owner's list) found at characters [start, end) of `Plain.joined`."""

    phrase: int
    start: int
    end: int


@dataclass
class PhraseIndex:
    """All phrases that are looked for, each with those who look for it."""

    _phrases: list[tuple[Phrase, list[tuple[int, int]]]] = field(default_factory=list)
    _known: dict[str, int] = field(default_factory=dict)
    _by_word: dict[str, list[int]] = field(default_factory=dict)
    _by_beginning: dict[str, list[int]] = field(default_factory=dict)
    _lengths: tuple[int, ...] = ()
    _of_word: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """What `_by_word` and `_by_beginning` say of the words met; emptied when it is full."""

    def add(self, owner: int, phrases: Iterable[Phrase]) -> None:
        """`owner` wants to know where these are."""
        for number, phrase in enumerate(phrases):
            place = self._known.get(phrase.expression)
            if place is None:
                place = self._known[phrase.expression] = len(self._phrases)
                self._phrases.append((phrase, []))
                for anchor in phrase.anchors:
                    table = self._by_beginning if anchor.endswith("*") else self._by_word
                    table.setdefault(anchor.rstrip("*"), []).append(place)
            self._phrases[place][1].append((owner, number))
        self._lengths = tuple(sorted({len(beginning) for beginning in self._by_beginning}))
        self._of_word.clear()

    def find(self, said: Plain) -> dict[int, list[Hit]]:
        """Owner -> which of its phrases are in what was said, in the order of its list."""
        places: set[int] = set()
        for word in said.words:
            anchored = self._of_word.get(word)
            places.update(self._anchored(word) if anchored is None else anchored)
        found: dict[int, list[Hit]] = {}
        for place in sorted(places):
            phrase, owners = self._phrases[place]
            match = phrase.pattern.search(said.joined)
            if match:
                for owner, number in owners:
                    found.setdefault(owner, []).append(Hit(number, match.start(), match.end()))
        return found

    def _anchored(self, word: str) -> tuple[int, ...]:
        """The phrases that may be there when this word was said."""
        places = list(self._by_word.get(word, ()))
        for length in self._lengths:
            if len(word) >= length:
                places += self._by_beginning.get(word[:length], ())
        if len(self._of_word) >= _EXPANDED_LIMIT:
            self._of_word.clear()
        self._of_word[word] = tuple(places)
        return self._of_word[word]
