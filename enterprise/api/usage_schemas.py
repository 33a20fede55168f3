"""Bodies of the use of organisations: what is asked, what is told."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from billing.api.schemas import MoneyShape
from billing.api.wallet import OverageChargeData
from common.api import ApiSerializer, StrictCharField, StrictIntegerField
from enterprise.selectors.usage import Summary
from quotas.api import QuotaSerializer
from quotas.enums import Source
from quotas.serialize import quota_json
from quotas.services import MAX_KEY_LENGTH, MAX_TTL_S
from quotas.usage_queries import DaysQuery, FilterQuery, RecordData, SeriesQuery
from quotas.values import MAX_UNITS

MOST_OPERATIONS = 1000
MAX_SUBJECT = 200
DEFAULT_TTL_S = 120


# Asked --------------------------------------------------------------------------------------------------------------


class MetricQuery(ApiSerializer):
    metric = StrictCharField(required=False, max_length=40)


class B2bFilterQuery(FilterQuery):
    credential = serializers.UUIDField(required=False, help_text="Only what this key used.")


class B2bDaysQuery(DaysQuery):
    credential = serializers.UUIDField(required=False, help_text="Only what this key used.")


class B2bSeriesQuery(SeriesQuery):
    credential = serializers.UUIDField(required=False, help_text="Only what this key used.")


class ConsumptionRequest(ApiSerializer):
    metric = StrictCharField(max_length=40)
    units = StrictIntegerField(required=False, default=1, min_value=1, max_value=MAX_UNITS)
    subject = StrictCharField(
        required=False,
        default="",
        allow_blank=True,
        max_length=MAX_SUBJECT,
        help_text="What it was for, in your words; shown in the records.",
    )


class OperationRequest(ConsumptionRequest):
    key = serializers.RegexField(
        r"^[\x20-\x7E]+$",
        max_length=MAX_KEY_LENGTH,
        help_text="The same key counts once, in this batch or later, or with consume as its Idempotency-Key.",
    )


class BatchRequest(ApiSerializer):
    operations = serializers.ListField(child=OperationRequest(), min_length=1, max_length=MOST_OPERATIONS)


class ReservationRequest(ConsumptionRequest):
    ttl_s = StrictIntegerField(
        required=False,
        default=DEFAULT_TTL_S,
        min_value=1,
        max_value=MAX_TTL_S,
        help_text="After so many seconds the units go back by themselves.",
    )


class SettlementRequest(ApiSerializer):
    units = StrictIntegerField(
        required=False,
        allow_null=True,
        default=None,
        min_value=0,
        max_value=MAX_UNITS,
        help_text="At most what is reserved; all of it when left out.",
    )


# Told ---------------------------------------------------------------------------------------------------------------


class SplitData(serializers.Serializer[object]):
    """What the units were paid with."""

    allowance = serializers.IntegerField()
    credits = serializers.IntegerField()
    overage = serializers.IntegerField()


class BoundData(QuotaSerializer):
    """A limit that applied, and whether it allowed."""

    allows = serializers.BooleanField()


class DecisionData(serializers.Serializer[object]):
    allowed = serializers.BooleanField()
    units = serializers.IntegerField()
    split = SplitData()
    quota = QuotaSerializer(allow_null=True)
    bounds = BoundData(many=True)
    record_id = serializers.CharField(allow_null=True)


class UseData(DecisionData):
    overage_charge = OverageChargeData(
        allow_null=True, help_text="What was charged for units past the credits; null when nothing was."
    )


class ReservationData(DecisionData):
    id = serializers.UUIDField()
    expires_at = serializers.DateTimeField()


class ErrorShape(serializers.Serializer[object]):
    code = serializers.CharField()
    message = serializers.CharField()
    details = serializers.DictField()


class OperationResultData(serializers.Serializer[object]):
    """Of `decision` and `error` one is null."""

    key = serializers.CharField()
    status = serializers.IntegerField(help_text="As the operation alone would have been answered.")
    decision = UseData(allow_null=True)
    error = ErrorShape(allow_null=True)


class ContractData(serializers.Serializer[object]):
    id = serializers.UUIDField()
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField(allow_null=True)


class AccountData(serializers.Serializer[object]):
    id = serializers.UUIDField()
    name = serializers.CharField()


class WindowData(QuotaSerializer):
    """`overage_cost`: what the units past limits used in this window cost, by the contract's price or as the plan charged
    them. `limit` null: none of this kind is set; without contract and plan calls are refused all the same.
    """

    overage_cost = MoneyShape()


class CredentialUseData(serializers.Serializer[object]):
    """`credential` is null for what was counted without a key."""

    credential = serializers.UUIDField(allow_null=True)
    name = serializers.CharField()
    day_units = serializers.IntegerField()
    month_units = serializers.IntegerField()


class CostData(serializers.Serializer[object]):
    """Overage of the contract, asked for at its period's end, or of the plan, charged as it is used."""

    source = serializers.ChoiceField(choices=Source.choices)  # type: ignore[assignment]
    so_far = MoneyShape()
    projected = MoneyShape()
    period_start = serializers.DateTimeField()
    period_end = serializers.DateTimeField()


class SummaryData(serializers.Serializer[object]):
    """Of one metric, at one moment. Costs are of all metrics together, each of its own period: overage of the contract and
    what the plan charged past its credits. `cost_so_far` and `projected_cost` add them up; where their currencies differ,
    only those in the currency that is told are in it.
    """

    account = AccountData()
    metric = serializers.CharField()
    contract = ContractData(allow_null=True)
    windows = WindowData(many=True)
    cost_so_far = MoneyShape()
    projected_cost = MoneyShape()
    costs = CostData(many=True)
    by_credential = CredentialUseData(many=True)
    cumulative_units = serializers.IntegerField(help_text="Since the contract began; without one, ever.")


class DayData(serializers.Serializer[object]):
    date = serializers.DateField()
    metric = serializers.CharField()
    credential = serializers.UUIDField(allow_null=True)
    units = serializers.IntegerField()
    overage_units = serializers.IntegerField()


class B2bRecordData(RecordData):
    credential = serializers.UUIDField(allow_null=True)


def summary_json(summary: Summary) -> dict[str, Any]:
    """A summary in the API's form."""
    contract = summary.contract
    return {
        "account": {"id": summary.account.public_id, "name": summary.account.name},
        "metric": summary.metric,
        "contract": contract
        and {"id": contract.public_id, "starts_at": contract.starts_at, "ends_at": contract.ends_at},
        "windows": [quota_json(one.bound) | {"overage_cost": one.cost} for one in summary.windows],
        "cost_so_far": summary.costs.so_far,
        "projected_cost": summary.costs.projected,
        "costs": [
            {
                "source": part.source,
                "so_far": part.costs.so_far,
                "projected": part.costs.projected,
                "period_start": part.starts_at,
                "period_end": part.ends_at,
            }
            for part in summary.parts
        ],
        "by_credential": [
            {
                "credential": one.credential and one.credential.public_id,
                "name": one.credential.name if one.credential else "",
                "day_units": one.day_units,
                "month_units": one.month_units,
            }
            for one in summary.by_credential
        ],
        "cumulative_units": summary.cumulative_units,
    }
