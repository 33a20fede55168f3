"""Resolve what was left open between us and Stripe."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from billing.services import plan_changes_sweep
from common.clock import now


class Command(BaseCommand):
    help = (
        "Asks Stripe about every plan change whose outcome is not known, every undo that was not finished and every "
        "subscription whose period is over, and records the answer. Beat does this every 20 seconds. Exit code 1: "
        "some are still open."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="report as JSON")

    def handle(self, *_args: Any, **options: Any) -> None:
        report = plan_changes_sweep(now=now())
        if options["json"]:
            self.stdout.write(json.dumps(vars(report)))
        else:
            for name, ids in vars(report).items():
                self.stdout.write(f"{name.replace('_', ' ')}: {len(ids)}")
        if report.still_open:
            raise SystemExit(1)
