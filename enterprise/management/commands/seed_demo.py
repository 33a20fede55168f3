"""The demo's people and organisations, each in the state their name says."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from billing import demo as persons
from common.clock import now
from enterprise import demo as organisations


class Command(BaseCommand):
    help = (
        "Makes the demo people and organisations (password palier-demo) with their plans and contracts, really "
        "subscribed through the payment provider's stand-in. Run again it only adds what is missing. Refused outside "
        "the sandbox."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--keys-file",
            type=Path,
            help="where the organisations' API keys are kept, as JSON; without it no keys are made",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        if not settings.SANDBOX or settings.STRIPE_LIVE_MODE:
            raise CommandError("Demo people are made in the sandbox only (SANDBOX_URL set, no live key).")
        for line in persons.seed(now=now()):
            self.stdout.write(line)
        keys_file: Path | None = options["keys_file"]
        kept = _read(keys_file) if keys_file else None
        for line in organisations.seed(api_keys=kept, now=now()):
            self.stdout.write(line)
            if keys_file and kept is not None:
                _write(keys_file, kept)


def _read(file: Path) -> dict[str, str]:
    keys: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    return keys


def _write(file: Path, keys: dict[str, str]) -> None:
    """Readable to its owner only, whole or not at all; after each key, since it is nowhere else."""
    unfinished = file.with_name(file.name + ".unfinished")
    unfinished.touch(mode=0o600)
    unfinished.write_text(json.dumps(keys))
    unfinished.replace(file)
