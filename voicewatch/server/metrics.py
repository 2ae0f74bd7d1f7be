"""Measures for Prometheus, without anybody's words or names; alone imports prometheus_client."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from voicewatch.core.events import AlertRaised, HandoffChanged, LegStats, ShadowRaised, Signal
from voicewatch.server.desk import Desk, Stored
from voicewatch.server.status import Status

SPEECH_GAUGES = {
    "legs": "Legs listened to.",
    "step": "Overload step: 0 normal, 1 slower interim text, 2 none, 3 light finals, 4 other model, 5 late.",
    "load": "Share of the recogniser threads' time spent working, mean of 5 s.",
    "lag_ms": "Age of the oldest final not yet decoded.",
    "waiting_finals": "Finals not yet begun.",
    "waiting_audio_ms": "Their audio.",
    "steps_taken": "Changes of the overload step since its start.",
    "finals": "Finals decoded since its start.",
    "partials": "Interim and early decodes since its start.",
    "batches": "Calls of the recogniser since its start.",
    "shed": "Interim and early decodes left out since its start.",
    "given_up": "Finals that became a transcript gap since its start.",
    "hung": "Decodes that never came back since its start.",
    "committed_words": "Words shown as settled since its start.",
    "revised_words": "Of them, those that a final changed.",
    "legs_refused": "Legs refused since its start.",
    "cpu_s": "CPU time of the process.",
}
"""Field of SpeechStatus -> what it says; `voicewatch_speech_<field>`."""
MEDIA_GAUGES = {
    "calls": "Calls carried.",
    "legs": "Legs carried.",
    "load": "Share of a tick's 20 ms spent working, mean of a second.",
    "complexity": "Opus encoder complexity in force (0 to 10).",
    "admits": "1 if new calls are taken.",
    "leaving": "1 if it finishes its calls and takes no new ones.",
    "ticks": "Ticks run since the process started.",
    "late_ticks": "Ticks more than 10 ms late, since the start.",
    "skipped_ticks": "Ticks left out after a stall, since the start.",
    "late_ms": "How late the latest tick of the last second was, in milliseconds.",
    "mix_ms": "Mixing, encoding and sending, milliseconds per tick of the last second.",
    "cpu_s": "CPU time of the process, in seconds.",
    "packets_in": "RTP packets taken, since the start.",
    "packets_out": "RTP packets sent, since the start.",
    "lost": "RTP packets that never came, since the start.",
    "concealed": "Chunks of 20 ms that were concealed, since the start.",
    "late": "RTP packets that came too late to be played, since the start.",
    "strays": "Packets of other streams or kinds, or no Opus, since the start.",
    "undecryptable": "Datagrams that no key opens (damaged, replayed, forged), since the start.",
    "unsent": "RTP packets that the system did not take, since the start.",
    "failed_legs": "Legs ended because their packets could not be handled, since the start.",
    "failed_rooms": "Times that a call could not be mixed, since the start.",
    "recorder_dropped": "Packets that the recorder was not there for or did not read, since the start.",
    "model_missed": "Chunks that the model process was not given in time, since the start.",
    "tells_dropped": "Messages to front, model and recorder that were dropped, since the start.",
    "spool_waiting": "Facts that are not yet durable.",
    "spool_dropped": "Facts lost from a full spool, since the start.",
}
"""Field of MediaStatus -> what it says; `voicewatch_media_<field>`, by process."""
RECORDER_GAUGES = {
    "files": "Recordings being written.",
    "paused": "Calls whose recording is paused.",
    "packets": "Packets written, since the start.",
    "late": "Packets left out because their time in the file was over, since the start.",
    "malformed": "Packets left out because they are no Opus, since the start.",
    "failures": "Recordings that broke off or could not begin (disk, key), since the start.",
    "failing": "Seats that are not recorded now for such a reason.",
    "sync_ms": "How long the last sync of all recordings to the disk took, in milliseconds.",
}
"""Field of RecorderStatus -> what it says; `voicewatch_recorder_<field>`."""
LEG_HISTOGRAMS = {
    "jitter_ms": ("Jitter of arrival (RFC 3550) of a leg.", (1, 2, 5, 10, 20, 50, 100, 200)),
    "buffer_ms": ("Delay in the receive buffer of a leg.", (20, 40, 60, 80, 120, 200, 400)),
    "round_trip_ms": ("Round trip to a leg, by RTCP.", (1, 5, 20, 50, 100, 200, 400, 1_000)),
    "one_way_ms": (
        "From a leg's network to the mix: half the round trip, the receive buffer and a tick.",
        (40, 60, 80, 120, 200, 400, 800),
    ),
}
"""Field of LegStats -> what it says, in milliseconds, and its buckets; `voicewatch_leg_<field>`, by role. A
leg is looked at once a second."""
JOURNAL_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Counts facts as they become durable; the rest is looked up when asked for."""

    def __init__(
        self,
        desk: Desk,
        status: Status,
        connected: Callable[[], dict[str, int]],
        figures: Callable[[], Mapping[str, float]],
    ) -> None:
        """`connected`: WebSockets by kind; `figures`: further values by name in FRONT_GAUGES."""
        self._registry = CollectorRegistry()
        self._facts = Counter("voicewatch_facts", "Facts journalled.", ["type"], registry=self._registry)
        self._alerts = Counter("voicewatch_alerts", "Alerts by rule.", ["rule"], registry=self._registry)
        self._shadows = Counter(
            "voicewatch_shadow_alerts",
            "Alerts that rules on trial would have raised, by rule.",
            ["rule"],
            registry=self._registry,
        )
        self._handoffs = Counter(
            "voicewatch_handoffs", "Handoffs by state.", ["state"], registry=self._registry
        )
        self._journal = Histogram(
            "voicewatch_journal_wait_seconds",
            "From when facts are given to the journal until they are durable.",
            buckets=JOURNAL_BUCKETS_S,
            registry=self._registry,
        )
        self._legs = {
            field: Histogram(
                f"voicewatch_leg_{field}", help_text, ["role"], buckets=buckets, registry=self._registry
            )
            for field, (help_text, buckets) in LEG_HISTOGRAMS.items()
        }
        self._registry.register(_House(desk, status, connected, figures))
        desk.readers.append(self._read)

    def text(self) -> bytes:
        return generate_latest(self._registry)

    def journalled(self, waited_s: float) -> None:
        self._journal.observe(waited_s)

    def hear(self, signal: Signal) -> None:
        """A leg's figures, once a second; other signals say nothing here."""
        if not isinstance(signal, LegStats) or signal.role is None:
            return
        for field, histogram in self._legs.items():
            value = getattr(signal, field)
            if value is not None:
                histogram.labels(signal.role.value).observe(value)

    def _read(self, stored: Sequence[Stored]) -> None:
        for one in stored:
            self._facts.labels(one.fact.type).inc()
            if isinstance(one.fact, AlertRaised):
                self._alerts.labels(one.fact.rule).inc()
            elif isinstance(one.fact, ShadowRaised):
                self._shadows.labels(one.fact.rule).inc()
            elif isinstance(one.fact, HandoffChanged):
                self._handoffs.labels(one.fact.state.value).inc()


FRONT_GAUGES = {
    "journal_waiting": "Appends waiting for the journal's writer.",
    "journal_commits": "Transactions of the journal, since front started.",
    "mixes": "Mixes of recordings being made.",
}


class _House(Collector):
    def __init__(
        self,
        desk: Desk,
        status: Status,
        connected: Callable[[], dict[str, int]],
        figures: Callable[[], Mapping[str, float]],
    ) -> None:
        self._desk = desk
        self._status = status
        self._connected = connected
        self._figures = figures

    def collect(self) -> Iterator[GaugeMetricFamily]:
        now = self._status.now()
        yield _gauge("calls_live", "Calls now.", len(self._desk.shown.live()))
        yield _gauge("journal_writable", "1 if the disk takes facts.", int(self._desk.writable))
        yield _gauge(
            "analysis_lag_ms", "How far understanding is behind, in milliseconds.", now.analysis_lag_ms
        )
        figures = self._figures()
        for name, help_text in FRONT_GAUGES.items():
            yield _gauge(name, help_text, figures[name])
        yield _labelled("sockets", "WebSockets open now.", "kind", self._connected())
        up = {process: state == "up" for process, state in now.processes.items()}
        yield _labelled("process_up", "1 if the process is connected.", "process", up)
        yield _labelled(
            "process_restarts",
            "How often the process was started again, since the server started.",
            "process",
            self._status.restarts,
        )
        for field, help_text in MEDIA_GAUGES.items():
            yield _labelled(f"media_{field}", help_text, "process", _field(self._status.media, field))
        if (speech := self._status.speech) is not None:
            for field, help_text in SPEECH_GAUGES.items():
                yield _gauge(f"speech_{field}", help_text, getattr(speech, field))
            guards = "Texts that a hallucination guard spoke against, since the model process was started."
            yield _labelled("speech_guards", guards, "guard", speech.guards)
        if (recorder := self._status.recorder) is not None:
            for field, help_text in RECORDER_GAUGES.items():
                yield _gauge(f"recorder_{field}", help_text, getattr(recorder, field))


def _field(statuses: Mapping[str, Any], field: str) -> dict[str, float]:
    return {process: float(getattr(status, field)) for process, status in statuses.items()}


def _gauge(name: str, help_text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"voicewatch_{name}", help_text, value=value)


def _labelled(name: str, help_text: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    gauge = GaugeMetricFamily(f"voicewatch_{name}", help_text, labels=[label])
    for key, value in values.items():
        gauge.add_metric([key], value)
    return gauge
