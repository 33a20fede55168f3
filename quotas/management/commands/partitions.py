"""`manage.py partitions`: the usage records' months; made ahead, or taken out of the books."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError

from common import clock
from common.errors import ValidationError
from quotas.models import DetachedMonth
from quotas.partitions import detachable_before, months_detach, partitions, partitions_ensure


def month(text: str) -> date:
    return datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC).date()


class Command(BaseCommand):
    help = (
        "Shows the monthly partitions of the usage records. --detach-before takes the records of earlier months out of the "
        "books: days, charts and counters stay, and each month lies in a table of its own until you drop it. Exit code 2: "
        "limits in force still count by those months, or the records were too busy to be locked."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        what = parser.add_mutually_exclusive_group()
        what.add_argument(
            "--ensure", action="store_true", help="make those of the months to come, as beat does"
        )
        what.add_argument("--detach-before", type=month, metavar="YYYY-MM", help="the first month that stays")
        parser.add_argument(
            "--dry-run", action="store_true", help="say what would be detached, detach nothing"
        )
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def handle(self, *_args: Any, **options: Any) -> None:
        now = clock.now()
        made = partitions_ensure() if options["ensure"] and not options["dry_run"] else 0
        detached: list[DetachedMonth] = []
        if options["detach_before"]:
            try:
                detached = months_detach(
                    before=options["detach_before"], actor="operator", dry_run=options["dry_run"], now=now
                )
            except ValidationError as error:
                raise CommandError(str(error.details["fields"][0]["message"]), returncode=2) from error
            except OperationalError as error:
                raise CommandError(f"not now: {error}".strip(), returncode=2) from error
        if options["json"]:
            self._as_json(made, detached, options["dry_run"], detachable_before(now))
        else:
            self._in_words(made, detached, options["dry_run"], detachable_before(now))

    def _as_json(self, made: int, detached: list[DetachedMonth], dry_run: bool, last: date) -> None:
        shown = [
            {"name": one.name, "records": one.record_count, "bytes": one.size_bytes} for one in partitions()
        ]
        gone = [
            {"table": one.table_name, "records": one.record_count, "kept": one.kept_count} for one in detached
        ]
        report = {
            "partitions": shown,
            "made": made,
            "detached": gone,
            "dry_run": dry_run,
            "detachable_before": last.isoformat(),
        }
        self.stdout.write(json.dumps(report))

    def _in_words(self, made: int, detached: list[DetachedMonth], dry_run: bool, last: date) -> None:
        for one in detached:
            would = "would be " if dry_run else ""
            self.stdout.write(
                f"{one.table_name}: {one.record_count} records {would}taken out, {one.kept_count} of things that exist stay"
            )
        if detached and not dry_run:
            self.stdout.write("Keep a dump of each (pg_dump --table=NAME), then DROP TABLE.")
        if made:
            self.stdout.write(f"{made} made")
        for shown in partitions():
            self.stdout.write(
                f"{shown.name:<32} ~{shown.record_count:>12} records {shown.size_bytes:>16} bytes"
            )
        self.stdout.write(f"Months before {last:%Y-%m} may be detached.")
