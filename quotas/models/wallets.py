"""Prepaid units: what was granted, what is left, and every movement.

A credit is spent from the grant that expires soonest. A wallet's balance is the sum of its ledger and of what is left
of its grants, and never negative. Nobody but the engine and quotas.wallets writes here, and only under the wallet's lock.
"""

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from accounts.models import Account
from quotas.enums import EntryKind, GrantSource
from quotas.models.rights import Metric


class Wallet(models.Model):
    """An account's credits. `balance_units` counts those of a grant that has expired until its expiry is written."""

    account = models.OneToOneField(Account, primary_key=True, on_delete=models.PROTECT, related_name="wallet")
    balance_units = models.BigIntegerField(default=0)
    updated_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(balance_units__gte=0), name="wallet_balance_ge_0")
        ]


class Grant(models.Model):
    """Credits given once, for one reason. After `expires_at` none of them is spent, whoever is late.

    `request_id` names what they were given for, so that the same is never given twice.
    """

    id = models.BigAutoField(primary_key=True)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="grants")
    source = models.CharField(max_length=9, choices=GrantSource.choices)
    request_id = models.CharField(max_length=200, unique=True)
    units = models.BigIntegerField()
    remaining_units = models.BigIntegerField()
    granted_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    reason = models.CharField(max_length=200, blank=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(
                fields=["account", "expires_at"], condition=Q(remaining_units__gt=0), name="grant_to_spend"
            ),
            models.Index(
                fields=["expires_at"],
                condition=Q(remaining_units__gt=0, expires_at__isnull=False),
                name="grant_to_expire",
            ),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(units__gt=0), name="grant_units_gt_0"),
            models.CheckConstraint(
                condition=Q(remaining_units__gte=0, remaining_units__lte=F("units")), name="grant_remaining"
            ),
            models.CheckConstraint(
                condition=Q(expires_at__isnull=True) | Q(expires_at__gt=F("granted_at")), name="grant_times"
            ),
        ]


class LedgerEntry(models.Model):
    """One movement; append-only (a trigger refuses). `units` is signed, `balance_units` the balance after it.

    What was used past the credits is an entry of kind overage: it moves no credit, `overage_units` says how much it
    was. A reversal gives back what an earlier entry took; `grant` is where the units came from and went to.
    """

    id = models.BigAutoField(primary_key=True)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="ledger")
    kind = models.CharField(max_length=10, choices=EntryKind.choices)
    request_id = models.CharField(max_length=200, unique=True)
    units = models.BigIntegerField()
    overage_units = models.BigIntegerField(default=0)
    balance_units = models.BigIntegerField()
    grant = models.ForeignKey(Grant, null=True, on_delete=models.PROTECT, related_name="entries")
    metric = models.ForeignKey(Metric, null=True, on_delete=models.DO_NOTHING, db_constraint=False)
    credential_id = models.BigIntegerField(null=True)
    record_id = models.BigIntegerField(null=True)
    reservation_id = models.UUIDField(null=True)
    reason = models.CharField(max_length=200, blank=True)
    occurred_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "ledger entries"
        indexes: ClassVar = [
            models.Index(fields=["account", "-id"], name="ledger_by_account"),
            # What a period used, from the index alone.
            models.Index(fields=["account", "occurred_at"], include=["kind", "units"], name="ledger_by_time"),
            models.Index(
                fields=["reservation_id"], condition=Q(reservation_id__isnull=False), name="ledger_by_reserve"
            ),
            models.Index(fields=["record_id"], condition=Q(record_id__isnull=False), name="ledger_by_record"),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(balance_units__gte=0), name="ledger_balance_ge_0"),
            models.CheckConstraint(
                condition=(Q(kind=EntryKind.GRANT, units__gt=0, overage_units=0, grant__isnull=False))
                | Q(
                    kind__in=[EntryKind.USE, EntryKind.EXPIRY],
                    units__lt=0,
                    overage_units=0,
                    grant__isnull=False,
                )
                | Q(kind=EntryKind.OVERAGE, units=0, overage_units__gt=0, grant__isnull=True)
                | Q(kind=EntryKind.REVERSAL, units__gt=0, overage_units=0, grant__isnull=False)
                | Q(kind=EntryKind.REVERSAL, units=0, overage_units__lt=0, grant__isnull=True)
                | (Q(kind=EntryKind.ADJUSTMENT, overage_units=0, grant__isnull=False) & ~Q(units=0)),
                name="ledger_signs",
            ),
        ]
