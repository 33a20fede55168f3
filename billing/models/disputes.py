"""Charges that their payers dispute with their banks."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from accounts.models import Account


class Dispute(models.Model):
    """One dispute, as Stripe showed it at `stripe_read_at`. It is answered at Stripe, not here.

    `status` and `reason` are Stripe's words. `answer_by`: until when evidence can be handed in. The amount was taken
    back when it was opened; with status `won` it has returned.
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="disputes")
    stripe_id = models.CharField(max_length=64, unique=True)
    stripe_charge_id = models.CharField(max_length=64)
    stripe_intent_id = models.CharField(max_length=64, blank=True)
    stripe_invoice_id = models.CharField(max_length=64, blank=True)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    reason = models.CharField(max_length=60)
    status = models.CharField(max_length=40)
    answer_by = models.DateTimeField(null=True)
    opened_at = models.DateTimeField()
    stripe_read_at = models.DateTimeField()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["account", "-opened_at"], name="dispute_by_account"),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="dispute_gt_0"),
        ]

    def __str__(self) -> str:
        return self.stripe_id
