"""`manage.py verify_books`: check every invariant; exit code 1 when something is wrong."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from common import books


class Command(BaseCommand):
    help = (
        "Check every invariant of the books. Exit code 0 when all hold, 1 when something is wrong, 2 when a "
        "name is not known."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("checks", nargs="*", metavar="check", help="only these invariants; see --list")
        parser.add_argument("--json", action="store_true", help="one JSON object")
        parser.add_argument("--list", action="store_true", help="the names of the invariants, and no more")

    def handle(self, *_args: Any, **options: Any) -> None:
        if options["list"]:
            self.stdout.write("\n".join(books.names()))
            return
        try:
            found = books.findings(options["checks"])
        except KeyError as error:
            raise CommandError(f"there is no invariant named {error.args[0]}", returncode=2) from error
        self._tell(found, options)
        if found:
            raise SystemExit(1)

    def _tell(self, found: list[books.Finding], options: dict[str, Any]) -> None:
        if options["json"]:
            report = {"ok": not found, "findings": [asdict(finding) for finding in found]}
            self.stdout.write(json.dumps(report))
            return
        for finding in found:
            self.stdout.write(self.style.ERROR(str(finding)))
        self.stdout.write(f"{len(found)} findings" if found else "The books are right.")
