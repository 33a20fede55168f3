"""What is owed: invoices that were to be paid and are not."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from billing.models.subscriptions import Subscription


class UnpaidInvoice(models.Model):
    """An open invoice of a running subscription, as Stripe last showed it; gone once it is paid or given up.

    `owed_since`: when it was to be paid, which is when the first attempt was made. `attempts`: how often it was
    tried; `next_attempt_at`: when Stripe tries again, null when it will not.
    """

    subscription = models.ForeignKey(Subscription, on_delete=models.CASCADE, related_name="unpaid_invoices")
    stripe_invoice_id = models.CharField(max_length=64, unique=True)
    number = models.CharField(max_length=64, blank=True)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    attempts = models.PositiveIntegerField()
    next_attempt_at = models.DateTimeField(null=True)
    owed_since = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="unpaid_invoice_owes_something"),
        ]

    @property
    def amount(self) -> dict[str, str | int]:
        return {"amount_minor": self.amount_minor, "currency": self.currency}
