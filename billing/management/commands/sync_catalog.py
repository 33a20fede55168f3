"""Take the catalogue file to the database and to Stripe."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from billing.errors import CatalogInvalid, PaymentProviderUnavailable
from billing.services.catalog import catalog_load, catalog_sync
from billing.services.endpoint import endpoint_remember
from common.clock import now


class Command(BaseCommand):
    help = (
        "Takes the catalogue file to the database and to Stripe. A plan whose terms changed gets a new version; "
        "run again it changes nothing. Exit code 1: the file or the prices at Stripe are not right; "
        "2: Stripe did not answer (run it again)."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="say what would be done, do nothing")
        parser.add_argument("--json", action="store_true", help="report as JSON")
        parser.add_argument(
            "--file", type=Path, default=Path(settings.CATALOG_FILE), help="another catalogue"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            catalog = catalog_load(options["file"])
            report = catalog_sync(catalog=catalog, now=now(), dry_run=options["dry_run"])
        except CatalogInvalid as error:
            raise CommandError("The catalogue is not right:\n  " + "\n  ".join(error.problems)) from error
        except PaymentProviderUnavailable as error:
            raise CommandError(f"Stripe did not answer as expected: {error.message}", returncode=2) from error
        if not options["dry_run"]:
            endpoint_remember()
        if options["json"]:
            self.stdout.write(json.dumps(vars(report)))
            return
        for line in [*report.database, *(f"Stripe: {line}" for line in report.provider)]:
            self.stdout.write(("would: " if report.dry_run else "") + line)
        if not report.database and not report.provider:
            self.stdout.write("Nothing to do: database and Stripe say what the catalogue says.")
