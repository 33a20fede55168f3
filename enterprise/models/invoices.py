"""What a contract's period costs beyond its limits: written down before it is asked for at Stripe."""

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from enterprise.enums import PeriodInvoiceStatus
from enterprise.models.contracts import Contract


class PeriodInvoice(models.Model):
    """The overage of one contract in one of its periods; the intent of its invoice. One for each period, ever.

    `pending` until the invoice stands at Stripe. `nothing`: no overage that costs anything, so no invoice.
    """

    id = models.BigAutoField(primary_key=True)
    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    contract = models.ForeignKey(Contract, on_delete=models.PROTECT, related_name="period_invoices")
    period_start = models.DateTimeField()
    period_end = models.DateTimeField()
    currency = models.CharField(max_length=3)
    amount_minor = models.BigIntegerField()
    status = models.CharField(max_length=8, choices=PeriodInvoiceStatus.choices)
    stripe_invoice_id = models.CharField(max_length=64, null=True, unique=True)
    created_at = models.DateTimeField()
    invoiced_at = models.DateTimeField(null=True)
    attempts = models.PositiveIntegerField(default=0)
    last_error = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["contract", "period_start"], name="period_invoiced_once"),
            models.CheckConstraint(
                condition=Q(period_end__gt=F("period_start")), name="period_invoice_times"
            ),
            models.CheckConstraint(
                condition=Q(status=PeriodInvoiceStatus.NOTHING, amount_minor=0)
                | Q(status=PeriodInvoiceStatus.PENDING, amount_minor__gt=0)
                | Q(status=PeriodInvoiceStatus.INVOICED, amount_minor__gt=0, stripe_invoice_id__isnull=False),
                name="period_invoice_states",
            ),
        ]


class PeriodInvoiceLine(models.Model):
    """Units past the limits of one metric at one price; `amount_minor` is the rounded product."""

    id = models.BigAutoField(primary_key=True)
    invoice = models.ForeignKey(PeriodInvoice, on_delete=models.PROTECT, related_name="lines")
    position = models.PositiveSmallIntegerField()
    metric = models.SlugField(max_length=40)
    units = models.BigIntegerField()
    unit_price = models.DecimalField(max_digits=18, decimal_places=6)
    amount_minor = models.BigIntegerField()
    stripe_item_id = models.CharField(max_length=64, null=True, unique=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["invoice", "position"], name="period_line_once"),
            models.CheckConstraint(condition=Q(units__gt=0, amount_minor__gte=0), name="period_line_amounts"),
        ]
