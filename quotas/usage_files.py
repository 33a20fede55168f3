"""Operations as rows of a file: read through a cursor on the server, so that a million of them need no more memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models import F, QuerySet

from quotas.models import UsageRecord
from quotas.usage_queries import RECORD_FIELDS

NEWEST_FIRST = ("-occurred_at", "-id")
CHUNK = 2000
COLUMNS = {
    "id": "id",
    "at": "occurred_at",
    "metric": "metric__code",
}
"""Where a field of the API is not named as its column."""


def operation_rows(records: QuerySet[UsageRecord]) -> Iterator[tuple[Any, ...]]:
    """(RECORD_FIELDS…, the key's id or None) of each record, newest first."""
    columns = [COLUMNS.get(name, name) for name in RECORD_FIELDS]
    rows = records.order_by(*NEWEST_FIRST).select_related(None)
    for id_, *rest in rows.values_list(*columns, F("credential_id")).iterator(CHUNK):
        yield (str(id_), *rest)
