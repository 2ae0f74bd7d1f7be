"""The words by which `private_spans.py` knows what a number or a date is."""

from __future__ import annotations

import re

from voicewatch.core.digit_runs import word_set

TOPICS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(rf"\b(?:{pattern})\b"))
    for kind, pattern in (
        (
            "security_code",
            r"security code|c ?v ?v|c ?v ?c|pin|pin (?:code|number)|passcode|one[- ]time (?:code"
            r"|password)|verification code|digits on the back",
        ),
        (
            "card_number",
            r"(?:credit |debit |bank |payment )?card (?:number|details|digits)|number (?:on|of) (?:the"
            r"|your|my) (?:\w+ )?card|sixteen digits?|16[- ]digits?|long number|card ending"
            r"|(?:my|your|the) card is",
        ),
        ("social_security_number", r"social security|s ?s ?n|social insurance|national insurance|tax id"),
        ("iban", r"iban|i ban"),
        (
            "phone_number",
            r"(?:tele|cell ?|mobile )?phone number|(?:mobile|cell|callback|contact|cellphone) number"
            r"|(?:call|reach|ring|text) (?:me|you) (?:back )?(?:at|on)"
            r"|(?:my|your) (?:(?:cell|mobile|phone) is|number)",
        ),
        (
            "account_number",
            r"(?:account|order|reference|confirmation|customer|member|membership|policy|booking"
            r"|tracking|invoice|ticket|case|serial|routing|passport|licen[cs]e|contract|purchase|id)"
            r" (?:numbers?|reference|id|code)|sort code|account ending|account details",
        ),
        ("postal_code", r"zip(?: ?code)?|post ?code|postal code"),
        (
            "number",
            r"(?:what|which|give me|read me|have) (?:is |your |the |me )*(?:numbers?|digits)|the number is",
        ),
    )
)
"""Kinds of number and how they are named or asked for, in lower case."""
BIRTH = re.compile(r"\b(?:date of birth|birth ?date|birthday|d o b|dob|born|year of birth)\b")
EMAIL = re.compile(r"\be ?-?mail\b")
OF_AN_ACCOUNT = re.compile(r"\b(?:orders?|purchase|account|invoice|booking|reference|ticket|policy)\b")
"""Not asking for a number, but telling what a long one is."""
UNIT_WORDS = word_set(
    "dollar dollars buck bucks cent cents euro euros pound pounds quid pence usd eur gbp percent day days "
    "week weeks month months year years hour hours minute minutes second seconds times people items "
    "pieces mile miles km kilometers meters gb mb gigabytes megabytes mbps pm am degrees"
) | {"%", "€", "£", "$"}
"""What comes after an amount."""
FILLERS = word_set(
    "um uh er erm hmm mm yes yeah yep ok okay sure so and then well right it it's its is that that's the "
    "my number would be please ah of course here you go"
)
"""What an answer may hold beside the number asked for."""
MONTHS = word_set(
    "january february march april may june july august september october november december jan feb mar "
    "apr jun jul aug sep sept oct nov dec"
)
ORDINALS = word_set(
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth "
    "fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth thirtieth"
)
