"""The door to Stripe: how long it waits between tries, and what it makes of answers that are none."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import stripe

from billing.errors import (
    PaymentActionRequired,
    PaymentFailed,
    PaymentProviderUnavailable,
    ProviderRefused,
)
from billing.gateways.client import LONGEST_PAUSE_S, MAX_RETRIES, PatientHttpClient
from billing.gateways.stripe import gateway


@pytest.mark.req("CR-8")
@pytest.mark.parametrize(
    ("retry", "least", "most"),
    [
        pytest.param(1, 0.375, 0.625, id="0.5 s ± a quarter"),
        pytest.param(2, 0.75, 1.25, id="1 s ± a quarter"),
        pytest.param(3, 1.5, 2.5, id="2 s ± a quarter"),
        pytest.param(9, 3.75, LONGEST_PAUSE_S, id="5 s at most"),
    ],
)
def test_pauses_double_and_never_agree(retry, least, most):
    pauses = [PatientHttpClient()._sleep_time_seconds(retry) for _ in range(50)]
    assert all(least <= one <= most for one in pauses)
    assert len(set(pauses)) > 1


class Answering(BaseHTTPRequestHandler):
    """Gives the same answer to whatever is asked, and counts."""

    status, body, seen = 200, b"", 0

    def do_GET(self) -> None:
        type(self).seen += 1
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.do_GET()

    def log_message(self, *_args: object) -> None:
        """Not in the tests' output."""


@pytest.fixture
def answering(settings, monkeypatch) -> Iterator[type[Answering]]:
    handler = type("Handler", (Answering,), {})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        settings.STRIPE_SECRET_KEY = "sk_test_answering"
        settings.STRIPE_API_BASE = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr(stripe.HTTPClient, "INITIAL_DELAY", 0.01)
        yield handler
        server.shutdown()


def error(kind: str, **fields: object) -> bytes:
    return json.dumps({"error": {"type": kind, "message": "no", **fields}}).encode()


@pytest.mark.req("CR-8", "CR-9")
@pytest.mark.parametrize(
    ("status", "body", "raised", "known", "tries"),
    [
        pytest.param(200, b"<html>", PaymentProviderUnavailable, False, 1, id="a page: unknown"),
        pytest.param(200, b"", PaymentProviderUnavailable, False, 1, id="nothing: unknown"),
        pytest.param(
            200, b"{}", PaymentProviderUnavailable, False, 1, id="an object without fields: unknown"
        ),
        pytest.param(
            200, b'{"id": "in_1", "lines": 5}', PaymentProviderUnavailable, False, 1, id="another shape"
        ),
        pytest.param(
            500, error("api_error"), PaymentProviderUnavailable, False, 1 + MAX_RETRIES, id="500, 1 + 3 tries"
        ),
        pytest.param(
            503, b"", PaymentProviderUnavailable, False, 1 + MAX_RETRIES, id="503 of a proxy, 1 + 3 tries"
        ),
        pytest.param(
            429,
            error("invalid_request_error", code="rate_limit"),
            PaymentProviderUnavailable,
            False,
            1 + MAX_RETRIES,
            id="429, 1 + 3 tries",
        ),
        pytest.param(
            400, error("invalid_request_error"), ProviderRefused, True, 1, id="400: refused, not repeated"
        ),
        pytest.param(401, error("invalid_request_error"), ProviderRefused, True, 1, id="401: refused"),
        pytest.param(
            402, error("card_error", code="card_declined"), PaymentFailed, None, 1, id="402: the card"
        ),
        pytest.param(
            402,
            error("card_error", code="authentication_required"),
            PaymentActionRequired,
            None,
            1,
            id="402: the bank asks",
        ),
    ],
)
def test_each_answer_is_told_apart(answering, status, body, raised, known, tries):
    answering.status, answering.body = status, body
    with pytest.raises((PaymentProviderUnavailable, PaymentFailed, PaymentActionRequired)) as found:
        gateway.invoice_get("in_1")
    assert type(found.value) is raised
    assert getattr(found.value, "outcome_known", None) is known
    assert answering.seen == tries


@pytest.mark.req("CR-9")
def test_nobody_there_is_told_apart_too(settings, monkeypatch):
    settings.STRIPE_SECRET_KEY, settings.STRIPE_API_BASE = "sk_test_nobody", "http://127.0.0.1:9"
    monkeypatch.setattr(stripe.HTTPClient, "INITIAL_DELAY", 0.01)
    with pytest.raises(PaymentProviderUnavailable) as found:
        gateway.invoice_get("in_1")
    assert not found.value.outcome_known


NO_SUCH_CARD = error("invalid_request_error", code="resource_missing", param="payment_method")
UNUSABLE_CARD = error(
    "invalid_request_error"
)  # "previously used without being attached", without a parameter


@pytest.mark.req("CR-9", "OP-5")
@pytest.mark.parametrize(
    ("status", "body", "event", "level"),
    [
        pytest.param(404, NO_SUCH_CARD, "payment_input_refused", "info", id="a slip of typing"),
        pytest.param(400, UNUSABLE_CARD, "payment_input_refused", "info", id="a card that cannot be used"),
        pytest.param(
            400,
            error("invalid_request_error", code="parameter_unknown", param="colour"),
            "payment_provider_error",
            "error",
            id="our own fault",
        ),
        pytest.param(
            404,
            error("invalid_request_error", code="resource_missing", param="customer"),
            "payment_provider_error",
            "error",
            id="not what was typed",
        ),
        pytest.param(401, error("invalid_request_error"), "payment_provider_error", "error", id="our key"),
        pytest.param(500, error("api_error"), "payment_provider_error", "error", id="theirs"),
    ],
)
def test_what_a_person_typed_is_no_providers_error(answering, caplog, status, body, event, level):
    answering.status, answering.body = status, body
    with pytest.raises(PaymentProviderUnavailable):
        gateway.payment_method_attach(payment_method_id="pm_typo", customer_id="cus_1")
    said = [record.msg for record in caplog.records if record.name == "billing.gateways.client"]
    assert [(one["event"], one["level"]) for one in said] == [(event, level)]
    assert "pm_typo" not in str(said)


@pytest.mark.req("OP-5")
def test_a_refused_read_of_ours_stays_an_error(answering, caplog):
    """The same words of Stripe's about an id that nobody typed."""
    answering.status, answering.body = 404, NO_SUCH_CARD
    with pytest.raises(ProviderRefused):
        gateway.customer_get("cus_1")
    assert [record.msg["level"] for record in caplog.records if record.name == "billing.gateways.client"] == [
        "error"
    ]
