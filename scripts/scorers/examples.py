"""What the network learns from: public sets whose licence allows it, and text of our own.

Licences and what each set is used for: the model card beside the weights.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from audio_models.foreign import foreign_language
from audio_models.reader import SENTIMENTS, YES_NO
from audio_models.text import plain
from scripts.scorers.grammar import lines, written_out

CUSTOMER_ONLY = tuple(name for name in YES_NO if not name.startswith("ai_"))
AI_ONLY = tuple(name for name in YES_NO if name.startswith("ai_"))
FLAGS = {
    "human": "wants_human",
    "uncertain": "uncertain",
    "confused": "confused",
    "angry": "angry",
    "complaint": "complaint",
    "cancel": "cancel",
    "refund": "refund",
    "legal": "legal",
    "vulnerable": "vulnerable",
    "need": "needs_person",
    "consent": "consent_unclear",
}
AI_KINDS = {
    "hedge": "ai_hedge",
    "non_answer": "ai_non_answer",
    "loop": "ai_loop",
    "contradiction": "ai_contradiction",
    "promise": "ai_promise",
    "unbacked_promise": "ai_promise",
    "denies": "ai_denies",
    "denies_ai": "ai_denies",
}


@dataclass(frozen=True)
class Example:
    """A turn with what is known of it. `label` are shares of SENTIMENTS or None; `yes` holds the answers
    known, 0..1; what is not in it is not learned from this turn. `score` is -5..5; `often` is how many times
    an epoch reads it, on average."""

    text: str
    role: str = "customer"
    context: tuple[tuple[str, str], ...] = ()
    label: tuple[float, float, float] | None = None
    score: float | None = None
    yes: Mapping[str, float] = field(default_factory=dict)
    weight: float = 1.0
    often: float = 1.0
    source: str = ""
    group: str = ""


def share(text: str) -> float:
    """0..1 from a text, the same on every machine: to split without a random number."""
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) / 0xFFFFFFFF


def one_hot(label: str) -> tuple[float, float, float]:
    return tuple(1.0 if name == label else 0.0 for name in SENTIMENTS)  # type: ignore[return-value]


def rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


# ---------------------------------------------------------------- public sets

ANGER = {"anger", "disgust"}
FEELINGS = {
    "anger": -4.0, "annoyance": -2.0, "disappointment": -2.5, "disapproval": -1.5, "disgust": -3.5,
    "embarrassment": -1.5, "fear": -3.0, "grief": -4.0, "nervousness": -1.5, "remorse": -1.5, "sadness": -3.0,
    "admiration": 3.0, "amusement": 1.5, "approval": 1.5, "caring": 1.5, "desire": 1.0, "excitement": 3.0,
    "gratitude": 2.5, "joy": 3.5, "love": 3.5, "optimism": 1.5, "pride": 2.5, "relief": 2.0,
}  # fmt: skip
"""What a comment with this emotion is on our scale; those without a feeling are 0."""


def goemotions(data: Path, *, dev: bool = False) -> Iterator[Example]:
    """Comments with emotions; an epoch reads of the large classes as many as of the negative one."""
    for row in rows(data / "goemotions_train.jsonl"):
        emotions = set(row["emotions"])
        if row["label"] == "mixed" or dev != (share(row["group"]) < 0.08):
            continue
        confused = float("confusion" in emotions)
        yes = {
            "angry": 1.0 if emotions & ANGER else 0.3 if "annoyance" in emotions else 0.0,
            "confused": confused,
            "wants_human": 0.0,
        }
        # Confusion is uncertainty; its absence says little of it.
        if confused or share("u" + row["text"]) < 0.2:
            yes["uncertain"] = confused
        felt = [FEELINGS.get(one, 0.0) for one in row["emotions"]]
        yield Example(
            row["text"],
            label=_comment_label(row["label"], felt),
            score=sum(felt) / len(felt),
            yes=yes,
            often=0.8 if row["label"] == "negative" or confused else 0.35,
            source="goemotions",
            group=row["group"],
        )


def _comment_label(label: str, felt: list[float]) -> tuple[float, float, float]:
    """Beside an emotion that is no feeling (neutral, surprise), a feeling is a weak one."""
    return _weakened(label, 0.3 if label != "neutral" and 0.0 in felt else 0.0)


def amazon(data: Path) -> Iterator[Example]:
    """Snippets of reviews with the mean rating of 20 people, -4..4."""
    for row in rows(data / "vader_amazon.jsonl"):
        rating = float(row["rating"])
        yield Example(
            row["text"],
            label=one_hot(row["label"]),
            score=rating * 1.25,
            yes={"wants_human": 0.0},
            source="amazon",
            group=row["group"],
        )


BANK_TROUBLE = (
    *("not_working", "declined", "failed", "lost_or_stolen", "compromised", "not_recognised", "not_received"),
    *("wrong_", "extra_charge", "fee_charged", "pending_", "not_showing", "swallowed", "reverted", "blocked"),
    *("charged_twice", "unable_to", "not_updated", "not_as"),
)


def banking(data: Path) -> Iterator[Example]:
    """Questions to a bank: a trouble told is mildly negative, a question is not."""
    for row in rows(data / "banking77_train.jsonl"):
        label = row["label"].lower()
        trouble = any(part in label for part in BANK_TROUBLE)
        yes = {"wants_human": 0.0, "uncertain": 0.0, "angry": 0.0, "legal": 0.0, "vulnerable": 0.0}
        yes |= {"refund": float(label == "request_refund"), "cancel": float(label == "terminate_account")}
        yield Example(
            row["text"],
            label=(0.6, 0.4, 0.0) if trouble else (0.05, 0.95, 0.0),
            yes={name: value for name, value in yes.items() if not (trouble and name == "refund")},
            weight=0.7,
            often=0.2,
            source="banking77",
        )


CLINC_TROUBLE = {"report_fraud", "damaged_card", "account_blocked", "card_declined", "report_lost_card"}
CLINC_UNSURE = {"maybe"}
CLINC_CONFUSED = {"repeat"}
CLINC_GLAD = {"thank_you"}


def clinc(data: Path) -> Iterator[Example]:
    """Requests to an assistant: mostly neutral, with "maybe" and "say that again" among them."""
    for row in rows(data / "clinc150_train.jsonl"):
        label = row["label"]
        special = label in CLINC_TROUBLE | CLINC_UNSURE | CLINC_CONFUSED | CLINC_GLAD
        unsure = float(label in CLINC_UNSURE | CLINC_CONFUSED)
        yes = {"wants_human": 0.0, "uncertain": unsure, "confused": float(label in CLINC_CONFUSED)}
        shares = (
            (0.5, 0.5, 0.0)
            if label in CLINC_TROUBLE
            else (0.0, 0.15, 0.85)
            if label in CLINC_GLAD
            else (0.03, 0.94, 0.03)
        )
        if "cancel" not in label:
            yes["cancel"] = 0.0
        often = 1.0 if special else 0.2
        yield Example(row["text"], label=shares, yes=yes, weight=0.7, often=often, source="clinc150")


# ---------------------------------------------------------------- our own


PLAIN = ("callers", "messages", "persons", "asking", "posts", "households", "calls", "figures", "everyday")
"""Texts of customers whose lines were written one by one, without choices."""
PLAIN_OFTEN = 2.0
"""Such lines are worth more than one of many alike."""
TAKEN = {"trouble": (0.6, 0.4, 0.0), "fine": None, "glad": (0.0, 0.4, 0.6)}
"""How an answer to an assistant feels, as far as satisfaction tells."""


def own_text(seed: int, each: int) -> Iterator[Example]:
    """All of `scorers/text`, each line written out at most `each` times."""
    rng = random.Random(seed)
    yield from _customer(rng, each)
    yield from _chat(rng, each)
    yield from _turns()
    yield from _exchanges()
    yield from _consent(rng, each)
    yield from _ai(rng)
    yield from _assistants()
    yield from _tasks(rng, each)


def _told(header: tuple[str, ...]) -> dict[str, Any]:
    label, score, *flags = header
    yes = dict.fromkeys(CUSTOMER_ONLY, 0.0)
    del yes["dissatisfied"]
    for flag in flags:
        if flag.startswith("~"):
            del yes[FLAGS[flag[1:]]]
        elif flag.endswith("?"):
            yes[FLAGS[flag[:-1]]] = 0.5
        else:
            yes[FLAGS[flag]] = 1.0
    if yes.get("angry") or (yes.get("wants_human") and label == "negative"):
        yes["dissatisfied"] = 1.0
    if label == "positive":
        yes["dissatisfied"] = 0.0
    return {"label": _graded(label, float(score)), "score": float(score), "yes": yes}


def _graded(label: str, score: float) -> tuple[float, float, float]:
    """A weak feeling is nearly none."""
    return _weakened(label, 0.2 if abs(score) == 1 else 0.0)


def _weakened(label: str, share: float) -> tuple[float, float, float]:
    """`share` of it is neutral."""
    negative, neutral, positive = ((1 - share) * one for one in one_hot(label))
    return negative, neutral + share, positive


def _customer(rng: random.Random, each: int) -> Iterator[Example]:
    for line in (line for name in ("customer", "requests", "service") for line in lines(name)):
        told = _told(line.header)
        for text in written_out(line.text, rng, each):
            yield Example(text, **told, source="own", group=line.text)
    for line in (line for name in PLAIN for line in lines(name)):
        yield Example(line.text, **_told(line.header), often=PLAIN_OFTEN, source="own_plain", group=line.text)


def _chat(rng: random.Random, each: int) -> Iterator[Example]:
    for name in ("chat", "telephone", "enquiries", "scenes"):
        often = 1.0 if name == "chat" else PLAIN_OFTEN
        for line in lines(name):
            told = _told(line.header)
            known = {answer: told["yes"][answer] for answer in ("uncertain", "confused", "wants_human")}
            for text in written_out(line.text, rng, each):
                yield Example(
                    text, **(told | {"yes": known}), often=often, source="own_chat", group=line.text
                )


def _consent(rng: random.Random, each: int) -> Iterator[Example]:
    questions: list[str] = []
    for line in lines("consent"):
        if line.header == ("ask",):
            questions.append(line.text)
            continue
        for text in written_out(line.text, rng, each):
            asked = written_out(rng.choice(questions), rng, 1)[0]
            context = (("ai", asked),) if rng.random() < 0.85 else ()
            yield Example(text, context=context, **_told(line.header), source="own", group=line.text)


def _ai(rng: random.Random) -> Iterator[Example]:
    found = list(lines("ai"))
    sure = [line for line in found if line.header == ("sure",)]
    for line in found:
        kind = line.header[0]
        earlier, answers = _dialogue(line.text)
        for text in answers:
            for _ in range(2):
                context = tuple((role, written_out(said, rng, 1)[0]) for role, said in earlier)
                said = written_out(text, rng, 1)[0]
                yield _ai_turn(said, context, kind, line.text)
                # The same words are no uncertainty where nothing is wrong: an answer without its question,
                # and a question that another answer fits.
                if kind == "sure":
                    other = _dialogue(rng.choice(sure).text)
                    padding = tuple((role, written_out(said, rng, 1)[0]) for role, said in other[0])
                    yield _ai_turn(said, (*padding, ("ai", rng.choice(other[1])), *context), kind, line.text)
        if kind == "sure":
            other = rng.choice([one for one in sure if one is not line])
            wrong = written_out(rng.choice(_dialogue(other.text)[1]), rng, 1)[0]
            context = tuple((role, written_out(said, rng, 1)[0]) for role, said in earlier)
            yield replace(_ai_turn(wrong, context, "non_answer", line.text), weight=0.6)


def _assistants() -> Iterator[Example]:
    for line in lines("assistants"):
        said, before = _last_of(line.text)
        yield replace(_ai_turn(said, before, line.header[0], line.text), often=PLAIN_OFTEN)


def _dialogue(text: str) -> tuple[list[tuple[str, str]], list[str]]:
    parts = text.split(" | ")
    earlier = []
    while parts[0].startswith(("asked: ", "before: ")):
        who, said = parts.pop(0).split(": ", 1)
        earlier.append(("customer" if who == "asked" else "ai", said))
    return earlier, parts


def _ai_turn(text: str, context: tuple[tuple[str, str], ...], kind: str, group: str) -> Example:
    yes = dict.fromkeys(AI_ONLY, 0.0)
    if kind != "sure":
        yes["ai_uncertain"] = 1.0
        yes[AI_KINDS[kind]] = 1.0
    return Example(text, "ai", context, yes=yes, source="own_ai", group=group)


def _tasks(rng: random.Random, each: int) -> Iterator[Example]:
    said: list[str] = []
    for line in lines("tasks"):
        if line.text.startswith("A: "):
            said = [one.removeprefix("A: ") for one in line.text.split(" | ")]
            continue
        trouble = line.header == ("trouble",)
        for text in written_out(line.text, rng, each):
            context = [("ai", written_out(rng.choice(said), rng, 1)[0])]
            if trouble and rng.random() < 0.3:
                context = [*context, ("customer", text), ("ai", rng.choice(said))]
            yield Example(
                text,
                context=tuple((role, written_out(one, rng, 1)[0]) for role, one in context),
                label=(0.6, 0.4, 0.0) if trouble else None,
                yes={"dissatisfied": float(trouble), "wants_human": 0.0, "angry": 0.0},
                weight=0.8,
                source="own_tasks",
                group=line.text,
            )


def _turns() -> Iterator[Example]:
    """Customer turns that only what was said before makes what they are."""
    for line in lines("turns"):
        said, before = _last_of(line.text)
        told = _told(line.header)
        yield Example(said, context=before, **told, often=PLAIN_OFTEN, source="own_turns", group=line.text)


def _last_of(text: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """The last turn of "ai: ... | customer: ...", and who said what before."""
    *before, (_, said) = (turn.split(": ", 1) for turn in text.split(" | "))
    return said, tuple((role, words) for role, words in before)


def _exchanges() -> Iterator[Example]:
    """What an assistant had said, and how that was taken."""
    for line in (line for name in ("exchanges", "replies") for line in lines(name)):
        kind, *flags = line.header
        said, before = _last_of(line.text)
        yes = {FLAGS[name]: float(name in flags) for name in ("angry", "human", "confused")}
        yield Example(
            said,
            context=before,
            label=TAKEN[kind],
            yes=yes | {"dissatisfied": float(kind == "trouble")},
            weight=0.8,
            often=PLAIN_OFTEN,
            source="own_exchanges",
            group=line.text,
        )


def labelled(folder: Path, split: str, files: str = "*") -> Iterator[Example]:
    """The labelled utterances of `tests/data/utterances` of one split, in languages that are scored; `files`
    is a pattern of their names."""
    for path in sorted(folder.glob(f"{files}.jsonl")):
        for row in rows(path):
            if row["split"] == split and not foreign_language(plain(row["text"])):
                yield _labelled(row)


def _labelled(row: dict[str, Any]) -> Example:
    told = row["labels"]
    context = tuple((turn["role"], turn["text"]) for turn in row["context"])
    if row["role"] == "ai":
        yes = dict.fromkeys(AI_ONLY, 0.0) | {"ai_uncertain": float(told["ai_uncertain"] or 0)}
        if told["ai_kind"]:
            yes[AI_KINDS[told["ai_kind"]]] = 1.0
        return Example(row["text"], "ai", context, yes=yes, source="utterances", group=row["style"])
    yes = {
        name: float(name in told["intents"])
        for name in ("complaint", "cancel", "refund", "legal", "vulnerable")
    }
    yes |= {
        "uncertain": float(told["speaker_uncertain"]),
        "wants_human": float(told["wants_human"]),
        "needs_person": float(told["needs_person_soon"]),
        "consent_unclear": float(told["consent"] == "ambiguous"),
        "confused": float(row["kind"] in ("uncertain_confusion", "non_understanding")),
        "angry": float(row["kind"] == "anger" or told["score"] <= -4),
    }
    return Example(
        row["text"],
        context=context,
        label=_graded(told["sentiment"], float(told["score"])),
        score=float(told["score"]),
        yes=yes,
        source="utterances",
        group=row["style"],
    )


# ---------------------------------------------------------------- as a recogniser writes it

FILLERS = ("um", "uh", "you know", "like", "so", "well", "i mean", "er", "okay so")
MISHEARD = {
    "to": "two", "too": "to", "your": "you're", "you're": "your", "their": "there", "its": "it's",
    "it's": "its", "than": "then", "four": "for", "for": "four", "know": "no", "an": "and", "and": "an",
    "i'm": "im", "don't": "dont", "the": "a", "a": "the", "are": "our", "our": "are", "hear": "here",
    "is": "as", "was": "is", "on": "in", "in": "and", "this": "the", "that": "at", "with": "which",
}  # fmt: skip


def misheard(text: str, rng: random.Random) -> str:
    """The text with some of what speakers and recognisers do: fillers, restarts, wrong and lost words."""
    words = plain(text).joined.split()
    heard: list[str] = []
    for word in words:
        luck = rng.random()
        if luck < 0.03 and len(words) > 4:
            continue
        if luck < 0.08:
            word = MISHEARD.get(word, word)
        if luck > 0.97:
            heard.append(word)
        if rng.random() < 0.02:
            heard += rng.choice(FILLERS).split()
        heard.append(word)
    if rng.random() < 0.2:
        heard = [*rng.choice(FILLERS).split(), *heard]
    return " ".join(heard) or text


# ---------------------------------------------------------------- turns before

OPENINGS = (
    "thank you for calling how can i help you today", "is there anything else i can help you with",
    "could you give me your account number please", "one moment while i look that up for you",
    "i can help you with that may i have your name", "i have found your order it is on its way",
    "let me check that for you", "your balance is forty two dollars", "would you like me to send you a link",
    "please tell me in a few words what you are calling about", "i am sorry to hear that let me have a look",
    "the technician is booked for thursday between nine and twelve", "thanks for holding",
    "can you confirm the postcode for me", "i have sent a code to your phone please read it to me",
    "i'm sorry i didn't get that could you say it again", "you can change that in the app under settings",
    "welcome back how may i assist you", "your request has been passed on to the team",
    "that will be done within five working days", "i understand let me see what i can do",
    "okay i have updated your address", "do you have the order number at hand", "which product is it about",
)  # fmt: skip
IN_A_CALL = 0.3


def in_a_call(one: Example) -> Example:
    """Some turns of no known call are given an ordinary one: what was said before must not change what a
    turn says by itself."""
    luck = random.Random("call" + one.text)
    if one.role != "customer" or one.context or luck.random() > IN_A_CALL:
        return one
    said = [("ai", luck.choice(OPENINGS))]
    if luck.random() < 0.4:
        said = [("ai", luck.choice(OPENINGS)), ("customer", luck.choice(ORDINARY)), *said]
    return replace(one, context=tuple(said))


ORDINARY = (
    "yes", "my name is dana miller", "i'm calling about my order", "it's four four one nine",
    "i have a question about my bill", "okay", "yes that's right", "i can't log in to my account",
    "i want to change my appointment", "no that's all", "sure one second", "it's about the delivery",
    "the card ends in seven three", "thank you", "i got a letter from you",
)  # fmt: skip
