"""Forget what nobody needs any more."""

import json
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from billing.services.deliveries import deliveries_prune
from common import outbox
from common.clock import now
from common.models import OutboxMessage
from common.retention import forget_all
from quotas.models import RefusedCall
from quotas.refused import refusals_prune


class Command(BaseCommand):
    help = (
        "Forgets deliveries from Stripe that were applied longer ago than WEBHOOK_RETENTION_DAYS, kept promises older "
        "than OUTBOX_RETENTION_DAYS, refusals older than REFUSALS_RETENTION_DAYS, keys of operations and closed reservations "
        "older than OPERATIONS_RETENTION_DAYS, and the sample product's orders that were refused longer ago than "
        "GENERATIONS_RETENTION_DAYS. Beat does the same. What failed or waits is never "
        "forgotten."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only say how many")
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def handle(self, *_args: Any, **options: Any) -> None:
        moment, dry_run = now(), options["dry_run"]
        report = deliveries_prune(before=moment - settings.WEBHOOK_RETENTION, dry_run=dry_run)
        before = moment - settings.OUTBOX_RETENTION
        old = OutboxMessage.objects.filter(done_at__lt=before, dedupe_key=None).count()
        report["outbox"] = old if dry_run else outbox.prune(before=before)
        before = moment - settings.REFUSALS_RETENTION
        refused = RefusedCall.objects.filter(occurred_at__lt=before)
        report["refusals"] = refused.count() if dry_run else refusals_prune(before=before)
        report |= forget_all(now=moment, dry_run=dry_run)
        if options["json"]:
            self.stdout.write(json.dumps(report | {"dry_run": dry_run}))
            return
        for name, count in report.items():
            self.stdout.write(f"{name}: {count} {'would be ' if dry_run else ''}forgotten")
