"""The page of use, its two files, and the form for thresholds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.models import Account
from accounts.pages.thresholds import ThresholdsForm
from accounts.selectors import account_of, person_of
from accounts.settings import settings_update
from billing.pages.access import signed_in
from billing.pages.meters import FULL
from billing.pages.overview import quotas_context
from billing.pages.usage.drawing import drawn, key_name
from billing.pages.usage.filters import Filters, filters_of, presets_of
from billing.pages.usage.keys import Key, keys_of
from billing.pages.words import metric_names
from common import clock
from common.csv_files import csv_response
from common.errors import ValidationError
from common.ratelimit import ratelimited
from quotas.by_key import NO_KEY, usage_by_key
from quotas.enums import MetricKind
from quotas.errors import UnknownMetric
from quotas.models import Metric
from quotas.reports import Granularity
from quotas.selectors import quota_status
from quotas.usage_files import operation_rows
from quotas.usage_queries import RECORD_FIELDS
from quotas.values import Bound

ADDRESSES = {
    "page": "account_usage",
    "shown": "account_usage_shown",
    "operations": "account_usage_operations",
}


@require_safe
@signed_in
@ratelimited("global", "user")
def usage(request: HttpRequest) -> HttpResponse:
    """Limits and pace, and use over time. What is asked for stands in the address, so it can be kept and sent on."""
    thresholds = ThresholdsForm(initial={"usage_thresholds": person_of(request).usage_thresholds})
    return _page(request, thresholds)


@require_POST
@signed_in
@ratelimited("global", "user")
def usage_thresholds(request: HttpRequest) -> HttpResponse:
    """Keeps the percentages at which the person is told, and goes back to what was shown."""
    form = ThresholdsForm(request.POST)
    if not form.is_valid():
        return _page(request, form, status=422)
    settings_update(user=person_of(request), changes=form.cleaned_data)
    messages.success(request, _saved_text(form.cleaned_data["usage_thresholds"]))
    query = request.META.get("QUERY_STRING", "")
    return HttpResponseRedirect(reverse("account_usage") + (f"?{query}" if query else ""))


def _saved_text(thresholds: Sequence[int]) -> str:
    if any(one < FULL for one in thresholds):
        return _("Saved. You are told at these percentages from now on.")
    return _("Saved. You are told when a limit is reached, and not before.")


@require_safe
@signed_in
@ratelimited("global", "user")
def usage_shown_file(request: HttpRequest) -> HttpResponseBase:
    """What the chart shows, as CSV."""
    return shown_file(request, account_of(request))


def shown_file(request: HttpRequest, account: Account) -> HttpResponseBase:
    """What the chart shows, as CSV: a row for each time and key, those too that the chart shows as one."""
    now = clock.now()
    keys = keys_of(account.pk)
    filters = _asked(request, account, keys, now)
    split = usage_by_key(
        account_id=account.pk,
        metric=filters.metric,
        first=filters.first,
        last=filters.last,
        granularity=filters.granularity,
        credential_id=filters.key.id if filters.key else None,
    )

    def rows() -> Iterator[tuple[Any, ...]]:
        for index, start in enumerate(split.starts):
            when = start if filters.granularity == Granularity.HOUR else start.date()
            for one in split.by_key:
                key = "" if one.credential_id == NO_KEY else key_name(one.credential_id, keys)
                yield when, filters.metric, key, one.units[index]
            if not split.by_key:
                yield when, filters.metric, "", 0

    return csv_response(_name("usage", filters), ("start", "metric", "key", "units"), rows())


@require_safe
@signed_in
@ratelimited("global", "user")
def usage_operations_file(request: HttpRequest) -> HttpResponseBase:
    """Every operation of the time shown, as CSV."""
    return operations_file(request, account_of(request))


def operations_file(request: HttpRequest, account: Account) -> HttpResponseBase:
    """Every operation of the time shown, as CSV, newest first; however many, they are sent while they are read."""
    now = clock.now()
    keys = keys_of(account.pk)
    filters = _asked(request, account, keys, now)
    records = operation_rows(
        account_id=account.pk,
        metric=filters.metric,
        first=filters.first,
        last=filters.last,
        credential_id=filters.key.id if filters.key else None,
    )
    names = {key.id: key.name for key in keys}
    rows = ((*row, names.get(key, "")) for *row, key in records)
    return csv_response(_name("operations", filters), (*RECORD_FIELDS, "key"), rows)


def _page(request: HttpRequest, thresholds: ThresholdsForm, *, status: int = 200) -> HttpResponse:
    context = {
        "thresholds": thresholds,
        "crumbs": [(_("Usage"), "")],
        **usage_context(request, account_of(request), ADDRESSES),
    }
    failed = "filters" in context and context["filters"].errors
    return render(request, "pages/usage.html", context, status=422 if failed else status)


def usage_context(request: HttpRequest, account: Account, addresses: Mapping[str, str]) -> dict[str, Any]:
    """An account's limits and its use over time, for any page that shows them.

    `addresses`: the names of that page's address (`page`) and of its two files (`shown`, `operations`). `filters`
    and `drawn` are missing where nothing is counted or the figures cannot be read.
    """
    context = {
        "query": request.META.get("QUERY_STRING", ""),
        "addresses": {what: reverse(name) for what, name in addresses.items()},
        **quotas_context(account, reader=person_of(request)),
    }
    names = _shown_metrics()
    if not names or context.get("meters_error"):
        return context
    keys, now = keys_of(account.pk), context["now"]
    filters = _filters(request, keys, names, context["bounds"], now)
    return context | {
        "filters": filters,
        "metrics": names,
        "granularities": _granularities(),
        "keys": keys,
        "presets": presets_of(filters, today=now.date()),
        "drawn": drawn(
            account_id=account.pk,
            filters=filters,
            metric_name=names[filters.metric],
            keys=keys,
            bounds=context["bounds"],
            now=now,
        ),
    }


def _filters(
    request: HttpRequest,
    keys: Sequence[Key],
    names: Mapping[str, str],
    bounds: Sequence[Bound],
    now: datetime,
) -> Filters:
    """Without a metric, the first one that the account has a limit for."""
    own = {bound.metric for bound in bounds}
    metric = next((code for code in names if code in own), next(iter(names)))
    return filters_of(request.GET, metrics=list(names), metric=metric, today=now.date(), keys=keys)


def _asked(request: HttpRequest, account: Account, keys: Sequence[Key], now: datetime) -> Filters:
    """For a file: what is asked wrongly is refused. ValidationError; UnknownMetric where nothing is counted at all."""
    names = _shown_metrics()
    if not names:
        raise UnknownMetric
    filters = _filters(request, keys, names, quota_status(account_id=account.pk), now)
    if filters.errors:
        fields = [
            {"field": name, "code": "invalid", "message": text}
            for name, texts in filters.errors.items()
            for text in texts
        ]
        raise ValidationError(details={"fields": fields})
    return filters


def _shown_metrics() -> dict[str, str]:
    """Name of each metric that is used over time; what merely exists (personas) has no time to be shown over."""
    counted = set(Metric.objects.filter(kind=MetricKind.COUNTER).values_list("code", flat=True))
    return {code: name for code, name in metric_names().items() if code in counted}


def _granularities() -> list[tuple[str, str]]:
    labels = {Granularity.HOUR: _("by hour"), Granularity.DAY: _("by day"), Granularity.MONTH: _("by month")}
    return [(one.value, labels[one]) for one in Granularity]


def _name(what: str, filters: Filters) -> str:
    return f"{what}-{filters.metric}-{filters.first}-{filters.last}.csv"
