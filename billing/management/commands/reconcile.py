"""Compare what we have with what Stripe has."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Q

from accounts.models import Account
from billing.errors import PaymentProviderUnavailable
from billing.services.reconcile import ReconcileReport, reconcile
from common.clock import now

MAX_DIGITS = 18  # of an account's id


class Command(BaseCommand):
    help = (
        "Compares customers, subscriptions, schedules, debts, open intents, invoices and limits with Stripe, both "
        "ways, and names each difference. Exit code 0: none is left, 1: some are, 2: Stripe did not answer, or the account is not known."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--account", help="one account: its id, e-mail address or customer id at Stripe")
        parser.add_argument(
            "--mend", action="store_true", help="make ours what Stripe's is, where that is safe"
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="with --mend: only say what would be mended"
        )
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def handle(self, *_args: Any, **options: Any) -> None:
        account_id = self._account(options["account"]) if options["account"] else None
        mend = options["mend"] and not options["dry_run"]
        try:
            report = reconcile(now=now(), account_id=account_id, mend=mend)
        except PaymentProviderUnavailable as error:
            raise CommandError(f"Stripe did not answer: {error.message}", returncode=2) from error
        self._tell(report, as_json=options["json"])
        if report.unanswered:
            raise SystemExit(2)
        if report.left:
            raise SystemExit(1)

    def _account(self, named: str) -> int:
        wanted = Q(billing_email__iexact=named) | Q(stripe_customer_id=named)
        if named.isdecimal() and len(named) <= MAX_DIGITS:
            wanted |= Q(pk=int(named))
        found = list(Account.objects.filter(wanted).values_list("pk", flat=True)[:2])
        if len(found) != 1:
            raise CommandError(
                f"{named}: {'no' if not found else 'more than one'} such account", returncode=2
            )
        return found[0]

    def _tell(self, report: ReconcileReport, *, as_json: bool) -> None:
        done = {one.identity for one in report.mended}
        rows = [one.as_json() | {"mended": one.identity in done} for one in report.found]
        if as_json:
            told = {"accounts": report.accounts, "differences": rows, "unanswered": report.unanswered}
            self.stdout.write(json.dumps(told))
            return
        for row in rows:
            end = "mended" if row["mended"] else ("can be mended" if row["mendable"] else "for a person")
            self.stdout.write(
                f"{row['kind']}: account {row['account']}, {row['subject']}: {row['ours']} here, {row['theirs']} at Stripe: {end}"
            )
        self.stdout.write(f"{report.accounts} accounts, {len(rows)} differences, {len(report.mended)} mended")
