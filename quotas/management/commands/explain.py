"""`manage.py explain --account PERSON --metric messages`: why a call is allowed or refused."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import Account
from common import clock
from common.errors import DomainError
from quotas.explain import explain


class Command(BaseCommand):
    help = "Say what the meter would decide for an account now, and every limit and record this rests on."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--account", required=True, help="account number, or the owner's e-mail address")
        parser.add_argument("--metric", required=True)
        parser.add_argument("--units", type=int, default=1)
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002
        account = find_account(options["account"])
        try:
            found = explain(
                account_id=account.id, metric=options["metric"], units=options["units"], at=clock.now()
            )
        except DomainError as error:
            raise CommandError(str(error.message)) from error
        self.stdout.write(json.dumps(found, default=str) if options["json"] else _in_words(found))


def find_account(text: str) -> Account:
    """By number, owner's address or billing address. CommandError when there is not exactly one."""
    if text.isdecimal():
        found = Account.objects.filter(pk=int(text))
    else:
        found = Account.objects.filter(memberships__user__email__iexact=text).distinct()
    accounts = list(found[:2])
    if len(accounts) != 1:
        raise CommandError(f"{'no' if not accounts else 'more than one'} account for {text}")
    return accounts[0]


def _in_words(found: dict[str, Any]) -> str:
    verdict = "allowed" if found["allowed"] else f"refused: {found['refusal']}"
    lines = [f"{found['units']} {found['metric']} for account {found['account']}: {verdict}"]
    for bound in found["bounds"]:
        says = "allows" if bound["allows"] else "REFUSES"
        limit = "unlimited" if bound["limit"] is None else bound["limit"]
        lines.append(
            f"  {bound['window']}: {bound['used']} used + {bound['reserved']} reserved of {limit} "
            f"({bound['source']}), resets {bound['reset_at'] or 'never'}: {says}"
        )
    for row in found["entitlements"]:
        limit = "unlimited" if row["limit"] is None else row["limit"]
        lines.append(
            f"  {row['source']} {row['source_ref']}: {limit} per {row['window']} from {row['valid_from']} "
            f"until {row['valid_until'] or 'further notice'}{'' if row['counts'] else ' (does not count now)'}"
        )
    lines += [f"  can: {remedy['action']} {remedy.get('plan', '')}".rstrip() for remedy in found["remedies"]]
    return "\n".join(lines)
