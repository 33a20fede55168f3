"""All that we know at the end of a proof, in a form in which two ways to the same end can be compared.

Ids are left out (another run has others), and so is when we heard of something: that is what differs between the ways.
Everything else has to be the same, to the second.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

from django.db import connection

from common.models import OutboxMessage
from tests.billing.world import World

Row = dict[str, Any]

TABLES = ("billing_", "quotas_", "accounts_")
LEFT_OUT = {
    "quotas_rightsversion",  # counts how often rights were written
    "quotas_operationkey",
    "billing_storedfit",  # when what is stored was last looked at
    "accounts_notification",  # told apart, in `told`
    "quotas_refusedcall",  # what the meter said before Stripe was asked for the credits of a new period
}
HEARD_AT = {
    "created_at",
    "settled_at",
    "stripe_read_at",
    "last_tried_at",
    "updated_at",
    "emailed_at",
    "fitted_at",
    "granted_at",
}
OWN = {
    "id",
    "public_id",
    "revision",
    "email",
    "billing_email",
    "password",
    "name",
    "display_name",
    "email_status",
}
RIGHTS = ("quotas_entitlement", "quotas_featuregrant")
ID = re.compile(r"\b(?:[a-z]{2,14}_[0-9A-Za-z]{14,}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b")
ROW = re.compile(r"(?<=:)\d+(?=:|$)")  # of what a ledger entry is about
MOMENT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?(?:\+00:00|Z)")
METERED = ("quotas_ledgerentry", "quotas_reservation", "quotas_usagerecord")
HOUR = re.compile(r"(T\d\d):\d\d:\d\d")
"""The meter takes the real time for its moments, so they are only about the same ones (see world.STANDING)."""
MIRRORED = {
    "customer": ("balance",),
    "subscription": ("status", "cancel_at_period_end"),
    "invoice": ("status", "total", "amount_paid", "amount_remaining"),
    "charge": ("status", "amount", "amount_refunded"),
    "payment_intent": ("status", "amount"),
    "refund": ("status", "amount"),
}
"""What the mirror has to show as Stripe does, of each object that an event was about."""


def end_state(world: World) -> dict[str, list[Row]]:
    """Our rows. What rights there were before is history; which hold now, or will, is the state."""
    found = {}
    for table in _tables():
        rows = [_comparable(table, row, world) for row in _rows(table)]
        found[table] = sorted((row for row in rows if row is not None), key=repr)
    return found


def told() -> Counter[str]:
    """How often each thing was told. None may have been told twice."""
    rows = _rows("accounts_notification")
    causes = Counter((row["user_id"], row["cause"]) for row in rows)
    assert [cause for cause, times in causes.items() if times > 1] == []
    return Counter(ID.sub("…", f"{row['template']} {row['cause']}") for row in rows)


def waiting() -> list[str]:
    """What was promised and is neither done nor only due later."""
    left = OutboxMessage.objects.filter(done_at=None).exclude(parked_at=None, attempts=0, last_error="")
    return [f"{one.task}: {one.last_error}" for one in left]


def wrongly_mirrored(world: World, ids: set[str]) -> list[str]:
    """Which of these objects dj-stripe's copy does not show as Stripe does."""
    wrong = []
    for kind, fields in MIRRORED.items():
        there = {
            one["id"]: {name: one.get(name) for name in fields}
            for one in world.objects(kind)
            if one["id"] in ids
        }
        copies = {
            row["id"]: {name: row["stripe_data"].get(name) for name in fields}
            for row in _rows(_mirror_of(kind))
        }
        wrong += [
            f"{kind} {one}: {copies.get(one)}, at Stripe {now}"
            for one, now in there.items()
            if copies.get(one) != now
        ]
    return wrong


def _mirror_of(kind: str) -> str:
    return f"djstripe_{kind.replace('_', '')}"


def _tables() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT c.relname FROM palier_test.written w JOIN pg_class c ON c.oid = w.name")
        names = [name for (name,) in cursor.fetchall()]
        cursor.execute("SELECT name::text FROM palier_test.reference")
        stock = {name for (name,) in cursor.fetchall()}
    return sorted(name for name in names if name.startswith(TABLES) and name not in LEFT_OUT | stock)


def _rows(table: str) -> list[Row]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT to_jsonb(t) FROM {table} t")
        return [json.loads(row) for (row,) in cursor.fetchall()]


def _comparable(table: str, row: Row, world: World) -> Row | None:
    if table in RIGHTS:
        if row["valid_until"] is not None and row["valid_until"] <= world.now.isoformat():
            return None
        if row["valid_from"] <= world.now.isoformat():
            row = {**row, "valid_from": "by now"}
    if table == "quotas_ledgerentry":
        row = {**row, "request_id": ROW.sub("…", row["request_id"])}
        if row["kind"] == "grant":
            del row["occurred_at"]
    return {
        name: _plain(value, is_metered=table.startswith(METERED))
        for name, value in row.items()
        if name not in HEARD_AT | OWN and not _names_a_row(name)
    }


def _names_a_row(name: str) -> bool:
    """Foreign keys; those of the catalogue are the same in all runs."""
    return name in (
        "account_id",
        "user_id",
        "subscription_id",
        "record_id",
        "reverses_record_id",
        "grant_id",
        "entitlement_id",
        "withdrawal_id",
        "bucket_ids",
    )


def _plain(value: Any, *, is_metered: bool = False) -> Any:
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, str):
        text = ID.sub("…", MOMENT.sub(r"\1", value))
        return HOUR.sub(r"\1", text) if is_metered else text
    return value
