# ruff: noqa: E501, SIM905 (word lists are kept whole)
"""Whether words are English at all: what is not gets no score, whatever language the call is said to be in.

By script and by the small words every sentence needs. Doubt counts as English: a short utterance, names and
numbers are no other language.
"""

from __future__ import annotations

import unicodedata
from collections import Counter

from audio_models.text import Plain

_ENGLISH = frozenset(
    """the a an and or but if of to in on at for from with by as is are was were be been am it it's i i'm i've
    i'd i'll you you're he she we they me my your his her our their this that these those there do does did
    don't didn't have has had will would can can't could should not what when where who why how which just
    please thank thanks get got want need know yes okay call phone time back up out about so then than still
    again one two some any all because order account card bill number help
    no oh hell lol hey hi hello one do me come problem sorry""".split()
)
_FOREIGN: dict[str, frozenset[str]] = {
    language: frozenset(words.split())
    for language, words in {
        "Spanish": "el la los las un una de del que y en es está estoy por para con mi tu su se lo le pero no muy"
        " como qué cuando porque quiero puedo tengo hay hola gracias señor señora usted yo ya más esto eso ayuda"
        " hablar persona necesito buenos días favor si sí cuenta tarjeta pedido",
        "French": "le la les un une des de du et est je tu il elle nous vous ils que qui pas ne pour dans avec sur"
        " mon ma mes votre vos c'est j'ai suis être très bonjour merci oui non mais aussi ça cette ce au aux je"
        " veux parler quelqu'un s'il plaît commande compte",
        "German": "der die das ein eine einen und ist ich du er sie wir ihr nicht mit für auf von zu im den dem des"
        " mein meine ihre bitte danke ja nein aber auch wie was wann warum habe hat kann können möchte guten"
        " tag sprechen jemand rechnung bestellung noch schon sehr",
        "Portuguese": "o os um uma de do da que e em é estou por para com meu minha seu não muito como quando"
        " porque quero posso tenho obrigado obrigada olá você eu já mais isso falar pessoa preciso conta pedido",
        "Italian": "il lo la gli un una di del che e in è sono per con mio mia suo non molto come quando perché"
        " voglio posso ho grazie buongiorno lei io già più questo parlare persona bisogno conto ordine",
        "Dutch": "de het een en is ik je hij zij wij niet met voor op van naar mijn uw graag dank ja nee maar ook"
        " hoe wat wanneer waarom heb heeft kan wil goedemorgen spreken iemand rekening bestelling nog al heel",
        "Hindi": "hai hain hoon hun tha thi the nahi nahin mera meri mere aap aapka aapke tum mujhe hum ka ki ke ko"
        " se mein par aur kya kyun kab kahan kaise bhi toh abhi haan ji karo kar karna raha rahi gaya gayi"
        " chahiye baat wala wale kuch koi yeh woh jo ek do bahut theek thik accha acha pata yaar bhai diya"
        " hua liye sab log dijiye bolo bola wapas"
        " bilkul mat abhi tak bhejo ghar pe saat baje ke dekho dekh lena lo hogaya ghante se jagah main tumhari bakwas"
        " company bas bahut badhiya khana char paanch nau rahunga jaunga kharab samajh",
        "Polish": "i w na nie się jest to że z do jak ale tak czy mam moje mój proszę dziękuję dzień dobry chcę"
        " rozmawiać jestem pan pani kiedy dlaczego",
        "Turkish": "bir ve bu için ile ben sen biz var yok değil ne nasıl lütfen teşekkürler merhaba istiyorum"
        " evet hayır çok",
    }.items()
}
_LANGUAGES_OF = {
    word: tuple(language for language, small in _FOREIGN.items() if word in small)
    # What both know ("me", "a", "no") tells nothing.
    for word in frozenset().union(*_FOREIGN.values()) - _ENGLISH
}
_LATIN_SHARE = 0.5


def foreign_language(said: Plain) -> str | None:
    """The language these words seem to be in, if it is not English; None if they may be English."""
    script = _script(said)
    if script or len(said.words) < 3:
        return script
    english = sum(word in _ENGLISH for word in said.words)
    hits = Counter(language for word in said.words for language in _LANGUAGES_OF.get(word, ()))
    # Of as many, the first of the list.
    name = max(_FOREIGN, key=lambda language: hits[language])
    return name if hits[name] >= max(2, english + 1, 0.25 * len(said.words)) else None


def _script(said: Plain) -> str | None:
    """What most of it is written in, if that is not Latin."""
    if said.joined.isascii():
        return None
    letters = [sign for sign in said.joined if sign.isalpha()]
    latin = sum(unicodedata.name(sign, "").startswith("LATIN") for sign in letters)
    if latin >= _LATIN_SHARE * len(letters):
        return None
    return unicodedata.name(letters[0], "UNKNOWN").split()[0].title()
