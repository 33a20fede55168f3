"""`manage.py change_plan`: move one account to another plan, as its own request would."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.core.serializers.json import DjangoJSONEncoder

from billing.enums import Interval
from billing.errors import PaymentProviderUnavailable
from billing.services import plan_change_preview, plan_change_request
from common import audit, clock
from common.errors import DomainError
from common.management import arguments
from common.management.refusals import refused
from quotas.management.commands.explain import find_account


class Command(BaseCommand):
    help = (
        "Moves one account to another plan by the rules and charges that hold for its own request: up is paid now with the "
        "card on file, down waits for the period's end. --dry-run shows the preview. The same key moves once. Exit code 1: "
        "refused, and why; 2: Stripe's answer is missing and is being found out."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--account", required=True, help="account number, or the owner's e-mail address")
        parser.add_argument("--plan", required=True, help="the plan's code")
        parser.add_argument("--interval", choices=Interval.values)
        parser.add_argument("--reason", required=True, type=arguments.reason, help="why; for the trail")
        parser.add_argument(
            "--key",
            required=True,
            type=arguments.key,
            help="a name for this change: the same key changes once",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="show what it would be and cost, change nothing"
        )
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def handle(self, *_args: Any, **options: Any) -> None:
        account, now = find_account(options["account"]), clock.now()
        asked = {"target_plan": options["plan"], "interval": options["interval"]}
        try:
            if options["dry_run"]:
                told = plan_change_preview(account=account, user=None, now=now, **asked).as_json()
            else:
                audit.record(
                    actor="operator",
                    account_id=account.pk,
                    action="operator.plan_change",
                    subject=options["key"],
                    reason=options["reason"],
                    data=asked,
                    now=now,
                )
                change = plan_change_request(
                    account=account,
                    user=None,
                    quote=None,
                    idempotency_key=f"command:{options['key']}",
                    request_id="change-plan",
                    now=now,
                    **asked,
                ).change
                told = {
                    "plan_change": str(change.pk),
                    "kind": change.kind,
                    "status": change.status,
                    "effective_at": change.effective_at,
                    "charged_minor": change.charged_minor,
                    "currency": change.currency,
                }
        except PaymentProviderUnavailable as error:
            raise CommandError(f"{error.code}: {error.message}", returncode=2) from error
        except DomainError as error:
            raise refused(error) from error
        if options["json"]:
            self.stdout.write(
                json.dumps(
                    {"account": account.pk, "dry_run": options["dry_run"], **told}, cls=DjangoJSONEncoder
                )
            )
        else:
            self.stdout.write("\n".join(f"{name}: {value}" for name, value in told.items()))
