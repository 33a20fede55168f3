"""`manage.py verify_books`: check every invariant; exit code 1 when something is wrong."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from common.books import findings


class Command(BaseCommand):
    help = "Check every invariant of the books. Exit code 0 when all hold, 1 when something is wrong."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002
        found = findings()
        if options["json"]:
            report = {"ok": not found, "findings": [asdict(finding) for finding in found]}
            self.stdout.write(json.dumps(report))
        else:
            for finding in found:
                self.stdout.write(str(finding))
            self.stdout.write(f"{len(found)} findings" if found else "The books are right.")
        if found:
            sys.exit(1)
