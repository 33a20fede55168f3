"""Finds payments by their time, without stopping who writes meanwhile."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("billing", "0011_disputes_and_card_choices")]

    operations = [
        AddIndexConcurrently(
            "paymentattempt", models.Index(fields=["attempted_at"], name="payment_attempt_by_time")
        ),
    ]
