"""Overage: what was used past the credits, as an intent before Stripe is called and its outcome after."""

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from accounts.models import Account
from billing.enums import ChargeStatus, CollectionStatus
from billing.models.subscriptions import Subscription


class OverageCharge(models.Model):
    """Units past the credits, charged as an item of the subscription's next invoice.

    The meter's reservation holds the units meanwhile; `record_id` says that they are recorded. `work_ref` names what
    they are for. A reversal is asked for first (`reversal_requested_at`) and then done, at Stripe and in the meter.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="overage_charges")
    subscription = models.ForeignKey(Subscription, on_delete=models.PROTECT, related_name="overage_charges")
    reservation_id = models.UUIDField(unique=True)
    work_ref = models.CharField(max_length=300)
    metric = models.CharField(max_length=40)
    credential_id = models.BigIntegerField(null=True)
    units = models.BigIntegerField()
    total_units = models.BigIntegerField()
    unit_minor = models.PositiveIntegerField()
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    period_start = models.DateTimeField()
    status = models.CharField(max_length=8, choices=ChargeStatus.choices, default=ChargeStatus.PENDING)
    request_id = models.CharField(max_length=64, blank=True)
    stripe_item_id = models.CharField(max_length=64, null=True, unique=True)
    stripe_invoice_id = models.CharField(max_length=64, blank=True)
    stripe_credit_note_id = models.CharField(max_length=64, blank=True)
    record_id = models.BigIntegerField(null=True)
    requested_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)
    reversal_requested_at = models.DateTimeField(null=True)
    reversed_at = models.DateTimeField(null=True)
    reversal_reason = models.CharField(max_length=200, blank=True)
    error_code = models.CharField(max_length=40, blank=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["account", "-requested_at"], name="overage_by_account"),
            models.Index(
                fields=["stripe_invoice_id"], condition=~Q(stripe_invoice_id=""), name="overage_by_invoice"
            ),
            models.Index(
                fields=["requested_at"],
                condition=Q(status=ChargeStatus.PENDING)
                | Q(status=ChargeStatus.ACCEPTED, record_id__isnull=True)
                | Q(reversal_requested_at__isnull=False, reversed_at__isnull=True),
                name="overage_open",
            ),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["account", "work_ref"], name="overage_work_once"),
            models.CheckConstraint(
                condition=Q(
                    units__gt=0, units__lte=F("total_units"), amount_minor=F("units") * F("unit_minor")
                ),
                name="overage_amount",
            ),
            models.CheckConstraint(
                condition=Q(status=ChargeStatus.PENDING, settled_at__isnull=True)
                | (~Q(status=ChargeStatus.PENDING) & Q(settled_at__isnull=False)),
                name="overage_settled_has_time",
            ),
            models.CheckConstraint(
                condition=~Q(status=ChargeStatus.ACCEPTED) | Q(stripe_item_id__isnull=False),
                name="overage_accepted_has_item",
            ),
            models.CheckConstraint(
                condition=Q(status=ChargeStatus.REVERSED, reversed_at__isnull=False)
                | (~Q(status=ChargeStatus.REVERSED) & Q(reversed_at__isnull=True)),
                name="overage_reversed_has_time",
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)


class OverageCollection(models.Model):
    """An invoice of what waits, made before the period's end because the open sum passed the threshold."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="overage_collections")
    subscription = models.ForeignKey(Subscription, on_delete=models.PROTECT, related_name="+")
    status = models.CharField(
        max_length=10, choices=CollectionStatus.choices, default=CollectionStatus.PENDING
    )
    stripe_invoice_id = models.CharField(max_length=64, blank=True)
    requested_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["account"],
                condition=Q(status__in=[CollectionStatus.PENDING, CollectionStatus.UNPAID]),
                name="overage_collection_one_open",
            )
        ]

    def __str__(self) -> str:
        return str(self.id)


class SpendCap(models.Model):
    """The most that overage may cost the account in one period, as the account has set it. No row: no cap."""

    account = models.OneToOneField(
        Account, primary_key=True, on_delete=models.CASCADE, related_name="spend_cap"
    )
    cap_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    updated_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [models.CheckConstraint(condition=Q(cap_minor__gte=0), name="spend_cap_ge_0")]
