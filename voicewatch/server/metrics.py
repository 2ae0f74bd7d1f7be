"""Measures for Prometheus, without anybody's words or names; alone imports prometheus_client."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from voicewatch.core.events import AlertRaised, HandoffChanged, SystemStatus
from voicewatch.server.desk import Desk, Stored

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Counts facts as they become durable; the rest is looked up when asked for."""

    def __init__(
        self, desk: Desk, status: Callable[[], SystemStatus], connected: Callable[[], dict[str, int]]
    ) -> None:
        self._registry = CollectorRegistry()
        self._facts = Counter("voicewatch_facts", "Facts journalled.", ["type"], registry=self._registry)
        self._alerts = Counter("voicewatch_alerts", "Alerts by rule.", ["rule"], registry=self._registry)
        self._handoffs = Counter(
            "voicewatch_handoffs", "Handoffs by state.", ["state"], registry=self._registry
        )
        self._registry.register(_House(desk, status, connected))
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
        self, desk: Desk, status: Callable[[], SystemStatus], connected: Callable[[], dict[str, int]]
    ) -> None:
        self._desk = desk
        self._status = status
        self._connected = connected

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


def _gauge(name: str, help_text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, help_text, value=value)
