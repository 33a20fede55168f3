"""`manage.py explain --account PERSON --metric messages`: why a call is allowed or refused.

`manage.py explain --request ID`: why a call was refused, from the id the caller was told.
"""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Q

from accounts.models import Account
from common import clock
from common.errors import DomainError
from common.management import arguments
from quotas import catalog
from quotas.explain import explain, explain_request
from quotas.values import MAX_UNITS


class Command(BaseCommand):
    help = (
        "Say what the meter would decide for an account now, and every limit and record this rests on; or, by request "
        "id, why a call was refused. Exit code 1: no refusal is known by that id; 2: the account or metric is not known."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--account", help="account number, or the owner's e-mail address")
        parser.add_argument("--metric")
        parser.add_argument(
            "--request", metavar="ID", help="a refused request's id; then nothing else is needed"
        )
        parser.add_argument("--units", type=arguments.count(MAX_UNITS), default=1)
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002
        if options["request"]:
            self._request(options["request"], as_json=options["json"])
            return
        if not (options["account"] and options["metric"]):
            raise CommandError("Say --account and --metric, or --request.", returncode=2)
        account = find_account(options["account"])
        try:
            catalog.metric_id(options["metric"])
            found = explain(
                account_id=account.id, metric=options["metric"], units=options["units"], at=clock.now()
            )
        except DomainError as error:
            raise CommandError(str(error.message), returncode=2) from error
        self.stdout.write(json.dumps(found, default=str) if options["json"] else _in_words(found))

    def _request(self, request_id: str, *, as_json: bool) -> None:
        found = explain_request(request_id)
        if as_json:
            self.stdout.write(json.dumps(found, default=str))
        elif found:
            self.stdout.write("\n".join(_refused_in_words(one) for one in found))
        if not found:
            raise CommandError(f"No refusal is known by the request id {request_id}.")


def find_account(text: str) -> Account:
    """By number, owner's address or billing address. CommandError with exit code 2 when there is not exactly one."""
    if text.isascii() and text.isdecimal():
        found = Account.objects.filter(pk=int(text))
    else:
        owner = Q(personal_owner__email__iexact=text) | Q(billing_email__iexact=text)
        found = Account.objects.filter(owner | Q(memberships__user__email__iexact=text)).distinct()
    accounts = list(found[:2])
    if len(accounts) != 1:
        raise CommandError(f"{'no' if not accounts else 'more than one'} account for {text}", returncode=2)
    return accounts[0]


def _in_words(found: dict[str, Any]) -> str:
    verdict = "allowed" if found["allowed"] else f"refused: {found['refusal']}"
    lines = [f"{found['units']} {found['metric']} for account {found['account']}: {verdict}"]
    lines += _bounds_in_words(found["bounds"])
    for row in found["entitlements"]:
        limit = "unlimited" if row["limit"] is None else row["limit"]
        lines.append(
            f"  {row['source']} {row['source_ref']}: {limit} per {row['window']} from {row['valid_from']} "
            f"until {row['valid_until'] or 'further notice'}{'' if row['counts'] else ' (does not count now)'}"
        )
    lines += _remedies_in_words(found["remedies"])
    return "\n".join(lines)


def _refused_in_words(found: dict[str, Any]) -> str:
    lines = [
        f"{found['at']}: {found['units']} {found['metric']} for account {found['account']} refused: {found['refusal']}"
    ]
    lines += _bounds_in_words(found["bounds"])
    lines.append("  now it would pass" if found["would_pass_now"] else "  it would be refused now, too")
    lines += _remedies_in_words(found["remedies"])
    return "\n".join(lines)


def _bounds_in_words(bounds: list[dict[str, Any]]) -> list[str]:
    return [
        f"  {bound['window']}: {bound['used']} used + {bound['reserved']} reserved of "
        f"{'unlimited' if bound['limit'] is None else bound['limit']} ({bound['source']}), "
        f"resets {bound['reset_at'] or 'never'}: {'allows' if bound['allows'] else 'REFUSES'}"
        for bound in bounds
    ]


def _remedies_in_words(remedies: list[dict[str, Any]]) -> list[str]:
    return [f"  can: {remedy['action']} {remedy.get('plan', '')}".rstrip() for remedy in remedies]
