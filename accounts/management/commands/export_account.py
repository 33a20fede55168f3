"""`manage.py export_account`: everything kept about a person, for one who cannot sign in."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.deletion import personal_data
from accounts.models import User
from common import audit, clock
from common.api.envelope import to_json
from common.management import arguments


class Command(BaseCommand):
    help = (
        "Writes everything kept about a person into a file that only its owner can read: the same as the download on their "
        "page. It stands in the trail. Exit code 1: nobody has that address, or the file is there already."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email", help="the person's e-mail address")
        parser.add_argument("file", type=Path, help="a new file")
        parser.add_argument("--reason", required=True, type=arguments.reason, help="why; for the trail")

    def handle(self, *_args: Any, **options: Any) -> None:
        person = User.objects.filter(email=options["email"].lower(), is_active=True).first()
        if person is None:
            raise CommandError("Nobody has that address.")
        data = to_json(personal_data(person))
        try:
            handle = os.open(options["file"], os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise CommandError(f"{options['file']}: {error.strerror}") from error
        with os.fdopen(handle, "wb") as file:
            file.write(data if isinstance(data, bytes) else data.encode())
        audit.record(
            actor="operator",
            account_id=None,
            action="personal_data.exported",
            subject=f"user {person.pk}",
            reason=options["reason"],
            now=clock.now(),
        )
        self.stdout.write(f"{options['file']}: {len(data)} bytes")
