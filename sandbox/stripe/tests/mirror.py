"""Run by test_dj_stripe.py in a process of its own: dj-stripe, over SQLite, mirrors a whole stand-in.

Prints what was mirrored, and what could not be, as JSON.
"""

import json
import sys
from collections import Counter

import django
import stripe
from django.conf import settings

from sandbox.stripe import StripeStandIn
from sandbox.stripe.tests.conftest import World
from sandbox.stripe.tests.crowd import everything


def configure(stand_in: StripeStandIn) -> None:
    settings.configure(
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        DJSTRIPE_FOREIGN_KEY_TO_FIELD="id",
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "djstripe"],
        MIGRATION_MODULES={"djstripe": None},
        SILENCED_SYSTEM_CHECKS=["djstripe.W001", "djstripe.I001"],
        STRIPE_API_HOST=stand_in.url,
        STRIPE_API_VERSION=stripe.api_version,
        STRIPE_LIVE_MODE=False,
        STRIPE_TEST_SECRET_KEY=stand_in.secret_key,
        USE_TZ=True,
    )
    django.setup()
    from django.core.management import call_command

    call_command("migrate", run_syncdb=True, verbosity=0)
    stripe.api_key, stripe.api_base = stand_in.secret_key, stand_in.url


def mirror(world: World) -> tuple[Counter[str], dict[str, str]]:
    """Each object as dj-stripe reads it, and then each event as dj-stripe processes it."""
    from djstripe import models

    mirrored: Counter[str] = Counter()
    failed: dict[str, str] = {}
    models.Account.get_or_retrieve_for_api_key(world.stand_in.secret_key)
    known = {
        model.stripe_class.OBJECT_NAME: model
        for name, model in vars(models).items()
        if name != "UpcomingInvoice"  # never stored
        and hasattr(getattr(model, "stripe_class", None), "OBJECT_NAME")
        and hasattr(model.stripe_class, "retrieve")
    }
    for rows in world.state().values():
        for object_id, row in rows.items():
            model = known.get(row["object"])
            if model is None or row["object"] == "event":
                continue
            try:
                model.sync_from_stripe_data(
                    model.stripe_class.retrieve(object_id, expand=model.expand_fields)
                )
                mirrored[row["object"]] += 1
            except Exception as error:  # noqa: BLE001 - whatever it is, the test tells it
                failed[row["object"]] = repr(error)
    for event in reversed(list(stripe.Event.list(limit=100).auto_paging_iter())):
        try:
            models.Event.process(event)
            mirrored["event"] += 1
        except Exception as error:  # noqa: BLE001 - whatever it is, the test tells it
            failed[event.type] = repr(error)
    return mirrored, failed


def main() -> None:
    with StripeStandIn() as stand_in:
        configure(stand_in)
        world = World(stand_in)
        everything(world)
        mirrored, failed = mirror(world)
        refused = [row["path"] for row in world.control("requests")["requests"] if row["status"] >= 400]
    json.dump({"mirrored": mirrored, "failed": failed, "refused": refused}, sys.stdout)


if __name__ == "__main__":
    main()
