"""What was used, over time: sums, series and the records themselves. All of it equals the sum of the records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum

from django.db import connection
from django.db.models import QuerySet, Sum

from quotas.catalog import metric_id
from quotas.models import UsageDay, UsageRecord

ONE_DAY = timedelta(days=1)


class Granularity(StrEnum):
    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


LONGEST_DAYS = {Granularity.HOUR: 31, Granularity.DAY: 400, Granularity.MONTH: 3660}
"""How many days a series of that granularity may span."""


@dataclass(frozen=True, slots=True)
class Point:
    """What was used in one hour, day or month that begins at `start`."""

    start: datetime
    units: int


def midnight(day: date) -> datetime:
    """The beginning of a UTC day."""
    return datetime.combine(day, time(), UTC)


def units_between(*, account_id: int, metric: str, start: datetime, end: datetime) -> int:
    """Units used in [start, end)."""
    return _between("units", account_id, metric, start, end)


def overage_between(*, account_id: int, metric: str, start: datetime, end: datetime) -> int:
    """Units used past a limit in [start, end), as it was decided when they were used."""
    return _between("overage_units", account_id, metric, start, end)


def overage_of_credits_between(*, account_id: int, metric: str, start: datetime, end: datetime) -> int:
    """Those of them that were past the credits: each was charged when it was used."""
    with connection.cursor() as cursor:
        cursor.execute(
            PAST_CREDITS, {"account": account_id, "metric": metric_id(metric), "start": start, "end": end}
        )
        (units,) = cursor.fetchone()
    return int(units)


# An entry is written when its record is, or later; a reversing record stands at the instant of what it undoes.
PAST_CREDITS = """
SELECT coalesce(sum(l.overage_units), 0)
FROM quotas_ledgerentry l LEFT JOIN quotas_usagerecord r ON r.id = l.record_id
WHERE l.account_id = %(account)s AND l.metric_id = %(metric)s AND l.overage_units <> 0 AND l.occurred_at >= %(start)s
  AND coalesce(r.occurred_at, l.occurred_at) >= %(start)s AND coalesce(r.occurred_at, l.occurred_at) < %(end)s
"""


def _between(field: str, account_id: int, metric: str, start: datetime, end: datetime) -> int:
    """Whole days from the days' figures, what is left at both ends from the records."""
    own = {"account_id": account_id, "metric_id": metric_id(metric)}
    first, last = _whole_days(start, end)
    if first >= last:
        parts = [(start, end)]
        total = 0
    else:
        total = _sum(UsageDay.objects.filter(**own, day__gte=first, day__lt=last), field)
        parts = [(start, midnight(first)), (midnight(last), end)]
    for since, until in parts:
        if since < until:
            found = UsageRecord.objects.filter(**own, occurred_at__gte=since, occurred_at__lt=until)
            total += _sum(found, field)
    return total


def _whole_days(start: datetime, end: datetime) -> tuple[date, date]:
    """The UTC days [first, last) that lie in [start, end) as a whole."""
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    return (start if start == midnight(start.date()) else start + ONE_DAY).date(), end.date()


def _sum(rows: QuerySet[UsageDay] | QuerySet[UsageRecord], field: str) -> int:
    return int(rows.aggregate(total=Sum(field))["total"] or 0)


def usage_series(
    *,
    account_id: int,
    metric: str,
    first: date,
    last: date,
    granularity: Granularity,
    credential_id: int | None = None,
) -> list[Point]:
    """Units in each hour, day or month from the first to the last day, both included; zeros where there were none."""
    rows = usage_days_of(account_id=account_id, metric=metric, first=first, last=last)
    if credential_id is not None:
        rows = rows.filter(credential_id=credential_id)
    sums = dict.fromkeys(starts_of(first, last, granularity), 0)
    for day, units, hours in rows.values_list("day", "units", "hour_units"):
        if granularity == Granularity.HOUR:
            for hour, counted in enumerate(hours):
                sums[midnight(day) + timedelta(hours=hour)] += counted
        else:
            sums[_start_of(day, granularity)] += units
    return [Point(start, units) for start, units in sums.items()]


def usage_days_of(
    *, account_id: int, first: date, last: date, metric: str | None = None
) -> QuerySet[UsageDay]:
    """The account's days from first to last, both included: a row for each metric, key and day."""
    rows = UsageDay.objects.filter(account_id=account_id, day__gte=first, day__lte=last)
    return rows if metric is None else rows.filter(metric_id=metric_id(metric))


def records_of(
    *,
    account_id: int,
    first: date | None = None,
    last: date | None = None,
    metric: str | None = None,
    credential_id: int | None = None,
) -> QuerySet[UsageRecord]:
    """The account's records, of the days from first to last, both included, of one metric and one key."""
    rows = UsageRecord.objects.filter(account_id=account_id).select_related("metric")
    if first is not None:
        rows = rows.filter(occurred_at__gte=midnight(first))
    if last is not None:
        rows = rows.filter(occurred_at__lt=midnight(last + ONE_DAY))
    if metric is not None:
        rows = rows.filter(metric_id=metric_id(metric))
    if credential_id is not None:
        rows = rows.filter(credential_id=credential_id)
    return rows


def starts_of(first: date, last: date, granularity: Granularity) -> Iterator[datetime]:
    """The beginning of each hour, or for each day that of it or of its month (so months come once for each day)."""
    days: Iterable[date] = (first + timedelta(days=n) for n in range((last - first).days + 1))
    for day in days:
        if granularity == Granularity.HOUR:
            yield from (midnight(day) + timedelta(hours=hour) for hour in range(24))
        else:
            yield _start_of(day, granularity)


def _start_of(day: date, granularity: Granularity) -> datetime:
    return midnight(day.replace(day=1) if granularity == Granularity.MONTH else day)
