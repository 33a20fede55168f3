"""What of the use is shown: read from the address with the API's own rules, and written back into it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from django.utils.translation import gettext as _

from billing.pages.usage.keys import Key
from common.periods import add_months
from quotas.reports import LONGEST_DAYS, Granularity, midnight
from quotas.usage_queries import FIRST_DAY, LAST_DAY, SeriesQuery

NAMES = ("metric", "from", "to", "granularity")
KEY = "credential"
SPANS = {Granularity.HOUR: 1, Granularity.DAY: 30}
MONTHS = 12
LONGEST = {**LONGEST_DAYS, Granularity.HOUR: 14}
"""Days (or months) shown when none are named, and days at most: more hours than these cannot be told apart on a screen."""


class PageQuery(SeriesQuery):
    longest = LONGEST


@dataclass(frozen=True, slots=True)
class Filters:
    """`given` is what stands in the fields, right or wrong; `errors` says what of it is wrong, by field."""

    metric: str
    granularity: Granularity
    first: date
    last: date
    key: Key | None = None
    given: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """The query that shows the same again, on whatever day."""
        asked = {
            "metric": self.metric,
            "from": self.first.isoformat(),
            "to": self.last.isoformat(),
            "granularity": self.granularity.value,
        }
        return urlencode(asked | ({KEY: str(self.key.public_id)} if self.key else {}))

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1


@dataclass(frozen=True, slots=True)
class Preset:
    """A usual choice of time, one click away."""

    name: str
    label: str
    address: str
    is_chosen: bool


def filters_of(
    query: Mapping[str, str], *, metrics: Sequence[str], metric: str, today: date, keys: Sequence[Key]
) -> Filters:
    """What was asked for. What is missing is filled in, `metric` for instance; with errors, what is shown unasked."""
    given = {name: query[name] for name in (*NAMES, KEY) if query.get(name)}
    asked = {name: value for name, value in given.items() if name != KEY}
    fallback = Filters(metric, Granularity.DAY, today - timedelta(days=SPANS[Granularity.DAY] - 1), today)
    errors: dict[str, Sequence[str]] = {}
    checked = PageQuery(data=_with_days(asked, today))
    if asked.get("metric", metric) not in metrics:
        errors["metric"] = [_("There is no such metric. Choose one of the list.")]
    elif not checked.is_valid():
        errors |= {name: [str(one) for one in found] for name, found in checked.errors.items()}
    key = next((one for one in keys if str(one.public_id) == given.get(KEY)), None)
    if KEY in given and key is None:
        errors[KEY] = [_("There is no such key. Choose one of the list.")]
    if errors:
        return replace(fallback, given=given, errors=errors)
    values: dict[str, Any] = checked.validated_data
    granularity = Granularity(values["granularity"])
    first: date = values["first"]
    if granularity == Granularity.MONTH:
        first = first.replace(day=1)  # a month is shown whole
    found = Filters(values.get("metric", metric), granularity, first, values["last"], key)
    return replace(found, given=_fields(found))


def presets_of(filters: Filters, *, today: date) -> list[Preset]:
    """Today, a week, a month, a year; each ends today and keeps metric and key."""
    year = _first(Granularity.MONTH, today)
    choices = (
        ("today", _("Today"), Granularity.HOUR, today),
        ("week", _("7 days"), Granularity.DAY, today - timedelta(days=6)),
        ("month", _("30 days"), Granularity.DAY, today - timedelta(days=29)),
        ("year", _("12 months"), Granularity.MONTH, year),
    )
    made = []
    for name, label, granularity, first in choices:
        one = replace(filters, granularity=granularity, first=first, last=today)
        same = not filters.errors and one.address == filters.address
        made.append(Preset(name, label, one.address, is_chosen=same))
    return made


def _with_days(asked: Mapping[str, str], today: date) -> dict[str, str]:
    """Without a first day, as many days as are usual for that granularity."""
    days = dict(asked)
    try:
        granularity = Granularity(days.get("granularity", Granularity.DAY.value))
        last = date.fromisoformat(days.setdefault("to", max(today.isoformat(), days.get("from", ""))))
        if last > LAST_DAY:
            return dict(asked)
        days.setdefault("from", _first(granularity, last).isoformat())
    except (ValueError, OverflowError):
        return dict(asked)  # the check says at which field what is wrong
    return days


def _first(granularity: Granularity, last: date) -> date:
    """The first day, where only the last is known."""
    if granularity == Granularity.MONTH:
        return add_months(midnight(last.replace(day=1)), 1 - MONTHS).date()
    return max(last - timedelta(days=SPANS[granularity] - 1), FIRST_DAY)


def _fields(filters: Filters) -> dict[str, str]:
    return {
        "metric": filters.metric,
        "from": filters.first.isoformat(),
        "to": filters.last.isoformat(),
        "granularity": filters.granularity.value,
        KEY: str(filters.key.public_id) if filters.key else "",
    }
