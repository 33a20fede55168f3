"""Operations as rows of a file, so that neither memory nor the wait for the first of them grows with their number.

They are read day by day, and each day through a cursor on the server: one question for all of them would have
PostgreSQL set the whole result aside before the first row.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from itertools import chain
from typing import Any

from django.db.models import F, QuerySet

from quotas.models import UsageRecord
from quotas.reports import records_of, usage_days_of
from quotas.usage_queries import FIRST_DAY, LAST_DAY, RECORD_FIELDS

NEWEST_FIRST = ("-occurred_at", "-id")
CHUNK = 2000
COLUMNS = {
    "id": "id",
    "at": "occurred_at",
    "metric": "metric__code",
}
"""Where a field of the API is not named as its column."""


def operation_rows(
    *,
    account_id: int,
    first: date | None = None,
    last: date | None = None,
    metric: str | None = None,
    credential_id: int | None = None,
) -> Iterator[tuple[Any, ...]]:
    """(RECORD_FIELDS…, the key's id or None) of each record that `records_of` has for the same, newest first.

    What is used on a day that had no use when the reading began is not among them. UnknownMetric at once.
    """
    days = usage_days_of(
        account_id=account_id, first=first or FIRST_DAY, last=last or LAST_DAY, metric=metric
    )
    if credential_id is not None:
        days = days.filter(credential_id=credential_id)
    used = list(days.order_by("-day").values_list("day", flat=True).distinct())
    return chain.from_iterable(
        _rows(
            records_of(account_id=account_id, first=day, last=day, metric=metric, credential_id=credential_id)
        )
        for day in used
    )


def _rows(records: QuerySet[UsageRecord]) -> Iterator[tuple[Any, ...]]:
    columns = [COLUMNS.get(name, name) for name in RECORD_FIELDS]
    rows = records.order_by(*NEWEST_FIRST).select_related(None)
    for id_, *rest in rows.values_list(*columns, F("credential_id")).iterator(CHUNK):
        yield (str(id_), *rest)
