"""Which card is to be charged, and because of what."""

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Q

from accounts.models import Account


class CardChoice(models.Model):
    """Something happened after which a card is the one that is charged: it was saved, or something was paid with it.

    `cause` counts once for an account, ever, so that looking at a page again chooses nothing again. Settled: done, or
    overtaken by a later choice.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="card_choices")
    cause = models.CharField(max_length=200)
    payment_method_id = models.CharField(max_length=255)
    created_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["account", "cause"], name="card_choice_once"),
            models.UniqueConstraint(
                fields=["account"], condition=Q(settled_at__isnull=True), name="card_choice_one_open"
            ),
        ]

    def __str__(self) -> str:
        return self.cause
