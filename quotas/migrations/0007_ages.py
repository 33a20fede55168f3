"""Finds what is old enough to be forgotten, without stopping who writes meanwhile."""

from django.contrib.postgres.indexes import BrinIndex
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("quotas", "0006_days")]

    operations = [
        AddIndexConcurrently(
            "operationkey",
            BrinIndex(autosummarize=True, fields=["created_at"], name="operation_key_by_age", pages_per_range=32),
        ),
        AddIndexConcurrently(
            "reservation",
            BrinIndex(autosummarize=True, fields=["decided_at"], name="reservation_by_age", pages_per_range=32),
        ),
    ]
