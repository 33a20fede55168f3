"""`manage.py override`: raise a limit of one account until an instant, or take that back."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any
from uuid import uuid4

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from billing.services.overrides import limit_raise, limit_raise_end
from common import clock
from common.errors import DomainError
from common.management import arguments
from common.management.refusals import refused
from quotas.enums import Window
from quotas.management.commands.explain import find_account
from quotas.models import Entitlement

ACTOR = "operator"


class Command(BaseCommand):
    help = (
        "Raises a limit of one account until an instant: felt by the next call, told to the customer, and over by itself. "
        "With --end takes it back before. Exit code 1: it cannot be, and the reason; 2: something is missing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--account", required=True, help="account number, or the owner's e-mail address")
        parser.add_argument("--metric", required=True)
        parser.add_argument("--window", required=True, choices=Window.values)
        parser.add_argument("--limit", type=int, help="how much it allows in all")
        parser.add_argument(
            "--until", type=arguments.instant, help="an instant; UTC where no offset is given"
        )
        parser.add_argument("--end", action="store_true", help="take it back instead")
        parser.add_argument(
            "--reason", required=True, type=arguments.reason, help="why; the customer is told"
        )
        parser.add_argument("--key", type=arguments.key, help="a name of your own: the same key raises once")
        parser.add_argument("--dry-run", action="store_true", help="say what would be done, do nothing")
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def handle(self, *_args: Any, **options: Any) -> None:
        if not options["end"] and (options["limit"] is None or options["until"] is None):
            raise CommandError("Say --limit and --until, or --end.", returncode=2)
        try:
            with transaction.atomic():
                done = _end(options) if options["end"] else _raise(options)
                transaction.set_rollback(options["dry_run"])
        except DomainError as error:
            raise refused(error) from error
        told = {
            "account": done.account_id,
            "metric": options["metric"],
            "window": done.window,
            "limit": None if options["end"] else done.limit_units,
            "until": None if options["end"] else options["until"].isoformat(),
            "dry_run": options["dry_run"],
        }
        self.stdout.write(json.dumps(told) if options["json"] else _in_words(told))


def _raise(options: dict[str, Any]) -> Entitlement:
    return limit_raise(
        account=find_account(options["account"]),
        metric=options["metric"],
        window=options["window"],
        limit_units=options["limit"],
        until=options["until"],
        reason=options["reason"],
        actor=ACTOR,
        request_id=f"command:{options['key'] or uuid4()}",
        now=clock.now(),
    )


def _end(options: dict[str, Any]) -> Entitlement:
    return limit_raise_end(
        account=find_account(options["account"]),
        metric=options["metric"],
        window=options["window"],
        reason=options["reason"],
        actor=ACTOR,
        now=clock.now(),
    )


def _in_words(told: dict[str, Any]) -> str:
    what = (
        "as the plan or contract has it"
        if told["limit"] is None
        else f"{told['limit']} until {told['until']}"
    )
    verb = "would be" if told["dry_run"] else "is"
    return f"account {told['account']}: {told['metric']} per {told['window']} {verb} {what}"
