"""What an organisation agreed to. The terms are never rewritten: an amendment is a further row from a moment on."""

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from accounts.models import Account
from enterprise.enums import Collection
from quotas.enums import Mode, Window

NEVER_BEGAN = Q(ends_at__lte=F("starts_at"))
"""Contracts that were ended before they began: they hold at no moment."""
# A contract refuses or charges; credits belong to plans.
AGREED_MODES = [(mode.value, mode.label) for mode in (Mode.BLOCK, Mode.OVERAGE)]


class Contract(models.Model):
    """An agreement for [starts_at, ends_at); `ends_at` null: until further notice. One at a time for an account.

    Its periods are `period_months` long, counted from `starts_at`; overage is invoiced at the end of each.
    `ends_at` is that of the latest terms.
    """

    id = models.BigAutoField(primary_key=True)
    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="contracts")
    title = models.CharField(max_length=120)
    currency = models.CharField(max_length=3)
    collection = models.CharField(max_length=8, choices=Collection.choices, default=Collection.INVOICE)
    period_months = models.PositiveSmallIntegerField(default=1)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(period_months__gte=1), name="contract_period_ge_1"),
            models.CheckConstraint(
                condition=Q(ends_at__isnull=True) | Q(ends_at__gte=F("starts_at")), name="contract_times"
            ),
            models.UniqueConstraint(fields=["account", "starts_at"], name="contract_starts_once"),
        ]

    def __str__(self) -> str:
        return f"contract {self.public_id}"


class ContractTerms(models.Model):
    """What holds from `effective_at` on: the first terms, number 1, or an amendment. Never changed (a trigger refuses)."""

    id = models.BigAutoField(primary_key=True)
    contract = models.ForeignKey(Contract, on_delete=models.PROTECT, related_name="terms")
    number = models.PositiveIntegerField()
    effective_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True)
    reason = models.CharField(max_length=200)
    created_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["contract", "number"], name="terms_number_once"),
        ]


class ContractLimit(models.Model):
    """A limit of the terms. `overage_price`: minor units of the contract's currency for each unit past the limit.

    It may have fractions of a cent; the sum of a line is rounded once, half away from zero.
    """

    id = models.BigAutoField(primary_key=True)
    terms = models.ForeignKey(ContractTerms, on_delete=models.PROTECT, related_name="limits")
    metric = models.SlugField(max_length=40)
    window = models.CharField(max_length=8, choices=Window.choices)
    limit_units = models.BigIntegerField(null=True)
    mode = models.CharField(max_length=7, choices=AGREED_MODES)
    overage_price = models.DecimalField(max_digits=18, decimal_places=6, null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["terms", "metric", "window"], name="contract_limit_once"),
            models.CheckConstraint(
                condition=Q(limit_units__isnull=True) | Q(limit_units__gte=0), name="contract_limit_ge_0"
            ),
            models.CheckConstraint(
                condition=Q(mode=Mode.BLOCK, overage_price__isnull=True)
                | Q(mode=Mode.OVERAGE, overage_price__gte=0, limit_units__isnull=False),
                name="contract_overage_has_price",
            ),
        ]
