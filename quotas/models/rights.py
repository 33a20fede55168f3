"""What an account may use: metrics, limits per window, features."""

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from accounts.models import Account
from quotas.enums import MetricKind, Mode, Source, Window


class Metric(models.Model):
    """A thing that is counted: messages, api_calls, personas."""

    id = models.SmallAutoField(primary_key=True)
    code = models.SlugField(max_length=40, unique=True)
    kind = models.CharField(max_length=8, choices=MetricKind.choices, default=MetricKind.COUNTER)
    name_en = models.CharField(max_length=80)
    name_fr = models.CharField(max_length=80)

    def __str__(self) -> str:
        return self.code


class Entitlement(models.Model):
    """An account's right to `limit_units` of a metric per window, while valid_from <= now < valid_until.

    `limit_units` null: unlimited. At one instant the strongest source counts for each (metric, window); different
    windows of one metric stack, and all must allow. `window_floor_at`: a period window never starts before this,
    so that moving the anchor shortens one window instead of resetting it. `credits_per_unit`: what a unit past the limit
    costs in credits, where credits pay for it.
    """

    id = models.BigAutoField(primary_key=True)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="entitlements")
    metric = models.ForeignKey(Metric, on_delete=models.PROTECT)
    window = models.CharField(max_length=8, choices=Window.choices)
    limit_units = models.BigIntegerField(null=True)
    mode = models.CharField(max_length=7, choices=Mode.choices, default=Mode.BLOCK)
    source = models.CharField(max_length=8, choices=Source.choices)
    source_rank = models.PositiveSmallIntegerField()
    source_ref = models.CharField(max_length=80, blank=True)
    valid_from = models.DateTimeField()
    valid_until = models.DateTimeField(null=True)
    anchor_at = models.DateTimeField(null=True)
    period_months = models.PositiveSmallIntegerField(null=True)
    window_floor_at = models.DateTimeField(null=True)
    credits_per_unit = models.PositiveIntegerField(null=True)
    reason = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["account", "metric", "valid_from"], name="entitlement_lookup")
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["account", "metric", "window", "source"],
                condition=Q(valid_until__isnull=True),
                name="entitlement_one_open_per_source",
            ),
            models.CheckConstraint(
                condition=Q(limit_units__isnull=True) | Q(limit_units__gte=0), name="limit_ge_0"
            ),
            models.CheckConstraint(
                condition=Q(valid_until__isnull=True) | Q(valid_until__gte=F("valid_from")),
                name="entitlement_times",
            ),
            models.CheckConstraint(
                condition=~Q(window=Window.PERIOD) | Q(anchor_at__isnull=False, period_months__gte=1),
                name="entitlement_period_anchored",
            ),
            models.CheckConstraint(
                condition=Q(mode=Mode.CREDITS, credits_per_unit__gte=1, credits_per_unit__isnull=False)
                | (~Q(mode=Mode.CREDITS) & Q(credits_per_unit__isnull=True)),
                name="entitlement_credits_priced",
            ),
        ]


class RightsVersion(models.Model):
    """How often an account's limits were changed.

    An operation under way when limits change may know only the old ones. The change writes the new version to the
    account's open buckets too, so the operation, once it has their lock, sees that it is out of date and starts anew.
    """

    account = models.OneToOneField(Account, primary_key=True, on_delete=models.CASCADE, related_name="+")
    version = models.BigIntegerField()


class FeatureGrant(models.Model):
    """An account's right to a feature, while valid_from <= now < valid_until."""

    id = models.BigAutoField(primary_key=True)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="feature_grants")
    feature = models.SlugField(max_length=40)
    source = models.CharField(max_length=8, choices=Source.choices)
    source_ref = models.CharField(max_length=80, blank=True)
    valid_from = models.DateTimeField()
    valid_until = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["account", "feature"], name="feature_lookup")]
