# ruff: noqa: E501 (patterns are kept whole)
"""Cues 0..1 in what was said, by patterns over lower-case words: what rules listen for.

Customers and AI mean different things by the same words ("a person" promised is not a person asked for), so
most cues belong to one side.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from audio_models.api import Span
from audio_models.lexicon import COMPLAINTS, NEGATIONS
from audio_models.text import Patterns, Plain

_WHO = (
    r"(?:person|persons|people|human|humans|human being|agent|agents|representative|representatives|rep|operator"
    r"|manager|managers|supervisor|advisor|adviser|specialist|technician|associate|executive|assistant|boss|staff"
    r"|staff member|member of staff|team member|clerk|attendant|customer (?:service|care|support|assistance)|support team"
    r"|live chat|help ?desk|call cent(?:er|re)|service desk|consultant|expert)"
)
_KIND = (
    r"(?:(?:a|an|the|your|some|any|one of your|another|other|different|actual|real|live|human|living|customer|proper"
    r"|service|support|sales|senior|qualified|competent|phone|technical|of) )*"
)
_SOMEBODY = rf"(?:{_KIND}{_WHO}|(?:someone|somebody|anyone|anybody|some one)(?! else's))"
_SPEAK = r"(?:speak|talk|chat|(?<!was )(?<!were )(?<!been )(?<!am )(?:speaking|talking|chatting))"
_HELPS = r"(?:help|explain|fix|understand|understands|knows?|decide|sort|solve|answer|listen|has|speaks?|assist|resolve)"

_ASKS = (
    (rf"{_SPEAK} (?:directly |now )?(?:to|with) {_SOMEBODY}", 1.0),
    (rf"(?:connect|transfer|put|pass|switch|forward|direct|hand|redirect|send|route|take) me (?:\w+ )?(?:through |over "
     rf"|straight |on |back |directly )*(?:to|with|on to) {_SOMEBODY}", 1.0),
    (rf"(?:get|give|find|bring|fetch|let me have|send|pass) (?:me )?(?:to )?{_KIND}{_WHO}\b", 0.9),
    (r"(?:get|find) me (?:someone|somebody|anyone)", 1.0),
    (rf"(?:want|need|like|prefer|demand|require|rather have|looking for|ask for|asking for) (?:to (?:have|get|see) )?"
     rf"(?:(?:a|an|the|your|some|another) )*(?:(?:real|live|actual|human|different) )*{_WHO}", 0.9),
    (r"(?:want|need|like|prefer) (?:someone|somebody) (?:real|else|to help|who|that|from|in)", 0.9),
    (rf"(?:someone|somebody|anyone|anybody|person|{_WHO})(?: else| there| here| real)* (?:who|that|which) "
     rf"(?:can|could|will|would|actually|really|is able to)?(?: \w+)? ?{_HELPS}", 0.9),
    (rf"(?:can|could|may|must|should) (?:i|we) (?:please )?(?:reach|contact|call|see|meet|have|get|ask) {_SOMEBODY}", 0.9),
    (rf"(?:how (?:can|do|could|to)|where (?:can|do))(?: i| we)? (?:\w+ )?(?:reach|contact|call|get|find|talk|speak) "
     rf"(?:to |with |hold of |through to )?{_SOMEBODY}", 0.9),
    (rf"(?:contact|contacting|reach|call|calling|connect|connecting|in touch with)(?: (?:to|with))? {_SOMEBODY}", 0.8),
    (rf"is (?:there )?(?:{_SOMEBODY}) (?:there|here|available|around|free|i can|i could|to talk|to speak)", 0.9),
    (r"(?:real|live|actual|human) (?:person|human|agent|operator|being|voice)(?: please)?$", 0.8),
    (r"let me (?:speak|talk) (?:to|with)", 0.8),
    (r"(?:have|get|ask|tell) (?:someone|somebody|a \w+|your \w+) (?:to )?(?:call|ring|phone|contact) me", 0.8),
    (r"(?:call|ring|phone) me(?: (?:back|now|today|tomorrow|later|please|on|at|asap|when)\b|$)|callback|call back", 0.7),
    (r"(?<!my )(?<!the )(?<!change )(?<!new )(?:contact|customer care|customer service|support|toll free|helpline) "
     r"(?:number|no|line)|(?:number|no) (?:to (?:call|contact)|of customer)|help ?line", 0.6),
    (r"escalate (?:this|it|my)|speak to (?:the )?(?:management|next level)", 0.9),
    (r"(?:speak|talk) (?:human|to me like a human)|human (?:please|help|support|assistance)", 0.9),
)  # fmt: skip
_NOT_A_MACHINE = re.compile(
    r"\b(?:not|no|don't|won't|instead of|rather than|rather not|hate|sick of|stop|tired of|fed up with)"
    r"(?: (?:want|like|wish|to|talking|speaking|dealing|talk|speak|deal|with)){0,5}"
    r"(?: (?:a|this|these|your|the|stupid))* (?:machines?|robots?|bots?|computers?|recording|ai|automated \w+)\b"
)
_BARE_ASK = re.compile(
    rf"^(?:please |just |no |hello |hi |yes |i said )*(?:{_KIND}{_WHO})(?: please| now| thanks| thank you)*$"
)
_CANT_REACH = re.compile(
    rf"\b(?:can't|unable to|impossible to|couldn't|can i not|can not) (?:get|reach|find|speak|talk)(?: \w+){{0,3}} {_SOMEBODY}"
)

_ORDINAL = "third|fourth|fifth|sixth|tenth|hundredth"

_PATTERNS: dict[str, tuple[tuple[str, float], ...]] = {
    "cancel": (
        (r"(?:cancel|close|terminate|end|delete|deactivate|stop)(?:ling|ing|led)? (?:\w+ ){0,2}(?:account|subscription"
         r"|service|contract|membership|plan|policy|order|purchase|booking|it|everything)", 1.0),
        (r"cancel(?:led|ling|lation)?|unsubscribe", 0.7),
        (r"leave for another|switch(?:ing)? to another|(?:going|want) to leave", 0.7),
    ),
    "refund": (
        (r"refund(?:ed|s)?|money back|reimburse\w*|chargeback|compensat\w+", 1.0),
        (r"charged (?:me )?(?:twice|two times|double|again)|overcharged|double charge\w*", 0.6),
    ),
    "legal": (
        (r"(?:sue|suing) (?:you|them|the|your|this)|lawsuit|legal (?:action|advice|steps|proceedings)|ombudsman"
         r"|small claims|regulator|trading standards|consumer (?:protection|rights|court|forum)|gdpr|data protection"
         r"|(?:my|our|hear from an?|hearing from an?) (?:lawyer|attorney|solicitor)s?|(?:take|taking|see|seeing) \w+ (?:to|in) court"
         r"|(?:call|calling|going to|go to|report\w*(?: \w+){0,3} to) the police", 1.0),
        (r"illegal|against the law|fraud|report you", 0.7),
        (r"lawyers?|attorneys?|solicitors?|sue|suing|court|police", 0.4),
    ),
    "confusion": (
        (r"(?:i'm|i am|im|still|so|very|really|getting|totally) (?:\w+ )?confused|this is confusing|confusing", 1.0),
        (r"(?:don't|do not|didn't|did not|can't|couldn't) (?:really |quite )?(?:understand|get it|follow|get that)", 1.0),
        (r"what do you mean|what does (?:that|this|it) mean|what are you (?:talking about|saying|asking)", 0.9),
        (r"makes? no sense|doesn't make (?:any )?sense|i'm lost|you lost me|no idea what", 0.9),
        (r"(?:say|explain|repeat) (?:that|it|this)(?: to me)?(?: one more time| again| once more)", 0.7),
        (r"^(?:what|huh|pardon|sorry what|excuse me what|sorry)$|come again|i beg your pardon|pardon me", 0.7),
        (r"which (?:one|number) do you mean|what (?:number|code|account) ", 0.4),
    ),
    "hedging": (
        (r"(?:i'm |i am |really |quite |entirely )?not (?:really |quite |entirely |totally |so |too |completely )?"
         r"(?:sure|certain)", 0.9),
        (r"(?:don't|do not|wouldn't) (?:really )?know|no idea|not a clue|who knows|hard to say|can't say for", 0.9),
        (r"(?:might|could|may) (?:be|have|also|possibly|take|need|not)", 0.5),
        (r"maybe|perhaps|possibly|probably|presumably|supposedly|apparently", 0.6),
        (r"i (?:guess|suppose|believe|assume|imagine|presume|doubt|reckon)", 0.7),
        (r"i think|i would say|i'd say|as far as i (?:know|can tell)|if i remember|to my knowledge|i would think", 0.5),
        (r"(?<!very )(?<!so )(?:kind|sort) of(?! you)|more or less|something like (?:that)?|or something|or so|roughly|it seems|it depends", 0.5),
        (r"should be (?:fine|okay|ok|able|there)|hopefully|not exactly|can't (?:guarantee|promise|confirm)", 0.6),
    ),
    "repeat": (
        (r"(?:i|we)(?:'ve| have)? already (?:told|said|gave|given|explained|tried|called|asked|sent|did|done|paid)", 0.9),
        (r"(?:as|like) i (?:said|told you|mentioned)|i (?:just )?(?:told you|said that)|i said", 0.7),
        (r"you (?:already|just) (?:said|asked|told)|you keep (?:saying|asking|telling)|same (?:thing|question|answer)"
         r"(?: again| over)?", 0.9),
        (rf"(?:second|{_ORDINAL}) time(?: [\w']+){{0,3}} (?:call|ring|ask|tell|told|say|said|explain|try|tried|phone|contact"
         r"|chas|repeat|writ|spell|giv|report|send|sent|rung|rang|spoke|speak)\w*", 0.8),
        (rf"(?:{_ORDINAL}) time", 0.5),
        (r"(?:called|told|asked|tried|explained|checked)(?: \w+){0,3} (?:two|three|four|five|six|several|many|\d+) times",
         0.8),
        (r"again and again|over and over|how many times", 0.9),
    ),
    "refusal": (
        (r"(?:i|we)(?:'m| am|'re| are)? (?:can't|can not|unable to|not able to|not allowed to|afraid i can't)", 0.8),
        (r"not (?:possible|allowed|interested)|there is nothing (?:i|we) can|i said no|i (?:won't|will not|refuse)", 0.8),
        (r"(?:don't|do not) want|no way|absolutely not|i'm not (?:going|giving|paying|doing)", 0.6),
    ),
    "ambiguous_consent": (
        (r"i (?:guess|suppose)(?: so| that's fine| that is fine| okay| yes| it's okay| it is)?$", 0.9),
        (r"if you (?:say so|think so|want|must|insist)|whatever(?: you (?:say|want|think))?$|fine whatever", 0.9),
        (r"^(?:um |uh |well |hmm |yeah |yes |okay )*(?:maybe|perhaps|probably|sort of|kind of|i think so)$", 0.8),
        (r"(?:yes|yeah|okay|ok|sure)(?: \w+){0,2} but\b|i'm not sure (?:but|if i want)|do i have to", 0.7),
        (r"^(?:mhm|mm|mm hmm|uh huh|hmm|i guess|fine)$|not really (?:sure|but)", 0.6),
    ),
}  # fmt: skip

SIDES: dict[str, frozenset[str]] = {
    "wants_human": frozenset({"customer"}),
    "complaint": frozenset({"customer"}),
    "cancel": frozenset({"customer"}),
    "refund": frozenset({"customer"}),
    "legal": frozenset({"customer"}),
    "ambiguous_consent": frozenset({"customer"}),
}
"""Who a cue is looked for in; those not named, in everybody."""

_COMPILED = {
    cue: Patterns(patterns, before=r"(?<![^ ])", after=r"(?!\w)") for cue, patterns in _PATTERNS.items()
}
_ASKS_COMPILED = Patterns(_ASKS, before=r"\b", after=r"(?!\w)")
_NEW_CLAUSE = frozenset({"i", "but", "so", "just", "please", "let", "then", "because", "and", "want", "we"})
_WANTING = frozenset({"want", "need", "like", "have"})


@dataclass(frozen=True)
class Cue:
    """A cue found: how strongly (0..1) and by which words of the text."""

    name: str
    value: float
    spans: tuple[Span, ...]


def find_cues(said: Plain, role: str) -> list[Cue]:
    """All cues in these words of somebody with this role."""
    found = []
    for name, patterns in _COMPILED.items():
        if role in SIDES.get(name, frozenset({role})):
            cue = _best(name, said, patterns.find(said.joined))
            found += [cue] if cue else []
    if role == "customer":
        found += [cue for cue in (_wants_human(said), _complaint(said)) if cue]
    return found


def _best(name: str, said: Plain, matches: list[tuple[re.Match[str], float]]) -> Cue | None:
    """Several patterns speak louder than the strongest of them (noisy or)."""
    if not matches:
        return None
    strongest: dict[int, tuple[re.Match[str], float]] = {}
    for match, value in matches:
        if value > strongest.get(match.start(), (match, 0.0))[1]:
            strongest[match.start()] = (match, value)
    doubt = 1.0
    for _, value in strongest.values():
        doubt *= 1 - value * 0.95
    spans = tuple(
        Span(name, *said.span(match.start(), match.end()), value=value)
        for match, value in sorted(strongest.values(), key=lambda pair: pair[0].start())
    )
    return Cue(name, round(1 - doubt, 2), spans)


def _wants_human(said: Plain) -> Cue | None:
    matches = [
        (match, value)
        for match, value in _ASKS_COMPILED.find(said.joined)
        if not _is_negated(said, match.start())
    ]
    matches += [(match, 0.9) for match in [_BARE_ASK.search(said.joined)] if match]
    for plea in (_CANT_REACH, _NOT_A_MACHINE):
        matches += [(match, 0.8) for match in plea.finditer(said.joined)]
    return _best("wants_human", said, matches)


def _is_negated(said: Plain, start: int) -> bool:
    """Whether the clause before says that this is not wanted ("I don't want to speak to ...")."""
    before = said.joined[:start].split()[-6:]
    if before and before[-1] == "not":
        return True
    for word in reversed(before):
        if word in NEGATIONS:
            return True
        if word in _NEW_CLAUSE and word not in _WANTING:
            return False
    return False


def _complaint(said: Plain) -> Cue | None:
    return _best(
        "complaint",
        said,
        [(match, min(1.0, -value / 2.6)) for match, (value, _) in COMPLAINTS.find(said.joined)],
    )
