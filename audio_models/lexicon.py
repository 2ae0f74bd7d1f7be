# ruff: noqa: E501, SIM905 (patterns and word lists are kept whole)
"""Weights of English words and phrases for the first scorer, written for customer calls.

Word weights run from -4 to 4. Phrases are regular expressions over lower-case words with one space between.
"""

from __future__ import annotations

import re

from audio_models.text import Patterns

_BY_WEIGHT: dict[float, str] = {
    -4: "disgusting atrocious scam fraud hate hated despise furious outrageous appalling abysmal worst evil vile",
    -3.2: "terrible horrible awful useless ridiculous unacceptable pathetic disgrace disgraceful garbage rubbish"
    " crap crappy shit shitty bullshit fuck fucking fucked asshole bastard bitch idiot idiots stupid moron morons"
    " angry rage enraged livid infuriating liar liars lied cheat cheated cheating stole stolen theft incompetent"
    " dreadful nightmare sick insulting insulted hateful cruel murder killed abuse abused racist toxic",
    -2.5: "frustrated frustrating frustration annoyed annoying annoys disappointed disappointing disappointment"
    " upset mad lousy horrid poor bad worse hell damn dumb sucks suck sucked unhappy miserable fail failed fails"
    " failure broken lies lying waste wasted wasting nonsense joke ashamed shame painful pain hurt hurts unfair"
    " rude ignored ignoring nasty ugly scared afraid terrified depressed depressing sad sadly crying cry regret"
    " hopeless helpless horrendous sloppy shoddy defective faulty trash junk creepy gross disturbing embarrassing"
    " worthless inferior flimsy fucker wtf",
    -1.7: "problem problems wrong trouble issue issues error errors mistake mistakes difficult impossible complain"
    " complaint complaints complaining unfortunately worried worry worrying concerned concern stuck confused"
    " confusing slow late delayed delay lost missing overcharged expensive overpriced tired bored boring weird"
    " cheap doesn't-work unreliable noisy weak cheaply crash crashes crashed freezes leaks cracked damaged"
    " disaster lack lacking poorly unable useless-to refuse refused refuses deny denied reject blame fault threat"
    " threatening lawsuit sue awkward fear sucks-to jealous lonely guilty embarrassed nervous anxious hassle"
    " disconnected interrupted unclear misleading misled unwanted inconvenient inconvenience dirty died dead die",
    -1: "unfortunate odd strange missed weakly forgot never nobody complicated tedious lazy"
    " irritating heavy loud limited unless shocked shocking dislike disliked doubt shady ban banned sorry-state",
    1: "ok okay fine sure nice clear easy simple calm works worked agree ready welcome cool helpful-ish"
    " interesting fair safe honest useful solid fresh fast quick quickly bright lol haha fun funny"
    " hope hopefully curious wow",
    1.8: "good thanks thank well-done glad pleased happy better helpful kind friendly comfortable appreciate"
    " appreciated appreciates like-it likes enjoy enjoyed enjoying enjoys smooth reliable recommend recommended"
    " sharp proud relieved relief reassuring support-you congrats congratulations lucky cute yay strong sturdy"
    " satisfied polite patient respect improved success successful smart clever praise hero sweet pretty",
    2.6: "great love loved loves lovely wonderful excellent amazing awesome fantastic brilliant superb beautiful"
    " delighted thrilled excited grateful impressed impressive perfectly best outstanding terrific incredible"
    " hilarious adorable gorgeous fabulous blessed thankful rocks beautifully",
    3.2: "perfect phenomenal magnificent stunning marvelous marvellous flawless exceptional",
}
WEIGHTS: dict[str, float] = {
    word: weight for weight, words in _BY_WEIGHT.items() for word in words.split() if "-" not in word
}

NEGATIONS = frozenset(
    "not no never without hardly barely nobody nothing none neither nor don't can't won't didn't doesn't isn't"
    " wasn't aren't haven't hasn't couldn't wouldn't shouldn't ain't weren't hadn't".split()
)
BOOSTERS = dict.fromkeys(
    "very really so extremely absolutely completely totally incredibly too such damn fucking"
    " utterly highly super truly".split(),
    1.3,
) | dict.fromkeys("slightly somewhat little bit kinda sorta rather fairly quite mildly".split(), 0.7)
"""Words that make the next one stronger or weaker."""


def _compile(*phrases: tuple[str, float, str]) -> Patterns[tuple[float, str]]:
    """Each worth its weight and a note."""
    return Patterns([(phrase, (weight, note)) for phrase, weight, note in phrases], before=r"\b", after=r"\b")


_TIMES = r"(?:second|third|fourth|fifth|sixth|tenth|hundredth|2nd|3rd|4th|5th|\d+th)"
_MANY = r"(?:two|three|four|five|six|seven|eight|nine|ten|several|many|so many|multiple|\d+)"

COMPLAINTS = _compile(
    (
        rf"(?:for|is|was|now) (?:the|my) {_TIMES} time|{_TIMES} time (?:i|we|this|that|now)",
        -2.4,
        "again and again",
    ),
    (
        rf"(?:called|call|calling|told|asked|explained|contacted|emailed|tried|written)(?: \w+){{0,3}} {_MANY} times",
        -2.2,
        "many attempts",
    ),
    (
        r"(?:have|had|having|i'm|been|keep|kept) (?:to )?(?:calling|call|repeat|repeating|asking|ask|explaining|"
        r"explain|waiting|telling|tell)(?: \w+){0,2} (?:again|you|over|this|myself)",
        -1.8,
        "has to repeat",
    ),
    (
        r"(?:i|we)(?:'ve| have)? already (?:told|said|gave|given|explained|tried|called|asked|sent|did|done|paid)",
        -1.9,
        "said or done before",
    ),
    (
        r"you (?:already|just) (?:said|asked|told)|you keep (?:saying|asking|telling)|keeps? (?:saying|asking)",
        -2.0,
        "the other repeats himself",
    ),
    (
        r"(?:still|yet) (?:not|no|haven't|hasn't|isn't|doesn't|can't|didn't|waiting|don't|down|broken|the same)",
        -1.8,
        "still not solved",
    ),
    (
        r"(?:never|hasn't|haven't|didn't|not) (?:arrived?|came|come|received|receive|got|delivered|showed up|worked|"
        r"been (?:fixed|delivered|refunded|resolved))",
        -2.0,
        "did not happen",
    ),
    (
        r"(?:does not|doesn't|do not|don't|did not|didn't|isn't|is not|stopped|not) (?:even )?(?:work|working)",
        -2.0,
        "does not work",
    ),
    (r"(?:is|are|went|was|goes) down(?! (?:the|to|by))", -1.3, "out of order"),
    (
        r"not (?:listening|helping|helpful|good enough|what i (?:asked|said|wanted|ordered)|acceptable|happy|satisfied"
        r"|interested|true|fair|right|correct)",
        -1.9,
        "refusal or complaint",
    ),
    (
        r"(?:nobody|no one|none of you)(?: \w+){0,2} (?:help\w*|listen\w*|answer\w*|call\w*|know\w*|care\w*|tell\w*)",
        -2.6,
        "nobody helps",
    ),
    (
        r"charged (?:me )?(?:twice|double|two times|again|too much|extra)|double charged|overcharged",
        -2.0,
        "charged wrongly",
    ),
    (r"(?:want|need|give me|get) my money(?: back)?|money back", -1.6, "wants money back"),
    (r"(?:waste|wasting|wasted) (?:of )?(?:my |our )?(?:time|money)", -1.6, "waste"),
    (
        r"(?:how many times|how long (?:do|does|is|will)(?: \w+){0,3} (?:have to|going to|take|wait))",
        -1.9,
        "impatience",
    ),
    (
        r"(?:been|have been|was) (?:waiting|on hold)|waited (?:for |over )?\w+ (?:minutes|hours|days|weeks)",
        -1.7,
        "waiting",
    ),
    (
        r"leave for another|switch(?:ing)? to (?:another|a different)|(?:going|want) to leave|taking my business",
        -1.8,
        "leaving",
    ),
    (
        r"is this a joke|are you (?:kidding|serious|joking)|you must be joking|what (?:the hell|a joke)",
        -2.0,
        "scorn",
    ),
    (r"fed up|had enough|sick of|tired of|sick and tired|enough is enough|last straw", -2.6, "had enough"),
    (r"too (?:slow|expensive|late|long|much|bad|complicated)", -1.6, "too much"),
    (
        r"going (?:round|around) in circles|getting nowhere|talking to a (?:wall|brick wall)",
        -2.4,
        "going in circles",
    ),
    (r"what is wrong with you|makes? no sense|no use|pointless|there is no point", -2.0, "pointless"),
    (r"wrong (?:address|bill|item|order|amount|person|number)", -0.8, "something is wrong"),
    (r"(?:speak|talk) to (?:a |your |the )?(?:manager|supervisor)", -1.2, "wants a superior"),
    (r"i said no|stop (?:it|that|calling|asking|saying|wasting)", -1.6, "told to stop"),
)

PRAISE = _compile(
    (r"thank you (?:so|very) much|thanks (?:so much|a lot|a million)|many thanks", 1.6, "warm thanks"),
    (r"that is (?:much )?better|that'?s (?:much )?better|much better", 1.4, "better"),
    (
        r"(?:very|so|really|most) (?:kind|helpful|nice) of you|you (?:were|are|have been) (?:very |so )?helpful",
        1.6,
        "praise",
    ),
    (
        r"(?:problem|issue|it|that|everything)(?:'s| is| was| has been)? (?:now )?(?:solved|fixed|sorted|resolved)",
        2.2,
        "solved",
    ),
    (r"works? (?:now|again|perfectly|fine|great|well)|working (?:now|again)", 2.0, "works"),
    (r"now i understand|makes sense now|that makes sense|that is clear now", 1.4, "understood"),
    (
        r"made my day|life saver|lifesaver|well done|good job|great job|nice job|good news|keep it up",
        2.2,
        "praise",
    ),
    (r"no (?:problem|worries|trouble|issues?)|no complaints|can't complain", 2.6, "no problem"),
    (r"not (?:bad|too bad)|isn't bad", 2.6, "not bad"),
    (r"can't wait|looking forward|so easy|quick and easy|works like a charm|highly recommend", 2.0, "praise"),
)

FORMULAS = re.compile(
    r"\b(?:have a (?:nice|good|great|lovely) (?:day|evening|weekend|one)|good (?:morning|afternoon|evening|night|bye)"
    r"|(?:thank you|thanks) for (?:calling|waiting|holding|your (?:patience|call|time|understanding))"
    r"|how (?:can|may) i (?:help|assist)(?: you)?|(?:i )?would like to|i(?:'d| would) like|feel(?:s)? like|looks? like"
    r"|you(?:'re| are) welcome|anything else (?:i|that i)(?: \w+)* (?:help|do)|nice to meet you|of course"
    r"|pretty (?:much|sure|bad|good)|sounds like|well i|excuse me|i'm sorry to hear(?: that)?|make sure|not sure"
    r"|(?:was|is|are|am|were|'re|'m) (?:i )?(?:calling|fine with)|my best|best (?:way|time|number)|fair enough"
    r"|no longer|no more|credit card|(?:one|two|next) (?:year|month)|free (?:month|months))\b"
)
"""Said by form: their words carry no feeling."""

MASKED_BY_BUT = re.compile(r"\b(?:but|however|although|though|yet|unfortunately)\b")
"""What follows is what is meant ("thank you, but ...")."""
