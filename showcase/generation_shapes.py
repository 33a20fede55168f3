"""Bodies of the generations API, in and out."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from billing.api.wallet import OverageChargeData
from billing.models import OverageCharge
from billing.selectors.credits import charge_brief
from common.api import ApiSerializer, StrictCharField, StrictIntegerField
from enterprise.api.usage_schemas import SplitData
from showcase.enums import GenerationStatus
from showcase.models import MAX_CHARTS, MAX_PROMPT_LENGTH, Generation


class GenerationRequest(ApiSerializer):
    prompt = StrictCharField(
        max_length=MAX_PROMPT_LENGTH,
        help_text="Text that names a day, as in `born on 2 May 1990`; without one, the present moment.",
    )
    count = StrictIntegerField(
        required=False,
        default=1,
        min_value=1,
        max_value=MAX_CHARTS,
        help_text="How many charts, of that day and those after it. Each is one unit of `generations`.",
    )


class ChartData(serializers.Serializer[object]):
    number = serializers.IntegerField()
    at = serializers.DateTimeField(help_text="The moment that is drawn.")
    media_type = serializers.CharField()
    url = serializers.CharField(help_text="Where the drawing is; asked for with the same key.")


class GenerationData(serializers.Serializer[object]):
    """`failed`: it was refused, or the work failed; `reversed`: it could not be queued. Either way nothing is charged."""

    id = serializers.UUIDField()
    status = serializers.ChoiceField(choices=GenerationStatus.choices)
    prompt = serializers.CharField()
    count = serializers.IntegerField()
    split = SplitData()
    overage_charge = OverageChargeData(allow_null=True)
    error_code = serializers.CharField(allow_null=True)
    requested_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)


class GenerationDetailData(GenerationData):
    results = ChartData(many=True, help_text="Empty until it is done.")


def generation_json(job: Generation, charge: OverageCharge | None) -> dict[str, Any]:
    """A generation object."""
    return {
        "id": job.pk,
        "status": job.status,
        "prompt": job.prompt,
        "count": job.count,
        "split": {
            "allowance": job.allowance_units,
            "credits": job.credit_units,
            "overage": job.overage_units,
        },
        "overage_charge": charge_brief(charge),
        "error_code": job.error_code or None,
        "requested_at": job.requested_at,
        "finished_at": job.finished_at,
    }
