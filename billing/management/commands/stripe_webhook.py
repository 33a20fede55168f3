"""Make or update the webhook endpoint at Stripe."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from billing.errors import PaymentProviderUnavailable
from billing.services.endpoint import EVENTS, endpoint_publish, endpoint_url


class Command(BaseCommand):
    help = (
        "Makes the endpoint at Stripe that delivers events to BASE_URL, or updates its address and events. Stripe "
        "tells the signing secret once, when the endpoint is made: it is kept in the database and printed, so that "
        "it can be put into STRIPE_WEBHOOK_SECRET."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="say what would be set, do nothing")

    def handle(self, *_args: Any, **options: Any) -> None:
        if not settings.STRIPE_WEBHOOK_UUID:
            raise CommandError("Set STRIPE_WEBHOOK_UUID first (any new UUID): it is part of the address.")
        if options["dry_run"]:
            self.stdout.write(f"would deliver {len(EVENTS)} kinds of event to {endpoint_url()}")
            return
        try:
            row, state = endpoint_publish()
        except PaymentProviderUnavailable as error:
            raise CommandError(f"Stripe did not answer as expected: {error.message}", returncode=2) from error
        self.stdout.write(f"{state.id}: {'made' if state.made else 'updated'}, delivers to {state.url}")
        if state.secret:
            self.stdout.write(f"STRIPE_WEBHOOK_SECRET={state.secret}")
        if row is None:
            raise CommandError(
                "The endpoint exists and its secret is not known here: set STRIPE_WEBHOOK_SECRET."
            )
