"""The sample product for organisations: metered by their key, in one line as for people."""

from __future__ import annotations

import re
from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from common import clock
from common.api import ApiSerializer, StrictChoiceField
from enterprise.api.base import B2bView
from enterprise.enums import Scope
from quotas.decorators import metered
from showcase.ephemeris import SUPPORTED_YEARS, Body, Sign
from showcase.weekly import Aspect, DayOfSign, week_name, week_of_sign

WEEK = re.compile(r"(\d{4})-W(\d{2})", re.ASCII)
SIGNS = [sign.value for sign in Sign]


class WeekQuery(ApiSerializer):
    sign = StrictChoiceField(choices=SIGNS)
    week = serializers.RegexField(
        r"^\d{4}-W\d{2}$", required=False, help_text="An ISO week, `YYYY-Www`; the present one when left out."
    )


class AspectData(serializers.Serializer[object]):
    """Two bodies at nearly an angle; `orb` is what lacks, in degrees."""

    body = serializers.CharField(help_text=f"One of {', '.join(Body)}.")
    other = serializers.CharField(help_text="A later one of the same.")
    aspect = serializers.CharField(help_text=f"One of {', '.join(one.name.lower() for one in Aspect)}.")
    orb = serializers.FloatField()


class WeekDayData(serializers.Serializer[object]):
    date = serializers.DateField()
    moon_sign = serializers.CharField(help_text="As `sign`.")
    aspects = AspectData(many=True)


class WeekData(serializers.Serializer[object]):
    """At noon UTC of each day. `aspects`: those of bodies that stand in the sign or rule it."""

    sign = serializers.CharField()
    week = serializers.CharField()
    days = WeekDayData(many=True)


class WeeklyBySignView(B2bView):
    """A sign's week."""

    scopes = {"get": Scope.PRODUCT}

    @extend_schema(operation_id="b2b_weekly_by_sign", parameters=[WeekQuery], responses=WeekData)
    @metered("api_calls")
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """The Moon's sign and the aspects that concern a sign, day by day. Counts one API call."""
        asked = self.query(WeekQuery)
        week = asked.get("week") or week_name(clock.now().date())
        days = _days(Sign(asked["sign"]), week)
        return Response({"sign": asked["sign"], "week": week, "days": [_day_json(day) for day in days]})


def _days(sign: Sign, week: str) -> tuple[DayOfSign, ...]:
    match = WEEK.fullmatch(week)
    year, number = (int(match[1]), int(match[2])) if match else (0, 0)
    try:
        return week_of_sign(sign, year, number)
    except ValueError as error:
        first, last = SUPPORTED_YEARS[0], SUPPORTED_YEARS[-1]
        told = _("Give a week from %(first)s to %(last)s as YYYY-Www.") % {"first": first, "last": last}
        raise serializers.ValidationError({"week": [told]}, code="invalid") from error


def _day_json(day: DayOfSign) -> dict[str, Any]:
    return {
        "date": day.day,
        "moon_sign": day.moon_sign.value,
        "aspects": [
            {
                "body": found.body.value,
                "other": found.other.value,
                "aspect": found.aspect.name.lower(),
                "orb": found.orb,
            }
            for found in day.aspects
        ],
    }
