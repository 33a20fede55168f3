"""What the meter refused, so that support can say why."""

from typing import ClassVar

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q


class RefusedCall(models.Model):
    """One refused call, with every limit as it stood then. Kept for settings.REFUSALS_RETENTION.

    Of many refusals in a minute only the first are written; `unwritten` is how many of the account's came before
    this one without a row. `bounds` is what the caller was told.
    """

    id = models.BigAutoField(primary_key=True)
    account_id = models.BigIntegerField()
    credential_id = models.BigIntegerField(null=True)
    metric = models.CharField(max_length=40)
    units = models.BigIntegerField()
    refusal = models.CharField(max_length=40)
    bounds = models.JSONField(encoder=DjangoJSONEncoder)
    credits_spendable = models.BigIntegerField(null=True)
    credits_needed = models.BigIntegerField(null=True)
    unwritten = models.PositiveIntegerField(default=0)
    request_id = models.CharField(max_length=64, blank=True)
    occurred_at = models.DateTimeField()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["account_id", "-occurred_at"], name="refused_by_account"),
            models.Index(fields=["request_id"], condition=~Q(request_id=""), name="refused_by_request"),
            models.Index(fields=["occurred_at"], name="refused_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.metric}: {self.refusal}"
