"""`manage.py doctor`: is this installation fit to work; if not, what mends it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from common import doctor


class Command(BaseCommand):
    help = (
        "Look at settings, PostgreSQL, migrations, Redis, the task queue, the clock, the outbox, the catalogue, Stripe "
        "and its deliveries. Changes nothing. Exit code 0: fit, also with warnings; 1: something fails; 2: a name is not "
        "known."
    )
    requires_system_checks = ()  # it tells itself what they would stop at

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("checks", nargs="*", metavar="check", help="only these; see --list")
        parser.add_argument("--skip", action="append", default=[], metavar="CHECK", help="not this one")
        parser.add_argument("--list", action="store_true", help="the names of the checks, and no more")
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def handle(self, *_args: Any, **options: Any) -> None:
        if options["list"]:
            self.stdout.write("\n".join(doctor.names()))
            return
        try:
            found = doctor.examine(only=options["checks"], skip=options["skip"])
        except KeyError as error:
            raise CommandError(f"there is no check named {error.args[0]}", returncode=2) from error
        self._tell(found, as_json=options["json"])
        if any(one.level == doctor.FAILING for one in found):
            raise SystemExit(1)

    def _tell(self, found: list[doctor.Diagnosis], *, as_json: bool) -> None:
        if as_json:
            rows = [{**asdict(one), "level": one.level} for one in found]
            fit = all(one.level != doctor.FAILING for one in found)
            self.stdout.write(json.dumps({"ok": fit, "checks": rows}))
            return
        styles = {
            "ok": self.style.SUCCESS,
            doctor.WARNING: self.style.WARNING,
            doctor.FAILING: self.style.ERROR,
        }
        for one in found:
            self.stdout.write(styles[one.level](f"{one.level:<8} {one.check}"))
            for symptom in one.symptoms:
                self.stdout.write(f"         {symptom.text}\n         → {symptom.mend}")
