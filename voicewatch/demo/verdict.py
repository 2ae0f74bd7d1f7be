"""What happened in one whole call, judged from what its four parties heard and received. Pure.

Observations are the JSON lines of `parts.py`: `{"part", "what", "at_ns", …}` with `at_ns` on CLOCK_MONOTONIC.
"""

from __future__ import annotations

import itertools
import re
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from voicewatch.demo.scenarios import Scenario

Observation = Mapping[str, Any]
_BEFORE_CHANGE_NS = 1_000_000_000
_AFTER_CHANGE_NS = 2_000_000_000


@dataclass(frozen=True)
class Step:
    """One thing that must happen: how it shows, and what is likely wrong when it does not."""

    name: str
    seen: Callable[[Evidence], Observation | None]
    likely_cause: str


@dataclass
class Evidence:
    """All observations of a play, with the questions the steps ask."""

    scenario: Scenario
    observations: list[Observation] = field(default_factory=list)

    def first(self, part: str, what: str, **fields: Any) -> Observation | None:
        return next(self.all(part, what, **fields), None)

    def all(self, part: str, what: str, **fields: Any) -> Iterator[Any]:
        return (
            seen
            for seen in self.observations
            if seen["part"] == part
            and seen["what"] == what
            and all(seen.get(key) == value for key, value in fields.items())
        )

    def event(self, kind: str, accept: Callable[[Any], bool] = lambda _: True) -> Observation | None:
        """The first event of this kind on the supervisor's socket."""
        return next(self.events(kind, accept), None)

    def events(self, kind: str, accept: Callable[[Any], bool] = lambda _: True) -> Iterator[Any]:
        return (
            seen
            for seen in self.all("supervisor", "event")
            if seen["event"]["type"] == kind and accept(seen["event"])
        )

    def heard(self, part: str, line_id: str) -> Observation | None:
        return self.first(part, "heard", line=line_id)

    def zero_ns(self) -> int:
        """at_ms = 0 on CLOCK_MONOTONIC."""
        started = self.event("call_started")
        if started is not None:
            return int(started["event"]["zero_mono_ns"])
        return int(self.observations[0]["at_ns"]) if self.observations else 0


def _from_customer(event: Any) -> bool:
    return bool(event["role"] == "customer")


def _ai_silent(evidence: Evidence) -> Observation | None:
    """The AI spoke while paused, and the customer's ear has nothing of it."""
    spoke = evidence.first("ai", "said", line="stubborn")
    leaked = any(evidence.heard(part, "stubborn") for part in ("customer", "agent", "supervisor"))
    return None if spoke is None or leaked else spoke


def _coached(evidence: Evidence) -> Observation | None:
    heard = evidence.heard("agent", "offer-credit")
    leaked = any(evidence.heard(part, "offer-credit") for part in ("customer", "ai"))
    return None if leaked else heard


def _supervisor_heard_somebody(evidence: Evidence) -> Observation | None:
    return evidence.first("supervisor", "heard")


STEPS = (
    Step("customer_connected", lambda e: e.first("customer", "connected"), "media: no ICE/DTLS connection"),
    Step("ai_heard", lambda e: e.heard("customer", "greeting"), "the AI was not invited or not mixed in"),
    Step(
        "partial_transcript",
        lambda e: e.event("interim", _from_customer),
        "the model process gets no audio, or is not up (see `voicewatch doctor`)",
    ),
    Step(
        "final_transcript",
        lambda e: e.event("utterance_final", lambda f: _from_customer(f) and f["source"] == "asr"),
        "endpointing or the recogniser",
    ),
    Step(
        "sentiment_scored",
        lambda e: e.event("utterance_scored", lambda f: _from_customer(f) and f["sentiment"] is not None),
        "the sentiment scorer; `not_scored` of the utterance names the reason",
    ),
    Step(
        "uncertainty_scored",
        lambda e: e.event("utterance_scored", lambda f: _from_customer(f) and f["uncertainty"] is not None),
        "the uncertainty scorer; `not_scored` of the utterance names the reason",
    ),
    Step("escalation_raised", lambda e: e.event("escalation_raised"), "no rule fired: words misheard?"),
    Step("briefing_ready", lambda e: e.event("briefing_ready"), "judgement did not write the card"),
    Step("agent_offered", lambda e: e.first("agent", "offered"), "the agent was not available to routing"),
    Step("agent_accepted", lambda e: e.first("agent", "accepted"), "the offer was gone when accepted"),
    Step(
        "agent_heard_by_customer",
        lambda e: e.heard("customer", "agent-hello"),
        "the takeover table was not applied: the agent's leg not live, or no clause end",
    ),
    Step("ai_silent_for_customer", _ai_silent, "somebody heard the AI in a takeover: the audibility table"),
    Step("supervisor_monitoring", _supervisor_heard_somebody, "the supervisor's leg hears nobody"),
    Step("coach_heard_by_agent_only", _coached, "the agent did not hear the coach, or others did"),
    Step(
        "supervisor_barged",
        lambda e: e.heard("customer", "supervisor-hello"),
        "the customer did not hear the supervisor in barge",
    ),
    Step("handed_back", lambda e: e.event("handed_back"), "the agent could not hand back"),
    Step(
        "ai_heard_again", lambda e: e.heard("customer", "back-again"), "the AI was not resumed or not heard"
    ),
    Step("ended", lambda e: e.event("call_ended"), "the customer's hang-up did not end the call"),
    Step("record_complete", lambda e: e.event("record_complete"), "a recording was not closed"),
)


def judge(evidence: Evidence) -> dict[str, Any]:
    """The report of `--once --json` (DESIGN: two commands)."""
    zero_ns = evidence.zero_ns()
    steps = [_step_report(step, step.seen(evidence), zero_ns) for step in STEPS]
    transcript = _transcript(evidence, zero_ns)
    errors = sum(row["errors"] for row in transcript)
    words = sum(row["words"] for row in transcript)
    call = evidence.first("customer", "call")
    return {
        "schema": 1,
        "ok": all(step["ok"] for step in steps),
        "call_id": call["call_id"] if call else None,
        "engines": _engines(evidence),
        "steps": steps,
        "customer_media": _customer_media(evidence, zero_ns),
        "latency_ms": _latencies(evidence, zero_ns),
        "transcript": [{key: row[key] for key in ("role", "expected", "text", "wer")} for row in transcript],
        "wer": round(errors / words, 3) if words else None,
    }


def first_missing(report: Mapping[str, Any]) -> str | None:
    """The first step that did not happen, with its likely cause."""
    causes = {step.name: step.likely_cause for step in STEPS}
    name = next((step["name"] for step in report["steps"] if not step["ok"]), None)
    return None if name is None else f"{name} did not happen; likely cause: {causes[name]}"


def _step_report(step: Step, seen: Observation | None, zero_ns: int) -> dict[str, Any]:
    if seen is None:
        return {"name": step.name, "at_ms": None, "ok": False, "evidence": None}
    kept = {key: value for key, value in seen.items() if key not in ("what", "at_ns", "briefing", "event")}
    if "event" in seen:
        event = seen["event"]
        kept["event"] = {key: event[key] for key in ("type", "seq", "at_ms", "call_id") if key in event}
    return {
        "name": step.name,
        "at_ms": round((seen["at_ns"] - zero_ns) / 1e6),
        "ok": True,
        "evidence": {"observed": seen["what"], **kept},
    }


def _engines(evidence: Evidence) -> dict[str, str]:
    found: dict[str, str] = {}
    for seen in evidence.all("supervisor", "snapshot"):
        found |= (seen.get("system") or {}).get("engines", {})
    for seen in evidence.events("system"):
        found |= seen["event"].get("engines", {})
    return found


def _customer_media(evidence: Evidence, zero_ns: int) -> dict[str, Any]:
    wire = evidence.first("customer", "wire")
    if wire is None:
        return {}
    names = ("packets", "sequence_breaks", "timestamp_breaks", "ssrc_changes", "largest_gap_ms")
    changes = [zero_ns + seen["event"]["at_ms"] * 1_000_000 for seen in evidence.events("audibility_changed")]
    return {
        **{name: wire[name] for name in names},
        "handoff_gap_ms": _gap_around(wire["arrivals_ns"], changes),
    }


def _gap_around(arrivals_ns: Sequence[int], changes_ns: Sequence[int]) -> float:
    """TERMS: longest interval between packets from 1 s before to 2 s after a change of mode."""
    longest = 0
    for early, late in itertools.pairwise(arrivals_ns):
        if any(at - _BEFORE_CHANGE_NS <= late <= at + _AFTER_CHANGE_NS for at in changes_ns):
            longest = max(longest, late - early)
    return round(longest / 1e6, 1)


def _latencies(evidence: Evidence, zero_ns: int) -> dict[str, Any]:
    first_partials, finals = [], []
    for said in evidence.all("customer", "said"):
        interims = evidence.events("interim", lambda f: _from_customer(f))
        seen = next((i for i in interims if said["start_ns"] < i["at_ns"] < said["at_ns"] + 2e9), None)
        if seen is not None:
            first_partials.append((seen["at_ns"] - said["start_ns"]) / 1e6)
        settled = [u for u in _utterances(evidence, "customer") if _overlaps(u["event"], said, zero_ns)]
        if settled:
            finals.append((settled[-1]["at_ns"] - said["at_ns"]) / 1e6)
    return {
        "first_partial": _percentiles(first_partials),
        "final": _percentiles(finals),
        "alert": _percentiles(_alert_delays(evidence)),
        "accept_to_heard": _accept_to_heard(evidence),
    }


def _alert_delays(evidence: Evidence) -> list[float]:
    scored = {s["event"]["utterance_id"]: s["at_ns"] for s in evidence.events("utterance_scored")}
    delays = []
    for alert in evidence.events("alert_raised"):
        causes = [scored[name] for name in alert["event"]["utterance_ids"] if name in scored]
        if causes:
            delays.append(max(0.0, (alert["at_ns"] - max(causes)) / 1e6))
    return delays


def _accept_to_heard(evidence: Evidence) -> int | None:
    accepted = evidence.first("agent", "accepted")
    heard = evidence.heard("customer", "agent-hello")
    return round((heard["at_ns"] - accepted["at_ns"]) / 1e6) if accepted and heard else None


def _utterances(evidence: Evidence, role: str) -> list[Any]:
    return list(evidence.events("utterance_final", lambda f: f["role"] == role))


def _overlaps(utterance: Mapping[str, Any], said: Observation, zero_ns: int) -> bool:
    start_ns = zero_ns + utterance["start_ms"] * 1_000_000
    end_ns = zero_ns + utterance["end_ms"] * 1_000_000
    shared = min(end_ns, said["at_ns"] + 3e8) - max(start_ns, said["start_ns"])
    return bool(shared > 0.4 * (end_ns - start_ns))


def _transcript(evidence: Evidence, zero_ns: int) -> list[dict[str, Any]]:
    """Each line that was recognised from sound, against what was said."""
    texts = {line.id: line.text for line in evidence.scenario.lines}
    private = {line.id for line in evidence.scenario.lines if line.phase == "coach"}
    rows = []
    for part in ("customer", "agent", "supervisor"):
        for said in evidence.all(part, "said"):
            if said["line"] in private:
                continue
            heard = [u["event"] for u in _utterances(evidence, part) if _overlaps(u["event"], said, zero_ns)]
            text = " ".join(one["text"] for one in heard)
            errors, words = word_errors(texts[said["line"]], text)
            rows.append(
                {
                    "at_ns": said["start_ns"],
                    "role": part,
                    "expected": texts[said["line"]],
                    "text": text,
                    "wer": round(errors / words, 3),
                    "errors": errors,
                    "words": words,
                }
            )
    return sorted(rows, key=lambda row: row["at_ns"])


def word_errors(expected: str, text: str) -> tuple[int, int]:
    """Levenshtein distance over lower-case words without punctuation, and the number of words expected."""
    want, got = _words(expected), _words(text)
    row = list(range(len(got) + 1))
    for i, wanted in enumerate(want, 1):
        diagonal, row[0] = row[0], i
        for j, given in enumerate(got, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (wanted != given))
    return row[-1], max(1, len(want))


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9']+", text.lower())


def _percentiles(values: Sequence[float]) -> dict[str, int | None]:
    if not values:
        return {"p50": None, "p95": None}
    ordered = sorted(values)
    return {
        "p50": round(statistics.median(ordered)),
        "p95": round(ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]),
    }
