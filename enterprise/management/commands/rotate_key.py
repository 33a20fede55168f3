"""`manage.py rotate_key`: another key for an organisation in place of one of its own."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from common import clock
from common.errors import DomainError
from common.management import arguments
from common.management.refusals import refused
from enterprise.models import Credential
from enterprise.services import credential_rotate


class Command(BaseCommand):
    help = (
        "Makes another API key with the same name and scopes and prints it, once. The old one works for the overlap, by "
        "default not at all: for a key that leaked. Exit code 1: there is no such key, or it has ended."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("prefix", help="the part of the key before its last underscore: plr_live_…")
        parser.add_argument("--overlap", type=int, default=0, metavar="SECONDS", help="0 (default) to 604800")
        parser.add_argument("--reason", required=True, type=arguments.reason, help="why; for the trail")
        parser.add_argument("--dry-run", action="store_true", help="say which key it is, change nothing")
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def handle(self, *_args: Any, **options: Any) -> None:
        old = Credential.objects.filter(prefix=options["prefix"]).first()
        if old is None:
            raise CommandError(f"There is no key {options['prefix']}.")
        told = {
            "account": old.account_id,
            "name": old.name,
            "old": old.prefix,
            "overlap_s": options["overlap"],
        }
        try:
            with transaction.atomic():
                made = credential_rotate(
                    account_id=old.account_id,
                    credential_id=old.public_id,
                    actor="operator",
                    overlap_s=options["overlap"],
                    reason=options["reason"],
                    now=clock.now(),
                )
                transaction.set_rollback(options["dry_run"])
        except DomainError as error:
            raise refused(error) from error
        if options["dry_run"]:
            told["status"] = str(old.status_at(clock.now()))
        else:
            told |= {"new": made.credential.prefix, "key": made.secret}
        words = "\n".join(f"{name}: {value}" for name, value in told.items())
        self.stdout.write(json.dumps(told) if options["json"] else words)
