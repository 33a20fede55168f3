"""Subscriptions. Stripe's objects are named by id, never by foreign key."""

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from accounts.models import Account
from billing.enums import ENDED, Access, EndCause, SubscriptionStatus
from billing.models.catalog import Plan, PlanVersion, Price


class Subscription(models.Model):
    """An account on a plan, from its start to its end. A new Stripe subscription is a new row.

    A free plan's has no Stripe object. `status`, the period and `cancel_at` are Stripe's as last read;
    `stripe_read_at` is when that reading began (the database's clock): an older reading never replaces a newer.
    `end_cause` is empty while it runs, and where a change of plan tells why it ended.
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
    end_cause = models.CharField(
        max_length=9, choices=EndCause.choices, blank=True, default="", db_default=""
    )
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
                condition=Q(end_cause="") | Q(ended_at__isnull=False), name="subscription_end_cause_ended"
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
