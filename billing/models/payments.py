"""Paying: what somebody asked to be paid now, and every attempt to collect money that Stripe shows."""

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from accounts.models import Account, User
from billing.enums import AttemptOutcome, PaymentStatus


class InvoicePayment(models.Model):
    """Somebody's wish to pay an open invoice now: the intent before Stripe is called, and its outcome after.

    `payment_method_id`: the card they chose; blank for the one on file. One is in flight for an invoice.
    `idempotency_key` is the caller's, with the person it belongs to.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="invoice_payments")
    user = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    stripe_invoice_id = models.CharField(max_length=64)
    payment_method_id = models.CharField(max_length=255, blank=True)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    status = models.CharField(max_length=15, choices=PaymentStatus.choices)
    request_id = models.CharField(max_length=64, blank=True)
    idempotency_key = models.CharField(max_length=300, null=True)
    requested_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)
    error_code = models.CharField(max_length=40, blank=True)
    error_details = models.JSONField(default=dict, blank=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["account", "-requested_at"], name="invoice_payment_by_account"),
            models.Index(fields=["stripe_invoice_id"], name="invoice_payment_by_invoice"),
            models.Index(
                fields=["requested_at"],
                condition=Q(status=PaymentStatus.PENDING),
                name="invoice_payment_open",
            ),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["stripe_invoice_id"],
                condition=Q(status=PaymentStatus.PENDING),
                name="invoice_payment_one_in_flight",
            ),
            models.UniqueConstraint(fields=["account", "idempotency_key"], name="invoice_payment_key_once"),
            models.CheckConstraint(
                condition=Q(status=PaymentStatus.PENDING, settled_at__isnull=True)
                | (~Q(status=PaymentStatus.PENDING) & Q(settled_at__isnull=False)),
                name="invoice_payment_settled_has_time",
            ),
            models.CheckConstraint(
                condition=(Q(status__in=[PaymentStatus.PENDING, PaymentStatus.PAID]) & Q(error_code=""))
                | (~Q(status__in=[PaymentStatus.PENDING, PaymentStatus.PAID]) & ~Q(error_code="")),
                name="invoice_payment_failed_has_code",
            ),
        ]


class PaymentAttempt(models.Model):
    """One attempt to collect money: a charge at Stripe, or a payment intent that the bank or the payer holds up.

    Of the card only brand and last four digits. `reason_code` is Stripe's reason for a refusal. `request_id`: the
    request of ours that led to it; blank for what Stripe tried by itself. `stripe_id` is the charge's id, the
    intent's while there is no charge, or ours where Stripe keeps no trace.
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="payment_attempts")
    stripe_id = models.CharField(max_length=64, unique=True)
    stripe_intent_id = models.CharField(max_length=64, blank=True)
    stripe_invoice_id = models.CharField(max_length=64, blank=True)
    amount_minor = models.BigIntegerField()
    refunded_minor = models.BigIntegerField(default=0)
    currency = models.CharField(max_length=3)
    card_brand = models.CharField(max_length=30, blank=True)
    card_last4 = models.CharField(max_length=4, blank=True)
    outcome = models.CharField(max_length=15, choices=AttemptOutcome.choices)
    reason_code = models.CharField(max_length=80, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    attempted_at = models.DateTimeField()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["account", "-attempted_at"], name="payment_attempt_by_account"),
            models.Index(fields=["stripe_intent_id"], name="payment_attempt_by_intent"),
            models.Index(fields=["request_id"], name="payment_attempt_by_request"),
            models.Index(fields=["attempted_at"], name="payment_attempt_by_time"),
            models.Index(
                fields=["stripe_invoice_id"],
                condition=~Q(stripe_invoice_id=""),
                name="payment_attempt_by_invoice",
            ),
            models.Index(
                fields=["card_last4", "-attempted_at"],
                condition=~Q(card_last4=""),
                name="payment_attempt_by_card",
            ),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(refunded_minor__gte=0, refunded_minor__lte=F("amount_minor")),
                name="payment_attempt_refunds_what_was_paid",
            ),
            models.CheckConstraint(
                condition=~Q(outcome=AttemptOutcome.FAILED) | ~Q(reason_code=""),
                name="payment_attempt_failed_has_reason",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.attempted_at:%Y-%m-%d %H:%M} {self.amount_minor} {self.currency} {self.outcome}"
