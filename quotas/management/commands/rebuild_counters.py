"""`manage.py rebuild_counters`: make counters what the records say."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from accounts.models import Account
from quotas.management.commands.explain import find_account
from quotas.repair import counters_rebuild


class Command(BaseCommand):
    help = (
        "Rebuild buckets and daily figures from usage records and open reservations. Exit code 0 when done."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        who = parser.add_mutually_exclusive_group(required=True)
        who.add_argument("--account", help="account number, or the owner's e-mail address")
        who.add_argument("--all", action="store_true", help="every account, one after the other")
        parser.add_argument(
            "--dry-run", action="store_true", help="say what would be changed, change nothing"
        )
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002
        one = options["account"]
        ids = [find_account(one).id] if one else Account.objects.order_by("id").values_list("id", flat=True)
        buckets = days = 0
        for account_id in ids:
            repair = counters_rebuild(account_id=account_id, dry_run=options["dry_run"])
            buckets += repair.buckets
            days += repair.days
        result = {"buckets": buckets, "days": days, "dry_run": options["dry_run"]}
        verb = "would be" if options["dry_run"] else "were"
        words = f"{buckets} buckets and {days} days {verb} made right"
        self.stdout.write(json.dumps(result) if options["json"] else words)
