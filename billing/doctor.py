"""Whether Stripe answers us, reaches us, and sells what the catalogue says."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError

from billing.errors import CatalogInvalid, PaymentProviderUnavailable
from billing.gateways.endpoint import endpoint_find
from billing.services.catalog import catalog_load, catalog_sync
from billing.services.endpoint import EVENTS, endpoint_url
from common import clock
from common.doctor import Symptom, check, failing, warning

REACH_TIMEOUT_S = 5.0


@check("catalogue")
def catalogue() -> Iterator[Symptom]:
    try:
        report = catalog_sync(
            catalog=catalog_load(Path(settings.CATALOG_FILE)), now=clock.now(), dry_run=True
        )
    except CatalogInvalid as error:
        yield failing(
            f"The catalogue is not right: {'; '.join(error.problems)}", mend="Mend the file CATALOG_FILE."
        )
        return
    except DatabaseError:
        return  # told by "database" or "migrations"
    for line in [*report.database, *report.provider]:
        yield warning(f"Not applied yet: {line}", mend="manage.py sync_catalog")


@check("stripe")
def stripe() -> Iterator[Symptom]:
    """The key works, and the endpoint for deliveries is there with all the events we need."""
    if not settings.STRIPE_SECRET_KEY:
        yield failing("There is no key: nothing can be sold.", mend="Set STRIPE_SECRET_KEY.")
        return
    try:
        state = endpoint_find(url=endpoint_url(), uuid=settings.STRIPE_WEBHOOK_UUID)
    except PaymentProviderUnavailable as error:
        why = error.message if error.__cause__ is None else type(error.__cause__).__name__
        yield failing(
            f"Stripe did not answer as expected: {why}", mend="Check the key and status.stripe.com."
        )
        return
    if state is None:
        yield failing("Stripe knows no endpoint of ours that is on.", mend="manage.py stripe_webhook")
        return
    missing = set(EVENTS) - set(state.events)
    if state.url != endpoint_url() or (missing and "*" not in state.events):
        yield failing(
            f"Stripe delivers to {state.url}, without {len(missing)} of the events we need.",
            mend="manage.py stripe_webhook",
        )


@check("deliveries")
def deliveries() -> Iterator[Symptom]:
    """Our own address of deliveries answers, from where this runs: an unsigned one must be refused, by us."""
    if not settings.STRIPE_WEBHOOK_UUID:
        yield failing(
            "There is no address for deliveries.", mend="Set STRIPE_WEBHOOK_UUID, then stripe_webhook."
        )
        return
    asked = urllib.request.Request(endpoint_url(), data=b"{}", headers={"Content-Type": "application/json"})  # noqa: S310 - BASE_URL is http(s)
    try:
        with urllib.request.urlopen(asked, timeout=REACH_TIMEOUT_S) as answer:  # noqa: S310
            said = answer.status
    except urllib.error.HTTPError as error:
        said = error.code
    except OSError as error:
        yield failing(
            f"{settings.BASE_URL} cannot be reached from here: {type(error).__name__}.",
            mend="Check BASE_URL, the proxy and whether the web processes run.",
        )
        return
    if said != HTTPStatus.BAD_REQUEST:
        yield failing(
            f"An unsigned delivery is answered {said}, not 400: something else answers at that address.",
            mend="Check the proxy, and STRIPE_WEBHOOK_UUID of the web processes.",
        )
