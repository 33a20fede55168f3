"""The probe's addresses for every test here."""

from typing import Any

import pytest
from django.test import Client, override_settings

from tests.api.envelopes.probe import calls


@pytest.fixture(autouse=True)
def _urls() -> Any:
    calls.clear()
    with override_settings(ROOT_URLCONF="tests.api.envelopes.probe"):
        yield


@pytest.fixture
def client() -> Client:
    return Client(raise_request_exception=False)


@pytest.fixture
def webhook_url() -> str:
    from djstripe.models import WebhookEndpoint

    endpoint = WebhookEndpoint.objects.create(
        id="we_1", enabled_events=["*"], url="https://palier.test/", secret="whsec_x", livemode=False
    )
    return f"/stripe/webhook/{endpoint.djstripe_uuid}/"
