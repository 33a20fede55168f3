"""What an organisation used: summary, days, series, records, CSV."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from common.api import listed, paginate
from common.csv_files import csv_response
from common.errors import DomainError, NotFound
from enterprise.api.base import B2bView
from enterprise.api.usage_schemas import (
    B2bDaysQuery,
    B2bFilterQuery,
    B2bRecordData,
    B2bSeriesQuery,
    DayData,
    MetricQuery,
    SummaryData,
    summary_json,
)
from enterprise.enums import Scope
from enterprise.selectors import credential_get, credential_public_ids
from enterprise.selectors.usage import usage_summary
from quotas.catalog import metric_code
from quotas.errors import UnknownMetric
from quotas.reports import Granularity, records_of, usage_days_of, usage_series
from quotas.usage_api import default_metric
from quotas.usage_files import NEWEST_FIRST, operation_rows
from quotas.usage_queries import RECORD_FIELDS, SeriesData, record_json, series_json

OLDEST_FIRST = ("day", "id")


class UsageReadView(B2bView):
    """Base of what reads use."""

    scopes = {"get": Scope.USAGE_READ}
    errors: ClassVar[tuple[type[DomainError], ...]] = (UnknownMetric, NotFound)

    def asked(self, query: type[Any]) -> dict[str, Any]:
        """The validated query; `credential` has become `credential_id`. NotFound for a key that is not the caller's."""
        found: dict[str, Any] = self.query(query)
        credential_id: UUID | None = found.pop("credential", None)
        if credential_id is None:
            return found | {"credential_id": None}
        return found | {
            "credential_id": credential_get(account_id=self.account.pk, credential_id=credential_id).pk
        }


class SummaryView(UsageReadView):
    """Where the account stands."""

    errors = (UnknownMetric,)

    @extend_schema(operation_id="b2b_usage_summary", parameters=[MetricQuery], responses=SummaryData)
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """Today, this month, this contract period: limits, use, overage and its cost, by key. All of one moment."""
        metric = self.query(MetricQuery).get("metric")
        return Response(summary_json(usage_summary(account=self.account, metric=metric)))


class DailyView(UsageReadView):
    """Use by day and key."""

    @extend_schema(operation_id="b2b_usage_daily", parameters=[B2bDaysQuery], responses=DayData(many=True))
    def get(self, request: Request) -> Response:
        """A row for each day, metric and key with use, oldest first; without days, the last 30."""
        asked = self.asked(B2bDaysQuery)
        credential_id = asked.pop("credential_id")
        rows = usage_days_of(account_id=self.account.pk, **asked)
        if credential_id is not None:
            rows = rows.filter(credential_id=credential_id)
        items, cursor = paginate(rows, request, order=OLDEST_FIRST)
        ids = credential_public_ids(self.account.pk)
        return listed(
            [
                {
                    "date": row.day,
                    "metric": metric_code(row.metric_id),
                    "credential": ids.get(row.credential_id),
                    "units": row.units,
                    "overage_units": row.overage_units,
                }
                for row in items
            ],
            cursor,
        )


class SeriesView(UsageReadView):
    """Use over time."""

    @extend_schema(operation_id="b2b_usage_series", parameters=[B2bSeriesQuery], responses=SeriesData)
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """Units by hour, day or month, also where there were none."""
        asked = self.asked(B2bSeriesQuery)
        metric = asked.get("metric") or default_metric(self.account.pk)
        granularity = Granularity(asked["granularity"])
        points = usage_series(
            account_id=self.account.pk,
            metric=metric,
            first=asked["first"],
            last=asked["last"],
            granularity=granularity,
            credential_id=asked["credential_id"],
        )
        return Response(series_json(metric, granularity, points))


class RecordsView(UsageReadView):
    """Use, operation by operation."""

    @extend_schema(
        operation_id="b2b_usage_records", parameters=[B2bFilterQuery], responses=B2bRecordData(many=True)
    )
    def get(self, request: Request) -> Response:
        """Every accepted operation, newest first."""
        rows = records_of(account_id=self.account.pk, **self.asked(B2bFilterQuery))
        items, cursor = paginate(rows, request, order=NEWEST_FIRST)
        ids = credential_public_ids(self.account.pk)
        return listed(
            [record_json(row) | {"credential": ids.get(row.credential_id)} for row in items], cursor
        )


class ReportView(UsageReadView):
    """Use as a file."""

    @extend_schema(
        operation_id="b2b_usage_report",
        parameters=[B2bFilterQuery],
        responses={(200, "text/csv"): OpenApiTypes.STR},
    )
    def get(self, request: Request) -> HttpResponseBase:  # noqa: ARG002
        """The same records as CSV, all of them, newest first."""
        rows = operation_rows(account_id=self.account.pk, **self.asked(B2bFilterQuery))
        ids = credential_public_ids(self.account.pk)
        told = ((*row, ids.get(key, "")) for *row, key in rows)
        return csv_response("usage.csv", (*RECORD_FIELDS, "credential"), told)
