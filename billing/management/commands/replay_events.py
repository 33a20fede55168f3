"""Apply kept deliveries from Stripe once more."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from billing.sandbox_clock import parse_instant
from billing.services.deliveries import deliveries_find, deliveries_replay
from common.clock import now


class Command(BaseCommand):
    help = (
        "Applies kept events again: by id, by kind, since an instant, or those that failed; what is named together "
        "has to hold together. Applying twice does no harm: the object is read as it is now. Exit code 1: none fits."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--id", nargs="+", default=[], metavar="EVT", help="events by id")
        parser.add_argument(
            "--type", nargs="+", default=[], metavar="KIND", help="kinds, or how they begin: invoice."
        )
        parser.add_argument(
            "--since", metavar="INSTANT", help="received since, RFC 3339: 2027-01-31T00:00:00Z"
        )
        parser.add_argument("--failed", action="store_true", help="those that could not be applied")
        parser.add_argument("--dry-run", action="store_true", help="only say which")
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def handle(self, *_args: Any, **options: Any) -> None:
        if not (options["id"] or options["type"] or options["since"] or options["failed"]):
            raise CommandError("Say which: --id, --type, --since or --failed.", returncode=2)
        try:
            since = parse_instant(options["since"]) if options["since"] else None
        except ValueError as error:
            raise CommandError(str(error), returncode=2) from error
        found = list(
            deliveries_find(ids=options["id"], types=options["type"], since=since, failed=options["failed"])
        )
        replayed = 0
        if not options["dry_run"]:
            replayed = deliveries_replay(promise_ids=[pk for _, _, pk in found], now=now())
        if options["json"]:
            events = [{"id": event_id, "type": kind} for event_id, kind, _ in found]
            self.stdout.write(json.dumps({"events": events, "replayed": replayed}))
        else:
            for event_id, kind, _ in found:
                self.stdout.write(f"{event_id}  {kind}")
            self.stdout.write(f"{len(found)} found, {replayed} to be applied again")
        if not found:
            raise SystemExit(1)
