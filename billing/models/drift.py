"""What the last comparison with Stripe left unmended."""

from django.db import models


class Drift(models.Model):
    """How many differences of one kind there were when all accounts were last looked at."""

    kind = models.CharField(max_length=40, primary_key=True)
    count = models.PositiveIntegerField()
    checked_at = models.DateTimeField()
