"""How much of what is left: GET /v1/billing/quota and /v1/account/quotas."""

from __future__ import annotations

from django.db.models import TextChoices
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from accounts.permissions import IsUser
from accounts.selectors import account_of
from common.api import ApiSerializer, ApiView, StrictCharField, listed, paginate_list
from common.api.views import Response
from quotas import catalog
from quotas.enums import Mode, Source, Window
from quotas.errors import FeatureNotInPlan, NoActiveSubscription, UnknownMetric
from quotas.remedies import feature_details
from quotas.selectors import quota_status
from quotas.serialize import quota_json


class QuotaState(TextChoices):
    OK = "ok"
    NEAR = "near"
    REACHED = "reached"


class QuotaSerializer(ApiSerializer):
    """A limit of one metric and window, and how full it is. Unlimited is null."""

    metric = serializers.CharField()
    window = serializers.ChoiceField(choices=Window.choices)
    limit = serializers.IntegerField(allow_null=True)
    used = serializers.IntegerField(min_value=0)
    reserved = serializers.IntegerField(min_value=0)
    remaining = serializers.IntegerField(min_value=0, allow_null=True)
    overage_units = serializers.IntegerField(min_value=0)
    reset_at = serializers.DateTimeField(allow_null=True)
    mode = serializers.ChoiceField(choices=[Mode.BLOCK, Mode.OVERAGE])
    source = serializers.ChoiceField(choices=Source.choices)  # type: ignore[assignment]
    state = serializers.ChoiceField(choices=QuotaState.choices)


class MetricQuery(ApiSerializer):
    metric = StrictCharField(required=False, max_length=40)


class QuotaView(ApiView):
    """The tightest limit of one metric."""

    permission_classes = [IsUser]
    errors = (NoActiveSubscription, FeatureNotInPlan, UnknownMetric)

    @extend_schema(operation_id="billing_quota", parameters=[MetricQuery], responses=QuotaSerializer)
    def get(self, request: Request) -> Response:
        """The quota of `metric`, or of the plan's first metric. Of stacked windows the one with the least left."""
        account_id = account_of(request).id
        metric = self.query(MetricQuery).get("metric")
        if metric is not None:
            catalog.metric_id(metric)
        bounds = quota_status(account_id=account_id)
        if not bounds:
            raise NoActiveSubscription
        wanted = metric or catalog.first_code({bound.metric for bound in bounds})
        found = [bound for bound in bounds if bound.metric == wanted]
        if not found:
            raise FeatureNotInPlan(details={"metric": wanted, **feature_details(account_id, wanted)})
        tightest = min(found, key=lambda b: (b.limit is None, b.remaining or 0))
        return Response(quota_json(tightest))


class QuotasView(ApiView):
    """Every limit in force."""

    permission_classes = [IsUser]

    @extend_schema(operation_id="account_quotas", responses=QuotaSerializer(many=True))
    def get(self, request: Request) -> Response:
        """All metrics and windows of the caller's account; an empty list without a subscription."""
        bounds = quota_status(account_id=account_of(request).id)
        told = [quota_json(bound) for bound in bounds]
        return listed(
            *paginate_list(told, request, key=lambda one: f"{one['metric']}:{one['window']}:{one['source']}")
        )
