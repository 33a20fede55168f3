"""An index of ours on a table of dj-stripe's: an invoice is found by the number that stands on it.

Made after migrations, wherever they brought the table from: sandboxes leave dj-stripe's own history out, and a new release of
it may make its tables anew.
"""

from typing import Any

from django.db import connection

TABLE = "djstripe_invoice"
MAKE = f"CREATE INDEX {{how}} IF NOT EXISTS palier_invoice_by_number ON {TABLE} ((stripe_data -> 'number'))"


def mirror_index_ensure(**_: Any) -> None:
    """Outside a transaction without stopping who writes meanwhile; nothing where the table is not there (yet)."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [TABLE])
        (is_there,) = cursor.fetchone()
        if is_there:
            cursor.execute(MAKE.format(how="" if connection.in_atomic_block else "CONCURRENTLY"))
