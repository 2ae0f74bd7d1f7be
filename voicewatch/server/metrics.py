"""Measures for Prometheus, without anybody's words or names; alone imports prometheus_client."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from voicewatch.core.events import AlertRaised, HandoffChanged, MediaStatus, SystemStatus
from voicewatch.server.desk import Desk, Stored

MEDIA_GAUGES = {
    "calls": "Calls carried.",
    "legs": "Legs carried.",
    "load": "Share of a tick's 20 ms spent working.",
    "complexity": "Opus encoder complexity in force.",
    "admits": "1 if new calls are taken.",
    "ticks": "Ticks run since the process started.",
    "late_ticks": "Ticks more than 10 ms late.",
    "skipped_ticks": "Ticks left out after a stall.",
    "late_ms": "How late the latest tick of the last second was.",
    "mix_ms": "Mixing, encoding and sending, per tick.",
    "cpu_s": "CPU time of the process.",
    "packets_in": "RTP packets taken.",
    "packets_out": "RTP packets sent.",
    "lost": "Packets that never came.",
    "concealed": "Chunks concealed.",
    "late": "Packets that came too late.",
}
"""Field of MediaStatus -> what it says; `voicewatch_media_<field>`, by process."""
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Counts facts as they become durable; the rest is looked up when asked for."""

    def __init__(
        self,
        desk: Desk,
        status: Callable[[], SystemStatus],
        connected: Callable[[], dict[str, int]],
        media: Mapping[str, MediaStatus],
    ) -> None:
        self._registry = CollectorRegistry()
        self._facts = Counter("voicewatch_facts", "Facts journalled.", ["type"], registry=self._registry)
        self._alerts = Counter("voicewatch_alerts", "Alerts by rule.", ["rule"], registry=self._registry)
        self._handoffs = Counter(
            "voicewatch_handoffs", "Handoffs by state.", ["state"], registry=self._registry
        )
        self._registry.register(_House(desk, status, connected, media))
        desk.readers.append(self._read)

    def text(self) -> bytes:
        return generate_latest(self._registry)

    def _read(self, stored: Sequence[Stored]) -> None:
        for one in stored:
            self._facts.labels(one.fact.type).inc()
            if isinstance(one.fact, AlertRaised):
                self._alerts.labels(one.fact.rule).inc()
            elif isinstance(one.fact, HandoffChanged):
                self._handoffs.labels(one.fact.state.value).inc()


class _House(Collector):
    def __init__(
        self,
        desk: Desk,
        status: Callable[[], SystemStatus],
        connected: Callable[[], dict[str, int]],
        media: Mapping[str, MediaStatus],
    ) -> None:
        self._desk = desk
        self._status = status
        self._connected = connected
        self._media = media

    def collect(self) -> Iterator[GaugeMetricFamily]:
        status = self._status()
        yield _gauge("voicewatch_calls_live", "Calls now.", len(self._desk.shown.live()))
        yield _gauge("voicewatch_journal_writable", "1 if the disk takes facts.", int(self._desk.writable))
        yield _gauge("voicewatch_analysis_lag_ms", "How far understanding is behind.", status.analysis_lag_ms)
        sockets = GaugeMetricFamily("voicewatch_sockets", "WebSockets open now.", labels=["kind"])
        for kind, count in self._connected().items():
            sockets.add_metric([kind], count)
        yield sockets
        up = GaugeMetricFamily("voicewatch_process_up", "1 if the process is connected.", labels=["process"])
        for process, state in status.processes.items():
            up.add_metric([process], state == "up")
        yield up
        for field, help_text in MEDIA_GAUGES.items():
            gauge = GaugeMetricFamily(f"voicewatch_media_{field}", help_text, labels=["process"])
            for process, media in self._media.items():
                gauge.add_metric([process], float(getattr(media, field)))
            yield gauge


def _gauge(name: str, help_text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, help_text, value=value)
