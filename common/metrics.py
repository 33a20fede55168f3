"""Prometheus helpers. Labels come from short closed lists, never from what a caller sent."""

from prometheus_client import Counter, Histogram

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
