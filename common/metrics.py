"""Prometheus helpers. Labels come from short closed lists, never from what a caller sent."""

import os
from collections.abc import Callable, Iterator

import structlog
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
    multiprocess,
    start_http_server,
)
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import REGISTRY, Collector

logger = structlog.get_logger(__name__)

HTTP_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

http_requests_total = Counter("http_requests_total", "Answers given", ["route", "method", "status_class"])
http_request_duration_seconds = Histogram(
    "http_request_duration_seconds",
    "From the first middleware to the answer",
    ["route", "method"],
    buckets=LATENCY_BUCKETS,
)


def bounded_method(method: str | None) -> str:
    return method if method in HTTP_METHODS else "OTHER"


outbox_runs_total = Counter("outbox_runs_total", "Runs of promised tasks", ["task", "outcome"])
broker_failures_total = Counter(
    "broker_failures_total", "Tasks that could not be handed to the broker at once"
)
rate_limit_refusals_total = Counter("rate_limit_refusals_total", "Requests refused for their rate", ["limit"])
rate_limit_unavailable_total = Counter(
    "rate_limit_unavailable_total", "Requests let pass uncounted because Redis did not answer"
)

anomalies_found_total = Counter("anomalies_found_total", "What began to be unlike usual", ["kind"])
anomalies_unlooked_total = Counter(
    "anomalies_unlooked_total", "Looks for what is unlike usual that the database did not answer", ["kind"]
)

_gauges: dict[str, tuple[str, Callable[[], float]]] = {}


def gauge(name: str, documentation: str) -> Callable[[Callable[[], float]], Callable[[], float]]:
    """A figure of the whole installation, asked of the database whenever the metrics are read."""

    def register(read: Callable[[], float]) -> Callable[[], float]:
        _gauges[name] = (documentation, read)
        return read

    return register


class _DatabaseGauges(Collector):
    def collect(self) -> Iterator[Metric]:
        for name, (documentation, read) in sorted(_gauges.items()):
            try:
                value = read()
            except DatabaseError:
                logger.exception("gauge_unreadable", gauge=name)
                continue
            yield GaugeMetricFamily(name, documentation, value=value)

    def describe(self) -> Iterator[Metric]:
        return iter(())


def serve_processes(*, host: str, port: int) -> None:
    """Answer Prometheus on a port of its own for this process and its children; for workers, which have no web server.

    Figures of the whole installation are left to the web processes, so that nothing is told twice.
    """
    if not os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        raise ImproperlyConfigured("WORKER_METRICS_PORT needs PROMETHEUS_MULTIPROC_DIR.")
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)
    start_http_server(port, addr=host, registry=registry)


def exposition() -> bytes:
    """All metrics in Prometheus' text form, summed over the processes when PROMETHEUS_MULTIPROC_DIR is set."""
    registry = CollectorRegistry()
    registry.register(_DatabaseGauges())
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        multiprocess.MultiProcessCollector(registry)
        return generate_latest(registry)
    return generate_latest(REGISTRY) + generate_latest(registry)
