"""What operators see of the meter: counters, and one log line for each refusal."""

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from quotas import metrics
from quotas.services import usage_consume, usage_reserve, usage_settle

pytestmark = pytest.mark.req("QU-12")


def value(name, **labels):
    return REGISTRY.get_sample_value(name, labels) or 0


@pytest.fixture
def logs(monkeypatch):
    """What is logged by a logger that was cached before the test began, too."""
    import structlog

    with capture_logs() as lines:
        monkeypatch.setattr(metrics, "logger", structlog.get_logger("quotas"))
        yield lines


def test_counted_units_are_counted_once(account_with):
    account = account_with(day=10)
    before = value("quota_consumed_total", metric="messages")
    usage_consume(account_id=account.id, metric="messages", units=3, key="a")
    usage_consume(account_id=account.id, metric="messages", units=3, key="a")
    held = usage_reserve(account_id=account.id, metric="messages", units=2)
    assert value("quota_consumed_total", metric="messages") == before + 3
    usage_settle(account_id=account.id, reservation_id=held.reservation_id)
    assert value("quota_consumed_total", metric="messages") == before + 5


def test_a_refusal_is_counted_and_logged_with_what_decided(account_with, logs):
    account = account_with(day=1)
    before = value("quota_exceeded_total", metric="messages", refusal="quota_exceeded")
    usage_consume(account_id=account.id, metric="messages", units=2, request_id="request-9")
    assert value("quota_exceeded_total", metric="messages", refusal="quota_exceeded") == before + 1
    (line,) = [line for line in logs if line["event"] == "quota_refused"]
    assert (line["account_id"], line["request_id"], line["window"]) == (account.id, "request-9", "day")
    assert (line["limit"], line["used"], line["units"]) == (1, 0, 2)


def test_what_is_allowed_is_not_logged(account_with, logs):
    usage_consume(account_id=account_with(day=1).id, metric="messages")
    assert logs == []


def test_the_endpoints_latency_is_measured(client, account_with):
    client.get("/v1/billing/quota")
    assert value("http_request_duration_seconds_count", route="billing-quota", method="GET") > 0
