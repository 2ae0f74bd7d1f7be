"""E-mail addresses as they are said: "john dot smith at gmail dot com", also letter by letter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from voicewatch.core.digit_runs import TEENS, TENS, UNITS, Kind, Token, word_set

DOTS = frozenset({"dot", "."})
MARKS = frozenset({".", "_", "-", "+"})
"""Joints only where they touch what they join: a full stop ends a sentence."""
JOINTS = DOTS | MARKS | {"underscore", "dash", "hyphen", "plus"}
ATS = frozenset({"at", "@"})
PROVIDERS = word_set(
    "gmail googlemail yahoo hotmail outlook icloud aol proton protonmail gmx live msn me mail comcast "
    "verizon fastmail zoho yandex web"
)
ENDINGS = word_set(
    "com net org edu gov io co uk us de fr es it nl ca au in info biz me ch at eu ie jp br mx pl se no dk fi"
)
NOT_A_NAME = word_set(
    "look looked looking shop shopped buy bought order ordered visit site website us me it him her them "
    "find found search available was is are here there page store online work works account and or on"
)
"""Words before "at amazon dot com" that make it a place and not an address."""
INTRODUCTIONS = word_set("is it's its email mail address that's yes yeah sure so um uh okay ok : to")
NAME_WORDS = 5
"""A name said in full before "at" has at most so many words."""


def email_spans(tokens: Sequence[Token], asked: bool) -> Iterator[tuple[int, int]]:
    """(start, end) of spoken addresses; `asked` when an e-mail address is named or was asked for."""
    for index, token in enumerate(tokens):
        if token.text not in ATS:
            continue
        end = _domain_end(tokens, index + 1)
        if end is None:
            continue
        start = _local_start(tokens, index, asked)
        provider = any(part.text in PROVIDERS for part in tokens[index + 1 : end])
        if start is None:
            if asked:  # "at gmail dot com" alone, after the name
                yield token.start, tokens[end - 1].end
            continue
        plain = start == index - 1
        if asked or provider or not plain or tokens[start].text not in NOT_A_NAME:
            yield tokens[start].start, tokens[end - 1].end
    if asked:
        yield from _chains(tokens)


def _domain_end(tokens: Sequence[Token], start: int) -> int | None:
    """Index after "gmail dot com" beginning at `start`, or None."""
    at = start
    end = None
    while at < len(tokens) and tokens[at].kind in (Kind.WORD, Kind.CODE, Kind.DIGITS) and at - start <= 12:
        if at > start and tokens[at].text in ENDINGS and _is_joint(tokens, at - 1, DOTS):
            end = at + 1
        following = at + 1
        if following + 1 < len(tokens) and _is_joint(tokens, following):
            at = following + 1
        elif _is_spelled(tokens[at]) and following < len(tokens) and _is_spelled(tokens[following]):
            at = following
        else:
            break
    return end


def _local_start(tokens: Sequence[Token], at: int, asked: bool) -> int | None:
    """Index of the first token of the name before "at", or None."""
    start = at - 1
    if start < 0 or not _is_name_part(tokens[start]) or (tokens[start].text in INTRODUCTIONS and asked):
        return None
    while start > 0:
        before = tokens[start - 1]
        if start > 1 and _is_joint(tokens, start - 1) and _is_name_part(tokens[start - 2]):
            start -= 2
        elif (
            _is_name_part(before)
            and (_is_spelled(tokens[start]) or _is_spelled(before))
            and _may_join(before)
        ):
            start -= 1
        else:
            break
    if asked:
        taken = 0
        while (
            start > 0
            and _is_name_part(tokens[start - 1])
            and _may_join(tokens[start - 1])
            and taken < NAME_WORDS
        ):
            start -= 1
            taken += 1
    return start


def _is_joint(tokens: Sequence[Token], index: int, joints: frozenset[str] = JOINTS) -> bool:
    token = tokens[index]
    if token.text not in joints:
        return False
    touches = tokens[index - 1].end == token.start and token.end == tokens[index + 1].start
    return touches or token.text not in MARKS


def _may_join(token: Token) -> bool:
    return token.text not in INTRODUCTIONS and token.text not in ATS


def _is_name_part(token: Token) -> bool:
    return token.kind in (Kind.WORD, Kind.CODE, Kind.DIGITS)


def _is_spelled(token: Token) -> bool:
    """A letter or a number, said by itself."""
    text = token.text
    return len(text) == 1 or token.kind is Kind.DIGITS or text in UNITS or text in TEENS or text in TENS


def _chains(tokens: Sequence[Token]) -> Iterator[tuple[int, int]]:
    """ "john dot smith", the first half of an answer."""
    index = 1
    while index + 1 < len(tokens):
        if _is_joint(tokens, index, JOINTS - MARKS) and _is_name_part(tokens[index - 1]):
            end = index + 1
            while end + 2 < len(tokens) and _is_joint(tokens, end + 1) and _is_name_part(tokens[end + 2]):
                end += 2
            if _is_name_part(tokens[end]):
                yield tokens[index - 1].start, tokens[end].end
            index = end
        index += 1
