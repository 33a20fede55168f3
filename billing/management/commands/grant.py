"""`manage.py grant`: give an account credits, or take some back."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction

from common import clock
from common.errors import DomainError
from common.management import arguments
from common.management.refusals import refused
from quotas.management.commands.explain import find_account
from quotas.services import wallet_adjust
from quotas.wallet_selectors import wallet_status


class Command(BaseCommand):
    help = (
        "Gives an account credits, or with a negative number takes some of those that expire soonest. The same key does it "
        "once. Exit code 1: it cannot be, and the reason."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--account", required=True, help="account number, or the owner's e-mail address")
        parser.add_argument("--units", required=True, type=int, help="credits; negative: taken")
        parser.add_argument("--expires", type=arguments.instant, help="an instant; default: never")
        parser.add_argument(
            "--reason", required=True, type=arguments.reason, help="why; the customer sees it in the ledger"
        )
        parser.add_argument(
            "--key",
            required=True,
            type=arguments.key,
            help="a name for what it is for: the same key does it once",
        )
        parser.add_argument("--dry-run", action="store_true", help="say what would be done, do nothing")
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def handle(self, *_args: Any, **options: Any) -> None:
        account, now = find_account(options["account"]), clock.now()
        try:
            with transaction.atomic():
                entries = wallet_adjust(
                    account_id=account.pk,
                    units=options["units"],
                    request_id=f"command:{options['key']}",
                    reason=options["reason"],
                    actor="operator",
                    expires_at=options["expires"] if options["units"] > 0 else None,
                    now=now,
                )
                balance = wallet_status(account_id=account.pk, at=now).balance_units
                transaction.set_rollback(options["dry_run"])
        except DomainError as error:
            raise refused(error) from error
        told = {
            "account": account.pk,
            "units": sum(entry.units for entry in entries),
            "balance_units": balance,
            "dry_run": options["dry_run"],
        }
        verb = "would be" if options["dry_run"] else "are"
        words = f"account {account.pk}: {told['units']:+} credits, {balance} {verb} there"
        self.stdout.write(json.dumps(told) if options["json"] else words)
