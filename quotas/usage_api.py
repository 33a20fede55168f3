"""What a person's account used: GET /v1/account/usage, …/records, …/report.csv."""

from __future__ import annotations

from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from accounts.permissions import IsUser
from accounts.selectors import account_of
from common.api import ApiView, listed, paginate
from common.api.views import Response
from common.csv_files import csv_response
from quotas import catalog
from quotas.errors import UnknownMetric
from quotas.reports import Granularity, records_of, usage_series
from quotas.selectors import first_metric, quota_status
from quotas.usage_files import NEWEST_FIRST, operation_rows
from quotas.usage_queries import (
    RECORD_FIELDS,
    FilterQuery,
    RecordData,
    SeriesData,
    SeriesQuery,
    record_json,
    series_json,
)


class UsageView(ApiView):
    """Use over time."""

    permission_classes = [IsUser]
    errors = (UnknownMetric,)

    @extend_schema(operation_id="account_usage", parameters=[SeriesQuery], responses=SeriesData)
    def get(self, request: Request) -> Response:
        """Units by hour, day or month. Without `metric`, of the first one the account has a limit for."""
        asked = self.query(SeriesQuery)
        account_id = account_of(request).pk
        metric = asked.get("metric") or default_metric(account_id)
        granularity = Granularity(asked["granularity"])
        points = usage_series(
            account_id=account_id,
            metric=metric,
            first=asked["first"],
            last=asked["last"],
            granularity=granularity,
        )
        return Response(series_json(metric, granularity, points))


class UsageRecordsView(ApiView):
    """Use, operation by operation."""

    permission_classes = [IsUser]
    errors = (UnknownMetric,)

    @extend_schema(
        operation_id="account_usage_records", parameters=[FilterQuery], responses=RecordData(many=True)
    )
    def get(self, request: Request) -> Response:
        """Every accepted operation, newest first."""
        rows = records_of(account_id=account_of(request).pk, **self.query(FilterQuery))
        items, cursor = paginate(rows, request, order=NEWEST_FIRST)
        return listed([record_json(row) for row in items], cursor)


class UsageReportView(ApiView):
    """Use as a file."""

    permission_classes = [IsUser]
    errors = (UnknownMetric,)

    @extend_schema(
        operation_id="account_usage_report",
        parameters=[FilterQuery],
        responses={(200, "text/csv"): OpenApiTypes.STR},
    )
    def get(self, request: Request) -> HttpResponseBase:
        """The same records as CSV, all of them, newest first."""
        rows = operation_rows(account_id=account_of(request).pk, **self.query(FilterQuery))
        return csv_response("usage.csv", RECORD_FIELDS, (row[:-1] for row in rows))


def default_metric(account_id: int) -> str:
    """The metric meant when none is named. UnknownMetric when there is none at all."""
    bounds = quota_status(account_id=account_id)
    metric = catalog.first_code({bound.metric for bound in bounds}) if bounds else first_metric()
    if metric is None:
        raise UnknownMetric
    return metric
