"""Finds what must not be shown of a person: cards, phones, e-mail, account numbers, dates of birth, ...

Made for recognised speech: numbers come as words, in pieces, over several utterances, and without
punctuation. A span is found by its form, or because the words around it ask for such a thing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from voicewatch.core import private_words
from voicewatch.core.digit_runs import Kind, Run, Token, runs_of, tokens_of
from voicewatch.core.events import MaskSpan
from voicewatch.core.private_words import FILLERS, MONTHS, ORDINALS, TOPICS, UNIT_WORDS
from voicewatch.core.spoken_email import email_spans

Context = Sequence[tuple[str, str]]
"""(role, text) of the utterances before, oldest first; masked or not."""

_DATE_GLUE = frozenset({"of", "the", "in", "on", ",", "/", "-", ".", "um", "uh"})
_IBAN = re.compile(r"\b[A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z0-9]{2,4}){3,8}\b")
_EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
_DATE = re.compile(r"(?:\d{4}-\d{1,2}-\d{1,2}|\d{1,2}([-.])\d{1,2}\1(?:\d{4}|\d{2}))")
_SSN = re.compile(r"\d{3}[- ]\d{2}[- ]\d{4}")
_NUMBER_LABELS = frozenset({"number", *(kind for kind, _ in TOPICS)})

PRIORITY = ("email", "iban", "card_number", "social_security_number", "date_of_birth")
"""Where spans overlap, the first of these names the whole; else the one that begins first."""

TURNS_ASKED = 2
"""A question counts for the answer and one interjection after it."""
TURNS_KEPT = 16
"""Turns looked back at, at most, while a number is being given piece by piece."""

NOD_WORDS = 4
"""So short a turn does not change the subject."""
MANY = 99
"""Digits of a number that is masked already: enough for whatever follows."""


@dataclass(frozen=True)
class _Setting:
    """What the words before and around say about numbers in this text."""

    topics: tuple[str, ...] = ()
    """Kinds of number being asked for or named, the latest first."""
    email: bool = False
    birth: bool = False
    pending: int = 0
    """Digits with which the last speaker's number broke off (any, if they are masked already)."""


def find_spans(text: str, context: Context = ()) -> list[MaskSpan]:
    """What to mask in `text`: sorted, not overlapping, in characters of `text`.

    `context` are the utterances before; with a question for a number in it, short answers are found too.
    """
    return _find(text, _setting_of(text, context), is_fragment=False)


def find_in_fragment(text: str, context: Context = (), *, grows: bool = False) -> list[MaskSpan]:
    """Like `find_spans`, for a piece cut out of an utterance: pieces of numbers are masked as well.

    `grows` is for text that is still being spoken: a number at its end is masked from its second digit.
    """
    return _find(text, _setting_of(text, context), is_fragment=True, grows=grows)


def merged(spans: Iterable[MaskSpan]) -> list[MaskSpan]:
    """Sorted and without overlaps; what overlaps becomes one."""
    found: list[MaskSpan] = []
    for span in sorted(spans, key=lambda span: (span.start, -span.end)):
        if span.start >= span.end:
            continue
        if found and span.start < found[-1].end:
            last = found.pop()
            kinds = (last.type, span.type)
            kind = next((kind for kind in PRIORITY if kind in kinds), last.type)
            span = MaskSpan(start=last.start, end=max(last.end, span.end), type=kind)
        found.append(span)
    return found


def _find(text: str, setting: _Setting, *, is_fragment: bool, grows: bool = False) -> list[MaskSpan]:
    tokens = tokens_of(text)
    runs = runs_of(text, tokens)
    spans = [MaskSpan(start=f.start(), end=f.end(), type="email") for f in _EMAIL.finditer(text)]
    spans += [MaskSpan(start=s, end=e, type="email") for s, e in email_spans(tokens, setting.email)]
    spans += _ibans(text, setting)
    if setting.birth:
        spans += _birth_dates(tokens, runs)
    spans += _codes(tokens, asked="account_number" in setting.topics)
    answer_only = _is_only_numbers(tokens, runs)
    for run in runs:
        if _is_private(text, tokens, run, setting, answer_only, is_fragment, grows):
            kind = _kind_of(text, run, setting)
            spans.append(MaskSpan(start=run.start, end=run.end, type=kind))
    return merged(spans)


# ---------------------------------------------------------------- what was asked for


def _setting_of(text: str, context: Context) -> _Setting:
    named = _Setting(_topics(text), bool(private_words.EMAIL.search(_plain(text))), _names_birth(text))
    topics, email, birth = list(named.topics), named.email, named.birth
    asked = 0
    for _, turn in reversed(context[-TURNS_KEPT:]):
        topics += _topics(turn)
        email = email or bool(private_words.EMAIL.search(_plain(turn)))
        birth = birth or _names_birth(turn)
        asked += not _goes_on(turn)
        if asked == TURNS_ASKED:
            break
    return _Setting(tuple(topics), email, birth, _pending(context))


def _plain(text: str) -> str:
    """Lower case and without labels: a mask asks for nothing."""
    return re.sub(r"\[[a-z ]{2,32}\]", " | ", text.lower())


def _topics(text: str) -> tuple[str, ...]:
    plain = _plain(text)
    return tuple(kind for kind, words in TOPICS if words.search(plain))


def _names_birth(text: str) -> bool:
    return bool(private_words.BIRTH.search(_plain(text)))


def _goes_on(turn: str) -> bool:
    """A turn within the giving of a number: a piece of it, or "uh huh"."""
    tokens = tokens_of(turn)
    if _is_nod(tokens) or any(token.kind is Kind.LABEL for token in tokens):
        return True
    return any(len(run.digits) >= 2 and not run.has_amount for run in runs_of(turn, tokens))


def _is_nod(tokens: Sequence[Token]) -> bool:
    return sum(token.kind is not Kind.OTHER for token in tokens) <= NOD_WORDS


def _pending(context: Context) -> int:
    """How many digits were said of a number that broke off just before; 0 if none did."""
    total = 0
    for _, turn in reversed(context[-TURNS_KEPT:]):
        tokens = tokens_of(turn)
        while tokens and (tokens[-1].kind is Kind.OTHER or tokens[-1].text in FILLERS):
            tokens.pop()
        if tokens and tokens[-1].kind is Kind.LABEL:
            return MANY if tokens[-1].text[1:-1].replace(" ", "_") in _NUMBER_LABELS else total
        runs = runs_of(turn, tokens)
        ends_in_number = bool(runs) and runs[-1].last == len(tokens) - 1
        if ends_in_number and not (runs[-1].has_amount or _is_years(runs[-1])):
            total += len(runs[-1].digits)
            if not _is_only_numbers(tokens, runs):
                return total  # it began in this turn
        elif runs or not _is_nod(tokens):
            return total
    return total


# ---------------------------------------------------------------- numbers


def _is_private(
    text: str,
    tokens: Sequence[Token],
    run: Run,
    setting: _Setting,
    answer_only: bool,
    is_fragment: bool,
    grows: bool,
) -> bool:
    count = len(run.digits)
    words = text[run.start : run.end]
    if _is_amount(tokens, run) or (_DATE.fullmatch(words) and not setting.topics):
        return False
    if _is_years(run) and set(setting.topics) <= {"number"}:
        return False
    if setting.topics and (count >= 3 or answer_only) and (not run.has_amount or run.spelled >= 3):
        return True
    goes_on = setting.pending and _begins(tokens, run) and (count >= 2 or answer_only)
    if goes_on and not run.has_amount:
        return setting.pending + count >= 4
    if is_fragment and not run.has_amount and (count >= 3 and (run.spelled >= 3 or count >= 5)):
        return True
    if grows and run.last == len(tokens) - 1 and run.spelled >= 2:
        return True
    return _is_long(words, run) or (answer_only and run.spelled >= 3)


def _is_long(words: str, run: Run) -> bool:
    """A number by its own form, whatever is said around it."""
    count = len(run.digits)
    if run.is_written and (max(run.groups) >= 6 or count >= 7):
        return not re.fullmatch(r"\d+\.\d+", words) or max(run.groups) >= 6
    said_in_pieces = max(run.groups) <= 4 and (not run.is_written or max(run.groups) <= 2)
    return count >= 4 and run.spelled >= 3 and said_in_pieces


def _is_amount(tokens: Sequence[Token], run: Run) -> bool:
    """ "four hundred twenty dollars": what is counted in units. A long number never is."""
    if len(run.digits) >= 7 or run.last + 1 == len(tokens):
        return False
    return tokens[run.last + 1].text in UNIT_WORDS


def _is_years(run: Run) -> bool:
    """ "2024", "nineteen eighty five", "2019, 2020": years and nothing else."""
    pairs = run.groups == [2, 2]
    return (pairs or set(run.groups) == {4}) and all(
        1900 <= int(run.digits[at : at + 4]) <= 2099 for at in range(0, len(run.digits), 4)
    )


def _begins(tokens: Sequence[Token], run: Run) -> bool:
    """The text begins with this run, but for fillers."""
    return all(token.text in FILLERS or token.kind is Kind.OTHER for token in tokens[: run.first])


def _is_only_numbers(tokens: Sequence[Token], runs: Sequence[Run]) -> bool:
    inside = {index for run in runs for index in range(run.first, run.last + 1)}
    return bool(runs) and all(
        index in inside or token.text in FILLERS or token.kind is Kind.OTHER
        for index, token in enumerate(tokens)
    )


def _kind_of(text: str, run: Run, setting: _Setting) -> str:
    digits = run.digits
    if 13 <= len(digits) <= 19 and passes_luhn(digits):
        return "card_number"
    if _SSN.fullmatch(text[run.start : run.end]):
        return "social_security_number"
    for topic in setting.topics:
        if topic == "security_code" and len(digits) > 8:
            continue
        if topic == "number" and len(digits) >= 7:
            continue
        return topic
    if len(digits) >= 6 and private_words.OF_AN_ACCOUNT.search(text.lower()):
        return "account_number"
    if 7 <= len(digits) <= 12 and (len(run.elements) > 1 or len(digits) in (10, 11)):
        return "phone_number"
    return "account_number" if len(digits) >= 6 else "number"


def passes_luhn(digits: str) -> bool:
    """ISO/IEC 7812-1 Annex B check digit, as on every payment card."""
    doubled = (int(digit) * (1 + at % 2) for at, digit in enumerate(reversed(digits)))
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


# ---------------------------------------------------------------- the rest


def _ibans(text: str, setting: _Setting) -> Iterator[MaskSpan]:
    for found in _IBAN.finditer(text):
        pieces = found.group()
        # Words that follow may look like more of it: the longest part with a right check is taken.
        ends = [at for at in range(len(pieces), 14, -1) if at == len(pieces) or not pieces[at].isalnum()]
        end = next((at for at in ends if is_iban(pieces[:at])), None)
        if end is None and "iban" in setting.topics and sum(map(str.isdigit, pieces)) >= 8:
            end = len(pieces)
        if end is not None:
            yield MaskSpan(start=found.start(), end=found.start() + end, type="iban")


def is_iban(text: str) -> bool:
    """Length and mod-97 check of ISO 13616."""
    code = re.sub(r"[ -]", "", text).upper()
    if not (15 <= len(code) <= 34 and code.isascii() and code.isalnum()):
        return False
    return int("".join(str(int(character, 36)) for character in code[4:] + code[:4])) % 97 == 1


def _codes(tokens: Sequence[Token], asked: bool) -> Iterator[MaskSpan]:
    """ "order AB1234567", and shorter ones where such a thing is named: "booking reference A1B2C3"."""
    for token in tokens:
        digits = sum(map(str.isdigit, token.text)) if token.kind is Kind.CODE else 0
        if digits >= 6 or (asked and digits >= 2 and len(token.text) >= 5):
            yield MaskSpan(start=token.start, end=token.end, type="account_number")


def _birth_dates(tokens: Sequence[Token], runs: Sequence[Run]) -> Iterator[MaskSpan]:
    digits_at = {index: run for run in runs for index in range(run.first, run.last + 1)}
    index = 0
    while index < len(tokens):
        if not _is_date_part(tokens[index], index in digits_at):
            index += 1
            continue
        end = index
        last_part = index
        while end < len(tokens) and (
            _is_date_part(tokens[end], end in digits_at) or tokens[end].text in _DATE_GLUE
        ):
            if _is_date_part(tokens[end], end in digits_at):
                last_part = end
            end += 1
        part = range(index, last_part + 1)
        if _is_date(
            tokens[index : last_part + 1],
            {digits_at[at].start: digits_at[at] for at in part if at in digits_at},
        ):
            yield MaskSpan(start=tokens[index].start, end=tokens[last_part].end, type="date_of_birth")
        index = end


def _is_date_part(token: Token, in_run: bool) -> bool:
    return in_run or token.text in MONTHS or token.text in ORDINALS or _is_ordinal(token)


def _is_ordinal(token: Token) -> bool:
    return token.kind is Kind.CODE and bool(re.fullmatch(r"\d{1,2}(?:st|nd|rd|th)", token.text))


def _is_date(part: Sequence[Token], runs: dict[int, Run]) -> bool:
    """A month with a day or year, or at least four digits."""
    days = sum(token.text in ORDINALS or _is_ordinal(token) for token in part)
    digits = sum(len(run.digits) for run in runs.values())
    months = sum(token.text in MONTHS for token in part)
    return digits >= 4 or (months > 0 and days + digits > 0) or (days > 0 and digits >= 2)
