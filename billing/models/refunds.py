"""Money given back, as an intent before Stripe is called and its outcome after."""

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Q

from accounts.models import Account, User
from billing.enums import RefundKind, RefundStatus
from billing.models.subscriptions import Subscription


class Withdrawal(models.Model):
    """A consumer has withdrawn from a contract within its period; once per subscription.

    What is given back is settled here, at `requested_at`, and then carried out: the subscription ends, the refunds
    (rows of their own) are made. `completed_at` null: something of it is still to be done.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="withdrawals")
    subscription = models.OneToOneField(Subscription, on_delete=models.PROTECT, related_name="withdrawal")
    user = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    request_id = models.CharField(max_length=64, blank=True)
    paid_minor = models.BigIntegerField()
    refund_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    requested_at = models.DateTimeField()
    last_tried_at = models.DateTimeField()
    completed_at = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(
                fields=["last_tried_at"], condition=Q(completed_at__isnull=True), name="withdrawal_open"
            ),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(refund_minor__gte=0, refund_minor__lte=models.F("paid_minor")),
                name="withdrawal_refunds_at_most_what_was_paid",
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)


class Refund(models.Model):
    """Part of a paid invoice that goes back to the card, with a credit note. `reason` is ours, in words."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="refunds")
    withdrawal = models.ForeignKey(Withdrawal, null=True, on_delete=models.PROTECT, related_name="refunds")
    kind = models.CharField(max_length=10, choices=RefundKind.choices)
    status = models.CharField(max_length=7, choices=RefundStatus.choices, default=RefundStatus.PENDING)
    user = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    reason = models.CharField(max_length=500)
    request_id = models.CharField(max_length=64, blank=True)
    idempotency_key = models.CharField(max_length=300, null=True)
    stripe_invoice_id = models.CharField(max_length=64)
    stripe_credit_note_id = models.CharField(max_length=64, null=True, unique=True)
    amount_minor = models.PositiveBigIntegerField()
    currency = models.CharField(max_length=3)
    requested_at = models.DateTimeField()
    last_tried_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)
    error_code = models.CharField(max_length=40, blank=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["account", "-requested_at"], name="refund_by_account"),
            models.Index(fields=["stripe_invoice_id"], name="refund_by_invoice"),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["stripe_invoice_id"],
                condition=Q(status=RefundStatus.PENDING),
                name="refund_one_open_per_invoice",
            ),
            models.UniqueConstraint(fields=["account", "idempotency_key"], name="refund_key_once"),
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="refund_gt_0"),
            models.CheckConstraint(
                condition=Q(
                    status=RefundStatus.PENDING, settled_at__isnull=True, stripe_credit_note_id__isnull=True
                )
                | Q(status=RefundStatus.DONE, settled_at__isnull=False, stripe_credit_note_id__isnull=False)
                | Q(status=RefundStatus.FAILED, settled_at__isnull=False, stripe_credit_note_id__isnull=True),
                name="refund_settled_whole",
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)
