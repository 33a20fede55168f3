"""How much room an account's stored things were last fitted to."""

from typing import ClassVar

from django.db import models

from accounts.models import Account


class StoredFit(models.Model):
    """The limit of a capacity that what is stored was fitted to last; `limit_units` null: none.

    What was archived comes back when the limit has grown since, not when somebody has made room by removing things:
    that room is theirs to use.
    """

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="stored_fits")
    metric = models.SlugField(max_length=40)
    limit_units = models.BigIntegerField(null=True)
    fitted_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["account", "metric"], name="stored_fit_once"),
        ]

    def __str__(self) -> str:
        return f"{self.account_id} {self.metric}"
