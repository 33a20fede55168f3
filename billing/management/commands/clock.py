"""Move the sandbox's time, or look at it."""

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

import requests
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from billing import sandbox_clock
from common.clock import database_now
from quotas.serialize import instant


class Command(BaseCommand):
    help = (
        "Time in the sandbox: `clock show`; `clock advance 31d` (also 12h, 45m, 90s, 1d12h); "
        "`clock advance to 2027-01-31T00:00:00Z` or `clock to 2027-01-31T00:00:00Z`. The application's clock and "
        "the stand-in's move together, from one due moment to the next; due work is done, and the command returns "
        "when all is quiet. Refused outside the sandbox and with a live key."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", choices=["show", "advance", "to"])
        parser.add_argument("when", nargs="*", help="31d · 12h · 45m · to 2027-01-31T00:00:00Z")

    def handle(self, *_args: Any, **options: Any) -> None:
        if not settings.SANDBOX or settings.STRIPE_LIVE_MODE:
            raise CommandError("Time can be moved in the sandbox only (SANDBOX_URL set, no live key).")
        try:
            if options["action"] == "show":
                self._show(options["when"])
            else:
                self._move(_target([*(["to"] if options["action"] == "to" else []), *options["when"]]))
        except ValueError as error:
            raise CommandError(str(error)) from error
        except sandbox_clock.NotQuiet as error:
            raise CommandError(f"Not quiet: {error}", returncode=2) from error
        except requests.RequestException as error:
            raise CommandError(
                f"The stand-in does not answer at {settings.SANDBOX_URL}.", returncode=2
            ) from error

    def _show(self, rest: list[str]) -> None:
        if rest:
            raise ValueError("clock show takes nothing more")
        state = sandbox_clock.clock_state()
        self.stdout.write(f"now       {instant(database_now())}")
        self.stdout.write(f"stand-in  {instant(state['now'])}")
        self.stdout.write(f"next due  {instant(state['next_due_at']) or 'nothing'}")

    def _move(self, target: datetime) -> None:
        for moment in sandbox_clock.move(target):
            self.stdout.write(f"{instant(moment)}")
        self.stdout.write(f"now       {instant(database_now())}")
        for line in sandbox_clock.failing():
            self.stderr.write(f"failing: {line[:300]}")


def _target(words: list[str]) -> datetime:
    match words:
        case ["to", text]:
            return sandbox_clock.parse_instant(text)
        case [text]:
            return database_now() + sandbox_clock.parse_span(text)
    raise ValueError("say how far: 31d, 12h, 45m, or: to 2027-01-31T00:00:00Z")
