"""The demo catalogue, published once a process and then laid out again as it was: more than a thousand tests begin with
it.
"""

from __future__ import annotations

from pathlib import Path

from django.conf import settings
from django.db import connection

from billing.services import catalog_load, catalog_sync
from common.clock import database_now
from sandbox.stripe import StripeStandIn
from sandbox.stripe.store import Key, Object, copied

TABLES = (
    "quotas_metric",
    "billing_feature",
    "billing_plan",
    "billing_planversion",
    "billing_planlimit",
    "billing_price",
    "billing_plantransition",
)

_rows: dict[str, str] = {}
_objects: dict[Key, Object] = {}


def sync() -> None:
    """Publish it really."""
    catalog_sync(catalog=catalog_load(Path(settings.CATALOG_FILE)), now=database_now())


def publish(stand_in: StripeStandIn) -> None:
    """The catalogue in an empty database and at an empty stand-in."""
    if not _rows:
        sync()
        _take(stand_in)
        return
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(
                f"INSERT INTO {table} OVERRIDING SYSTEM VALUE"
                f" SELECT * FROM jsonb_populate_recordset(NULL::{table}, %s::jsonb)",
                [_rows[table]],
            )
    stand_in.core.store.apply({key: copied(one) for key, one in _objects.items()}, {})


def _take(stand_in: StripeStandIn) -> None:
    _objects.update({key: copied(one) for key, one in stand_in.core.store.everything()})
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"SELECT jsonb_agg(row ORDER BY id)::text FROM {table} AS row")
            (_rows[table],) = cursor.fetchone()
