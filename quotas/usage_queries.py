"""Which use is asked for: a metric, days, a granularity. Shared by the API of people and of organisations."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from common import clock
from common.api import ApiSerializer, StrictCharField
from quotas.catalog import metric_id
from quotas.reports import LONGEST_DAYS, Granularity

DEFAULT_DAYS = 30
FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(9000, 1, 1)


class FilterQuery(ApiSerializer):
    """`from` and `to` are UTC days, both included."""

    metric = StrictCharField(required=False, max_length=40)

    def get_fields(self) -> dict[str, Any]:
        days = {
            "from": serializers.DateField(required=False, help_text="The first day, UTC."),
            "to": serializers.DateField(required=False, help_text="The last day, UTC, included."),
        }
        return super().get_fields() | days

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """`first` and `last` instead of `from` and `to`."""
        first, last = attrs.pop("from", None), attrs.pop("to", None)
        for name, day in (("from", first), ("to", last)):
            if day is not None and not FIRST_DAY <= day <= LAST_DAY:
                raise serializers.ValidationError(
                    {name: [_("Give a day of this century.")]}, code="out_of_range"
                )
        if first is not None and last is not None and first > last:
            raise serializers.ValidationError(
                {"to": [_("The last day is before the first.")]}, code="out_of_range"
            )
        if "metric" in attrs:
            metric_id(attrs["metric"])  # UnknownMetric
        return attrs | {"first": first, "last": last}


class DaysQuery(FilterQuery):
    """Without days, the 30 days that end today. `longest`: how many days may be asked for."""

    longest: Mapping[Granularity, int] = LONGEST_DAYS

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        last = attrs["last"] or max(clock.now().date(), attrs["first"] or FIRST_DAY)
        first = attrs["first"] or max(last - timedelta(days=DEFAULT_DAYS - 1), FIRST_DAY)
        self.check_span(first, last, attrs)
        return attrs | {"first": first, "last": last}

    def check_span(self, first: date, last: date, attrs: dict[str, Any]) -> None:
        longest = self.longest[Granularity(attrs.get("granularity", Granularity.DAY))]
        if (last - first).days >= longest:
            raise serializers.ValidationError(
                {"from": [_("That is too long: at most %(days)s days.") % {"days": longest}]},
                code="out_of_range",
            )


class SeriesQuery(DaysQuery):
    granularity = serializers.ChoiceField(
        choices=[one.value for one in Granularity], default=Granularity.DAY.value
    )


class PointData(serializers.Serializer[object]):
    start = serializers.DateTimeField()
    units = serializers.IntegerField()


class SeriesData(serializers.Serializer[object]):
    """`series` has every hour, day or month of the time asked for, also those of no use; times are UTC."""

    metric = serializers.CharField()
    granularity = serializers.CharField()
    series = PointData(many=True)
    total_units = serializers.IntegerField()


class RecordData(serializers.Serializer[object]):
    """One accepted operation. `units` is negative for what was given back."""

    id = serializers.CharField()
    at = serializers.DateTimeField()
    metric = serializers.CharField()
    kind = serializers.CharField()
    units = serializers.IntegerField()
    credit_units = serializers.IntegerField()
    overage_units = serializers.IntegerField()
    subject = serializers.CharField()
    request_id = serializers.CharField()


RECORD_FIELDS = (
    "id",
    "at",
    "metric",
    "kind",
    "units",
    "credit_units",
    "overage_units",
    "subject",
    "request_id",
)


def record_json(record: Any) -> dict[str, Any]:
    """A usage record in the API's form."""
    return {
        "id": str(record.id),
        "at": record.occurred_at,
        "metric": record.metric.code,
        "kind": record.kind,
        "units": record.units,
        "credit_units": record.credit_units,
        "overage_units": record.overage_units,
        "subject": record.subject,
        "request_id": record.request_id,
    }


def series_json(metric: str, granularity: str, points: Any) -> dict[str, Any]:
    """A series in the API's form."""
    return {
        "metric": metric,
        "granularity": granularity,
        "series": [{"start": point.start, "units": point.units} for point in points],
        "total_units": sum(point.units for point in points),
    }
