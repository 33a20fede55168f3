"""What was looked at for a reminder, so that Stripe is asked once and not at every beat."""

from typing import ClassVar

from django.db import models

from billing.enums import ReminderKind
from billing.models.subscriptions import Subscription


class ReminderLook(models.Model):
    """One look at one subscription for what is due at `due_at`; told or not, that is settled with it.

    Whether somebody was told is the notification's to say. Written in the transaction that tells them.
    """

    subscription = models.ForeignKey(Subscription, on_delete=models.CASCADE, related_name="reminder_looks")
    kind = models.CharField(max_length=8, choices=ReminderKind.choices)
    due_at = models.DateTimeField()
    looked_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["subscription", "kind", "due_at"], name="reminder_look_once"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.due_at:%Y-%m-%d}"
