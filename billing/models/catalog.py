"""What is sold: plans, their versions with limits and prices, and what moving between two plans is."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils.translation import get_language

from billing.enums import Audience, Interval, TransitionKind


def in_language(en: str, fr: str) -> str:
    """The text in the active language; English where there is no French."""
    return fr if fr and (get_language() or "").startswith("fr") else en


class Feature(models.Model):
    """Something a plan opens: history, export. The words for a code the meter gates by."""

    code = models.SlugField(max_length=40, unique=True)
    name_en = models.CharField(max_length=80)
    name_fr = models.CharField(max_length=80)

    def __str__(self) -> str:
        return self.code

    @property
    def name(self) -> str:
        return in_language(self.name_en, self.name_fr)


class Plan(models.Model):
    """Something that can be subscribed to. Its terms are its versions'. `retired_at`: no longer on offer.

    `trial_days`: how long it is free at first; 0: not at all. `trial_needs_card`: only for who gives a card before.
    """

    code = models.SlugField(max_length=40, unique=True)
    rank = models.PositiveIntegerField()
    audience = models.CharField(max_length=8, choices=Audience.choices)
    is_free = models.BooleanField()
    name_en = models.CharField(max_length=80)
    name_fr = models.CharField(max_length=80)
    description_en = models.CharField(max_length=300, blank=True)
    description_fr = models.CharField(max_length=300, blank=True)
    stripe_product_id = models.CharField(max_length=64, null=True, unique=True)
    retired_at = models.DateTimeField(null=True)
    trial_days = models.PositiveSmallIntegerField(default=0)
    trial_needs_card = models.BooleanField(default=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["audience"],
                condition=Q(is_free=True, retired_at__isnull=True),
                name="plan_one_free_per_audience",
            ),
        ]

    def __str__(self) -> str:
        return self.code

    @property
    def name(self) -> str:
        return in_language(self.name_en, self.name_fr)

    @property
    def description(self) -> str:
        return in_language(self.description_en, self.description_fr)


class PlanVersion(models.Model):
    """The terms of a plan as sold from some day on; never changed. `superseded_at` null: the one sold now.

    `credit_metrics`: what a unit of a metric costs in credits; `overage_minor_per_credit` what one past them costs.
    """

    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    currency = models.CharField(max_length=3)
    features = ArrayField(models.SlugField(max_length=40), default=list, blank=True)
    credits_per_period = models.BigIntegerField(default=0)
    overage_minor_per_credit = models.PositiveIntegerField(null=True)
    credit_metrics = models.JSONField(default=dict, blank=True)
    fingerprint = models.CharField(max_length=64)
    created_at = models.DateTimeField()
    superseded_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["plan", "number"], name="plan_version_once"),
            models.UniqueConstraint(
                fields=["plan"], condition=Q(superseded_at__isnull=True), name="plan_version_one_current"
            ),
            models.CheckConstraint(condition=Q(number__gte=1), name="plan_version_from_1"),
            models.CheckConstraint(condition=Q(credits_per_period__gte=0), name="plan_version_credits_ge_0"),
        ]

    def __str__(self) -> str:
        return f"{self.plan} v{self.number}"


class PlanLimit(models.Model):
    """`limit_units` of a metric per window; null: unlimited. `position` keeps the catalogue's order."""

    version = models.ForeignKey(PlanVersion, on_delete=models.CASCADE, related_name="limits")
    metric = models.SlugField(max_length=40)
    window = models.CharField(max_length=8)
    limit_units = models.BigIntegerField(null=True)
    mode = models.CharField(max_length=7)
    position = models.PositiveSmallIntegerField()

    class Meta:
        ordering: ClassVar = ["position"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["version", "metric", "window"], name="plan_limit_once"),
            models.CheckConstraint(
                condition=Q(limit_units__isnull=True) | Q(limit_units__gte=0), name="plan_limit_ge_0"
            ),
        ]


class Price(models.Model):
    """What a version costs per interval. `lookup_key` is also its name at Stripe; free plans have none there."""

    version = models.ForeignKey(PlanVersion, on_delete=models.PROTECT, related_name="prices")
    interval = models.CharField(max_length=5, choices=Interval.choices)
    amount_minor = models.PositiveIntegerField()
    currency = models.CharField(max_length=3)
    lookup_key = models.CharField(max_length=120, unique=True)
    stripe_price_id = models.CharField(max_length=64, null=True, unique=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["version", "interval"], name="price_once"),
        ]

    def __str__(self) -> str:
        return self.lookup_key


class PlanTransition(models.Model):
    """What moving between two plans is. Every ordered pair has a row; sync_catalog writes them."""

    from_plan = models.ForeignKey(Plan, on_delete=models.CASCADE, related_name="transitions_from")
    to_plan = models.ForeignKey(Plan, on_delete=models.CASCADE, related_name="transitions_to")
    kind = models.CharField(max_length=9, choices=TransitionKind.choices)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["from_plan", "to_plan"], name="transition_once"),
            models.CheckConstraint(condition=~Q(from_plan=F("to_plan")), name="transition_to_another"),
        ]
