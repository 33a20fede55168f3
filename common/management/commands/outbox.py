"""`manage.py outbox`: promises that failed too often, and another chance for them."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.serializers.json import DjangoJSONEncoder

from common import clock, outbox
from common.models import OutboxMessage

COLUMNS = ("id", "task", "attempts", "parked_at", "request_id", "last_error")


class Command(BaseCommand):
    help = (
        "List parked promises, those that failed too often; with --retry give them all their attempts again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--retry", nargs="*", type=int, metavar="ID", help="these, or all when none is named"
        )
        parser.add_argument("--dry-run", action="store_true", help="with --retry: say what would be done")
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def handle(self, *_args: Any, **options: Any) -> None:
        parked = list(OutboxMessage.objects.filter(parked_at__isnull=False).order_by("id").values(*COLUMNS))
        retried = self._retry(parked, options)
        if options["json"]:
            report = {"parked": parked, "retried": retried}
            self.stdout.write(json.dumps(report, cls=DjangoJSONEncoder))
            return
        for row in parked:
            self.stdout.write(
                f"{row['id']:>8}  {row['task']}  {row['attempts']} attempts  {row['last_error']}"
            )
        self.stdout.write(f"{len(parked)} parked, {len(retried)} to be tried again")

    def _retry(self, parked: list[dict[str, Any]], options: dict[str, Any]) -> list[int]:
        if options["retry"] is None:
            return []
        known = [row["id"] for row in parked]
        wanted = options["retry"] or known
        missing = sorted(set(wanted) - set(known))
        if missing:
            raise CommandError(f"not parked: {', '.join(map(str, missing))}", returncode=2)
        if not options["dry_run"]:
            outbox.unpark(ids=wanted, now=clock.now())
        return wanted
