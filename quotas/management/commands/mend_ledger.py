"""`manage.py mend_ledger`: make a damaged ledger what the rest of the books says."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from common import clock
from quotas.ledger_repair import ledger_mend
from quotas.management.commands.explain import find_account
from quotas.models import Grant, LedgerEntry, Wallet


def accounts_with_credits() -> list[int]:
    """Accounts that have a wallet, or something that belongs into one."""
    return sorted(
        {
            account_id
            for model in (Wallet, Grant, LedgerEntry)
            for account_id in model.objects.values_list("account_id", flat=True).distinct()
        }
    )


class Command(BaseCommand):
    help = (
        "Makes wallets, grants and ledger entries agree where the books determine what was damaged: a figure that "
        "contradicts two others, an entry that is gone. Every line stands in the trail. Exit code 1: something is not "
        "determined; nothing of that account was changed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        who = parser.add_mutually_exclusive_group(required=True)
        who.add_argument("--account", help="account number, or the owner's e-mail address")
        who.add_argument("--all", action="store_true", help="every account, one after the other")
        parser.add_argument("--dry-run", action="store_true", help="say what would be done, do nothing")
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def handle(self, *_args: Any, **options: Any) -> None:
        one = options["account"]
        ids = [find_account(one).pk] if one else accounts_with_credits()
        done: list[str] = []
        unclear: list[str] = []
        for account_id in ids:
            mended = ledger_mend(
                account_id=account_id, actor="operator", dry_run=options["dry_run"], now=clock.now()
            )
            done += mended.done
            unclear += mended.unclear
        if options["json"]:
            told = {"done": done, "unclear": unclear, "dry_run": options["dry_run"]}
            self.stdout.write(json.dumps(told))
        else:
            lines = [f"would: {line}" if options["dry_run"] else line for line in done]
            self.stdout.write(
                "\n".join([*lines, *(f"for a person: {line}" for line in unclear)]) or "All agrees."
            )
        if unclear:
            raise SystemExit(1)
