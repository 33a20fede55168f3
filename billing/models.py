"""Plans and their versions, subscriptions, changes of plan. Stripe's objects are named by id, never by foreign key.

Money is in minor units with a currency. What may not happen is refused by constraints here and by the triggers of
the second migration (the history is append-only).
"""

import uuid
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils.translation import get_language

from accounts.models import Account, User
from billing.enums import (
    ENDED,
    IN_FLIGHT,
    Access,
    Audience,
    ChangeKind,
    ChangeStatus,
    Interval,
    SubscriptionStatus,
    TransitionKind,
)


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
    """Something that can be subscribed to. Its terms are its versions'. `retired_at`: no longer on offer."""

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
    """The terms of a plan as sold from some day on; never changed. `superseded_at` null: the one sold now."""

    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    currency = models.CharField(max_length=3)
    features = ArrayField(models.SlugField(max_length=40), default=list, blank=True)
    credits_per_period = models.BigIntegerField(default=0)
    overage_minor_per_credit = models.PositiveIntegerField(null=True)
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


class Subscription(models.Model):
    """An account on a plan, from its start to its end. A new Stripe subscription is a new row.

    A free plan's has no Stripe object. `status`, the period and `cancel_at` are Stripe's as last read;
    `stripe_read_at` is when that reading began (the database's clock): an older reading never replaces a newer.
    `revision` grows with every change of price, period, status or cancellation; quotes are bound to it.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="subscriptions")
    plan_version = models.ForeignKey(PlanVersion, on_delete=models.PROTECT)
    price = models.ForeignKey(Price, on_delete=models.PROTECT)
    status = models.CharField(max_length=18, choices=SubscriptionStatus.choices)
    access = models.CharField(max_length=8, choices=Access.choices)
    stripe_subscription_id = models.CharField(max_length=64, null=True, unique=True)
    stripe_item_id = models.CharField(max_length=64, null=True)
    stripe_schedule_id = models.CharField(max_length=64, null=True)
    stripe_read_at = models.DateTimeField(null=True)
    anchor_at = models.DateTimeField()
    current_period_start = models.DateTimeField()
    current_period_end = models.DateTimeField(null=True)
    trial_end = models.DateTimeField(null=True)
    cancel_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    revision = models.PositiveIntegerField(default=1)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["account", "-started_at"], name="subscription_by_account"),
            models.Index(
                fields=["current_period_end"], condition=Q(ended_at__isnull=True), name="subscription_due"
            ),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["account"], condition=Q(ended_at__isnull=True), name="subscription_one_live"
            ),
            models.CheckConstraint(
                condition=Q(status__in=ENDED, ended_at__isnull=False, access=Access.ENDED)
                | (~Q(status__in=ENDED) & Q(ended_at__isnull=True)),
                name="subscription_ended_has_time",
            ),
            models.CheckConstraint(
                condition=Q(stripe_subscription_id__isnull=True, stripe_item_id__isnull=True)
                | Q(
                    stripe_subscription_id__isnull=False,
                    stripe_item_id__isnull=False,
                    current_period_end__isnull=False,
                    stripe_read_at__isnull=False,
                ),
                name="subscription_stripe_whole",
            ),
            models.CheckConstraint(
                condition=Q(current_period_end__isnull=True)
                | Q(current_period_end__gt=F("current_period_start")),
                name="subscription_period",
            ),
        ]

    @property
    def is_live(self) -> bool:
        return self.ended_at is None

    @property
    def plan(self) -> Plan:
        return self.plan_version.plan


class PlanChange(models.Model):
    """One attempt to change an account's plan: the intent before Stripe is called, and its outcome after.

    Append-only: no row is removed and who, what and when never change (a trigger refuses). `due_minor` is what the
    quote said, `charged_minor` what Stripe's invoice said. `to_price` null: to no subscription at all. An attempt
    that was refused before anything was tried is a failed one with `last_tried_at` null and, where there was no
    transition, a blank `kind`. `keep_ids`: stored things to be kept where the new plan allows fewer. `idempotency_key` is the caller's with what scopes it: operation and person.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="plan_changes")
    subscription = models.ForeignKey(
        Subscription, null=True, on_delete=models.PROTECT, related_name="plan_changes"
    )
    user = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    from_price = models.ForeignKey(Price, null=True, on_delete=models.PROTECT, related_name="+")
    to_price = models.ForeignKey(Price, null=True, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=9, choices=ChangeKind.choices, blank=True)
    status = models.CharField(max_length=9, choices=ChangeStatus.choices)
    request_id = models.CharField(max_length=64, blank=True)
    idempotency_key = models.CharField(max_length=300, null=True)
    quote_id = models.UUIDField(null=True)
    keep_ids = ArrayField(models.CharField(max_length=64), default=list, blank=True)
    proration_at = models.DateTimeField()
    due_minor = models.BigIntegerField(null=True)
    charged_minor = models.BigIntegerField(null=True)
    currency = models.CharField(max_length=3, blank=True)
    requested_at = models.DateTimeField()
    effective_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)
    undo_requested_at = models.DateTimeField(null=True)
    last_tried_at = models.DateTimeField(null=True)
    error_code = models.CharField(max_length=40, blank=True)
    error_details = models.JSONField(default=dict, blank=True)
    stripe_invoice_id = models.CharField(max_length=64, blank=True)
    stripe_subscription_id = models.CharField(max_length=64, blank=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["account", "-requested_at"], name="plan_change_by_account"),
            models.Index(fields=["request_id"], name="plan_change_by_request"),
            models.Index(
                fields=["last_tried_at"], condition=Q(status=ChangeStatus.PENDING), name="plan_change_open"
            ),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["account"], condition=Q(status__in=IN_FLIGHT), name="plan_change_one_in_flight"
            ),
            models.UniqueConstraint(
                fields=["account", "idempotency_key"],
                condition=~Q(status=ChangeStatus.FAILED),
                name="plan_change_key_once",
            ),
            models.UniqueConstraint(
                fields=["account", "quote_id"],
                condition=~Q(status=ChangeStatus.FAILED),
                name="plan_change_quote_once",
            ),
            models.CheckConstraint(
                condition=Q(status=ChangeStatus.PENDING, settled_at__isnull=True)
                | (~Q(status=ChangeStatus.PENDING) & Q(settled_at__isnull=False)),
                name="plan_change_settled_has_time",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=[ChangeStatus.APPLIED, ChangeStatus.SCHEDULED])
                | Q(effective_at__isnull=False),
                name="plan_change_effective",
            ),
            models.CheckConstraint(
                condition=(Q(status=ChangeStatus.FAILED) & ~Q(error_code=""))
                | (~Q(status=ChangeStatus.FAILED) & Q(error_code="")),
                name="plan_change_failed_has_code",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=[ChangeStatus.SCHEDULED, ChangeStatus.UNDONE])
                | Q(kind=ChangeKind.DOWNGRADE),
                name="plan_change_only_down_waits",
            ),
            models.CheckConstraint(
                condition=Q(status=ChangeStatus.FAILED, last_tried_at__isnull=True)
                | (
                    ~Q(kind="")
                    & ~Q(currency="")
                    & Q(last_tried_at__isnull=False)
                    & (Q(from_price__isnull=False) | Q(to_price__isnull=False))
                    & (Q(from_price__isnull=True) | Q(to_price__isnull=True) | ~Q(from_price=F("to_price")))
                ),
                name="plan_change_is_a_change",
            ),
        ]

    @property
    def is_in_flight(self) -> bool:
        return self.status in IN_FLIGHT
