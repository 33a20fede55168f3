"""Prometheus counters of the B2B API. Labels come from closed lists."""

from prometheus_client import Counter

AUTH_FAILURES = Counter("b2b_auth_failures_total", "Calls with a key that lets nobody in", ["reason"])
EXCEEDED = Counter(
    "b2b_quota_exceeded_total", "Calls of organisations refused at a limit", ["metric", "window"]
)
EVENTS = Counter("b2b_usage_events_total", "Operations of organisations that were counted", ["metric"])
ERRORS = Counter("b2b_errors_total", "Errors told to organisations", ["code"])
