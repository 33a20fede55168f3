"""Changes of plan: intent, outcome and history in one append-only row."""

import uuid
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from accounts.models import Account, User
from billing.enums import IN_FLIGHT, ChangeKind, ChangeStatus
from billing.models.catalog import Price
from billing.models.subscriptions import Subscription


class PlanChange(models.Model):
    """One attempt to change an account's plan: the intent before Stripe is called, and its outcome after.

    Append-only: no row is removed and who, what and when never change (a trigger refuses). `due_minor` is what the
    quote said, `charged_minor` what Stripe's invoice said. `to_price` null: to no subscription at all. An attempt
    that was refused before anything was tried is a failed one with `last_tried_at` null and, where there was no
    transition, a blank `kind`. While `awaiting_until` is in the future and the row is pending, Stripe waits for the
    payer, who confirms the payment, or gives the card first where `collects`; `checkout_session_id`: on a page of
    Stripe's. `trial_days`: it begins with a trial, of which an account has one. `keep_ids`: stored things to be kept
    where the new plan allows fewer. `reason`: why somebody cancelled, if they said so. A move that takes effect at once
    has its `effective_at` from the start. `idempotency_key` is the caller's with what scopes it: operation and person.
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
    reason = models.CharField(max_length=500, blank=True)
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
    collects = models.BooleanField(default=False)
    trial_days = models.PositiveSmallIntegerField(null=True)
    promotion_code = models.CharField(max_length=80, blank=True)
    stripe_promotion_id = models.CharField(max_length=64, blank=True)
    checkout_session_id = models.CharField(max_length=128, blank=True)
    awaiting_since = models.DateTimeField(null=True)
    awaiting_until = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["account", "-requested_at"], name="plan_change_by_account"),
            models.Index(fields=["request_id"], name="plan_change_by_request"),
            models.Index(
                fields=["stripe_invoice_id"],
                condition=~Q(stripe_invoice_id=""),
                name="plan_change_by_invoice",
            ),
            models.Index(
                fields=["stripe_subscription_id"],
                condition=~Q(stripe_subscription_id=""),
                name="plan_change_by_stripe_sub",
            ),
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
            models.UniqueConstraint(
                fields=["account"],
                condition=Q(trial_days__isnull=False) & ~Q(status=ChangeStatus.FAILED),
                name="plan_change_trial_once",
            ),
            models.CheckConstraint(
                condition=Q(awaiting_since__isnull=True, awaiting_until__isnull=True)
                | Q(awaiting_since__isnull=False, awaiting_until__isnull=False),
                name="plan_change_awaits_until",
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
                | Q(kind__in=[ChangeKind.DOWNGRADE, ChangeKind.MOVE]),
                name="plan_change_only_down_and_moves_wait",
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

    @property
    def awaits_payer(self) -> bool:
        """Whether it goes on only when its payer does something."""
        return self.status == ChangeStatus.PENDING and self.awaiting_since is not None
