"""The demo's people, each in the state their name says."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from billing.demo import seed
from common.clock import now


class Command(BaseCommand):
    help = (
        "Makes the demo people (password palier-demo) with their plans, really subscribed through the payment "
        "provider's stand-in. Run again it only adds what is missing. Refused outside the sandbox."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--keys-file", type=Path, help="where to write the organisations' API keys, as JSON"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        if not settings.SANDBOX or settings.STRIPE_LIVE_MODE:
            raise CommandError("Demo people are made in the sandbox only (SANDBOX_URL set, no live key).")
        for line in seed(now=now()):
            self.stdout.write(line)
        keys_file: Path | None = options["keys_file"]
        if keys_file is not None and not keys_file.exists():
            keys_file.write_text(json.dumps({}))
