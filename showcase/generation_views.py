"""Generations over HTTP: charts to be drawn, paid with credits and past them with overage."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from billing.errors import OverageCapReached, OverageChargeFailed, QueueUnavailable
from billing.models import OverageCharge
from common import clock
from common.api import listed, paginate
from common.errors import NotFound, ValidationError
from common.openapi import raises
from common.openapi_parts import PAGE
from common.request_id import current_request_id
from enterprise.api.base import B2bView
from enterprise.decisions import spend_noted
from enterprise.enums import Scope
from quotas.decorators import METERING_ERRORS
from showcase.ephemeris import SUPPORTED_YEARS
from showcase.generation_shapes import (
    GenerationData,
    GenerationDetailData,
    GenerationRequest,
    generation_json,
)
from showcase.generations import METRIC, STEP, generation_request
from showcase.models import Chart, Generation
from showcase.questions import NoSuchDay, YearOutOfRange, read_question

SVG = "image/svg+xml"
NEWEST_FIRST = ("-requested_at", "id")
# What is drawn is ours, but it is shown as a stranger's file would be: no script, nothing loaded, no frame.
SVG_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'none'; sandbox; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "private, no-store",
}


class GenerationsView(B2bView):
    """Jobs that are paid before they are queued."""

    scopes = {"get": Scope.PRODUCT, "post": Scope.PRODUCT}

    @extend_schema(operation_id="b2b_generations", parameters=PAGE, responses=GenerationData(many=True))
    def get(self, request: Request) -> Response:
        """The organisation's generations, newest first."""
        rows = Generation.objects.filter(account_id=self.account.pk)
        jobs, cursor = paginate(rows, request, order=NEWEST_FIRST)
        charges = OverageCharge.objects.in_bulk(
            [job.overage_charge_id for job in jobs if job.overage_charge_id]
        )
        return listed([generation_json(job, charges.get(job.overage_charge_id)) for job in jobs], cursor)

    @extend_schema(
        operation_id="b2b_generation_order", request=GenerationRequest, responses={202: GenerationData}
    )
    @raises(*METERING_ERRORS, OverageCapReached, OverageChargeFailed, QueueUnavailable)
    def post(self, request: Request) -> Response:
        """Order charts. Paid now: by credits, and what they do not cover is charged; then queued.

        503 `queue_unavailable` with `details.reversed`: it was paid and could not be queued, and was taken back. With
        an Idempotency-Key, however often sent, one job and one charge.
        """
        asked = self.body(GenerationRequest)
        now = clock.now()
        chart_at = moment_of(asked["prompt"], asked["count"], now)
        key: str | None = request.idempotency_key  # type: ignore[attr-defined]
        job = generation_request(
            account=self.account,
            credential_id=self.credential.pk,
            prompt=asked["prompt"],
            count=asked["count"],
            chart_at=chart_at,
            request_key=None if key is None else f"{self.credential.pk}:{key}",
            request_id=current_request_id(),
            now=now,
        )
        spend_noted(METRIC)
        return Response(generation_json(job, charge_of(job)), status=status.HTTP_202_ACCEPTED)


class GenerationView(B2bView):
    """One job."""

    scopes = {"get": Scope.PRODUCT}

    @extend_schema(operation_id="b2b_generation", responses=GenerationDetailData)
    def get(self, request: Request, generation_id: UUID) -> Response:  # noqa: ARG002
        """How far it has come, what it took, and where its drawings are."""
        job = generation_get(self.account.pk, generation_id)
        results = [_result_json(chart) for chart in job.charts.defer("svg").order_by("number")]
        return Response(generation_json(job, charge_of(job)) | {"results": results})


class GenerationResultView(B2bView):
    """One drawing."""

    scopes = {"get": Scope.PRODUCT}

    @extend_schema(operation_id="b2b_generation_result", responses={(200, SVG): OpenApiTypes.STR})
    def get(self, request: Request, generation_id: UUID, number: int) -> HttpResponse:  # noqa: ARG002
        """The `number`-th drawing, as SVG."""
        found = Chart.objects.filter(
            generation_id=generation_id, generation__account_id=self.account.pk, number=number
        )
        svg = found.values_list("svg", flat=True).first()
        if svg is None:
            raise NotFound
        name = f"chart-{generation_id}-{number}.svg"
        headers = SVG_HEADERS | {"Content-Disposition": f'inline; filename="{name}"'}
        return HttpResponse(svg.encode(), content_type=f"{SVG}; charset=utf-8", headers=headers)


def generation_get(account_id: int, generation_id: UUID) -> Generation:
    """NotFound for an unknown generation and for another account's alike."""
    job = Generation.objects.filter(account_id=account_id, pk=generation_id).first()
    if job is None:
        raise NotFound
    return job


def charge_of(job: Generation) -> OverageCharge | None:
    return OverageCharge.objects.filter(pk=job.overage_charge_id).first() if job.overage_charge_id else None


def moment_of(prompt: str, count: int, now: datetime) -> datetime:
    """The moment of the first chart: noon UTC of the day that the prompt names in either language, or now.

    ValidationError for a day that is not there, or charts that would leave the ephemeris's years.
    """
    try:
        at = read_question(prompt, language="en", at=now).at  # days are read alike in either language
    except NoSuchDay as error:
        raise ValidationError.of("prompt", "no_such_day", _("There is no such day.")) from error
    except YearOutOfRange as error:
        raise _out_of_range("prompt") from error
    if (at + STEP * (count - 1)).year not in SUPPORTED_YEARS:
        raise _out_of_range("count")
    return at


def _out_of_range(field: str) -> ValidationError:
    first, last = SUPPORTED_YEARS[0], SUPPORTED_YEARS[-1]
    told = _("Give days from %(first)s to %(last)s.") % {"first": first, "last": last}
    return ValidationError.of(field, "out_of_range", told)


def _result_json(chart: Chart) -> dict[str, Any]:
    path = reverse("b2b-generation-result", args=[chart.generation_id, chart.number])
    return {"number": chart.number, "at": chart.at, "media_type": SVG, "url": path}
