"""Use over time as a chart, and what it comes to in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from billing.pages.usage.filters import Filters
from billing.pages.usage.keys import Key
from common.charts import (
    DAY_STEPS,
    HOUR_STEPS,
    MONTH_STEPS,
    MOST_SERIES,
    Chart,
    Place,
    Reference,
    Series,
    chart_of,
    labelled,
)
from common.formats import (
    date_text,
    mean_text,
    moment_texts,
    month_text,
    number_text,
    percent_text,
    short_day_text,
    time_text,
)
from common.periods import add_months
from quotas.by_key import NO_KEY, OTHER_KEYS, SplitUse, total_between, usage_by_key
from quotas.enums import Window
from quotas.reports import Granularity
from quotas.values import Bound

STEPS = {Granularity.HOUR: HOUR_STEPS, Granularity.DAY: DAY_STEPS, Granularity.MONTH: MONTH_STEPS}
WINDOWS = {Granularity.HOUR: Window.HOUR, Granularity.DAY: Window.DAY, Granularity.MONTH: Window.MONTH}
FEW_HOURS = 48
"""Up to so many, the axis names hours; beyond, days."""
LONGEST_COUNTED = 62
"""Up to so many, a span is said in days: nobody reckons with 356 of them."""
MUCH_MORE = 10
"""From so many times on, “times as much” says more than per cent."""


@dataclass(frozen=True, slots=True)
class Fact:
    """A figure with what it is, and a remark."""

    label: str
    value: str
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Drawn:
    """The chart, the facts, and one sentence that says it all."""

    chart: Chart
    facts: Sequence[Fact]
    sentence: str


def drawn(
    *,
    account_id: int,
    filters: Filters,
    metric_name: str,
    keys: Sequence[Key],
    bounds: Sequence[Bound],
    now: datetime,
) -> Drawn:
    """What the account used, as `filters` ask for it."""
    split = usage_by_key(
        account_id=account_id,
        metric=filters.metric,
        first=filters.first,
        last=filters.last,
        granularity=filters.granularity,
        credential_id=filters.key.id if filters.key else None,
        most=MOST_SERIES,
    )
    chart = chart_of(
        key="use",
        title=title_of(filters, metric_name),
        unit=metric_name,
        places=_places(split.starts, filters.granularity, now),
        series=_series(split, metric_name, keys, now),
        reference=_limit(filters, bounds),
        label_steps=STEPS[filters.granularity],
    )
    total = _total(account_id, filters, split.total)
    facts = [total, *_peak(split, filters.granularity), _mean(split, filters.granularity, now)]
    said = _("%(title)s, %(from)s to %(to)s: %(total)s.") % {
        "title": chart.title,
        "from": date_text(_as_day(filters.first)),
        "to": date_text(_as_day(filters.last)),
        "total": number_text(split.total),
    }
    return Drawn(chart, facts, said)


def title_of(filters: Filters, metric_name: str) -> str:
    titles = {
        Granularity.HOUR: _("%(metric)s by hour"),
        Granularity.DAY: _("%(metric)s by day"),
        Granularity.MONTH: _("%(metric)s by month"),
    }
    return titles[filters.granularity] % {"metric": metric_name}


def key_name(credential_id: int, keys: Sequence[Key]) -> str:
    """What a key's part is called; also that of keys which are gone, and of none."""
    if credential_id == OTHER_KEYS:
        return _("Other keys")
    if credential_id == NO_KEY:
        return _("Without a key")
    return next((key.name for key in keys if key.id == credential_id), _("A key that is gone"))


def _series(split: SplitUse, metric_name: str, keys: Sequence[Key], now: datetime) -> list[Series]:
    """What is to come is a gap and no zero. Without keys there is one series, named as the metric."""
    known = [start <= now for start in split.starts]

    def values(units: Sequence[int]) -> list[int | None]:
        return [value if seen else None for value, seen in zip(units, known, strict=True)]

    if not split.by_key:
        return [Series(metric_name, values([0] * len(known)))]
    if [one.credential_id for one in split.by_key] == [NO_KEY]:
        return [Series(metric_name, values(split.by_key[0].units))]
    return [Series(key_name(one.credential_id, keys), values(one.units)) for one in split.by_key]


def _places(starts: Sequence[datetime], granularity: Granularity, now: datetime) -> list[Place]:
    """Each with its name, those that the axis names with a short one too."""
    short = {
        index: _short(starts[index], granularity, len(starts))
        for index in labelled(len(starts), STEPS[granularity])
    }
    notes = {True: _("so far"), False: _("still to come")}
    return [
        Place(label, short.get(index, ""), "" if _end(start, granularity) <= now else notes[start <= now])
        for index, (start, label) in enumerate(zip(starts, _labels(starts, granularity, now), strict=True))
    ]


def _labels(starts: Sequence[datetime], granularity: Granularity, now: datetime) -> list[str]:
    if granularity == Granularity.HOUR:
        return moment_texts(starts, now=now)
    if granularity == Granularity.MONTH:
        return [month_text(_as_day(start)) for start in starts]
    return [date_text(_as_day(start)) for start in starts]


def _short(start: datetime, granularity: Granularity, count: int) -> str:
    if granularity == Granularity.HOUR:
        return time_text(start) if count <= FEW_HOURS else short_day_text(start)
    if granularity == Granularity.MONTH:
        return month_text(_as_day(start), short=True)
    return short_day_text(_as_day(start))


def _as_day(day: date) -> datetime:
    """A UTC day, or the midnight it begins at, to be written as that day in whatever time zone the reader is."""
    return datetime(day.year, day.month, day.day)  # noqa: DTZ001


def _end(start: datetime, granularity: Granularity) -> datetime:
    if granularity == Granularity.MONTH:
        return add_months(start, 1)
    return start + (timedelta(hours=1) if granularity == Granularity.HOUR else timedelta(days=1))


def _limit(filters: Filters, bounds: Sequence[Bound]) -> Reference | None:
    """The limit in force for windows as long as a bar; it holds for all keys together."""
    if filters.key is not None:
        return None
    window = WINDOWS[filters.granularity]
    found = [
        one.limit for one in bounds if (one.metric, one.window) == (filters.metric, window) and one.limit
    ]
    names = {
        Window.HOUR: _("Limit an hour"),
        Window.DAY: _("Limit a day"),
        Window.MONTH: _("Limit a month"),
    }
    return Reference(names[window], found[0]) if found and found[0] else None


def _total(account_id: int, filters: Filters, total: int) -> Fact:
    """With the time of the same length just before it."""
    last = filters.first - timedelta(days=1)
    before = total_between(
        account_id=account_id,
        metric=filters.metric,
        first=last - timedelta(days=filters.days - 1),
        last=last,
        credential_id=filters.key.id if filters.key else None,
    )
    return Fact(_("In all"), number_text(total), _compared(total, before, filters.days))


def _compared(total: int, before: int, days: int) -> str:
    span = _("the same span before")
    if days <= LONGEST_COUNTED:
        span = ngettext("the day before", "the %(days)s days before", days) % {"days": number_text(days)}
    words = {"span": span, "before": number_text(before)}
    if before == 0:
        return _("none in %(span)s") % words if total else ""
    if total == before:
        return _("as many as in %(span)s") % words
    if total >= before * MUCH_MORE:
        return _("%(before)s in %(span)s") % words
    words["share"] = percent_text(abs(total - before), before)
    if total > before:
        return _("%(share)s more than in %(span)s") % words
    return _("%(share)s less than in %(span)s") % words


def _peak(split: SplitUse, granularity: Granularity) -> list[Fact]:
    sums = [sum(values) for values in zip(*(one.units for one in split.by_key), strict=True)]
    if not any(sums):
        return []
    index = sums.index(max(sums))
    start, day = split.starts[index], _as_day(split.starts[index])
    if granularity == Granularity.HOUR:
        local = f"{short_day_text(start)}, {time_text(start)}"
        return [Fact(_("Busiest hour"), number_text(sums[index]), local)]
    if granularity == Granularity.DAY:
        return [Fact(_("Busiest day"), number_text(sums[index]), date_text(day))]
    return [Fact(_("Busiest month"), number_text(sums[index]), month_text(day))]


def _mean(split: SplitUse, granularity: Granularity, now: datetime) -> Fact:
    """Of what has begun."""
    labels = {
        Granularity.HOUR: _("An hour, on average"),
        Granularity.DAY: _("A day, on average"),
        Granularity.MONTH: _("A month, on average"),
    }
    begun = max(sum(start <= now for start in split.starts), 1)
    return Fact(labels[granularity], mean_text(split.total, begun))
